"""Ctrl-C, SIGTERM and SIGHUP: the first raises KeyboardInterrupt, those that follow are ignored.

Whoever is interrupted closes everything on the way out. That has deadlines, and a second signal in
the middle of it would leave things behind. A command that still has work to do before it closes
says with `again` that a second signal may cut that short.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from lwipscope.platform_facts import signals

_HANG_UP = signals("SIGHUP")
SIGNALS = signals("SIGINT", "SIGTERM", "SIGHUP")


def listen() -> None:
    """From now on a signal raises KeyboardInterrupt in the main thread, once."""
    for number in SIGNALS:
        # Ignored from the start: nohup, or a job in the background of a script.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def again() -> None:
    """After a KeyboardInterrupt: the next signal raises another one."""
    for number in SIGNALS:
        if signal.getsignal(number) is _ignore:
            signal.signal(number, _raise)


def done() -> None:
    """The work is over: a signal in Python's last milliseconds must not change the exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def hang_up() -> None:
    """Where the terminal is gone, what is written goes nowhere instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            os.write(stream.fileno(), b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _raise(number: int, _frame: FrameType | None) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) is _raise:
            signal.signal(each, _ignore)
    if number in _HANG_UP:
        hang_up()
    raise KeyboardInterrupt


def _ignore(number: int, _frame: FrameType | None) -> None:
    if number in _HANG_UP:
        hang_up()
