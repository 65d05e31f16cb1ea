"""The index of several runs as one HTML page: verdicts, links, and the edges they took together.

No script: a table, and the board's diagram with its counts. Called by `lwipscope report FOLDER`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from lwipscope.report.diagram import TIMES, Diagram, diagram_of
from lwipscope.report.html import document, when
from lwipscope.report.svg import part
from lwipscope.runfile.model import Run
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.path import path_text
from lwipscope.trace.event import Segment
from lwipscope.trace.legality import coverage

_ORDER = ("ERROR", "FAIL", "INCONCLUSIVE", "", "PASS")


def index_page(runs: Sequence[tuple[str, Run]], broken: Sequence[tuple[Path, str]] = ()) -> str:
    """`runs` with the links to their reports; `broken` are files that could not be read."""
    counts: Counter[str] = Counter(run.about.verdict or "not judged" for _, run in runs)
    total = ", ".join(f"<b>{number}</b> {escape(name)}" for name, number in counts.most_common())
    many = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    ranked = sorted(runs, key=lambda r: (_rank(r[1]), r[1].about.wall_ns))
    rows = "".join(_row(link, run) for link, run in ranked)
    unread = "".join(
        f'<tr><td class="v ERROR">unreadable</td><td colspan="2">{escape(str(path))}'
        f"<small>{escape(why)}</small></td></tr>"
        for path, why in broken
    )
    body = (
        f'<div class="index"><h1>{many}</h1><p class="sum">{total or "nothing to show"} · '
        '<a href="#edges">edges taken</a></p>'
        "<table><thead><tr><th>verdict</th><th>run</th><th>segments</th></tr></thead>"
        f"<tbody>{unread}{rows}</tbody></table>{_covered([run for _, run in runs])}</div>"
    )
    return document(f"lwipscope: {many}", body).replace("<body>", '<body class="plain">', 1)


def _rank(run: Run) -> int:
    verdict = run.about.verdict
    return _ORDER.index(verdict) if verdict in _ORDER else 0


def _row(link: str, run: Run) -> str:
    about = run.about
    paths = [
        path_text(c.path) for life in run.lives for c in life.connections if c.role != "listener"
    ]
    path = paths[-1] if paths else ""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    # A run without a capture has the board's own records.
    segments = max(
        sum(1 for life in run.lives for frame in life.wire if frame.tcp is not None),
        sum(1 for life in run.lives for e in life.plain_events if isinstance(e, Segment)),
    )
    problems = "; ".join(run.problems())
    return (
        f'<tr><td class="v {escape(about.verdict)}">{escape(about.verdict or "not judged")}</td>'
        f'<td><a href="{escape(link)}">{escape(about.name)}</a>'
        f"<small>{escape(_about(run))}</small>"
        + (f'<span class="path">{escape(path + more)}</span>' if path else "")
        + (f'<small class="INCONCLUSIVE">{escape(problems)}</small>' if problems else "")
        + f'</td><td class="n">{segments}</td></tr>'
    )


def _about(run: Run) -> str:
    """Title and moment: the same scenario may have been played several times."""
    return " · ".join(filter(None, (run.about.title, when(run))))


def _covered(runs: Sequence[Run]) -> str:
    """For each stack: its diagram with the edges of all runs, and what nobody took."""
    profiles = dict.fromkeys(life.profile for run in runs for life in run.lives)
    parts = []
    for profile in profiles:
        graph = graph_of(profile)
        total = coverage((), graph)
        for run in runs:
            for life in run.lives:
                if life.profile == profile:
                    total += coverage(life.plain_events, graph)
        diagram = diagram_of(profile, total.counts)
        missing: dict[str, list[str]] = {}
        for edge in total.missing:
            triggers = missing.setdefault(f"{edge.before} → {edge.after}", [])
            if str(edge.trigger) not in triggers:
                triggers.append(str(edge.trigger))
        listed = "".join(
            f"<li><b>{states}</b> {escape(', '.join(triggers))}</li>"
            for states, triggers in missing.items()
        )
        untaken = f"<h2>Not taken</h2><ul>{listed}</ul>" if listed else "<h2>Every edge taken</h2>"
        parts.append(
            f'<div class="cover" id="edges"><div><h2>Edges taken, {escape(diagram.name)}</h2>'
            f"<p>{escape(total.text())}</p>{part(diagram, 'Edges taken in all runs')}</div>"
            f"<div>{_most(diagram)}{untaken}</div></div>"
        )
    return "".join(parts)


def _most(diagram: Diagram) -> str:
    ranked = sorted((a for a in diagram.arrows if a.count), key=lambda a: -a.count)[:8]
    rows = "".join(f"<li><b>{a.before} → {a.after}</b> {a.count} {TIMES}</li>" for a in ranked)
    return f"<h2>Taken most</h2><ul>{rows}</ul>" if rows else ""
