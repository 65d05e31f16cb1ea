"""What the board made of each frame, in words: the comments in captures.

A transition that a segment caused is told at that segment; one that a call or a timer caused, at
the next segment that the board sends for that connection (close() and its FIN), or, if it sends
none, at the last that the connection had.
"""

from __future__ import annotations

from collections import defaultdict

from lwipscope.runfile.model import DROPPED, Run, RunLife
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Segment, Transition

LOST = "dropped on its way by a rule of the wire: it never arrived"
UNRECORDED = "the board has no record of this segment: it was lost on its way, or refused below TCP"


def remarks(life: RunLife) -> dict[int, list[str]]:
    """By a frame's place in `life.wire`."""
    place_of = {f.event_seq: n for n, f in enumerate(life.wire) if f.event_seq is not None}
    found: dict[int, list[str]] = defaultdict(list)
    waiting: dict[int, list[tuple[int, str]]] = defaultdict(list)
    newest: dict[int, tuple[int, int]] = {}  # connection: place of its newest frame, board time
    came_in: tuple[int, int] | None = None
    gaps = [*life.integrity.gaps]
    for event in life.plain_events:
        while gaps and event.seq > gaps[0].last:
            gap = gaps.pop(0)
            came_in = None  # what caused the next transition may be in the gap
            if place_of.get(event.seq) is not None:
                found[place_of[event.seq]].append(f"before this, records {gap} never arrived")
        if isinstance(event, Segment):
            place = place_of.get(event.seq)
            if event.direction == "rx":
                came_in = None if place is None else (place, event.clock_us)
            if place is not None:
                newest[event.conn] = (place, event.clock_us)
                if event.direction == "tx":
                    found[place] += [text for _, text in waiting.pop(event.conn, [])]
            continue
        text = _told(event)
        if not text:
            continue
        if isinstance(event, Transition | Died) and event.cause.kind == "rx" and came_in:
            found[came_in[0]].append(text)
            newest.setdefault(event.conn, came_in)
        else:
            waiting[event.conn].append((event.clock_us, text))
    for conn, told in waiting.items():
        if conn in newest:
            place, since_us = newest[conn]
            found[place] += [f"{_later(at_us - since_us)}{text}" for at_us, text in told]
    for number, frame in enumerate(life.wire):
        if frame.fate == DROPPED:
            found[number].append(LOST)
        elif frame.event_seq is None and frame.tcp is not None:
            found[number].append(UNRECORDED)
    return found


def heading(run: Run) -> list[str]:
    """What the whole capture is: run, verdict, board."""
    about = run.about
    lines = [f"lwipscope run: {about.name}" + (f" ({about.title})" if about.title else "")]
    lines.append(f"verdict: {about.verdict or 'not judged'}")
    for each in about.judged:
        if each.expected or each.seen:
            seen = f", seen: {each.seen}" if each.seen else ""
            lines.append(f"{each.subject} {each.verdict}: expected {each.expected}{seen}")
    fields = run.lives[0].fields if run.lives else {}
    names = ("board", "mp", "lwip", "profile", "build")
    said = " ".join(f"{name}={fields[name]}" for name in names if name in fields)
    lines.append(f"board: {about.board_title or about.board} {said}".rstrip())
    if about.whose_tcp:
        lines.append(f"other end: {about.whose_tcp}")
    return lines + [f"the evidence is incomplete: {problem}" for problem in run.problems()]


def _told(event: Event) -> str:
    if isinstance(event, Transition) and event.before is not event.after:
        at = f", {event.at}" if event.at else ""
        text = f"{event.before} > {event.after} ({event.cause.text()}{at})"
        return f"board c{event.conn}: {text}"
    if isinstance(event, Died) and event.state is not State.CLOSED:
        return f"board c{event.conn}: {event.state} > CLOSED ({event.cause.text()}, freed)"
    return ""


def _later(us: int) -> str:
    if us < 0:
        return "before this, "
    return f"{us / 1e6:.3f} s later, " if us > 1000 else "then "
