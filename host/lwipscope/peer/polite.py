"""A connection of a raw peer that behaves by itself, until it is told not to.

Made by `RawPeer.polite`. Its TCP is `tcp_core.Connection`, the same that `Endpoint` runs; between
it and the wire stands `Misbehaviour`, which leaves out, holds, repeats and swaps segments. There
is no clock: retransmissions and TIME_WAIT of this end happen in `elapse`, so that a run with the
board's manual clock stays reproducible. The raw connection goes on seeing every segment, so
`expect` works beside it. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lwipscope.errors import PeerError, UsageError
from lwipscope.peer.misbehaviour import Misbehaviour, PoliteHost
from lwipscope.peer.raw_connection import STEP_S, RawConnection
from lwipscope.peer.tcp_core import Connection, TcpConfig, reset_for
from lwipscope.tcp.state import State
from lwipscope.wire.layers import ACK, FIN, SYN, TcpSegment, mss_option

_MASK = 0xFFFFFFFF


class PoliteConnection(Misbehaviour):
    """Reads what comes at once (until `zero_window`) and acknowledges it."""

    def __init__(self, host: PoliteHost, connection: RawConnection, config: TcpConfig) -> None:
        super().__init__(host, connection)
        self._config = config
        self._now_s = 0.0
        self._received = bytearray()
        self._reading = True
        self._closing_window = False
        self._held_fin: str | None = None
        self._holding_fin = False
        with host.changed:
            self.core = self._take_over()
            connection.on_segment = self._arrived
            for seen in connection.waiting():
                if self.core.state is not State.CLOSED:
                    self._arrived(seen.segment)

    # Opening.

    def connect(self, *, timeout_s: float = STEP_S) -> None:
        """Open, and wait until this end is ESTABLISHED."""
        with self._host.changed:
            if self.raw.board_isn is not None or self.core.state is not State.CLOSED:
                raise UsageError("connect() is for a connection on which nothing has happened yet")
            self.core.open_active(self._now_s)
            self._settle()
        self.wait_state(State.ESTABLISHED, timeout_s=timeout_s)

    def accept(self, *, timeout_s: float = STEP_S) -> None:
        """Answer the board's SYN (after `expect_syn`), and wait until this end is ESTABLISHED."""
        with self._host.changed:
            if self.raw.board_isn is None or self.core.state is not State.CLOSED:
                raise UsageError("accept() is for a connection of which the board's SYN has come")
            syn = self._from_board(SYN, self.raw.board_isn, 0)
            self.core.open_passive(self._now_s, syn)
            self._settle()
        self.wait_state(State.ESTABLISHED, timeout_s=timeout_s)

    # As an application does.

    def send(self, data: bytes) -> int:
        """Queue data; how many bytes were taken. Sent as far as the board's window permits."""
        with self._host.changed:
            if self.state not in (State.ESTABLISHED, State.CLOSE_WAIT):
                raise UsageError(f"cannot send in {self.state}")
            taken = self.core.send(self._now_s, data)
            self._settle()
            return taken

    def receive(self, size: int, *, timeout_s: float = STEP_S) -> bytes:
        """Exactly `size` bytes."""
        self._wait(lambda: len(self._received) >= size, timeout_s, f"{size} bytes to come")
        with self._host.changed:
            data = bytes(self._received[:size])
            del self._received[:size]
            return data

    def flush(self, *, timeout_s: float = STEP_S) -> None:
        """Wait until the board has acknowledged everything sent."""
        self._wait(lambda: not self.core.unacknowledged(), timeout_s, "an acknowledgement")

    def close(self) -> None:
        """FIN, or RST if there is unread data, as kernels do; kept back by `hold_fin`."""
        self._end("close")

    def shutdown_write(self) -> None:
        """FIN, and go on reading; kept back by `hold_fin`."""
        self._end("shutdown")

    def reset(self) -> None:
        """RST, and forget."""
        with self._host.changed:
            self.core.reset(self._now_s)
            self._settle()

    # What it may be told.

    def hold_fin(self) -> None:
        """A close() from now on sends nothing until `release_fin`."""
        with self._host.changed:
            self._holding_fin = True

    def release_fin(self) -> None:
        """Let close() happen; at once if it was called."""
        with self._host.changed:
            self._holding_fin = False
            how, self._held_fin = self._held_fin, None
        if how is not None:
            self._end(how)

    def zero_window(self, after_bytes: int | None = None) -> None:
        """Read no more. The window closes with the acknowledgement of the next segment with data,
        or once `after_bytes` have come; what comes beyond is refused. (Not at once, since lwIP
        ignores a smaller window that comes without a new sequence or acknowledgement number.)
        """
        with self._host.changed:
            self._reading = False
            if after_bytes is not None:
                size = self.core.readable() + after_bytes
                self.core.config = replace(self._config, receive_window=size)
            self._closing_window = after_bytes is None

    def open_window(self) -> None:
        """Read again, and tell the board."""
        with self._host.changed:
            self._reading = True
            self._closing_window = False
            self.core.config = self._config
            self._received += self.core.read(self.core.readable())  # tells the window, now open
            self._settle()

    def elapse(self, seconds: float) -> None:
        """This end's clock goes on: retransmissions, probes and the end of TIME_WAIT happen."""
        with self._host.changed:
            end_s = self._now_s + seconds
            while (due_s := self.core.deadline_s) is not None and due_s <= end_s:
                self._now_s = max(self._now_s, due_s)
                self.core.tick(self._now_s)
                self._settle()
            self._now_s = end_s

    # What became of it.

    @property
    def state(self) -> State:
        """The state of this end."""
        return self.core.state

    @property
    def path(self) -> tuple[State, ...]:
        """All states of this end since `polite`."""
        with self._host.changed:
            return tuple(state for _, state in self.core.history)

    @property
    def reason(self) -> str:
        """Why it is CLOSED: closed, reset, refused, timeout or aborted (by us); else empty."""
        return self.core.reason

    def wait_state(self, *states: State, timeout_s: float = STEP_S) -> State:
        """Wait until this end is in one of `states`; which one."""
        names = " or ".join(map(str, states))
        self._wait(lambda: self.core.state in states, timeout_s, f"this end to be {names}")
        return self.core.state

    def _wait(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        with self._host.changed:
            if self._host.changed.wait_for(lambda: ready() or self._is_over(), timeout_s):
                if ready():
                    return
                why = f"the connection is over: {self.reason}"
            else:
                why = f"nothing of that in {timeout_s:g} s; this end is {self.state}"
            came = ", ".join(seen.text() for seen in self.raw.waiting()[-8:]) or "nothing"
            raise PeerError(f"expected {what}; {why}; came from the board last: {came}")

    def _is_over(self) -> bool:
        return self.core.state is State.CLOSED and bool(self.core.reason)

    # Between TCP and wire. The lock is held.

    def _arrived(self, segment: TcpSegment) -> None:
        self.rules.segment("from-board", segment, partial(self._take, segment))

    def _take(self, segment: TcpSegment) -> None:
        if self.core.state is State.CLOSED:
            # As a host answers what belongs to none of its connections, if this one has ended.
            answer = reset_for(segment) if self.core.reason else None
            if answer is not None:
                self._send(answer)
            return
        if self._closing_window and segment.payload:
            self._closing_window = False
            size = self.core.readable() + len(segment.payload)
            self.core.config = replace(self._config, receive_window=size)
        self.core.segment(self._now_s, segment)
        self._settle()

    def _settle(self) -> None:
        core = self.core
        if self._reading and core.readable():
            self._received += core.read(core.readable())
        for segment in core.take_output():
            courteous = self._manners.outgoing(segment)
            if courteous is not None:
                self._send(courteous)
        self._host.changed.notify_all()

    def _end(self, how: str) -> None:
        with self._host.changed:
            if self._holding_fin:
                self._held_fin = how
                return
            if how == "close":
                self.core.close(self._now_s)
            else:
                self.core.shutdown_write(self._now_s)
            self._settle()

    def _take_over(self) -> Connection:
        """A TCP at the point where the raw connection is: a handshake that ends there is replayed
        to it, and the board's FIN if that was seen. Nothing of it goes to the wire."""
        raw = self.raw
        nxt, rcv_nxt = raw.numbers
        fin_sent, fin_taken = raw.fins
        if nxt == raw.isn:
            return Connection(raw.local, raw.remote, raw.isn, self._config)
        if fin_sent or raw.board_isn is None or rcv_nxt == raw.board_isn:
            raise UsageError(
                "polite() takes over before anything was sent, or when the connection is "
                "established and this end has not sent its FIN"
            )
        core = Connection(raw.local, raw.remote, nxt - 1, self._config)
        core.open_active(0.0)
        window, before_fin = raw.board_window, rcv_nxt - fin_taken
        core.segment(0.0, self._from_board(SYN | ACK, before_fin - 1, nxt, window))
        if fin_taken:
            core.segment(0.0, self._from_board(FIN | ACK, before_fin, nxt, window))
        core.take_output()
        self._manners.acked = rcv_nxt
        return core

    def _from_board(self, flags: int, seq: int, ack: int, window: int = 0) -> TcpSegment:
        here, there = self.raw.local, self.raw.remote
        options = mss_option(self.raw.board_mss) if flags & SYN and self.raw.board_mss else b""
        return TcpSegment(
            *(there[0], here[0], there[1], here[1], seq & _MASK, ack, flags, window, options)
        )
