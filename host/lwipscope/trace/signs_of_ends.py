"""Signs of deviations in how connections end: timers, killed for want of memory, a lost address.

Used by `deviation_signs`. Source of limits: lwIP 2.2.1 tcp.c (tcp_slowtmr).
"""

from __future__ import annotations

from collections.abc import Iterator

from lwipscope.tcp.state import State
from lwipscope.trace.life_story import Ending, LifeStory, Sign, ending_of

_SECOND_US = 1_000_000
_MSL_MS = 60_000
_SYN_MUST_LAST_US = 180 * _SECOND_US  # RFC 9293 MUST-23
_FIN_WAIT_2_US = 20 * _SECOND_US  # lwIP's TCP_FIN_WAIT_TIMEOUT


def ends(kind: str, detail: str, *states: State) -> Sign:
    def sign(story: LifeStory) -> bool:
        return any(end.fits(kind, detail, *states) for end in story.endings())

    return sign


def address_change(story: LifeStory) -> bool:
    return any(end.cause.kind == "netif" for end in story.endings())


def _timers_of_syn(story: LifeStory) -> Iterator[Ending]:
    for end in story.endings():
        if end.cause.kind == "timer" and end.moment.state in (State.SYN_SENT, State.SYN_RCVD):
            yield end


def syn_gives_up_early(story: LifeStory) -> bool:
    return any(end.moment.lasted_us < _SYN_MUST_LAST_US for end in _timers_of_syn(story))


def arp_holds_syn(story: LifeStory) -> bool:
    """Longer than the 18 s that seven SYNs take."""
    return any(
        end.moment.state is State.SYN_SENT and end.moment.lasted_us > 25 * _SECOND_US
        for end in _timers_of_syn(story)
    )


def duplicate_syn_counts(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        end = ending_of(moments)
        if end is None or end.moment.state is not State.SYN_RCVD or end.cause.kind != "timer":
            continue
        copies = sum("S" in s.flags for m in moments if (s := m.received()) is not None)
        if copies >= 10 and end.moment.lasted_us < 15 * _SECOND_US:
            return True
    return False


def timer_frozen(story: LifeStory) -> bool:
    """A state that is measured from its beginning ended too early."""
    two_msl_us = 2000 * story.number("msl_ms", _MSL_MS)
    lengths_us = {
        State.TIME_WAIT: ("2MSL", two_msl_us),
        State.LAST_ACK: ("LAST_ACK", two_msl_us),
        State.FIN_WAIT_2: ("FIN_WAIT_2", _FIN_WAIT_2_US),
    }
    for end in story.endings():
        timer, length_us = lengths_us.get(end.moment.state, ("", 0))
        by_it = (end.cause.kind, end.cause.detail) == ("timer", timer)
        if by_it and end.moment.lasted_us < length_us - 2 * _SECOND_US:
            return True
    return False
