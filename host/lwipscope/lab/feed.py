"""What the lab's page shows, as data: computed once for each change, sent as differences.

A `View` is everything: the rows of the ladder (report.page_rows), connections, things, the pcb
table, the clock. `difference` is what one browser still lacks: rows are sent when they are new or
have changed, other parts only when they are others. Called by `server`; a thread of its own waits
for changes of the lab.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from lwipscope.report.diagram import Diagram, diagram_of
from lwipscope.report.page_rows import Row, initial_numbers, rows_of
from lwipscope.runfile.merged import merged
from lwipscope.runfile.model import Run, RunLife
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Return

_FRAME_BYTES = 256
_LOOK_S = 0.25
"""Also without news the feed looks so often whether it shall end."""
_BREATH_S = 0.02
"""Between two computations: a flood of segments must not take all of the machine."""
STYLES = ("linux", "windows", "bsd", "ss", "lwip")


class Bench(Protocol):
    """What the page needs of a `lab.lab.Lab`."""

    def do(self, line: str) -> Any: ...

    def things(self) -> Sequence[Any]: ...

    def run(self) -> Run: ...

    def changed(self, since: int, timeout_s: float) -> int: ...

    @property
    def clock(self) -> str: ...


@dataclass(frozen=True, slots=True)
class View:
    """The lab at one moment."""

    number: int = 0
    parts: dict[str, Any] = field(default_factory=dict)
    rows: tuple[list[Row], ...] = ()


class Feed:
    """The newest view, and a way to wait for the next one."""

    def __init__(self, lab: Bench) -> None:
        self._lab = lab
        self._news = threading.Condition()
        self._view = View()
        self._closed = False
        self._old: dict[int, _Shown] = {}
        self._diagrams: dict[str, Diagram] = {}
        self.run: Run | None = None
        self._thread = threading.Thread(target=self._follow, name="lab-feed")
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join()

    @property
    def births(self) -> int:
        """How many connections and listeners there have been, in all lives."""
        lives = self._view.parts.get("lives", [])
        return sum(len(life["conns"]) for life in lives) + len(lives)

    @property
    def closed(self) -> bool:
        """Whether no more views will come."""
        return self._closed

    def after(self, number: int, timeout_s: float) -> View | None:
        """The newest view if it is newer than `number`; waits for it."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._view.number > number, timeout_s)
            return self._view if self._view.number > number else None

    def _follow(self) -> None:
        version = -1
        while not self._closed:
            newer = self._lab.changed(version, _LOOK_S)
            if newer == version:
                continue
            version = newer
            began = time.monotonic()
            try:
                parts, rows = self._look()
            except Exception as error:
                # A defect of ours: the page keeps what it has, and says so.
                problem = f"lwipscope's own error, the page is not up to date: {error!r}"
                parts, rows = self._view.parts | {"problems": [problem]}, self._view.rows
            with self._news:
                self._view = View(self._view.number + 1, parts, rows)
                self._news.notify_all()
                rest_s = max(_BREATH_S, time.monotonic() - began)
                self._news.wait_for(lambda: self._closed, rest_s)

    def _look(self) -> tuple[dict[str, Any], tuple[list[Row], ...]]:
        run = self.run = self._lab.run()
        lives, rows, first_frame = [], [], 1
        for life in run.lives:
            shown = self._shown(life, first_frame)
            lives.append(shown.facts)
            rows.append(shown.rows)
            first_frame += len(life.wire)
        parts: dict[str, Any] = {
            "lives": lives,
            "things": [asdict(each) for each in self._lab.things()],
            "table": shown.table if run.lives else [],
            "clock": _clock(run, self._lab.clock),
            "problems": shown.problems if run.lives else [],
        }
        return parts, tuple(rows)

    def _shown(self, life: RunLife, first_frame: int) -> _Shown:
        known = self._old.get(life.number)
        if known is not None and known.life is life:
            return known
        diagram = self._diagrams.get(life.profile) or diagram_of(life.profile)
        self._diagrams[life.profile] = diagram
        # It goes on: that its end is not proven says nothing.
        books = life.integrity
        last = life.events[-1].event.seq if life.events else 0
        living = replace(life, integrity=replace(books, synced_through=last, unsynced=0))
        rows = rows_of(living, diagram, _FRAME_BYTES)
        _number_frames(rows, living, first_frame)
        problems = living.integrity.problems()
        if books.board_lost:
            problems.append(books.board_lost)
        made = _Shown(life, _without_loading(rows), _facts(living), [*_table(living)], problems)
        self._old[life.number] = made
        return made


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of a life."""

    life: RunLife
    rows: list[Row]
    facts: dict[str, Any]
    table: list[dict[str, Any]]
    problems: list[str]


def difference(old: View, new: View) -> dict[str, Any]:
    """What has to be sent to one who has `old`: `parts` that changed, and `rows`: for each life
    that changed its number, how many rows it has, and [index, row] of those that are others."""
    parts = {key: value for key, value in new.parts.items() if old.parts.get(key) != value}
    rows = []
    for number, now in enumerate(new.rows):
        before = old.rows[number] if number < len(old.rows) else []
        if before is now and number < len(old.rows):
            continue
        others = [
            [index, row]
            for index, row in enumerate(now)
            if index >= len(before) or before[index] != row
        ]
        if others or len(before) != len(now) or number >= len(old.rows):
            rows.append([number, len(now), others])
    return {"number": new.number, "parts": parts, "rows": rows}


def _number_frames(rows: list[Row], life: RunLife, first: int) -> None:
    """`N`: the number of a segment on the wire, as `lwipscope show --explain` counts."""
    place = {id(frame): number for number, frame in enumerate(life.wire, first)}
    alone = (m.frame for m in merged(life) if m.kind == "frame" and m.frame and m.frame.tcp)
    for row in rows:
        if row["k"] != "seg":
            continue
        frame = life.frame_of.get(row["m"]) if "m" in row else next(alone, None)
        if frame is not None:
            row["N"] = place[id(frame)]


def _without_loading(rows: list[Row]) -> list[Row]:
    """What the console says while the agent is loaded is of no use to anybody."""
    first = next(
        (n for n, row in enumerate(rows) if row["k"] in ("call", "note", "seg")), len(rows)
    )
    return [row for n, row in enumerate(rows) if n >= first or row["k"] != "console"]


def _facts(life: RunLife) -> dict[str, Any]:
    accepted = {
        call.accepted
        for each in life.connections
        for call in each.calls
        if isinstance(call, Return) and call.accepted is not None
    }
    return {
        "boot": life.fields.get("boot", ""),
        "exact": life.profile not in ("rfc9293", "unknown"),
        "conns": [_connection(each, accepted) for each in life.connections],
    }


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


def _table(life: RunLife) -> Iterator[dict[str, Any]]:
    """The pcbs that live now; `since` is the board's clock when its state began."""
    for each in life.connections:
        state = each.path[-1]
        if each.ended or (str(state) == "CLOSED" and each.role != "idle"):
            continue
        led_by = each.led_by[-1]
        yield {
            "conn": each.id,
            "state": str(state),
            "spelled": {style: state.spelled(style) for style in STYLES},
            "local": str(each.local or "0.0.0.0:0"),
            "remote": str(each.remote or ""),
            "since": None if led_by is None else led_by.clock_us,
        }


def _clock(run: Run, mode: str) -> dict[str, Any]:
    """The board's clock at a moment of this machine's."""
    for life in reversed(run.lives):
        if life.events:
            last = life.events[-1]
            wall_ms = run.wall_ns(last.at_s) // 1_000_000
            return {"us": last.event.clock_us, "wall_ms": wall_ms, "mode": mode}
    return {"us": 0, "wall_ms": 0, "mode": mode}
