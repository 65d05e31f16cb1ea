"""Signals for a main thread that waits for a line: one that comes at a bad moment is sent again.

Python's readline looks for signals only when its select() is interrupted. A signal that comes just
before that call is noted and nothing more: Ctrl-C, or the hang-up of the terminal, would have no
effect until the next key. So each signal's number is also written into a pipe (`set_wakeup_fd`),
whose reader repeats it until the main thread has noticed. Times in seconds.
Source: CPython, Modules/readline.c, readline_until_enter_or_signal().
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AGAIN_S = 0.1
_END = b"\x00"  # no signal's number


@contextmanager
def wakeful(waits: Callable[[float], bool]) -> Iterator[None]:
    """To be entered by the main thread. `waits(timeout_s)` gives it that long, and tells whether it
    still waits for a line."""
    if not hasattr(signal, "pthread_kill"):
        yield
        return
    main = threading.get_ident()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    def repeat() -> None:
        while (number := os.read(read_end, 1)) not in (_END, b""):
            while waits(_AGAIN_S):
                signal.pthread_kill(main, number[0])

    thread = threading.Thread(target=repeat, name="lwipscope-wakeful")
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(write_end, _END)
        thread.join()
        os.close(read_end)
        os.close(write_end)
