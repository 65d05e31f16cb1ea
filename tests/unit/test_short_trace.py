"""The trace that forgets: how much it keeps, that places stay right, and that waiting works."""

from __future__ import annotations

import threading

import pytest

from lwipscope.errors import DeadlineExceeded
from lwipscope.trace.event import Call, Hello
from lwipscope.trace.frame import Console, Frame
from lwipscope.trace.short_trace import ShortTrace

HELLO = "re=1 proto=1 boot=1.1 board=b mp=1 lwip=2.2.1 profile=roomy"


def fed(trace: ShortTrace, first: int, count: int) -> None:
    for seq in range(first, first + count):
        trace.feed(Frame(seq, 1000 * seq, "call", f"c=1 send {seq}", b""), seq / 1000)


def begun(most: int = 100) -> ShortTrace:
    trace = ShortTrace(most, most)
    trace.feed(Frame(7, 7000, "hello", HELLO, b""), 0.007)
    return trace


def test_it_keeps_the_newest_and_the_hello() -> None:
    trace = begun()
    fed(trace, 8, 10_000)
    events = trace.events
    assert len(events) <= 126 and trace.dropped + len(events) == 10_001
    assert isinstance(events[0], Hello)
    assert [e.seq for e in events[1:]] == [*range(10_008 - len(events) + 1, 10_008)]
    # What was let go was there: it is no gap.
    assert trace.integrity.gaps == ()


def test_console_text_is_limited_too() -> None:
    trace = begun()
    for _ in range(1000):
        trace.feed(Console(b"x\n"), 0.0)
    assert 100 <= len(trace.console) <= 126


def test_places_stay_right() -> None:
    trace = begun()
    fed(trace, 8, 500)
    mark = trace.mark()
    assert mark == 501
    fed(trace, 508, 60)
    found = trace.wait_for(lambda event: isinstance(event, Call), 0.0, "a call", mark)
    assert found.seq == 508 and trace.after(found) == mark + 1


def test_what_was_there_before_is_not_found() -> None:
    trace = begun(most=8)
    fed(trace, 8, 100)
    with pytest.raises(DeadlineExceeded):
        trace.wait_for(lambda e: e.seq == 105, 0.02, "number 105", trace.mark())


def test_what_comes_while_old_events_go_is_not_missed() -> None:
    trace = begun(most=8)
    found: list[int] = []
    mark = trace.mark()

    def wait() -> None:
        found.append(trace.wait_for(lambda e: e.seq == 400, 10.0, "number 400", mark).seq)

    waiting = threading.Thread(target=wait)
    waiting.start()
    fed(trace, 8, 393)
    waiting.join(10)
    assert found == [400]
    with pytest.raises(DeadlineExceeded, match="number 9"):
        trace.wait_for(lambda e: e.seq == 9, 0.0, "number 9")
