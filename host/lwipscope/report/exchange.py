"""How a played scenario is shown: its story, the ladder of segments and states, and the verdict.

Called by the commands that play scenarios. Lines are at most 98 columns wide.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from lwipscope.report.ladder import ladder, place_notes
from lwipscope.report.style import Style
from lwipscope.scenario.play import Played
from lwipscope.tcp.path import path_text
from lwipscope.trace.verdict import Verdict

WIDTH = 98


def shown(result: Played, dress: Style, number: int | None = None) -> str:
    """Everything about one scenario; `number` is its place among several."""
    scenario, check = result.scenario, result.check
    title = scenario.title if number is None else f"{number}. {scenario.title}"
    rule = "─" * WIDTH
    lines = ["", dress.plain(rule), dress.paint(title, "bold"), ""]
    lines += textwrap.wrap(scenario.story, WIDTH)
    lines += [dress.paint(scenario.rfc, "dim")]
    for ending in result.endings:
        lines += [dress.paint(line, "dim") for line in textwrap.wrap(ending, WIDTH)]
    lines += [""]
    if check.connection is not None:
        placed = place_notes(result.notes, [(s.at_s, s.event) for s in result.stamped])
        lines.append(ladder(check.connection, result.events, dress, placed, "the other end"))
        lines += ["", *_labelled("path", path_text(check.connection.path))]
    lines += _labelled("expected", str(check.pattern))
    for other in result.others:
        if other.connection is not None:
            lines += _labelled("beside it", path_text(other.connection.path))
        lines += _labelled("expected", str(other.pattern))
    lines.append(f"verdict   {verdict_text(result.verdict, dress)}")
    if result.failure:
        lines.append(f"a step failed: {result.failure}")
    if result.verdict is not Verdict.PASS:
        bad = [each for each in (check, *result.others) if each.verdict is not Verdict.PASS]
        lines += ["", *(each.text for each in bad or [check])]
    lines += [violation.text() for violation in result.violations]
    return "\n".join(dress.plain(line) for line in lines)


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
