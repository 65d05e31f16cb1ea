"""One connection of a raw peer, segment by segment: nothing is sent unless the test says so.

Made by `RawPeer`. A field left out of `send` means the sensible value, out of `expect` that it
does not matter. Numbers are relative to the sender's initial sequence number (`raw_match`). What
has come is acknowledged only once `expect` has gone past it, so that the numbers of a test don't
depend on which thread was faster. Times in seconds. Source: RFC 9293 3.1, 3.4, 3.10.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from lwipscope.errors import PeerError, UsageError
from lwipscope.peer.raw_match import Absolute, Number, Seen, Wanted
from lwipscope.peer.raw_record import SegmentKey, board_sent_after, key_of, wait_processed
from lwipscope.peer.tcp_core import Address, diff
from lwipscope.trace.trace import Trace
from lwipscope.wire.layers import ACK, FIN, SYN, TcpSegment, flags_from_text, mss_option

STEP_S = 5.0
DEFAULT_MSS = 1460
DEFAULT_WINDOW = 65535
_KEPT_SEGMENTS = 16384
_MASK = 0xFFFFFFFF


class Host(Protocol):
    """What a connection needs of its peer."""

    @property
    def changed(self) -> threading.Condition: ...
    def transmit(self, segment: TcpSegment, *, bad_checksum: bool = False) -> bool: ...
    def fence(self, ip: str, timeout_s: float = ...) -> None: ...
    def oddities(self) -> list[str]: ...


class RawConnection:
    """`isn` is the peer's initial number, `board_isn` the board's (None before its SYN)."""

    def __init__(self, host: Host, local: Address, remote: Address, isn: int) -> None:
        self.local = local
        self.remote = remote
        self.isn = isn & _MASK
        self.board_isn: int | None = None
        self.board_mss: int | None = None
        self.board_window = 0  # as last told
        self.window = DEFAULT_WINDOW
        self.on_segment: Callable[[TcpSegment], None] | None = None
        self._host = host
        self._nxt = self.isn
        self._rcv_nxt = self._top = 0  # gone past, and come
        self._fin_sent = self._fin_taken = False
        self._waiting: deque[Seen] = deque(maxlen=_KEPT_SEGMENTS)
        self._came: Counter[SegmentKey] = Counter()
        self._last: TcpSegment | None = None

    # Sending.

    def send(
        self,
        flags: str,
        payload: bytes = b"",
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        mss: int | None = DEFAULT_MSS,
        options: bytes | None = None,
        urgent: int = 0,
        bad_checksum: bool = False,
    ) -> TcpSegment:
        """Send one segment; flags as tcpdump writes them (`S`, `P.`, `F.`, `none`).

        Left out: `seq` is the next one, `ack` what `expect` has gone past (0 without the flag),
        `window` the last one, `mss` 1460 in a SYN (None: no option). `options` replaces them all.
        """
        bits = flags_from_text(flags)
        if options is None:
            options = mss_option(mss) if bits & SYN and mss is not None else b""
        with self._host.changed:
            number = self._nxt if seq is None else _absolute(seq, self.isn)
            if ack is not None:
                acknowledged = _absolute(ack, self.board_isn or 0)
            else:
                acknowledged = self._rcv_nxt if bits & ACK else 0
            if window is not None:
                self.window = window
            here, there = self.local, self.remote
            segment = TcpSegment(
                *(here[0], there[0], here[1], there[1], number, acknowledged, bits, self.window),
                *(options, payload, urgent),
            )
            self.transmit(segment, bad_checksum=bad_checksum)
            return segment

    def transmit(self, segment: TcpSegment, *, bad_checksum: bool = False) -> None:
        """Send a ready-made segment and take it into account. The peer's lock may be held."""
        with self._host.changed:
            if self._host.transmit(segment, bad_checksum=bad_checksum):
                self._last = segment
            if bad_checksum:
                return  # nobody takes it, so it does not move the numbers
            end = segment.seq + segment.seq_len & _MASK
            if diff(segment.seq, self._nxt) <= 0 < diff(end, self._nxt):
                self._nxt = end
                self._fin_sent = self._fin_sent or bool(segment.flags & FIN)
            news = diff(segment.ack, self._rcv_nxt) > 0 >= diff(segment.ack, self._top)
            if segment.flags & ACK and self.board_isn is not None and news:
                self._rcv_nxt = segment.ack

    # Expecting.

    def expect(
        self,
        flags: str | None = None,
        *,
        seq: Number | None = None,
        ack: Number | None = None,
        length: Number | None = None,
        window: Number | None = None,
        mss: Number | None = None,
        payload: bytes | None = None,
        timeout_s: float = STEP_S,
    ) -> Seen:
        """The next segment that is like this; others before it are gone past.

        PeerError after `timeout_s`, with every segment seen instead and how it differs.
        """
        wanted = Wanted(flags, seq, ack, length, window, mss, payload)
        return self._expect(wanted, timeout_s)

    def expect_nothing(
        self,
        settled: Callable[[], object] | None = None,
        *,
        trace: Trace | None = None,
        timeout_s: float = STEP_S,
    ) -> None:
        """PeerError unless the board answered nothing to what was sent so far.

        Decided by order, not by waiting: an echo request follows on the same wire, and its reply
        comes behind every answer. Then `settled()` is called (`board.port.sync`: the record is
        complete), and with `trace` the board's own record must show the last segment as received
        and no segment sent that did not come here. What a timer or the application would send
        later is not covered: do that first.
        """
        last = self._last
        self._host.fence(self.remote[0], timeout_s)
        if settled is not None:
            settled()
        event = None
        if trace is not None and last is not None:
            event = wait_processed(trace, last, timeout_s)
        with self._host.changed:
            if self._waiting:
                seen = "\n".join(f"  {one.text()}" for one in self._waiting)
                raise PeerError(
                    f"{self._name()}: nothing was expected to come, but there is\n{seen}"
                )
            came = Counter(self._came)
        if trace is not None and event is not None:
            missed = board_sent_after(trace, event, self.local, came)
            if missed:
                seen = "\n".join(f"  {one.text()}" for one in missed)
                raise PeerError(
                    f"{self._name()}: the board has recorded segments that it sent, but they "
                    f"never came here:\n{seen}"
                )

    def waiting(self) -> tuple[Seen, ...]:
        """What has come and no `expect` has gone past yet."""
        with self._host.changed:
            return tuple(self._waiting)

    def skip(self) -> tuple[Seen, ...]:
        """Go past all that has come."""
        with self._host.changed:
            skipped = tuple(self._waiting)
            for seen in skipped:
                self._pass(seen)
            self._waiting.clear()
            return skipped

    def skip_all_sent(self, timeout_s: float = STEP_S) -> tuple[Seen, ...]:
        """As `skip`, with everything that the other end had sent when this was called: an echo
        reply comes behind it on the same wire."""
        self._host.fence(self.remote[0], timeout_s)
        return self.skip()

    # Several segments in one call.

    def handshake(self, *, timeout_s: float = STEP_S) -> Seen:
        """Open: SYN, expect SYN+ACK, ACK. The board's SYN+ACK."""
        self.send("S")
        answer = self.expect("S.", ack=1, timeout_s=timeout_s)
        self.send(".")
        return answer

    def accept_handshake(self, *, timeout_s: float = STEP_S) -> Seen:
        """Answer the board's SYN with SYN+ACK, expect ACK. The board's ACK."""
        self.send("S.")
        return self.expect(".", ack=1, length=0, timeout_s=timeout_s)

    # For the peer, on the wire's thread or with the lock held.

    def arrived(self, segment: TcpSegment) -> None:
        """A segment of this connection came. The lock is held."""
        if segment.flags & SYN:
            self.board_mss = segment.mss
            if self.board_isn is None or segment.seq != self.board_isn:
                self.board_isn = self._rcv_nxt = self._top = segment.seq
                self._fin_taken = False
        end = segment.seq + segment.seq_len & _MASK
        if self.board_isn is not None and diff(end, self._top) > 0:
            self._top = end
        self.board_window = segment.window
        self._came[key_of(segment)] += 1
        self._waiting.append(Seen(time.monotonic(), segment, self.board_isn or 0, self.isn))
        if self.on_segment is not None:
            self.on_segment(segment)  # first the answer, then whoever waits
        self._host.changed.notify_all()

    @property
    def numbers(self) -> tuple[int, int]:
        """Our next sequence number and the board's, absolute, as they stand now."""
        return self._nxt, self._rcv_nxt

    @property
    def fins(self) -> tuple[bool, bool]:
        """Whether our FIN was sent, and whether `expect` has gone past the board's."""
        return self._fin_sent, self._fin_taken

    def _expect(self, wanted: Wanted, timeout_s: float) -> Seen:
        begin_s = time.monotonic()
        instead: list[tuple[Seen, list[str]]] = []
        with self._host.changed:
            while True:
                while self._waiting:
                    seen = self._waiting.popleft()
                    self._pass(seen)
                    differences = wanted.differences(seen)
                    if not differences:
                        return seen
                    instead.append((seen, differences))
                left_s = begin_s + timeout_s - time.monotonic()
                if left_s <= 0:
                    break
                self._host.changed.wait(left_s)
            lines = [f"{self._name()}: expected {wanted.text()} within {timeout_s:g} s"]
            if instead:
                lines.append("seen instead:")
            else:
                lines.append("no segment came")
            for seen, differences in instead:
                lines.append(f"  {seen.at_s - begin_s:+.6f} s  {seen.text()}")
                lines.extend(f"      {difference}" for difference in differences)
            if self._last is not None:
                last = Seen(begin_s, self._last, self.isn, self.board_isn or 0)
                lines.append(f"sent last: {last.text()}")
            lines.extend(self._host.oddities())
            raise PeerError("\n".join(lines))

    def _pass(self, seen: Seen) -> None:
        """From now on this segment counts as received, if it is the next in order."""
        segment = seen.segment
        if segment.flags & SYN and self._rcv_nxt == segment.seq:
            self._rcv_nxt = segment.seq + 1 & _MASK
        if segment.flags & SYN or not segment.seq_len:
            return
        end = segment.seq + segment.seq_len & _MASK
        if diff(segment.seq, self._rcv_nxt) <= 0 < diff(end, self._rcv_nxt):
            self._rcv_nxt = end
        if segment.flags & FIN and self._rcv_nxt == end:
            self._fin_taken = True

    def _name(self) -> str:
        here, there = (f"{ip}:{port}" for ip, port in (self.local, self.remote))
        return f"raw peer {here} with {there}"


def _absolute(number: int, isn: int) -> int:
    if not -(1 << 32) < number < 1 << 32:
        raise UsageError(f"a sequence number has 32 bits: {number}")
    return (number if isinstance(number, Absolute) else number + isn) & _MASK
