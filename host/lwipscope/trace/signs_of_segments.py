"""Signs of deviations in how segments are answered, RST among them, and in closing.

Used by `deviation_signs`. Source: lwIP 2.2.1 tcp_in.c and tcp_out.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Segment, Transition
from lwipscope.trace.life_story import Ending, LifeStory, Moment, ahead, called, ending_of

_SECOND_US = 1_000_000
_CHALLENGES = 10
_CHALLENGES_US = 5 * _SECOND_US  # RFC 5961 section 7 proposes 10 in 5 s
_SYNCHRONIZED = frozenset(State) - {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RCVD}


def ack_before_sequence(story: LifeStory) -> bool:
    """A transition by the ACK of a segment that lies outside the window."""
    for moments in story.pcbs.values():
        window: tuple[int, int] | None = None
        last: Segment | None = None
        for m in moments:
            if (out := m.sent()) is not None and "." in out.flags:
                window = (out.ackno, out.win)
            last = m.received() or last
            event = m.event
            if (
                isinstance(event, Transition)
                and event.cause.kind == "rx"
                and (event.before, event.after)
                in ((State.SYN_RCVD, State.ESTABLISHED), (State.FIN_WAIT_1, State.FIN_WAIT_2))
                and window is not None
                and last is not None
                and not -1 <= ahead(last.seqno, window[0]) <= window[1]
            ):
                return True
    return False


def without_ack(story: LifeStory) -> bool:
    return any(
        isinstance(e, Transition)
        and e.cause.kind == "rx"
        and e.before in _SYNCHRONIZED
        and e.after is not State.CLOSED
        and not set(e.cause.detail) & set(".SR")
        for e in story.events
    )


def window_shrink_ignored(story: LifeStory) -> bool:
    """Data beyond a window that was made smaller by a segment with the same numbers."""
    for moments in story.pcbs.values():
        before: Segment | None = None
        limit: int | None = None
        for m in moments:
            if (one := m.received()) is not None:
                same = before is not None and (one.seqno, one.ackno) == (before.seqno, before.ackno)
                if before is not None and same and one.win < before.win:
                    limit = (one.ackno + one.win) % (1 << 32)
                else:
                    limit = None
                before = one
            elif limit is not None and (out := m.sent()) is not None and out.length:
                beyond = ahead(out.seqno + out.length, limit)
                if beyond > 0:
                    return True
    return False


def challenges(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        times_us = []
        for m, then in pairwise(moments):
            one, answer = m.received(), then.sent()
            if m.state not in _SYNCHRONIZED or one is None or answer is None:
                continue
            if set(one.flags) & set("SR") and answer.flags == ".":
                times_us.append(answer.clock_us)
        for first, last in zip(times_us, times_us[_CHALLENGES:], strict=False):
            if last - first < _CHALLENGES_US:
                return True
    return False


def urgent_ignored(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        urgent = False
        for m in moments:
            one = m.received()
            urgent = urgent or (one is not None and "U" in one.flags and one.length > 0)
            if urgent and called(m, "recv") and isinstance(m.event, Call) and m.event.arg != "0":
                return True
    return False


# Resets.


def _resets(story: LifeStory) -> Iterator[Segment]:
    for e in story.events:
        if isinstance(e, Segment) and e.direction == "tx" and "R" in e.flags:
            yield e


def byte_swapped(story: LifeStory) -> bool:
    window = story.number("wnd", 0)
    swapped = (window & 0xFF) << 8 | window >> 8
    return window != swapped and any(e.win == swapped for e in _resets(story))


def rst_with_ack(story: LifeStory) -> bool:
    """The answer to a segment with ACK that belongs to nothing, or to no connection yet."""
    last: Segment | None = None
    states = {id(m.event): m.state for m in story.moments()}
    for e in story.events:
        if not isinstance(e, Segment):
            continue
        if e.direction == "rx":
            last = e
        elif "R" in e.flags and last is not None:
            state = states.get(id(e), State.CLOSED)
            answers = "." in last.flags and e.seqno == last.ackno
            if answers and state not in _SYNCHRONIZED and "." in e.flags:
                return True
    return False


def rst_in_time_wait(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        expected: int | None = None
        for at, m in enumerate(moments):
            if (out := m.sent()) is not None and "." in out.flags:
                expected = out.ackno
            one = m.received()
            if m.state is State.TIME_WAIT and one is not None and "R" in one.flags:
                after = ending_of(moments[at + 1 : at + 2])
                if one.seqno == expected and after is None:
                    return True
    return False


def time_wait_refuses_syn(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for m, then in pairwise(moments):
            one, answer = m.received(), then.sent()
            if m.state is not State.TIME_WAIT or one is None or answer is None:
                continue
            if "S" in one.flags and "S" not in answer.flags:
                return True
    return False


# Closing.


def _aborted_by_data(story: LifeStory) -> Iterator[tuple[list[Moment], Ending]]:
    """Connections that data ended after close()."""
    for moments in story.pcbs.values():
        end = ending_of(moments)
        if end is None or end.cause.kind != "rx" or not end.cause.aborted:
            continue
        at = moments.index(end.moment)
        last = next((s for m in reversed(moments[:at]) if (s := m.received()) is not None), None)
        closed = any(called(m, "close") for m in moments[:at])
        if closed and last is not None and last.length:
            yield moments, end


def no_half_close(story: LifeStory) -> bool:
    return any(True for _ in _aborted_by_data(story))


def silent_after_close(story: LifeStory) -> bool:
    for moments, end in _aborted_by_data(story):
        after = moments[moments.index(end.moment) :]
        told = any("R" in s.flags for m in after if (s := m.sent()) is not None)
        if end.moment.state is State.TIME_WAIT and not told:
            return True
    return False
