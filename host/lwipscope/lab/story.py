"""The rows of one life while it goes on, at a cost that follows what is recent, not all there was.

What lies behind is frozen once a later look has shown that it stays as it is. From then on only
what came after is matched and laid out anew, together with the beginnings of the connections that
are still there: so their states and their other ends' go on. Used by `feed`; rows are those of
`report.page_rows`, and the same as `rows_of` gives for the whole life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lwipscope.lab.other_ends import peer_states
from lwipscope.report.diagram import Diagram, diagram_of
from lwipscope.report.page_rows import Row, initial_numbers, rows_of
from lwipscope.runfile.matching import match
from lwipscope.runfile.merged import merged
from lwipscope.runfile.model import BoardEvent, RunLife, WireFrame
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Born, Call, Died, Hello, Return, Segment

FREEZE_EVENTS = 200
_FRAME_BYTES = 256
_LAST_ENDED = 4
"""So many ended connections are kept: a peer may still send to one."""
_FIRST_SEGMENTS, _LAST_SEGMENTS = 6, 40
"""Of a connection that goes on, enough to know its states by."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a life. `peers`: the states of the other ends, by connection."""

    life: RunLife
    rows: list[Row]
    facts: dict[str, Any]
    connections: tuple[Connection, ...]
    peers: dict[int, str]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class _Mark:
    """How much there was at a moment."""

    events: int = 0
    frames: int = 0
    notes: int = 0
    console: int = 0

    @classmethod
    def of(cls, life: RunLife) -> _Mark:
        return cls(len(life.events), len(life.wire), len(life.notes), len(life.console))


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What stays as it is: everything before `mark`. `events` and `frames` (with their numbers)
    go on; `skip` rows come of them, which are among `rows` already."""

    mark: _Mark = _Mark()
    rows: tuple[Row, ...] = ()
    events: tuple[BoardEvent, ...] = ()
    frames: tuple[tuple[int, WireFrame], ...] = ()
    skip: int = 0


class Story:
    """One life's."""

    def __init__(self) -> None:
        self._frozen = _Frozen()
        self._candidate = _Mark()
        self._connections: dict[int, dict[str, Any]] = {}
        self._accepted: set[int] = set()
        self._peers: dict[int, str] = {}
        self._diagram: Diagram | None = None
        self._shown: Shown | None = None

    def look(self, life: RunLife, first_frame: int) -> Shown:
        """The life as it is now; its frames need not be matched. `first_frame`: the number of its
        first one, as `lwipscope show --explain` counts."""
        if self._shown is not None and self._shown.life is life:
            return self._shown
        now = _Mark.of(life)
        part, numbers = self._part(life, now)
        rows = self._rows(part, numbers, first_frame)
        fresh = len(life.events) - self._frozen.mark.events
        shown = self._made(life, part, rows)
        if fresh > FREEZE_EVENTS and self._candidate.events > self._frozen.mark.events:
            self._freeze(life, rows, first_frame)
        self._candidate = now
        self._shown = shown
        return shown

    def _part(self, life: RunLife, until: _Mark) -> tuple[RunLife, list[int]]:
        """What is not frozen, up to a mark, as a life of its own; the numbers of its frames."""
        frozen, since = self._frozen, self._frozen.mark
        events = frozen.events + life.events[since.events : until.events]
        frames = [frame for _, frame in frozen.frames]
        frames += life.wire[since.frames : until.frames]
        numbers = [number for number, _ in frozen.frames] + [*range(since.frames, until.frames)]
        last = life.events[-1].event.seq if life.events else 0
        part = RunLife(
            life.number,
            events,
            match((replace(frame, event_seq=None) for frame in frames), events),
            life.notes[since.notes : until.notes],
            life.console[since.console : until.console],
            # It goes on: that its end is not proven says nothing.
            replace(life.integrity, synced_through=last, unsynced=0),
        )
        return part, numbers

    def _rows(self, part: RunLife, numbers: list[int], first_frame: int) -> list[Row]:
        """All rows of a part, those of what was carried along included."""
        if self._diagram is None or self._diagram.profile != part.profile:
            self._diagram = diagram_of(part.profile)
        rows = rows_of(part, self._diagram, _FRAME_BYTES)
        _number_frames(rows, part, [first_frame + number for number in numbers])
        return rows if self._frozen.mark.events else without_loading(rows)

    def _made(self, life: RunLife, part: RunLife, rows: list[Row]) -> Shown:
        self._accepted |= {
            each.event.accepted
            for each in part.events
            if isinstance(each.event, Return) and each.event.accepted is not None
        }
        for each in part.connections:
            self._connections[each.id] = _connection(each, self._accepted)
        self._peers |= peer_states(part)
        # That the board is lost is told apart from these.
        problems = replace(part.integrity, board_lost=None).problems()
        facts = {
            "boot": part.fields.get("boot", ""),
            "exact": part.profile not in ("rfc9293", "unknown"),
            "conns": [self._connections[number] for number in sorted(self._connections)],
        }
        whole = [*self._frozen.rows, *rows[self._frozen.skip :]]
        return Shown(life, whole, facts, part.connections, dict(self._peers), problems)

    def _freeze(self, life: RunLife, rows: list[Row], first_frame: int) -> None:
        """What there was at an earlier look stays, if nothing that came later has changed it."""
        mark = self._candidate
        if life.console[: mark.console] and not life.console[mark.console - 1].data.endswith(b"\n"):
            return
        part, numbers = self._part(life, mark)
        old = self._rows(part, numbers, first_frame)
        if [*map(_stays, old)] != [*map(_stays, rows[: len(old)])]:
            return
        ids, seqs = _going_on(part)
        events = tuple(each for each in part.events if _goes_on(each, ids, seqs))
        kept = {each.event.seq for each in events}
        frames = tuple(
            (number, frame)
            for number, frame in zip(numbers, part.wire, strict=True)
            if frame.event_seq in kept
        )
        before = self._frozen
        self._frozen = _Frozen(
            mark, before.rows + tuple(rows[before.skip : len(old)]), events, frames
        )
        # What comes of the carried ones alone is there already.
        carried, numbers = self._part(life, mark)
        self._frozen = replace(self._frozen, skip=len(self._rows(carried, numbers, first_frame)))


def _stays(row: Row) -> Row:
    """Without the times that are guessed, which later events make better known."""
    return {key: row[key] for key in row if key not in ("t", "u")} if "u" in row else row


def _going_on(part: RunLife) -> tuple[set[int], set[int]]:
    """The connections that later things may belong to, and the numbers of the events that they
    are known by."""
    found: set[int] = set()
    seqs: set[int] = set()
    ended = [each for each in part.connections if each.ended]
    for each in (*(c for c in part.connections if not c.ended), *ended[-_LAST_ENDED:]):
        found |= {each.id, *each.folded}
        segments = [segment.seq for segment in each.segments]
        calls = [call.seq for call in each.calls]
        seqs |= {*segments[:_FIRST_SEGMENTS], *segments[-_LAST_SEGMENTS:]}
        seqs |= {*calls[-_LAST_SEGMENTS:]} if each.role != "listener" else set()
    born = {e.event.conn for e in part.events if isinstance(e.event, Born)}
    died = {e.event.conn for e in part.events if isinstance(e.event, Died)}
    return found | (born - died), seqs


def _goes_on(each: BoardEvent, ids: set[int], seqs: set[int]) -> bool:
    event = each.event
    if isinstance(event, Hello):
        return True
    if isinstance(event, Call | Return | Segment):
        return event.seq in seqs
    return event.conn in ids


def _number_frames(rows: list[Row], life: RunLife, numbers: list[int]) -> None:
    """`N`: the number of a segment on the wire."""
    place = {id(frame): number for number, frame in zip(numbers, life.wire, strict=True)}
    alone = (m.frame for m in merged(life) if m.kind == "frame" and m.frame and m.frame.tcp)
    for row in rows:
        if row["k"] != "seg":
            continue
        frame = life.frame_of.get(row["m"]) if "m" in row else next(alone, None)
        if frame is not None:
            row["N"] = place[id(frame)]


def without_loading(rows: list[Row]) -> list[Row]:
    """What the console says while the agent is loaded is of no use to anybody."""
    first = next(
        (n for n, row in enumerate(rows) if row["k"] in ("call", "note", "seg")), len(rows)
    )
    return [row for n, row in enumerate(rows) if n >= first or row["k"] != "console"]


def _connection(connection: Connection, accepted: set[int]) -> dict[str, Any]:
    numbers = initial_numbers(connection)
    return {
        "id": connection.id,
        "role": connection.role,
        "local": str(connection.local or ""),
        "remote": str(connection.remote or ""),
        "listener": connection.listener,
        "state": str(connection.path[-1]),
        "ended": connection.ended,
        "accepted": connection.id in accepted,
        "isn": [numbers.get("rx"), numbers.get("tx")],
    }


def living(connections: Iterable[Connection]) -> Iterator[Connection]:
    """Those whose pcb is there."""
    for each in connections:
        if not each.ended and (str(each.path[-1]) != "CLOSED" or each.role == "idle"):
            yield each
