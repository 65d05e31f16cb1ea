"""The eleven states as a small diagram of characters: 49 columns, 13 lines, current states lit.

Drawn from the edge graph and the places of the big diagram (`diagram_layout`). An arrow is drawn
where it can run without crossing a state; the long ways to CLOSED (aborts, time-outs) are left to
the big diagram. A lit state has double brackets and the number of its pcbs, so that it is seen
without colours, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lwipscope.report.diagram_layout import END, PLACES
from lwipscope.report.spans import Line, Span
from lwipscope.tcp.graph import Graph
from lwipscope.tcp.state import State

CELL, GAP = 15, 2
_FALLS = "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER LEFT TO LOWER RIGHT}"
_RISES = "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}"
WIDTH, HEIGHT = 3 * CELL + 2 * GAP, 13
_TAKEN = {(int(column), int(row)) for column, row in (*PLACES.values(), END)}


def small_diagram(
    graph: Graph, lit: Mapping[State, int], glowing: Collection[State] = ()
) -> list[Line]:
    """`lit`: how many pcbs are in a state; `glowing`: states that were left a moment ago."""
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for edge in graph.edges:
        if not edge.unreachable:
            _arrow(grid, _place(edge.before, 0), _place(edge.after, PLACES[edge.before][1]))
    lines: list[Line] = []
    for row, characters in enumerate(grid):
        spans: Line = []
        at = 0
        for column, state in _states_in(row):
            left = column * (CELL + GAP)
            spans.append(Span("".join(characters[at:left]), "dim"))
            spans.append(_box(state, lit.get(state, 0), state in glowing))
            at = left + CELL
        spans.append(Span("".join(characters[at:]), "dim"))
        lines.append(spans)
    return lines


def _states_in(row: int) -> list[tuple[int, State]]:
    if row % 2:
        return []
    placed = [(place, state) for state, place in PLACES.items()] + [(END, State.CLOSED)]
    return sorted(
        ((int(x), state) for (x, y), state in placed if int(y) == row // 2),
        key=lambda each: each[0],
    )


def _box(state: State, count: int, glows: bool) -> Span:
    text = f"{state.name} {count}" if count > 1 else state.name
    if count:
        return Span(f"╣{text[: CELL - 2]:^{CELL - 2}}╠", "bold reverse green")
    if glows:
        return Span(f"({text:^{CELL - 2}})", "bold yellow")
    return Span(f"[{text:^{CELL - 2}}]", "")


def _place(state: State, other_row: float) -> tuple[int, int]:
    """CLOSED stands twice: it is the end for the states that are near that."""
    is_end = state is State.CLOSED and other_row >= PLACES[State.LAST_ACK][1]
    column, row = END if is_end else PLACES[state]
    return int(column), int(row)


def _middle(column: int) -> int:
    return column * (CELL + GAP) + CELL // 2


def _arrow(grid: list[list[str]], start: tuple[int, int], end: tuple[int, int]) -> None:
    (x1, y1), (x2, y2) = start, end
    down, aside = y2 - y1, x2 - x1
    if aside == 0 and down and _free((x1, y) for y in range(min(y1, y2) + 1, max(y1, y2))):
        _upright(grid, x1, y1, y2)
    elif down == 0 and aside and _free((x, y1) for x in range(min(x1, x2) + 1, max(x1, x2))):
        _level(grid, y1, x1, x2)
    elif down == 1 and abs(aside) == 1:
        # Beside the upright arrows, between the columns.
        at = min(x1, x2) * (CELL + GAP) + CELL + GAP // 2
        _put(grid, at - 1 if aside > 0 else at, 2 * y1 + 1, _FALLS if aside > 0 else _RISES)
    elif down > 1 and abs(aside) == 1 and _free((x2, y) for y in range(y1, y2)):
        at = _middle(x2)
        side = x1 * (CELL + GAP) + (CELL if aside > 0 else -1)
        for x in range(min(side, at), max(side, at) + 1):
            _put(grid, x, 2 * y1, "─")
        grid[2 * y1][at] = "╮" if aside > 0 else "╭"
        for y in range(2 * y1 + 1, 2 * y2):
            _put(grid, at, y, "│")
        grid[2 * y2 - 1][at] = "▼"


def _upright(grid: list[list[str]], column: int, y1: int, y2: int) -> None:
    at = _middle(column)
    for y in range(2 * min(y1, y2) + 1, 2 * max(y1, y2)):
        _put(grid, at, y, "│")
    head = 2 * y2 - 1 if y2 > y1 else 2 * y2 + 1
    other = {"▼": "▲", "▲": "▼"}
    mark = "▼" if y2 > y1 else "▲"
    grid[head][at] = "↕" if grid[head][at] in (other[mark], "↕") else mark


def _level(grid: list[list[str]], row: int, x1: int, x2: int) -> None:
    left = min(x1, x2) * (CELL + GAP) + CELL
    right = max(x1, x2) * (CELL + GAP) - 1
    for x in range(left, right + 1):
        _put(grid, x, 2 * row, "─")
    if x2 > x1:
        grid[2 * row][right] = "▶"
    else:
        grid[2 * row][left] = "◀"


def _put(grid: list[list[str]], x: int, y: int, mark: str) -> None:
    if grid[y][x] in (" ", mark):
        grid[y][x] = mark
    elif {grid[y][x], mark} == {_FALLS, _RISES}:
        grid[y][x] = "\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}"
    elif {grid[y][x], mark} == {"─", "│"}:
        grid[y][x] = "┼"


def _free(cells: Iterable[tuple[int, int]]) -> bool:
    return not any(cell in _TAKEN for cell in cells)
