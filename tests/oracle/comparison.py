"""What the oracle saw and what the tracer told, in the same words, so that they can be compared.

pcbs are called p1, p2, ... in the order of their births: so the oracle's slots and the tracer's
connection ids find together. A store that changes nothing counts on both sides. Of the place only
the file is compared: the compiler makes one instruction of several stores of the same state, so
the address does not tell which of them it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from lwipscope.trace.event import Born, Died, Event, Transition
from oracle.watcher import Seen

_SHOWN = 4


def told(events: Iterable[Event]) -> list[str]:
    """By the tracer."""
    lines: list[str] = []
    names: dict[int, str] = {}
    for event in events:
        name = names.get(event.conn, f"unborn c{event.conn}")
        match event:
            case Born():
                names[event.conn] = name = f"p{len(names) + 1}"
                lines.append(f"{name} born in {event.pool}, {event.used} used")
            case Transition():
                at = event.at.partition(":")[0]
                lines.append(f"{name} {event.before.name} > {event.after.name} in {at}")
            case Died():
                lines.append(f"{name} died in {event.state.name}, {event.used} used")
            case _:
                pass
    return lines


def watched(seen: Iterable[Seen]) -> list[str]:
    """By the oracle."""
    lines: list[str] = []
    names: dict[int, str] = {}
    births = 0
    for one in seen:
        if one.what == "born":
            births += 1
            names[one.slot] = f"p{births}"
            lines.append(f"p{births} born in {one.pool}, {one.used} used")
        elif one.what == "store":
            lines.append(f"{names.get(one.slot)} {one.before} > {one.after} in {one.file}")
        else:
            lines.append(f"{names.get(one.slot)} died in {one.before}, {one.used} used")
    return lines


def difference(oracle: list[str], tracer: list[str]) -> str:
    """The first one, with what went before it; empty if they are equal."""
    for index, (saw, said) in enumerate(zip_longest(oracle, tracer, fillvalue="nothing more")):
        if saw != said:
            before = [f"  both: {line}" for line in oracle[max(0, index - _SHOWN) : index]]
            return "\n".join([*before, f"oracle: {saw}", f"tracer: {said}"])
    return ""
