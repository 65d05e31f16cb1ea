"""Keys of a terminal as they are pressed, without Enter; what is typed is not shown.

Ctrl-C stays a signal. The terminal's modes are put back however this ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lwipscope.platform_facts import Absent, termios, tty

# Arrows, function keys, pasted brackets: nothing that a key of ours means.
_SEQUENCE = re.compile(r"\x1b[\[O][0-9;?]*[ -/]*[@-~]")


def has_keys() -> bool:
    """Whether standard input is a terminal of which single keys can be read."""
    return sys.stdin.isatty() and not isinstance(termios, Absent)


class Keys:
    """What is typed on `fd`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._open = True

    def read(self, timeout_s: float) -> str:
        """What was typed within the time, maybe nothing; EOFError if the terminal is gone."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return ""
        try:
            data = os.read(self._fd, 256)
        except OSError as error:
            raise EOFError("the terminal is gone") from error
        if not data:
            raise EOFError("the terminal is gone")
        return keys_in(data)


def keys_in(data: bytes) -> str:
    """The keys that these bytes are; a lone Escape is one."""
    return _SEQUENCE.sub("", data.decode("ascii", "ignore"))


@contextmanager
def single_keys(fd: int) -> Iterator[Keys]:
    """Keys come one by one as long as the context lasts."""
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        modes = termios.tcgetattr(fd)
        # Ctrl-Z would leave the shell with a screen that is not its own.
        modes[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(fd, termios.TCSANOW, modes)
        yield Keys(fd)
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSAFLUSH, before)
