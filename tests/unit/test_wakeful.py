"""A signal that a waiting main thread did not notice is sent again, until it has."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from lwipscope.lab.wakeful import wakeful

MOST_S = 10.0


@pytest.fixture
def came() -> Iterator[list[int]]:
    """The signals that reached Python's handler."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGTERM, note)
    yield seen
    signal.signal(signal.SIGTERM, before)


def test_it_is_repeated_until_it_is_noticed(came: list[int]) -> None:
    end_s = time.monotonic() + MOST_S
    with wakeful(lambda _timeout_s: len(came) < 3):
        os.kill(os.getpid(), signal.SIGTERM)
        # As in readline: each interrupted wait lets Python's handler run, and that is all.
        while len(came) < 3:
            assert time.monotonic() < end_s
            select.select([], [], [], 0.1)
    assert set(came) == {signal.SIGTERM}


def test_who_does_not_wait_is_left_alone(came: list[int]) -> None:
    asked = threading.Event()

    def waits(_timeout_s: float) -> bool:
        asked.set()
        return False

    with wakeful(waits):
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.wait(MOST_S)
    assert came == [signal.SIGTERM]


def test_what_was_there_before_is_there_again() -> None:
    threads = threading.active_count()
    descriptors = len([*Path("/proc/self/fd").iterdir()])
    with wakeful(lambda _timeout_s: False):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert len([*Path("/proc/self/fd").iterdir()]) == descriptors
    assert signal.set_wakeup_fd(-1) == -1
