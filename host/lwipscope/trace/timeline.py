"""One order for everything that happened: board events, wire, peers' actions, console.

Board events keep the board's order; all else is placed by the host's clock, between the board
events that the host read before and after it. The serial line delays those, so a segment on the
wire usually stands before the board's record of it. Read by verdicts and reports.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from lwipscope.trace.event import Beat, Event
from lwipscope.trace.trace import ConsoleText, Stamped


@dataclass(frozen=True, slots=True)
class WireEntry:
    """A segment or another frame on the wire; `text` as the packet codec describes it."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a peer or the test did."""

    at_s: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `clock_us` and `event` are there for the board's events only."""

    at_s: float
    clock_us: int | None
    source: str
    text: str
    event: Event | None = None

    def line(self) -> str:
        """For people. Board events show the board's clock: the host's only says when they came."""
        clock = "" if self.clock_us is None else f"{self.clock_us / 1e6:.6f}"
        return f"{clock:>14}  {self.source:<7} {self.text}"


class Timeline:
    """All entries in one order."""

    def __init__(
        self,
        board: Iterable[Stamped],
        wire: Iterable[WireEntry] = (),
        notes: Iterable[Note] = (),
        console: Iterable[ConsoleText] = (),
    ) -> None:
        # Of entries with equal times, heapq.merge takes the earlier argument's first.
        self.entries: tuple[Entry, ...] = tuple(
            heapq.merge(
                sorted((Entry(n.at_s, None, n.who, n.text) for n in notes), key=_at_s),
                sorted((Entry(w.at_s, None, "wire", w.text) for w in wire), key=_at_s),
                _board_entries(board),
                sorted(_console_entries(console), key=_at_s),
                key=_at_s,
            )
        )

    @classmethod
    def of_events(cls, events: Iterable[Event]) -> Timeline:
        """Of board events alone, whose arrival times are not known."""
        return cls(Stamped(0.0, event) for event in events)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def around(self, event: Event | None, before: int = 8, after: int = 8) -> str:
        """The lines around `event`, which is marked; the last lines if it is not given."""
        entries = [entry for entry in self.entries if not isinstance(entry.event, Beat)]
        board = [entry.event for entry in entries]
        if event is None or event not in board:
            return "\n".join(f"  {entry.line()}" for entry in entries[-(before + after) :])
        found = board.index(event)
        shown = range(max(0, found - before), min(len(entries), found + after + 1))
        return "\n".join(f"{'>' if i == found else ' '} {entries[i].line()}" for i in shown)


def _at_s(entry: Entry) -> float:
    return entry.at_s


def _board_entries(board: Iterable[Stamped]) -> Iterator[Entry]:
    latest_s = float("-inf")
    for stamped in board:
        # Times in a timeline never fall: readers draw them to scale, and merging needs it.
        latest_s = max(latest_s, stamped.at_s)
        event = stamped.event
        yield Entry(latest_s, event.clock_us, "board", event.text(), event)


def _console_entries(console: Iterable[ConsoleText]) -> Iterator[Entry]:
    """Whole lines, placed where their last piece came."""
    text, at_s = b"", 0.0
    for piece in chain(console, (None,)):
        *lines, text = (text + (piece.data if piece else b"\n")).split(b"\n")
        at_s = piece.at_s if piece else at_s
        for line in lines:
            shown = line.decode("utf-8", "replace").strip("\r")
            if shown:
                yield Entry(at_s, None, "console", shown)
