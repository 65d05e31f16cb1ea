"""A pseudo-terminal at which other programs find an emulated board's serial line.

`device` can be opened like any serial port, by mpremote for instance. While the host uses the line
itself, the device is locked as pyserial locks it (flock, exclusive), so others hear that it is in
use. `open_for_others` gives the line away: from then on a thread copies bytes both ways, and reads
from the board only what the terminal takes, so a board without a reader sees its UART busy.
Source: pty(7), termios(3), FIONREAD in ioctl_tty(2).
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import threading
import time

from lwipscope.board.line import DescriptorLine
from lwipscope.platform_facts import fcntl, termios, tty

# How long a program may take to read the last words of a board that has ended.
LAST_WORDS_S = 1.0
_LOOK_S = 0.01
_CHUNK_BYTES = 4096


class Outlet:
    """One pseudo-terminal. Closing it hangs up on whoever has opened the device."""

    def __init__(self) -> None:
        self._master_fd, self._slave_fd = os.openpty()
        # A cooked terminal would echo what the board says back to it.
        tty.setraw(self._slave_fd, termios.TCSANOW)
        os.set_blocking(self._master_fd, False)
        self.device = os.ttyname(self._slave_fd)
        fcntl.flock(self._slave_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._wake_read, self._wake_write = os.pipe()
        self._closing = threading.Event()
        self._pump: threading.Thread | None = None
        self._open = True

    def open_for_others(self, line: DescriptorLine) -> None:
        """Nobody else may read or write `line` any more; it is to be closed after this outlet."""
        if self._pump is None:
            fcntl.flock(self._slave_fd, fcntl.LOCK_UN)
            self._pump = threading.Thread(target=self._copy, args=(line,), name="lwipscope-outlet")
            self._pump.start()

    def close(self, *, board_ended: bool = False) -> None:
        """Hang up. Whoever reads may first take the last words of a board that has ended."""
        if not self._open:
            return
        if self._pump is not None:
            if board_ended:
                self._pump.join(2 * LAST_WORDS_S)
            self._closing.set()
            os.write(self._wake_write, b"x")
            self._pump.join()
        self._open = False
        self._hang_up()
        for fd in (self._slave_fd, self._wake_read, self._wake_write):
            os.close(fd)

    def _hang_up(self) -> None:
        if self._master_fd >= 0:
            os.close(self._master_fd)
            self._master_fd = -1

    def _copy(self, line: DescriptorLine) -> None:
        """The thread: until closed, or until the board has ended and its last words are read."""
        to_board = to_terminal = b""
        terminal, wake = self._master_fd, self._wake_read
        while not self._closing.is_set():
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.register(
                terminal,
                (0 if to_board else select.POLLIN) | (select.POLLOUT if to_terminal else 0),
            )
            if to_board:
                poll.register(line.to_board_fd, select.POLLOUT)
            if not to_terminal:
                poll.register(line.from_board_fd, select.POLLIN)
            ready = {fd for fd, _events in poll.poll()}
            if line.from_board_fd in ready:
                to_terminal = os.read(line.from_board_fd, _CHUNK_BYTES)
                if not to_terminal:
                    self._wait_until_read()
                    self._hang_up()
                    return
            with contextlib.suppress(BlockingIOError):
                if terminal in ready and not to_board:
                    to_board = os.read(terminal, _CHUNK_BYTES)
            with contextlib.suppress(BlockingIOError):
                to_board = to_board[os.write(line.to_board_fd, to_board) :] if to_board else b""
            with contextlib.suppress(BlockingIOError):
                to_terminal = to_terminal[os.write(terminal, to_terminal) :] if to_terminal else b""

    def _wait_until_read(self) -> None:
        # A hang-up throws away what waits in the terminal, and nothing tells when that is read.
        # Twice empty: what was written last is on its way to where it is counted for a moment.
        deadline_s = time.monotonic() + LAST_WORDS_S
        empty = 0
        while empty < 2 and time.monotonic() < deadline_s and not self._closing.wait(_LOOK_S):
            empty = 0 if self._unread_bytes() else empty + 1

    def _unread_bytes(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._slave_fd, termios.FIONREAD, count)
        return count[0]
