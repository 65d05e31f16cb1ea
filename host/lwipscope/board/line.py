"""What a serial line is to its reader, and the emulated board's: its stdin and stdout as two pipes.

Pipes and not a pseudo-terminal, because QEMU writes each byte by itself: into a pipe that is so
much cheaper that a board tells of 2.7 times as many connections per second; and what was written
stays readable after QEMU's end. A pipe holds 64 KiB; when it is full the board sees its UART busy,
as with any line that nobody reads.
Other programs, which need a device, find one in board/outlet.py. Source: pipe(7).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from typing import Protocol

WRITE_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 0.5
_CHUNK_BYTES = 1 << 16


class LineEnded(OSError):
    """The other end is closed, and all that it sent has been read."""


class Line(Protocol):
    """An open line. Errors are OSError."""

    def read(self) -> bytes:
        """What has come, waiting for it up to READ_TIMEOUT_S; b"" if nothing, or cancelled."""

    def cancel_read(self) -> None:
        """Let a `read` in another thread return."""

    def write(self, data: bytes) -> None:
        """All of `data`, within WRITE_TIMEOUT_S."""

    def forget(self) -> None:
        """Throw away what is under way, both ways."""

    def close(self) -> None:
        """Idempotent."""


class DescriptorLine(Protocol):
    """A line that can be polled: never the same descriptor for both ways, neither blocks."""

    @property
    def from_board_fd(self) -> int: ...
    @property
    def to_board_fd(self) -> int: ...


class PipeLine:
    """Two pipes. `board_ends` are for QEMU's stdin and stdout; give them, then drop them."""

    def __init__(self) -> None:
        self._board_reads, self.to_board_fd = os.pipe()
        self.from_board_fd, self._board_writes = os.pipe()
        self._wake_read, self._wake_write = os.pipe()
        # The board's reading end stays open here: what waits in it belongs to the board's old life.
        self._open = {
            *(self._board_reads, self.to_board_fd, self.from_board_fd, self._board_writes),
            *(self._wake_read, self._wake_write),
        }
        for fd in self._open - {self._board_writes}:
            os.set_blocking(fd, False)
        self._poll = select.poll()
        self._poll.register(self.from_board_fd, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    @contextlib.contextmanager
    def board_ends(self) -> Iterator[tuple[int, int]]:
        """The descriptors for stdin and stdout of a program; once."""
        try:
            yield self._board_reads, self._board_writes
        finally:
            # Or the line would never end.
            os.close(self._board_writes)
            self._open.discard(self._board_writes)

    def read(self) -> bytes:
        ready = {fd for fd, _events in self._poll.poll(READ_TIMEOUT_S * 1000)}
        if self._wake_read in ready:
            os.read(self._wake_read, _CHUNK_BYTES)
        if self.from_board_fd not in ready:
            return b""
        data = os.read(self.from_board_fd, _CHUNK_BYTES)
        if not data:
            raise LineEnded("the other end is closed")
        return data

    def cancel_read(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been cancelled often enough
            os.write(self._wake_write, b"x")

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        deadline_s = time.monotonic() + WRITE_TIMEOUT_S
        poll = select.poll()
        poll.register(self.to_board_fd, select.POLLOUT)
        while rest:
            try:
                rest = rest[os.write(self.to_board_fd, rest) :]
            except BlockingIOError:
                if not poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
                    raise TimeoutError(
                        f"{len(rest)} of {len(data)} bytes were not taken in {WRITE_TIMEOUT_S:g} s"
                    ) from None

    def forget(self) -> None:
        for fd in (self.from_board_fd, self._board_reads):
            with contextlib.suppress(BlockingIOError):
                while os.read(fd, _CHUNK_BYTES):
                    pass

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())
