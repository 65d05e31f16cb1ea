"""One TCP connection as a pure state machine: segments and calls in, segments out, no clock.

Used by `Endpoint`, which adds threads, addresses and frames. Every input carries the time
(`now_s`, any monotonic seconds); `take_output` gives the segments to send and `deadline_s` says
when `tick` is wanted. All eleven states of RFC 9293 3.3.2 (LISTEN lives in the endpoint, which has
no connection yet then); segments are processed in the order of RFC 9293 3.10.7. Also: challenge
ACKs (RFC 5961 as in 9293 3.10.7.4), fast retransmit (RFC 5681 3.2 without its windows: the wire
has no congestion), zero-window probes (RFC 9293 3.8.6.1), silly window avoidance of a receiver
(3.8.6.2.2). Segments out of order are kept. close() with unread data resets (3.6.1), as kernels do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lwipscope.tcp.state import State
from lwipscope.wire.layers import ACK, FIN, PSH, RST, SYN, TcpSegment, mss_option

Address = tuple[str, int]

_MASK = 0xFFFFFFFF
_DEFAULT_MSS = 536  # of a peer that sends no option (RFC 9293 3.7.1)
_SENDING = (State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
_RECEIVING = (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2)
_RESET_REASONS = {State.SYN_RCVD: "refused", State.TIME_WAIT: "closed"}
_RESETTING = (*_RECEIVING, State.SYN_RCVD, State.CLOSE_WAIT)


@dataclass(frozen=True, slots=True)
class TcpConfig:
    """Sizes in bytes; times in seconds. The defaults suit a board on a wire without delay."""

    mss: int = 1460
    receive_window: int = 65535
    send_buffer: int = 262144
    rto_s: float = 0.2
    rto_max_s: float = 3.0
    retries_max: int = 8
    time_wait_s: float = 1.0
    fin_wait_2_s: float = 60.0  # only after close(): with half-close the peer may take for ever


def diff(left: int, right: int) -> int:
    """left - right for sequence numbers, modulo 2^32 (RFC 9293 3.4)."""
    return ((left - right + 0x80000000) & _MASK) - 0x80000000


def reset_for(segment: TcpSegment) -> TcpSegment | None:
    """The answer to a segment that belongs to no connection (RFC 9293 3.10.7.1)."""
    if segment.flags & RST:
        return None
    back = (segment.dst, segment.src, segment.dport, segment.sport)
    if segment.flags & ACK:
        return TcpSegment(*back, seq=segment.ack, ack=0, flags=RST, window=0)
    ack = segment.seq + segment.seq_len & _MASK
    return TcpSegment(*back, seq=0, ack=ack, flags=RST | ACK, window=0)


class Connection:
    """`reason` tells why it is CLOSED: `closed`, `reset` (by the peer), `refused`, `timeout` or
    `aborted` (by us). `history` holds (time, state) of every transition."""

    def __init__(self, local: Address, remote: Address, isn: int, config: TcpConfig) -> None:
        self.local = local
        self.remote = remote
        self.config = config
        self.state = State.CLOSED
        self.reason = ""
        self.peer_closed = False
        self.history: list[tuple[float, State]] = []
        self.deadline_s: float | None = None
        self._iss = isn & _MASK
        self._una = self._nxt = self._iss
        self._snd_wnd = self._wl1 = self._wl2 = 0
        self._mss = _DEFAULT_MSS
        self._pending = bytearray()  # from _una on: sent but not acknowledged, then not yet sent
        self._fin_queued = self._fin_sent = self._user_closed = False
        self._rto_s = config.rto_s
        self._retries = self._duplicates = 0
        self._recover: int | None = None
        self._irs = self._rcv_nxt = self._edge = 0
        self._received = bytearray()
        self._early: dict[int, bytes] = {}
        self._early_fin: int | None = None
        self._out: list[TcpSegment] = []

    # What the application does.

    def open_active(self, now_s: float) -> None:
        """Send the SYN."""
        self._enter(now_s, State.SYN_SENT)
        self._nxt = self._iss + 1 & _MASK
        self._retransmit()
        self._arm(now_s)

    def open_passive(self, now_s: float, syn: TcpSegment) -> None:
        """Answer a SYN that a listener received."""
        self._take_syn(syn)
        self._enter(now_s, State.SYN_RCVD)
        self._nxt = self._iss + 1 & _MASK
        self._retransmit()
        self._arm(now_s)

    def room(self) -> int:
        """How many bytes `send` takes now; 0 once the sending side is closed."""
        if self._fin_queued or self.state not in (State.ESTABLISHED, State.CLOSE_WAIT):
            return 0
        return self.config.send_buffer - len(self._pending)

    def send(self, now_s: float, data: bytes) -> int:
        """Queue as much of `data` as there is room for; how much that was."""
        size = min(len(data), self.room())
        self._pending += data[:size]
        self._output(now_s)
        return size

    def unacknowledged(self) -> int:
        """Bytes sent or queued that the peer has not acknowledged."""
        return len(self._pending)

    def readable(self) -> int:
        """Bytes that `read` would give."""
        return len(self._received)

    def read(self, size: int) -> bytes:
        """Take up to `size` bytes; tells the peer when that opened the window enough."""
        data = bytes(self._received[:size])
        del self._received[:size]
        opened = diff(self._rcv_nxt + self._window(), self._edge)
        threshold = min(2 * self.config.mss, self.config.receive_window // 2)
        if self.state in _RECEIVING and opened >= threshold:
            self._acknowledge()
        return data

    def shutdown_write(self, now_s: float) -> None:
        """FIN after all that was queued; reading goes on."""
        if self._fin_queued:
            return
        if self.state is State.SYN_RCVD:
            self._fin_queued = True  # sent when ESTABLISHED (RFC 9293 3.10.4)
        elif self.state in (State.ESTABLISHED, State.CLOSE_WAIT):
            self._fin_queued = True
            established = self.state is State.ESTABLISHED
            self._enter(now_s, State.FIN_WAIT_1 if established else State.LAST_ACK)
            self._output(now_s)

    def close(self, now_s: float) -> None:
        """The application is done in both directions."""
        self._user_closed = True
        unread = self._received and self.state in _RESETTING
        if unread or self.state is State.SYN_SENT:
            self.reset(now_s)
            return
        self.shutdown_write(now_s)
        if self.state is State.FIN_WAIT_2:
            self.deadline_s = now_s + self.config.fin_wait_2_s

    def reset(self, now_s: float) -> None:
        """Abort: RST to the peer, everything queued is lost (RFC 9293 3.10.5)."""
        if self.state in _RESETTING:
            self._emit(RST | ACK, self._nxt)
        self._end(now_s, "aborted")

    def take_output(self) -> list[TcpSegment]:
        """The segments to send now, in order."""
        out, self._out = self._out, []
        return out

    # What time does.

    def tick(self, now_s: float) -> None:
        """To be called when `deadline_s` has come; harmless at other times."""
        if self.deadline_s is None or now_s < self.deadline_s:
            return
        if self.state in (State.TIME_WAIT, State.FIN_WAIT_2):
            self._end(now_s, "closed" if self.state is State.TIME_WAIT else "timeout")
            return
        self._retries += 1
        if self._retries > self.config.retries_max:
            self._end(now_s, "timeout")
            return
        if self._una == self._nxt:  # all acknowledged and the window closed: probe it
            self._output(now_s, probe=True)
        else:
            self._recover = self._nxt
            self._retransmit()
        self._rto_s = min(self._rto_s * 2, self.config.rto_max_s)
        self.deadline_s = now_s + self._rto_s

    # What the peer does.

    def segment(self, now_s: float, segment: TcpSegment) -> None:
        """Process a segment of this connection (RFC 9293 3.10.7.3 and 3.10.7.4)."""
        if self.state is State.CLOSED:
            return
        if self.state is State.SYN_SENT:
            self._in_syn_sent(now_s, segment)
            return
        if self.state is State.SYN_RCVD and segment.flags & SYN and segment.seq == self._irs:
            if not segment.flags & ACK:
                self._retransmit()  # their SYN once more: ours was lost
                return
            # Simultaneous open: the part behind the SYN is new (RFC 9293 3.5, figure 7).
            segment = replace(segment, flags=segment.flags & ~SYN, seq=self._rcv_nxt)
        if not self._acceptable(segment):
            if not segment.flags & RST:
                self._acknowledge()
                if self.state is State.TIME_WAIT and segment.flags & FIN:
                    self.deadline_s = now_s + self.config.time_wait_s
            return
        if segment.flags & RST:
            if segment.seq == self._rcv_nxt:
                self._end(now_s, _RESET_REASONS.get(self.state, "reset"))
            else:
                self._acknowledge()
            return
        if segment.flags & SYN:
            self._acknowledge()
            return
        if not segment.flags & ACK:
            return
        if self.state is State.SYN_RCVD and not self._established(now_s, segment):
            return
        if self._take_ack(now_s, segment):
            self._take_text(now_s, segment)

    def gives_way_to(self, syn: TcpSegment) -> bool:
        """Whether a SYN may replace this connection: TIME_WAIT, and newer (RFC 1122 4.2.2.13)."""
        return self.state is State.TIME_WAIT and diff(syn.seq, self._rcv_nxt) > 0

    def _in_syn_sent(self, now_s: float, segment: TcpSegment) -> None:
        acknowledged = bool(segment.flags & ACK)
        if acknowledged and segment.ack != self._nxt:
            answer = reset_for(segment)
            if answer is not None:
                self._out.append(answer)
            return
        if segment.flags & RST:
            if acknowledged:
                self._end(now_s, "refused")
            return
        if not segment.flags & SYN:
            return
        self._take_syn(segment)
        rest = replace(segment, flags=segment.flags & ~SYN, seq=self._rcv_nxt)
        if not acknowledged:
            self._enter(now_s, State.SYN_RCVD)
            self._retransmit()
        elif self._established(now_s, rest) and self._take_ack(now_s, rest):
            self._acknowledge()
            if rest.payload or rest.flags & FIN:
                self._take_text(now_s, rest)

    def _take_syn(self, syn: TcpSegment) -> None:
        self._irs = syn.seq
        self._rcv_nxt = syn.seq + 1 & _MASK
        self._mss = min(syn.mss or _DEFAULT_MSS, self.config.mss)

    def _established(self, now_s: float, segment: TcpSegment) -> bool:
        if segment.ack != self._nxt:
            answer = reset_for(segment)
            if answer is not None:
                self._out.append(answer)
            return False
        self._snd_wnd, self._wl1, self._wl2 = segment.window, segment.seq, segment.ack
        self._enter(now_s, State.ESTABLISHED)
        if self._fin_queued:
            self._enter(now_s, State.FIN_WAIT_1)
        return True

    def _acceptable(self, segment: TcpSegment) -> bool:
        """The four cases of RFC 9293 3.10.7.4, table 6."""
        window, size = self._window(), segment.seq_len
        first = diff(segment.seq, self._rcv_nxt)
        if not size:
            return first == 0 or 0 <= first < window
        return window > 0 and (0 <= first < window or 0 <= first + size - 1 < window)

    def _take_ack(self, now_s: float, segment: TcpSegment) -> bool:
        flight = diff(self._nxt, self._una)
        acked = diff(segment.ack, self._una)
        if acked > flight:  # of something never sent
            self._acknowledge()
            return False
        was_closed = self._snd_wnd == 0
        if acked > 0:
            self._advance(now_s, segment.ack, acked)
        elif acked == 0 and flight and segment.seq_len == 0 and segment.window == self._snd_wnd:
            self._duplicates += 1
            if self._duplicates == 3 and self._recover is None and self._snd_wnd:
                self._recover = self._nxt
                self._retransmit()
        newer = diff(segment.seq, self._wl1)
        if acked >= 0 and (newer > 0 or (newer == 0 and diff(segment.ack, self._wl2) >= 0)):
            self._snd_wnd, self._wl1, self._wl2 = segment.window, segment.seq, segment.ack
        if not self._snd_wnd:
            self._retries = 0  # a peer that answers may keep its window closed for ever
        elif was_closed and self.state in _SENDING:
            self._rto_s = self.config.rto_s
            self.deadline_s = None
            if self._una != self._nxt:
                self._retransmit()  # the probe, at once
        return True

    def _advance(self, now_s: float, ack: int, acked: int) -> None:
        del self._pending[: acked - (1 if self._una == self._iss else 0)]
        self._una = ack
        self._retries = self._duplicates = 0
        self._rto_s = self.config.rto_s
        self.deadline_s = None
        if self._una != self._nxt:
            self.deadline_s = now_s + self._rto_s
            if self._recover is not None and diff(ack, self._recover) < 0:
                self._retransmit()  # a partial acknowledgement: the next one is missing too
                return
        elif self._fin_sent:
            if self.state is State.FIN_WAIT_1:
                self._enter(now_s, State.FIN_WAIT_2)
                if self._user_closed:
                    self.deadline_s = now_s + self.config.fin_wait_2_s
            elif self.state is State.CLOSING:
                self._time_wait(now_s)
            elif self.state is State.LAST_ACK:
                self._end(now_s, "closed")
        self._recover = None

    def _take_text(self, now_s: float, segment: TcpSegment) -> None:
        before = self._rcv_nxt
        if segment.seq_len and self.state in _RECEIVING:
            if segment.payload and self._user_closed:
                self.reset(now_s)  # nobody will ever read it (RFC 9293 3.6.1)
                return
            self._collect(segment)
            if self._early_fin == self._rcv_nxt:
                self._take_fin(now_s)
        sent = self._output(now_s)
        # An acknowledgement rides on data, but for a gap the peer needs one without (RFC 5681 3.2).
        unanswered = not sent or self._rcv_nxt == before
        if segment.seq_len and unanswered and self.state is not State.CLOSED:
            self._acknowledge()

    def _take_fin(self, now_s: float) -> None:
        self._rcv_nxt = self._rcv_nxt + 1 & _MASK
        self.peer_closed = True
        if self.state is State.ESTABLISHED:
            self._enter(now_s, State.CLOSE_WAIT)
        elif self.state is State.FIN_WAIT_1:
            self._enter(now_s, State.CLOSING)
        else:
            self._time_wait(now_s)

    def _collect(self, segment: TcpSegment) -> None:
        """Put the payload where it belongs; what fits on goes to the reader."""
        room = self._window() - diff(segment.seq, self._rcv_nxt)
        payload = segment.payload[:room]
        if segment.flags & FIN and len(payload) == len(segment.payload):
            self._early_fin = segment.seq + len(payload) & _MASK
        if payload and len(payload) > len(self._early.get(segment.seq, b"")):
            self._early[segment.seq] = payload
        found = True
        while found:
            found = False
            for seq in [seq for seq in self._early if diff(seq, self._rcv_nxt) <= 0]:
                fresh = self._early.pop(seq)[diff(self._rcv_nxt, seq) :]
                self._received += fresh
                self._rcv_nxt = self._rcv_nxt + len(fresh) & _MASK
                found = True

    # Sending.

    def _output(self, now_s: float, probe: bool = False) -> bool:
        """Send what the peer's window permits, a probe one byte beyond it; False if nothing."""
        if self.state not in _SENDING:
            return False
        sent = False
        while not self._fin_sent:
            done = diff(self._nxt, self._una)
            usable = 1 if probe and not sent else self._snd_wnd - done
            left = len(self._pending) - done
            size = max(0, min(left, usable, self._mss))
            fin = self._fin_queued and size == left and usable > size
            if not size and not fin:
                break
            flags = ACK | (PSH if size and size == left else 0) | (FIN if fin else 0)
            self._emit(flags, self._nxt, bytes(self._pending[done : done + size]))
            self._nxt = self._nxt + size + fin & _MASK
            self._fin_sent = fin
            sent = True
        waiting = self._una != self._nxt or self._pending or self._fin_queued > self._fin_sent
        if waiting and self.deadline_s is None:
            self._arm(now_s)
        return sent

    def _retransmit(self) -> None:
        """Send the first unacknowledged segment (again)."""
        if self._una == self._iss:
            syn = SYN if self.state is State.SYN_SENT else SYN | ACK
            self._emit(syn, self._iss, options=mss_option(self.config.mss))
            return
        flight = diff(self._nxt, self._una) - self._fin_sent
        size = min(flight, self._mss, max(1, self._snd_wnd))
        fin = FIN if self._fin_sent and size == len(self._pending) else 0
        push = PSH if size and size == len(self._pending) else 0
        self._emit(ACK | push | fin, self._una, bytes(self._pending[:size]))

    def _acknowledge(self) -> None:
        self._emit(ACK, self._nxt)

    def _emit(self, flags: int, seq: int, payload: bytes = b"", options: bytes = b"") -> None:
        window = self._window()
        ack = self._rcv_nxt if flags & ACK else 0
        self._edge = self._rcv_nxt + window
        here, there = self.local, self.remote
        self._out.append(
            TcpSegment(
                here[0], there[0], here[1], there[1], seq, ack, flags, window, options, payload
            )
        )

    def _window(self) -> int:
        return max(0, self.config.receive_window - len(self._received))

    def _arm(self, now_s: float) -> None:
        self.deadline_s = now_s + self._rto_s

    # States.

    def _enter(self, now_s: float, state: State) -> None:
        self.state = state
        self.history.append((now_s, state))

    def _time_wait(self, now_s: float) -> None:
        self._enter(now_s, State.TIME_WAIT)
        self.deadline_s = now_s + self.config.time_wait_s

    def _end(self, now_s: float, reason: str) -> None:
        if self.state is State.CLOSED:
            return
        self.reason = reason
        self.deadline_s = None
        self._pending.clear()
        self._early.clear()
        self._enter(now_s, State.CLOSED)
