"""What a figure is, what was measured, and whether it is good enough. Pure: starts nothing.

A `Measurement` is one way of measuring that gives a value for each of its figures, as often as it
is told to; the median counts. Units are in each figure's `unit`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

Where = TypeVar("Where")
Rows: TypeAlias = Generator[tuple[float, ...], None, None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that tells how fast something is. Without `target` it can't be missed."""

    name: str
    title: str
    unit: str
    target: float | None = None
    better: Literal["less", "more"] = "less"

    def met_by(self, value: float) -> bool:
        """Whether this value is good enough."""
        if self.target is None:
            return True
        return value <= self.target if self.better == "less" else value >= self.target


@dataclass(frozen=True, slots=True)
class Measurement(Generic[Where]):
    """`measure(where, times)` gives `times` rows with a value for each figure."""

    name: str
    figures: tuple[Figure, ...]
    measure: Callable[[Where, int], Rows]
    times: int = 10
    quick_times: int = 3


@dataclass(frozen=True, slots=True)
class Result:
    """The values of one figure. `failure` says why there are none, or not all."""

    figure: Figure
    values: tuple[float, ...]
    failure: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> Literal["pass", "miss", "-"]:
        """`-`: the figure has no target."""
        median = self.median
        if self.failure or median is None or not self.figure.met_by(median):
            return "miss"
        return "-" if self.figure.target is None else "pass"

    def as_json(self) -> dict[str, object]:
        """Everything, for `--json`."""
        figure = self.figure
        return {
            "name": figure.name,
            "title": figure.title,
            "unit": figure.unit,
            "target": figure.target,
            "better": figure.better,
            "median": self.median,
            "values": list(self.values),
            "verdict": self.verdict,
            "failure": self.failure,
        }


def results_of(
    figures: Sequence[Figure], rows: Sequence[Sequence[float]], failure: str = ""
) -> list[Result]:
    """One result per figure from the rows that a measurement gave."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(figures)
    return [Result(f, tuple(c), failure) for f, c in zip(figures, columns, strict=True)]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values don't exceed (nearest rank)."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(0, rank - 1)]


def exit_code(results: Iterable[Result]) -> int:
    """0 if no target is missed, else 1."""
    return int(any(result.verdict == "miss" for result in results))


_HEADS = ("figure", "target", "median (n)", "min", "max", "")


def table(results: Sequence[Result]) -> str:
    """One line per figure, and the reasons of those that could not be measured."""
    rows = [_HEADS, *(_row(result) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(row[1:5], widths[1:5], strict=True)),
        ]
        lines.append("  ".join([*cells, row[5]]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    reasons = dict.fromkeys(r.failure for r in results if r.failure)
    return "\n".join([*lines, *(f"could not be measured: {reason}" for reason in reasons)])


def _row(result: Result) -> tuple[str, ...]:
    figure, values = result.figure, result.values
    if figure.target is None:
        target = "-"
    else:
        sign = "<=" if figure.better == "less" else ">="
        target = f"{sign} {figure.target:g} {figure.unit}"
    if result.median is None:
        return (figure.title, target, "none", "", "", result.verdict)
    return (
        figure.title,
        target,
        f"{_short(result.median)} {figure.unit} ({len(values)})",
        _short(min(values)),
        _short(max(values)),
        result.verdict,
    )


def _short(value: float) -> str:
    """Three digits that mean something, and no exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
