"""How a played scenario is shown: its story, the ladder of segments and states, and the verdict.

Called by the commands that play scenarios. Lines are at most 98 columns wide.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lwipscope.report.ladder import ladder
from lwipscope.report.style import Style
from lwipscope.runfile.model import Run, RunLife
from lwipscope.scenario.play import Played
from lwipscope.scenario.run_record import run_of_played
from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import Connection
from lwipscope.trace.verdict import Verdict

WIDTH = 98
_MOST_DEEDS = 12


def shown(result: Played, dress: Style, number: int | None = None) -> str:
    """Everything about one scenario; `number` is its place among several."""
    scenario = result.scenario
    run = run_of_played(result)
    title = scenario.title if number is None else f"{number}. {scenario.title}"
    rule = "─" * WIDTH
    lines = ["", dress.plain(rule), dress.paint(title, "bold"), ""]
    lines += textwrap.wrap(scenario.story, WIDTH)
    lines += [dress.paint(scenario.rfc, "dim")]
    for ending in result.endings:
        lines += [dress.paint(line, "dim") for line in textwrap.wrap(ending, WIDTH)]
    lines += [""]
    for life_number in range(len(result.lives)):
        lines += _life(result, run, life_number, dress)
    if result.peer.path is not None:
        lines += _labelled("peer path", result.peer.seen)
    if result.peer.expected:
        lines += _labelled("expected", result.peer.expected)
    if result.trouble.rules:
        lines += _rows("trouble", _shortened(result.trouble.lines()))
    if result.deviations.seen:
        lines += _labelled("deviates", ", ".join(result.deviations.seen))
    lines.append(f"verdict   {verdict_text(result.verdict, dress)}")
    lines += _rows("wire", result.wire_faults)
    if result.failure:
        lines.append(f"a step failed: {result.failure}")
    if result.verdict is not Verdict.PASS:
        checks = (result.check, *result.others)
        bad = [each for each in checks if each.verdict is not Verdict.PASS]
        lines += ["", *(each.text for each in bad or checks[:1])]
        if result.peer.verdict is not Verdict.PASS:
            lines.append(result.peer.text)
    lines += [violation.text() for violation in result.violations]
    for text in result.deviations.lines():
        known = "" if result.deviations.verified else "(on a stack that was not verified) "
        lines += textwrap.wrap(known + text, WIDTH, subsequent_indent="  ")
    return "\n".join(dress.plain(line) for line in lines)


def _life(result: Played, run: Run, number: int, dress: Style) -> list[str]:
    """The ladder of one life's connection, and the paths that were judged in it."""
    life, checks = run.lives[number], result.checks_in(number)
    lines = []
    if number:
        boot = life.hello.boot if life.hello is not None else "?"
        lines += ["", dress.paint(f"── the board was reset: boot {boot} begins ", "bold"), ""]
    if result.check in checks:
        # The one that the scenario is about stands first, and alone has its ladder.
        drawn = [result.check.connection]
    else:
        drawn = [check.connection for check in checks] or [*_talked(life)]
    for connection in drawn:
        if connection is not None:
            lines += [ladder(life, connection, dress, peer_name="other end"), ""]
            if not checks:
                lines += _labelled("path", path_text(connection.path))
    for check in checks:
        if check.connection is not None:
            label = "path" if check is checks[0] else "beside it"
            lines += _labelled(label, path_text(check.connection.path))
        lines += _labelled("expected", str(check.pattern))
    return lines


def _talked(life: RunLife) -> list[Connection]:
    """The connections of a life in which no path was judged."""
    return [each for each in life.connections if each.role != "listener"]


def _shortened(lines: Sequence[str]) -> list[str]:
    left = len(lines) - _MOST_DEEDS
    return [*lines] if left <= 0 else [*lines[:_MOST_DEEDS], f"  and {left} more"]


def _rows(label: str, lines: Sequence[str]) -> list[str]:
    """Several lines under one label."""
    rows: list[str] = []
    for line in lines:
        rows += _labelled("" if rows else label, line)
    return rows


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(f"{label:<10}{text}", WIDTH, subsequent_indent=" " * 10)


def verdict_text(verdict: Verdict, dress: Style) -> str:
    """With its mark, and in its colour."""
    if verdict is Verdict.PASS:
        return dress.paint(dress.plain("✓ PASS"), "green", "bold")
    return dress.paint(dress.plain(f"✗ {verdict.name}"), "red", "bold")


def summary(played: Sequence[Played], dress: Style) -> str:
    """Two lines for each."""
    lines = ["", dress.plain("─" * WIDTH)]
    for result in played:
        seen = result.check.connection
        path = path_text(seen.path) if seen else "(no connection)"
        lines.append(f"{verdict_text(result.verdict, dress)}  {result.scenario.title}")
        lines.append(dress.paint(f"        {path}", "dim"))
    return "\n".join(dress.plain(line) for line in lines)
