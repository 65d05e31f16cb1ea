"""Captures are stamped with the wall clock, the switch stamps with `time.monotonic()` seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WallClock:
    """Ties `time.monotonic()` to the wall clock at one moment, so that later steps of the wall
    clock (NTP) cannot reorder what was captured."""

    offset_ns: int

    @classmethod
    def now(cls) -> WallClock:
        """The tie as it is at this moment."""
        return cls(time.time_ns() - time.monotonic_ns())

    def wall_ns(self, at_s: float) -> int:
        """Nanoseconds since 1970 of a `time.monotonic()` stamp."""
        return int(at_s * _NS) + self.offset_ns

    def at_s(self, wall_ns: int) -> float:
        """The `time.monotonic()` stamp of a wall clock time."""
        return (wall_ns - self.offset_ns) / _NS
