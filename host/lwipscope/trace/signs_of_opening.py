"""Signs of deviations in opening, listening and accepting.

Used by `deviation_signs`. Source: lwIP 2.2.1 tcp_in.c; MicroPython 1.25.0 extmod/modlwip.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from lwipscope.tcp.state import State
from lwipscope.trace.event import Return, Transition
from lwipscope.trace.life_story import LifeStory, Moment, Sign, ahead, ending_of

_SECOND_US = 1_000_000
_AT_ONCE_US = 200_000
_FIRST_ISN = 6509


def simultaneous_open_absent(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        crossed = any(
            m.state is State.SYN_SENT and "S" in s.flags and "." not in s.flags
            for m in moments
            if (s := m.received()) is not None
        )
        if crossed and not any(m.state is State.SYN_RCVD for m in moments):
            return True
    return False


def listener_stays(story: LifeStory) -> bool:
    return any(
        m.state is State.LISTEN
        and isinstance(m.event, Return)
        and m.event.name == "connect"
        and m.event.errno is not None
        for m in story.moments()
    )


def bad_ack_burns(story: LifeStory) -> bool:
    """RST, and the SYN again at once."""
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            one = m.received()
            if m.state is not State.SYN_SENT or one is None or "." not in one.flags:
                continue
            answers = [s for each in moments[at + 1 : at + 3] if (s := each.sent()) is not None]
            both = [s.flags.strip(".") for s in answers] == ["R", "S"]
            if both and answers[1].clock_us - one.clock_us < _AT_ONCE_US:
                return True
    return False


def rst_without_ack(story: LifeStory) -> bool:
    return any(end.fits("rx", "R", State.SYN_SENT) for end in story.endings())


def syn_ack_data_ignored(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            one = m.received()
            if m.state is not State.SYN_SENT or one is None or not {"S", "."} <= set(one.flags):
                continue
            if not one.length and "F" not in one.flags:
                continue
            answer = next((s for e in moments[at + 1 :] if (s := e.sent()) is not None), None)
            if answer is not None and ahead(answer.ackno, one.seqno) == 1:
                return True
    return False


def predictable_isn(story: LifeStory) -> bool:
    """All begin at lwIP's constant, plus half seconds since boot."""
    opening = [s for m in story.moments() if (s := m.sent()) is not None and "S" in s.flags]
    return bool(opening) and all(
        0 <= s.seqno - _FIRST_ISN <= 4 + s.clock_us // (_SECOND_US // 2) for s in opening
    )


def returned(name: str, errno: str, *states: State) -> Sign:
    def sign(story: LifeStory) -> bool:
        return any(
            isinstance(m.event, Return)
            and (m.event.name, m.event.errno) == (name, errno)
            and (not states or m.state in states)
            for m in story.moments()
        )

    return sign


def connect_timeout_leaves(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            gave_up = isinstance(m.event, Return) and m.event.name == "connect"
            if gave_up and m.state is State.SYN_SENT and "ETIMEDOUT" in m.event.text():
                after = moments[at + 1 : at + 2]
                if not any(e.event.clock_us == m.event.clock_us for e in after):
                    return True
    return False


def listens_on_port_0(story: LifeStory) -> bool:
    return any(
        isinstance(e, Transition)
        and e.after is State.LISTEN
        and e.local is not None
        and e.local.port == 0
        for e in story.events
    )


# Listening and accepting.


def _reset_by_its_last_segment(story: LifeStory) -> Iterator[tuple[Moment, int]]:
    """Children that became ESTABLISHED and were aborted by the same segment; their listeners."""
    for conn, moments in story.pcbs.items():
        end = ending_of(moments)
        if end is None or conn in story.accepted or end.moment.state is not State.ESTABLISHED:
            continue
        if end.cause.kind == "rx" and end.cause.aborted:
            born_of = [m.event.listener for m in moments if isinstance(m.event, Transition)]
            listener = next((each for each in born_of if each), 0)
            if end.moment.lasted_us < _AT_ONCE_US and listener:
                yield end.moment, listener


def _listener_ended_us(story: LifeStory, listener: int) -> int | None:
    end = ending_of(story.pcbs.get(listener, []))
    return None if end is None else end.moment.event.clock_us


def accept_queue_full(story: LifeStory) -> bool:
    for moment, listener in _reset_by_its_last_segment(story):
        ended_us = _listener_ended_us(story, listener)
        if ended_us is None or ended_us > moment.event.clock_us:
            return True
    return False


def half_open_reset_late(story: LifeStory) -> bool:
    for moment, listener in _reset_by_its_last_segment(story):
        ended_us = _listener_ended_us(story, listener)
        if ended_us is not None and ended_us <= moment.event.clock_us:
            return True
    return False


def orphans(story: LifeStory) -> bool:
    """Children that nobody had accepted outlived close() of their listener."""
    for conn, moments in story.pcbs.items():
        if conn in story.accepted:
            continue
        listener = next(
            (m.event.listener for m in moments if isinstance(m.event, Transition)), None
        )
        ended_us = _listener_ended_us(story, listener) if listener else None
        if ended_us is None:
            continue
        before = [m for m in moments if m.event.clock_us <= ended_us]
        established = any(
            isinstance(m.event, Transition) and m.event.after is State.ESTABLISHED for m in before
        )
        end = ending_of(moments)
        if established and (end is None or end.moment.event.clock_us > ended_us + _AT_ONCE_US):
            return True
    return False


def fin_after_data_dropped(story: LifeStory) -> bool:
    for conn, moments in story.pcbs.items():
        taken_us = next(
            (e.clock_us for e in story.events if isinstance(e, Return) and e.accepted == conn),
            None,
        )
        data = False
        for at, m in enumerate(moments):
            one = m.received()
            if one is None or m.state is not State.ESTABLISHED:
                continue
            if taken_us is not None and one.clock_us > taken_us:
                break
            if data and "F" in one.flags:
                after = moments[at + 1].event if at + 1 < len(moments) else None
                if not (isinstance(after, Transition) and after.after is State.CLOSE_WAIT):
                    return True
            data = data or bool(one.length)
    return False
