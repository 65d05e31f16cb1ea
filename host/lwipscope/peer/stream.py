"""What a user of our TCP endpoint holds: `Stream`, one connection, and `Listener`.

Both are made by `Endpoint` and are safe to use from any thread. Every call that waits takes a
deadline in seconds and raises DeadlineExceeded after it. A reset by the peer is told apart from
everything else (`StreamReset`), so that a gate can pass it on as a reset.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.tcp_core import Address, Connection
from lwipscope.tcp.state import State


class StreamReset(PeerError, ConnectionResetError):
    """The peer sent RST on an established connection."""


class StreamRefused(PeerError, ConnectionRefusedError):
    """The peer answered the SYN with RST."""


def wait_until(
    changed: threading.Condition, ready: Callable[[], bool], timeout_s: float, what: str
) -> None:
    """Wait, with `changed` held, until `ready()`; DeadlineExceeded says what did not happen."""
    if not changed.wait_for(ready, timeout_s):
        raise DeadlineExceeded(f"expected {what} within {timeout_s:g} s; nothing came")


class Stream:
    """One TCP connection of the endpoint, a byte stream in each direction.

    Closing: `shutdown_write` sends FIN and goes on reading; `close` is for both directions and
    returns at once; `reset` sends RST.
    """

    def __init__(
        self,
        core: Connection,
        lock: threading.RLock,
        settle: Callable[[Stream], None],
    ) -> None:
        self.changed = threading.Condition(lock)
        self.core = core
        self.on_settled: Callable[[], None] | None = None
        self._settle = settle

    @property
    def local(self) -> Address:
        return self.core.local

    @property
    def remote(self) -> Address:
        return self.core.remote

    @property
    def state(self) -> State:
        return self.core.state

    @property
    def closed(self) -> bool:
        """True when the connection exists no more (state CLOSED); `reason` says why."""
        return self.core.state is State.CLOSED

    @property
    def reason(self) -> str:
        """Why it is closed: closed, reset, refused, timeout or aborted (by us); else empty."""
        return self.core.reason

    @property
    def peer_closed(self) -> bool:
        """True when the peer's FIN came."""
        return self.core.peer_closed

    @property
    def history(self) -> tuple[tuple[float, State], ...]:
        """Every transition as (time.monotonic(), new state)."""
        with self.changed:
            return tuple(self.core.history)

    def send(self, data: bytes, timeout_s: float = 10.0) -> None:
        """Queue all of `data`; waits while the buffer is full."""
        end_s = time.monotonic() + timeout_s
        rest = memoryview(data)
        with self.changed:
            while rest:
                rest = rest[self.core.send(time.monotonic(), bytes(rest[: self.core.room()])) :]
                self._settle(self)
                if rest:
                    left_s = max(0.0, end_s - time.monotonic())
                    what = f"room to send {len(rest)} of {len(data)} bytes"
                    wait_until(self.changed, self._can_send, left_s, what)

    def recv(self, size: int, timeout_s: float = 10.0) -> bytes:
        """Up to `size` bytes, at least one; b"" after the peer's FIN. StreamReset after its RST;
        as in a kernel, an RST that follows the FIN shows in `send`, `closed` and `reason` only."""
        with self.changed:
            wait_until(self.changed, self._can_read, timeout_s, "data or FIN")
            data = self.core.read(size)
            self._settle(self)
            # After the peer's FIN the stream has ended well, whatever came later; not after our own
            # reset, or it would depend on which of the two was first.
            if not data and (not self.core.peer_closed or self.reason == "aborted"):
                self._complain()
            return data

    def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until the peer has acknowledged everything sent."""
        with self.changed:
            wait_until(self.changed, self._is_flushed, timeout_s, "acknowledgement of all data")
            if self.closed and self.reason != "closed":
                self._complain()

    def wait_state(self, *states: State, timeout_s: float = 10.0) -> State:
        """Wait until the connection is in one of `states`; which one."""
        with self.changed:
            names = " or ".join(str(state) for state in states)
            what = f"state {names} (now {self.state})"
            wait_until(self.changed, lambda: self.core.state in states, timeout_s, what)
            return self.core.state

    def shutdown_write(self) -> None:
        """Send FIN after all queued data; reading goes on."""
        with self.changed:
            self.core.shutdown_write(time.monotonic())
            self._settle(self)

    def close(self) -> None:
        """Done in both directions: FIN, or RST when received data was not read. Never waits."""
        with self.changed:
            self.core.close(time.monotonic())
            self._settle(self)

    def reset(self) -> None:
        """Abort: send RST and forget the connection."""
        with self.changed:
            self.core.reset(time.monotonic())
            self._settle(self)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _can_send(self) -> bool:
        if self.closed:
            self._complain()
        if self.state not in (State.ESTABLISHED, State.CLOSE_WAIT):
            raise UsageError(f"cannot send in {self.state}: this side has sent its FIN")
        return self.core.room() > 0

    def _can_read(self) -> bool:
        return self.core.readable() > 0 or self.core.peer_closed or self.closed

    def _is_flushed(self) -> bool:
        return self.closed or not self.core.unacknowledged()

    def _complain(self) -> None:
        here, there = (f"{ip}:{port}" for ip, port in (self.local, self.remote))
        kind = {"reset": StreamReset, "refused": StreamRefused}.get(self.reason, PeerError)
        raise kind(f"connection {here} to {there} is over: {self.reason}")


class Listener:
    """A listening port; connections wait in it, established, until accepted."""

    def __init__(
        self,
        port: int,
        backlog: int,
        lock: threading.RLock,
        leave: Callable[[Listener], None],
    ) -> None:
        self.port = port
        self.backlog = backlog
        self.closed = False
        self.changed = threading.Condition(lock)
        self.waiting: deque[Stream] = deque()
        self._opening = 0
        self._leave = leave

    def accept(self, timeout_s: float = 10.0) -> Stream:
        """The next established connection."""
        with self.changed:
            what = f"a connection to port {self.port}"
            wait_until(self.changed, lambda: bool(self.waiting), timeout_s, what)
            return self.waiting.popleft()

    def has_room(self) -> bool:
        """Whether one more SYN may be answered. The endpoint's lock is held."""
        return self._opening + len(self.waiting) < self.backlog

    def expect(self, stream: Stream) -> None:
        """Take over a connection in its handshake. The endpoint's lock is held."""
        self._opening += 1

        def settled() -> None:
            if stream.state is State.SYN_RCVD:
                return
            stream.on_settled = None
            self._opening -= 1
            if stream.closed:
                return  # reset or given up before it was established
            if self.closed:
                stream.reset()
                return
            self.waiting.append(stream)
            self.changed.notify_all()

        stream.on_settled = settled

    def close(self) -> None:
        """Listen no more; connections that were never accepted are reset, as a kernel does."""
        self.closed = True
        self._leave(self)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
