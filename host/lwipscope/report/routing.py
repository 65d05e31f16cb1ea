"""From a route of the layout to points, a path with round corners, an arrow head, a label's place.

Plain geometry, in pixels. Called by `svg`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign
from typing import Literal, TypeAlias

from lwipscope.report.diagram_layout import END, PLACES, Route, Scale
from lwipscope.tcp.state import State

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["start", "middle", "end"]

_HEAD = 8.0
_GAP = 7.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Where columns and rows are, at one scale."""

    scale: Scale

    def place(self, column: float, row: float) -> Point:
        """The point at a column and a row."""
        scale = self.scale
        return scale.left + column * scale.column, scale.top + row * scale.row

    def centre(self, state: State, end: bool = False) -> Point:
        """The middle of a state's box; `end` is the lower CLOSED."""
        return self.place(*(END if end and state is State.CLOSED else PLACES[state]))

    def port(self, centre: Point, port: str) -> Point:
        """A point on a box, as `B.4`."""
        side, part = port[0], float(port[1:])
        half_width, half_height = self.scale.width / 2, self.scale.height / 2
        x, y = centre
        match side:
            case "T" | "B":
                return x + part * half_width, y + copysign(half_height, 1 if side == "B" else -1)
            case _:
                return x + copysign(half_width, 1 if side == "R" else -1), y + part * half_height

    def points(self, before: State, after: State, route: Route) -> list[Point]:
        """The corners of a route, from its first point to its last one."""
        first = self.port(self.centre(before), route.leaves)
        points = [first]
        away = {"L": (-1, 0), "R": (1, 0), "T": (0, -1), "B": (0, 1)}[route.leaves[0]]
        if route.is_stub:
            return [first, _moved(first, away, self.scale.stub)]
        for bend in route.bends:
            x, y = points[-1]
            if bend[0] == "o":
                points.append(_moved(first, away, self.scale.stub * float(bend[1:])))
                continue
            far = self.place(float(bend[1:]), float(bend[1:]))
            points.append((far[0], y) if bend[0] == "x" else (x, far[1]))
        # CLOSED is above for what comes from above, below for what comes from below.
        low = before in (State.LAST_ACK, State.TIME_WAIT)
        last = self.port(self.centre(after, low), route.arrives)
        x, y = points[-1]
        if route.arrives[0] in "LR" and abs(y - last[1]) > 0.5:
            points.append((x, last[1]))
        elif route.arrives[0] in "TB" and abs(x - last[0]) > 0.5:
            points.append((last[0], y))
        points.append(last)
        return points


def path(points: list[Point], corner: float, short: float = 0.0) -> str:
    """An SVG path with round corners; the end is left off by `short`, where the head is."""
    corners = list(points)
    corners[-1] = towards(points[-1], points[-2], short)
    text = f"M{_n(corners[0][0])} {_n(corners[0][1])}"
    for before, here, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(corner, _length(before, here) / 2, _length(here, after) / 2)
        enter, leave = towards(here, before, radius), towards(here, after, radius)
        text += f"L{_n(enter[0])} {_n(enter[1])}"
        text += f"Q{_n(here[0])} {_n(here[1])} {_n(leave[0])} {_n(leave[1])}"
    return f"{text}L{_n(corners[-1][0])} {_n(corners[-1][1])}"


def head(points: list[Point], size: float = _HEAD) -> str:
    """The arrow head at the end, as an SVG path."""
    tip, base = points[-1], towards(points[-1], points[-2], size)
    across = (base[1] - tip[1]) * 0.42, (tip[0] - base[0]) * 0.42
    left, right = (
        (base[0] + across[0], base[1] + across[1]),
        (
            base[0] - across[0],
            base[1] - across[1],
        ),
    )
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in (tip, left, right)) + "Z"


def label_place(
    points: list[Point], label: str, lines: int, line_height: float
) -> tuple[Point, Anchor]:
    """Where the first line's baseline of a label begins, and how it is anchored."""
    leg, side, part = int(label[0]), label[1], float(label[2:])
    (x0, y0), (x1, y1) = points[leg], points[leg + 1]
    x, y = x0 + (x1 - x0) * part, y0 + (y1 - y0) * part
    middle = y - (lines - 1) * line_height / 2 + line_height * 0.32
    match side:
        case "a":
            return (x, y - _GAP - (lines - 1) * line_height), "middle"
        case "b":
            return (x, y + _GAP + line_height * 0.72), "middle"
        case "l":
            return (x - _GAP - 1, middle), "end"
        case _:
            return (x + _GAP + 1, middle), "start"


def towards(start: Point, goal: Point, by: float) -> Point:
    """The point that is `by` from `start` in the direction of `goal`."""
    length = _length(start, goal) or 1.0
    return (
        start[0] + (goal[0] - start[0]) * by / length,
        start[1] + (goal[1] - start[1]) * by / length,
    )


def _moved(point: Point, direction: tuple[int, int], by: float) -> Point:
    return point[0] + direction[0] * by, point[1] + direction[1] * by


def _length(one: Point, other: Point) -> float:
    return float(((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
