"""One writer at a time in a folder of the cache, across processes.

Called by sources.py, build.py and pack.py. The kernel drops a lock when its holder dies, so a
killed run leaves nothing to clean up (flock(2)). Times are in seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lwipscope import paths
from lwipscope.errors import DeadlineExceeded
from lwipscope.firmware.progress import Progress, Step, quiet
from lwipscope.platform_facts import fcntl

_RETRY_S = 0.1


@contextmanager
def exclusive(
    folder: Path, *, timeout_s: float = 900.0, progress: Progress = quiet
) -> Iterator[None]:
    """Hold `folder`/.lock; the folder is made if it is missing.

    flock() has no deadline of its own, so this asks again until its own deadline has passed.
    """
    paths.made(folder)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, folder, timeout_s, progress)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, timeout_s: float, progress: Progress) -> None:
    deadline = time.monotonic() + timeout_s
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise DeadlineExceeded(
                    f"another lwipscope process has been working in {folder} for more than "
                    f"{timeout_s:.0f} s; wait for it to end (or end it), then run again"
                ) from None
        if not told:
            progress(Step(f"waiting for another lwipscope process that works in {folder}"))
            told = True
        time.sleep(_RETRY_S)
