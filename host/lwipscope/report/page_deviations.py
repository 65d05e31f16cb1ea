"""The known deviations that a run shows, and the event of each life that first betrays it.

A sign looks at all events of a life (`trace.deviation_signs`); its moment is the end of the
shortest beginning of the life that has it. Called by `html`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lwipscope.runfile.model import Run
from lwipscope.tcp.deviations import deviations
from lwipscope.trace.deviation_signs import SIGNS
from lwipscope.trace.event import Event
from lwipscope.trace.life_story import LifeStory, Sign

_MOST_EVENTS = 4000
"""Beyond that many the moment is not looked for: each look reads them all."""


def deviations_of(run: Run) -> list[dict[str, Any]]:
    """Name, explanation, what it deviates from, source, and `at`: life and event of each."""
    found: dict[str, dict[str, Any]] = {}
    for number, life in enumerate(run.lives):
        known = {each.name: each for each in deviations(life.profile)}
        events = life.plain_events
        story = LifeStory(events)
        for name, sign in SIGNS.items():
            if name not in known or not sign(story):
                continue
            each = known[name]
            entry = found.setdefault(
                name,
                {
                    "name": name,
                    "text": each.explanation,
                    "breaks": each.breaks,
                    "source": each.source,
                    "at": [],
                },
            )
            seq = first_seq(events, sign)
            if seq is not None:
                entry["at"].append([number, seq])
    return list(found.values())


def first_seq(events: Sequence[Event], sign: Sign) -> int | None:
    """The `seq` of the event with which the sign appears, None if it can't be told."""
    if len(events) > _MOST_EVENTS:
        return None
    low, high = 0, len(events)
    while low < high:
        middle = (low + high) // 2
        if sign(LifeStory(events[:middle])):
            high = middle
        else:
            low = middle + 1
    return events[low - 1].seq if 0 < low <= len(events) else None
