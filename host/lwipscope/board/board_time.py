"""Moves board time: by so much, or until something happens on the board (DESIGN D7).

Used by scenarios (`scenario.stage`) and by `lwipscope clock`. A step ends at the latest when the
board has sent a frame, so that peers answer before more time passes; after each step a sync brings
everything that came of it. Board time in ms, host time (`patience_s`) in seconds.
Source: firmware/README.md, command `advance`; lwIP 2.2.1 src/core/timeouts.c.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lwipscope.board.command_port import CommandPort, CommandRefused
from lwipscope.errors import DeadlineExceeded
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Transition
from lwipscope.trace.trace import Trace

STEP_MS = 10_000
UNACKNOWLEDGED = "unacknowledged"


@dataclass(frozen=True, slots=True)
class Reached:
    """What was waited for, and how much board time went by before it happened."""

    event: Event
    after_ms: int


def run_until(
    port: CommandPort,
    trace: Trace,
    reached: Callable[[Event], bool],
    limit_ms: int,
    expected: str,
    *,
    forced: bool = False,
    patience_s: float = 0.0,
) -> Reached:
    """Move time until an event is `reached`; DeadlineExceeded after `limit_ms` of board time.

    `expected` is its subject: "connection c3 was expected to end". `forced` and `patience_s`: see
    `step`. What had happened before does not count.
    """
    start_us = port.sync().clock_us
    since = trace.mark()
    moved_ms = 0
    while True:
        moved_ms += step(port, min(STEP_MS, limit_ms - moved_ms), forced, patience_s)
        port.sync()
        for event in trace.events[since:]:
            if reached(event):
                return Reached(event, (event.clock_us - start_us) // 1000)
        since = trace.mark()
        if moved_ms >= limit_ms:
            raise DeadlineExceeded(
                f"{expected} within {limit_ms / 1000:g} s of board time and has not"
            )


def elapse(port: CommandPort, ms: int, *, forced: bool = False, patience_s: float = 0.0) -> None:
    """Move time by `ms`, in as many steps as frames are sent."""
    moved_ms = 0
    while moved_ms < ms:
        moved_ms += max(1, step(port, ms - moved_ms, forced, patience_s))
        port.sync()


def step(port: CommandPort, ms: int, forced: bool, patience_s: float) -> int:
    """One `advance`: how far it went. With the running clock the board refuses it while something
    is unacknowledged, unless `forced`; `patience_s` gives peers that long to acknowledge."""
    end_s = time.monotonic() + patience_s
    while True:
        try:
            return port.advance(ms, forced=forced)
        except CommandRefused as refusal:
            if refusal.reason != UNACKNOWLEDGED or time.monotonic() >= end_s:
                raise
        port.sync()


def leads_to(event: Event, state: State) -> bool:
    """True if a connection is in `state` from this event on; CLOSED is its end."""
    if state is State.CLOSED:
        return isinstance(event, Died)
    return isinstance(event, Transition) and event.after is state
