"""Fault injection: a serial port that harms what passes between a host and the emulated board.

The host opens `device`, a real pseudo-terminal, with pyserial, as it opens a real board's port. A
thread (the pump) copies both ways between it and the board's own terminal, and does on the way what
it was told: `from_board` and `to_board` get each chunk, `on_frame` each whole frame. Nothing here
is a stand-in for a board: the harm is made, the board is the emulated one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import tty
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

Harm = Callable[[bytes], bytes]
FrameHarm = Callable[[bytes], Iterable[bytes]]
_CHUNK_BYTES = 4096


def unharmed(data: bytes) -> bytes:
    return data


def whole(frame: bytes) -> Iterable[bytes]:
    return (frame,)


class FaultLine:
    """Between `board_device` and `device`. Attributes may be set at any time; they act at once."""

    def __init__(self, board_device: str) -> None:
        self.from_board: Harm = unharmed
        self.to_board: Harm = unharmed
        self.on_frame: FrameHarm = whole
        self.babble = b""
        """The host reads this over and over, as fast as it can."""
        self._board_fd = os.open(board_device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._board_fd)
        self._wake_read, self._wake_write = os.pipe()
        self._half = b""  # of a frame from the board
        self._put_in: list[bytes] = []
        self._closing = False
        self._pump: threading.Thread | None = None
        self._plug_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unplug()
        for fd in (self._board_fd, self._wake_read, self._wake_write):
            os.close(fd)

    def say(self, data: bytes) -> None:
        """The host reads this as if the board had sent it, and then what `babble` is set to."""
        self._put_in.append(data)
        os.write(self._wake_write, b"x")

    def unplug(self) -> None:
        """The port is gone: whoever has it open is hung up on. What the board says is lost."""
        if self._pump is not None:
            self._closing = True
            os.write(self._wake_write, b"x")
            self._pump.join()
            self._pump = None

    def plug_in_again(self) -> str:
        """The port is back, maybe under another name: its name."""
        self._plug_in()
        return self.device

    def _plug_in(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._board_fd, _CHUNK_BYTES):
                pass
        self._half, self._put_in, self._closing = b"", [], False
        self._master_fd, self._slave_fd = os.openpty()
        tty.setraw(self._slave_fd)
        os.set_blocking(self._master_fd, False)
        self.device = os.ttyname(self._slave_fd)
        self._pump = threading.Thread(target=self._copy, name="fault-line")
        self._pump.start()

    def _copy(self) -> None:
        """The thread: until unplugged, or the board has ended; then the host is hung up on."""
        try:
            self._copy_until_closing()
        except OSError as error:
            if error.errno != errno.EIO:  # pty(7): the other side has hung up
                raise
        finally:
            os.close(self._master_fd)
            os.close(self._slave_fd)

    def _copy_until_closing(self) -> None:
        """Reads only what the other side has taken: neither side's data piles up."""
        to_host = to_board = b""
        while not self._closing:
            poll = select.poll()
            poll.register(self._wake_read, select.POLLIN)
            poll.register(
                self._master_fd,
                (0 if to_board else select.POLLIN) | (select.POLLOUT if to_host else 0),
            )
            poll.register(
                self._board_fd,
                (0 if to_host else select.POLLIN) | (select.POLLOUT if to_board else 0),
            )
            ready = dict(poll.poll())
            if self._wake_read in ready:
                os.read(self._wake_read, _CHUNK_BYTES)
            while self._put_in:
                to_host += self._put_in.pop(0)
            to_host = to_host or self.babble
            hung_up = ready.get(self._board_fd, 0) & select.POLLHUP
            if hung_up or (ready.get(self._board_fd, 0) & select.POLLIN and not to_host):
                to_host = self._harmed(_read(self._board_fd))
            if ready.get(self._master_fd, 0) & select.POLLIN and not to_board:
                to_board = self.to_board(_read(self._master_fd))
            with contextlib.suppress(BlockingIOError):
                to_host = to_host[os.write(self._master_fd, to_host) :] if to_host else b""
            with contextlib.suppress(BlockingIOError):
                to_board = to_board[os.write(self._board_fd, to_board) :] if to_board else b""

    def _harmed(self, data: bytes) -> bytes:
        done = bytearray()
        rest = self._half + self.from_board(data)
        self._half = b""
        while rest:
            text, marker, frame = rest.partition(b"\x1e")
            done += text
            if not marker:
                break
            line, end, rest = frame.partition(b"\n")
            if not end:
                self._half = marker + line
                break
            for piece in self.on_frame(marker + line + end):
                done += piece
        return bytes(done)


def _read(fd: int) -> bytes:
    data = os.read(fd, _CHUNK_BYTES)
    if not data:  # a terminal whose other side is closed
        raise OSError(errno.EIO, "hung up")
    return data


class Nth:
    """Harms the frame number `n` (from 0) of those that hold `word`, and lets the others pass."""

    def __init__(self, word: bytes, harm: FrameHarm, n: int = 0) -> None:
        self._word, self._harm, self._left = word, harm, n
        self.done = False

    def __call__(self, frame: bytes) -> Iterable[bytes]:
        if self.done or self._word not in frame:
            return (frame,)
        if self._left:
            self._left -= 1
            return (frame,)
        self.done = True
        return self._harm(frame)
