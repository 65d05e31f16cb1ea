"""How long work tells about itself: one `Step` per line that a person would like to see.

The firmware modules and toolchain.py call a `Progress` callback with these; only the command
line prints them (on a terminal: one line that is rewritten). `total` is 0 while it is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of `total`, `done` of them finished; `text` says what it is."""

    text: str
    done: int = 0
    total: int = 0

    def __str__(self) -> str:
        if not self.total:
            return self.text
        # Counted totals are estimates when a build is incremental: never promise more than 99 %.
        percent = min(99, 100 * self.done // self.total) if self.done < self.total else 100
        return f"[{percent:3d}%] {self.text}"


Progress = Callable[[Step], None]


def quiet(step: Step) -> None:
    """The callback for callers who don't want to hear."""
    del step
