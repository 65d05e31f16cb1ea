"""What happened to each pcb of one board life, with the state it was in: for signs of deviations.

Made from the events in their order; pure. Board times in microseconds since boot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Call, Cause, Died, Event, Hello, Return, Segment, Transition

_HALF = 1 << 31
_MODULUS = 1 << 32


@dataclass(frozen=True, slots=True)
class Moment:
    """An event of one pcb; `state` is the one before it, entered at `since_us`."""

    state: State
    since_us: int
    event: Event

    @property
    def lasted_us(self) -> int:
        """How long the state had lasted."""
        return self.event.clock_us - self.since_us

    def received(self) -> Segment | None:
        """The segment that came in with this event."""
        one = self.event
        return one if isinstance(one, Segment) and one.direction == "rx" else None

    def sent(self) -> Segment | None:
        """The segment that went out with this event."""
        one = self.event
        return one if isinstance(one, Segment) and one.direction == "tx" else None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a pcb came to its end, from which state."""

    moment: Moment
    cause: Cause

    def fits(self, kind: str, detail: str, *states: State) -> bool:
        """Its cause is that (a cause without a detail fits any), and it was in one of these
        states, if any are given."""
        return (self.cause.kind, self.cause.detail or detail) == (kind, detail) and (
            not states or self.moment.state in states
        )


class LifeStory:
    """One life's events, by pcb."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.pcbs: dict[int, list[Moment]] = {}
        now: dict[int, tuple[State, int]] = {}
        for event in events:
            if not event.conn or not isinstance(
                event, Born | Transition | Died | Segment | Call | Return
            ):
                continue
            state, since_us = now.get(event.conn, (State.CLOSED, event.clock_us))
            self.pcbs.setdefault(event.conn, []).append(Moment(state, since_us, event))
            if isinstance(event, Transition) and event.after is not state:
                now[event.conn] = (event.after, event.clock_us)

    @cached_property
    def fields(self) -> dict[str, str]:
        """What the board's hello told."""
        return next((dict(e.fields) for e in self.events if isinstance(e, Hello)), {})

    def number(self, key: str, otherwise: int) -> int:
        """A number of the hello."""
        text = self.fields.get(key, "")
        return int(text) if text.isdecimal() else otherwise

    def endings(self) -> Iterator[Ending]:
        """The end of each pcb that was in another state than CLOSED before it."""
        for moments in self.pcbs.values():
            ending = ending_of(moments)
            if ending is not None:
                yield ending

    @cached_property
    def accepted(self) -> frozenset[int]:
        """The connections that accept() gave to the application."""
        given = (e.accepted for e in self.events if isinstance(e, Return))
        return frozenset(number for number in given if number is not None)

    def moments(self) -> Iterator[Moment]:
        """Those of all pcbs."""
        for moments in self.pcbs.values():
            yield from moments


Sign: TypeAlias = Callable[[LifeStory], bool]
"""Whether a life shows something."""


def ending_of(moments: Sequence[Moment]) -> Ending | None:
    """How this pcb ended, if it did, and was in use."""
    for moment in moments:
        event = moment.event
        if moment.state is State.CLOSED:
            continue
        if (isinstance(event, Transition) and event.after is State.CLOSED) or isinstance(
            event, Died
        ):
            return Ending(moment, event.cause)
    return None


def called(moment: Moment, name: str) -> bool:
    """The application called this."""
    return isinstance(moment.event, Call) and moment.event.name == name


def ahead(number: int, of: int) -> int:
    """How far a sequence number is ahead of another; negative if it is behind."""
    return (number - of + _HALF) % _MODULUS - _HALF
