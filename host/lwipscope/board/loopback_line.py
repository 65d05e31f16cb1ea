"""An emulated board's serial line over 127.0.0.1: where QEMU can't be given pipes.

We listen, QEMU connects: the first connection is taken and the listener closed. A second one that
tried meanwhile makes it an error, since nobody could say which of the two is QEMU's. A reset of the
board begins a new connection (`forget`), so that nothing of the old life is in it.
Used by board/emulated.py. Source: tcp(7), QEMU documentation on `-chardev socket`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable

from lwipscope.board.line import READ_TIMEOUT_S, WRITE_TIMEOUT_S, LineEnded
from lwipscope.errors import BoardLost, NoBoard

_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.2


class OneCaller:
    """A listener on 127.0.0.1 for one connection."""

    def __init__(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(4)
        self.port: int = self._listener.getsockname()[1]

    def accept(self, timeout_s: float, still: Callable[[], bool]) -> socket.socket:
        """The connection, while `still` says that the caller can come; TimeoutError if not."""
        deadline_s = time.monotonic() + timeout_s
        self._listener.settimeout(_LOOK_S)
        with contextlib.closing(self._listener):
            while True:
                try:
                    made, _ = self._listener.accept()
                    break
                except TimeoutError:
                    if not still() or time.monotonic() > deadline_s:
                        raise
            self._listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                self._listener.accept()[0].close()
                made.close()
                raise NoBoard(
                    f"two programs have connected to port {self.port} on 127.0.0.1, which only "
                    "QEMU knows: somebody on this machine tries ports; try again"
                )
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def close(self) -> None:
        """Idempotent."""
        self._listener.close()


class LoopbackLine:
    """A line (lwipscope.board.line.Line) that QEMU connects to, again after each `forget`."""

    def __init__(self) -> None:
        self._caller = OneCaller()
        self._connection: socket.socket | None = None
        self._write_fd = -1
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)

    @property
    def port(self) -> int:
        """Where QEMU is to connect to."""
        return self._caller.port

    def accept(self, timeout_s: float, still: Callable[[], bool]) -> int:
        """Wait for QEMU: the port that it has at its end."""
        made = self._caller.accept(timeout_s, still)
        made.settimeout(WRITE_TIMEOUT_S)
        self._connection = made
        self.cancel_read()  # whoever reads did not know of it
        port: int = made.getpeername()[1]
        return port

    @property
    def from_board_fd(self) -> int:
        return -1 if self._connection is None else self._connection.fileno()

    @property
    def to_board_fd(self) -> int:
        """Another descriptor than that for reading: a poll tells the two apart."""
        if self._write_fd < 0 and self._connection is not None:
            self._write_fd = os.dup(self._connection.fileno())
        return self._write_fd

    def read(self) -> bytes:
        connection = self._connection
        waiting = [self._wake_receiver, *([connection] if connection is not None else [])]
        ready, _, _ = select.select(waiting, [], [], READ_TIMEOUT_S)
        if self._wake_receiver in ready:
            self._wake_receiver.recv(_CHUNK_BYTES)
        if connection is None or connection not in ready:
            return b""
        data = connection.recv(_CHUNK_BYTES)
        if not data:
            raise LineEnded("the other end is closed")
        return data

    def cancel_read(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been cancelled often enough
            self._wake_sender.send(b"x")

    def write(self, data: bytes) -> None:
        if self._connection is None:
            raise BoardLost("the board's serial line is not connected")
        self._connection.sendall(data)

    def forget(self) -> None:
        """The connection and all that is on it; the next one is to another port."""
        self._hang_up()
        self._caller.close()
        self._caller = OneCaller()

    def close(self) -> None:
        self._hang_up()
        self._caller.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _hang_up(self) -> None:
        if self._write_fd >= 0:
            os.close(self._write_fd)
            self._write_fd = -1
        if self._connection is not None:
            self._connection.close()
            self._connection = None
