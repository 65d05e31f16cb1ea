"""The board's clock against the host's, from what order alone proves.

A segment that came in was on the wire before the board recorded it, and one that went out was
recorded before it was on the wire; nothing is read before it was recorded. So each event has an
earliest and a latest host time. Where one fixed difference of the two clocks fits all events in
a row, that difference is known within a few of these bounds; where board time was moved (command
`advance`) or stood still, another difference begins. Assumes that both clocks run equally fast
between moves, as QEMU's does; a real board's quartz is 100 parts in a million off.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

_OPEN_S = 3600.0  # how far off a clock is taken to be where nothing bounds it


@dataclass(frozen=True, slots=True)
class Placed:
    """A host time in seconds since the run began; the true one is within `give_or_take_s` of it."""

    at_s: float
    give_or_take_s: float


@dataclass(frozen=True, slots=True)
class Piece:
    """From event number `first` on (board time `from_us`), host = board + `offset_s`."""

    first: int
    from_us: int
    offset_s: float
    give_or_take_s: float


@dataclass(frozen=True, slots=True)
class ClockMap:
    """Pieces in order; events are numbered by their place in the life."""

    pieces: tuple[Piece, ...] = ()

    @classmethod
    def of(cls, ends: Sequence[tuple[int, float | None, float]]) -> ClockMap:
        """From board time, earliest host time (None: no bound of its own) and latest, by event."""
        latest = [end[2] for end in ends]
        for index in range(len(latest) - 2, -1, -1):
            latest[index] = min(latest[index], latest[index + 1])
        earliest_s = float("-inf")
        pieces: list[Piece] = []
        low, high = float("-inf"), float("inf")
        first = 0
        for index, (clock_us, bound_s, _) in enumerate(ends):
            if bound_s is not None:
                earliest_s = max(earliest_s, bound_s)
            board_s = clock_us / 1e6
            here = (earliest_s - board_s, latest[index] - board_s)
            narrowed = (max(low, here[0]), min(high, here[1]))
            if narrowed[0] > narrowed[1]:
                pieces.append(_piece(first, ends[first][0], low, high))
                first, narrowed = index, here
            low, high = narrowed
        if ends:
            pieces.append(_piece(first, ends[first][0], low, high))
        return cls(tuple(pieces))

    def of_event(self, number: int, clock_us: int) -> Placed:
        """When an event happened; `number` is its place in the life."""
        index = bisect.bisect_right([piece.first for piece in self.pieces], number) - 1
        return self._placed(index, clock_us)

    def of_clock(self, clock_us: int) -> Placed:
        """The host time of a moment of board time."""
        index = bisect.bisect_right([piece.from_us for piece in self.pieces], clock_us) - 1
        return self._placed(index, clock_us)

    def clock_us(self, at_s: float) -> int | None:
        """Board time at a host time, None if the map is empty."""
        starts = [piece.from_us / 1e6 + piece.offset_s for piece in self.pieces]
        index = max(0, bisect.bisect_right(starts, at_s) - 1)
        if not self.pieces:
            return None
        return max(0, round((at_s - self.pieces[index].offset_s) * 1e6))

    def _placed(self, index: int, clock_us: int) -> Placed:
        if not self.pieces:
            return Placed(0.0, _OPEN_S)
        piece = self.pieces[max(0, index)]
        return Placed(clock_us / 1e6 + piece.offset_s, piece.give_or_take_s)


def _piece(first: int, from_us: int, low: float, high: float) -> Piece:
    if low == float("-inf"):
        # Nothing came in yet: the reading alone bounds it, and reading is prompt as a rule.
        return Piece(first, from_us, high, _OPEN_S)
    return Piece(first, from_us, (low + high) / 2, max(0.0, (high - low) / 2))
