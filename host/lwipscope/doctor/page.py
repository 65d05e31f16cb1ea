"""The report as text for a terminal, and as data for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lwipscope.doctor.examination import Report
from lwipscope.doctor.finding import Finding, Mark
from lwipscope.doctor.states import BoardKind, Cell, Verdict
from lwipscope.doctor.ways import BOTH, BY
from lwipscope.report.style import Style, safe

_SIGNS = {
    Mark.OK: ("✓", "green"),
    Mark.WARNING: ("!", "yellow"),
    Mark.PROBLEM: ("✗", "red"),
    Mark.UNSEEN: ("-", "dim"),
}
_SHORT = {
    Verdict.NOW: ("now", "green"),
    Verdict.WITH_RAW: ("raw", "yellow"),
    Verdict.NEVER: ("never", "dim"),
    Verdict.NO_BOARD: ("no board", "red"),
    Verdict.UNKNOWN: ("unknown", "yellow"),
}
_WIDTH = 9


def lines(report: Report, style: Style) -> Iterator[str]:
    """The whole page."""
    for title, findings in report.areas:
        yield style.paint(title, "bold")
        for finding in findings:
            yield from _finding(finding, style)
    yield ""
    yield from _table(report.tables, style)
    yield ""
    yield _sum(report)


def data(report: Report, code: int) -> dict[str, Any]:
    """The same, for programs."""
    return {
        "format": 1,
        "machine": report.machine.name,
        "usable": report.usable,
        "exit_code": code,
        "checks": [
            {
                "area": title,
                "name": one.name,
                "mark": one.mark.value,
                "seen": one.seen,
                "remedy": one.remedy,
            }
            for title, findings in report.areas
            for one in findings
        ],
        "states": [_cell(kind, cell) for kind, cells in report.tables for cell in cells],
    }


def _finding(finding: Finding, style: Style) -> Iterator[str]:
    sign, colour = _SIGNS[finding.mark]
    yield f"  {style.paint(style.plain(sign), colour)} {finding.name}: {safe(finding.seen)}"
    if finding.remedy:
        yield f"      {style.plain('→')} {safe(finding.remedy)}"


def _table(tables: Sequence[tuple[BoardKind, tuple[Cell, ...]]], style: Style) -> Iterator[str]:
    yield style.paint("states that a board can be held in, from here", "bold")
    heads = "".join(f"{kind + ' board':<{2 * _WIDTH + 2}}" for kind, _ in tables)
    yield f"  {'':<13}{heads}".rstrip()
    roles = "".join(f"{role:<{_WIDTH + 1}}" for _ in tables for role in BOTH)
    yield f"  {'':<13}{roles}".rstrip()
    for index in range(0, len(tables[0][1]), len(BOTH)):
        row = [cell for _, cells in tables for cell in cells[index : index + len(BOTH)]]
        shown = []
        for cell in row:
            word, colour = _SHORT[cell.verdict]
            shown.append(style.paint(word, colour) + " " * (_WIDTH + 1 - len(word)))
        yield f"  {row[0].state.name:<13}{''.join(shown)}".rstrip()
    for kind, cells in tables:
        yield from _how(kind, cells)
    never = [
        f"  {cell.verdict.value}: {cell.state} as {cell.role}: {cell.why}"
        for _, cells in tables
        for cell in cells
        if cell.verdict in (Verdict.NEVER, Verdict.UNKNOWN)
    ]
    yield from dict.fromkeys(never)


def _how(kind: BoardKind, cells: Sequence[Cell]) -> Iterator[str]:
    """By whom, and why not."""
    if kind == "emulated":
        yield "  emulated: by the raw peer on the board's own wire (`lwipscope tour` shows it)"
    else:
        for by, text in BY.items():
            mine = [
                cell
                for cell in cells
                if cell.way and cell.way.by == by and cell.verdict is not Verdict.NEVER
            ]
            names = ", ".join(dict.fromkeys(cell.state.name for cell in mine))
            if mine:
                yield f"  real: by {by} ({text}): {names}"
    for cell in cells:
        if cell.verdict is Verdict.WITH_RAW:
            yield f"  raw: to hold {cell.state} as {cell.role} needs CAP_NET_RAW: {cell.command}"
            yield "       (traced firmware shows a state also in passing, as each handshake does)"


def _sum(report: Report) -> str:
    counts = [
        f"{count} {text}{'s' if count != 1 else ''}"
        for mark, text in ((Mark.PROBLEM, "problem"), (Mark.WARNING, "warning"))
        for count in [report.count(mark)]
    ]
    board = "a board can be used" if report.usable else "no board can be used"
    return f"{', '.join(counts)}; {board}"


def _cell(kind: BoardKind, cell: Cell) -> dict[str, str]:
    way = cell.way
    return {
        "board": kind,
        "state": cell.state.name,
        "role": cell.role,
        "verdict": cell.verdict.value,
        "by": way.by if way else "",
        "how": way.how if way else "",
        "lasts": way.lasts if way else "",
        "source": way.source if way else "",
        "scenario": way.scenario if way else "",
        "why": cell.why,
        "command": cell.command,
    }
