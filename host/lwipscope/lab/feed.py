"""What the lab's page shows, as data: computed once for each change, sent as differences.

A `View` is everything: the rows of the ladder (report.page_rows), connections, things, the pcb
table, the clock. `difference` is what one browser still lacks: rows are sent when they are new or
have changed, other parts only when they are others. Called by `server`; a thread of its own waits
for changes of the lab.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from lwipscope.lab.story import Story, living
from lwipscope.report import netstat_text
from lwipscope.report.page_rows import Row
from lwipscope.runfile.model import Run, RunLife
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.words.catalogue import Translator

_LOOK_S = 0.25
"""Also without news the feed looks so often whether it shall end."""
_BREATH_S = 0.02
"""Between two computations: a flood of segments must not take all of the machine."""


class Bench(Protocol):
    """What the page needs of a `lab.lab.Lab`."""

    def do(self, line: str, tr: Translator | None = None) -> Any: ...

    def run_text(self, line: str, text: str, tr: Translator | None = None) -> Any: ...

    def things(self, peers: Mapping[int, str] | None = None) -> Sequence[Any]: ...

    def lives(self) -> Sequence[RunLife]: ...

    def host_rows(self) -> Sequence[netstat_text.Row]: ...

    def wall_ns(self, at_s: float) -> int: ...

    def run(self) -> Run: ...

    def changed(self, since: int, timeout_s: float) -> int: ...

    def speak(self, tr: Translator) -> None: ...

    @property
    def clock(self) -> str: ...

    @property
    def program(self) -> str: ...

    @property
    def lost(self) -> str: ...


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
        self._stories: dict[int, Story] = {}
        self._lost = ""
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
            if newer == version and not self._silently_changed():
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

    def _silently_changed(self) -> bool:
        """The kernel's connections come and go without a segment, too; and a board may be lost."""
        known: list[dict[str, Any]] = self._view.parts.get("host", [])
        lost = self._lab.lost
        was_lost, self._lost = self._lost, lost
        return lost != was_lost or [*map(_kernel_row, self._lab.host_rows())] != known

    def _look(self) -> tuple[dict[str, Any], tuple[list[Row], ...]]:
        lives, rows, first_frame = self._lab.lives(), [], 1
        shown = None
        facts = []
        for life in lives:
            shown = self._stories.setdefault(life.number, Story()).look(life, first_frame)
            facts.append(shown.facts)
            rows.append(shown.rows)
            first_frame += len(life.wire)
        things = self._lab.things(shown.peers if shown is not None else {})
        parts: dict[str, Any] = {
            "lives": facts,
            "things": [asdict(each) for each in things],
            "table": [*map(_row, living(shown.connections))] if shown is not None else [],
            "host": [*map(_kernel_row, self._lab.host_rows())],
            "clock": self._clock(lives),
            "program": self._lab.program,
            "lost": self._lab.lost,
            "problems": shown.problems if shown is not None else [],
        }
        return parts, tuple(rows)

    def _clock(self, lives: Sequence[RunLife]) -> dict[str, Any]:
        """The board's clock at a moment of this machine's."""
        us, wall_ms = 0, 0
        for life in reversed(lives):
            if life.events:
                last = life.events[-1]
                us, wall_ms = last.event.clock_us, self._lab.wall_ns(last.at_s) // 1_000_000
                break
        return {"us": us, "wall_ms": wall_ms, "mode": self._lab.clock}


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
            # Most are the same objects, and comparing those is quick.
            if index >= len(before) or (before[index] is not row and before[index] != row)
        ]
        if others or len(before) != len(now) or number >= len(old.rows):
            rows.append([number, len(now), others])
    return {"number": new.number, "parts": parts, "rows": rows}


def _row(each: Connection) -> dict[str, Any]:
    """A pcb that lives now; `since` is the board's clock when its state began."""
    led_by = each.led_by[-1]
    return _spelled(each.path[-1]) | {
        "where": "board",
        "conn": each.id,
        "local": str(each.local or "0.0.0.0:0"),
        "remote": str(each.remote or ""),
        "since": None if led_by is None else led_by.clock_us,
    }


def _kernel_row(each: netstat_text.Row) -> dict[str, Any]:
    """The other end of a connection, or what waits for one, in this machine's kernel."""
    return _spelled(each.state) | {
        "where": each.where,
        "conn": each.conn,
        "local": str(each.local),
        "remote": str(each.remote or ""),
        "since": None,
        "queues": [each.recv_queue, each.send_queue],
    }


def _spelled(state: State) -> dict[str, Any]:
    spelled = {style: state.spelled(style) for style in netstat_text.STYLES}
    return {"state": str(state), "spelled": spelled}
