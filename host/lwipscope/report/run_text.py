"""A run as text: what it was, the ladder of each connection, and what was found.

Called by `lwipscope show` and at the end of `lwipscope run`. The same words as for a scenario that
has just been played, from the run file alone.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator

from lwipscope.report.ladder import LEAST_WIDTH, WIDTH, ladder
from lwipscope.report.style import Style, safe
from lwipscope.runfile.merged import merged
from lwipscope.runfile.model import About, Run, RunLife
from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import Connection

_LABEL = 11
_MOST_CONNECTIONS = 3


def run_text(
    run: Run,
    style: Style,
    *,
    width: int = WIDTH,
    conn: int | None = None,
    console: bool = False,
) -> str:
    """Everything about a run; of one connection only, if it is given."""
    width = max(LEAST_WIDTH, width)
    lines = [*_head(run, style, width), ""]
    lines += connections_text(run, style, width=width, conn=conn, console=console)
    lines += [*_findings(run, style, width)]
    return "\n".join(style.plain(line) for line in lines)


def connections_text(
    run: Run,
    style: Style,
    *,
    width: int = WIDTH,
    conn: int | None = None,
    console: bool = False,
) -> list[str]:
    """The ladder and the path of each connection, life by life."""
    lines: list[str] = []
    for life in run.lives:
        chosen = [c for c in life.connections if (c.id == conn if conn else c.role != "listener")]
        if conn and not chosen:
            continue
        if life.number:
            boot = life.hello.boot if life.hello is not None else "?"
            text = f"── the board was reset: boot {safe(boot)} begins "
            lines += [style.paint(text, "bold"), ""]
        if not chosen:
            lines += [*_without_connection(life, style, width), ""]
        for connection in chosen:
            lines.append(style.paint(_title(connection), "bold"))
            lines.append(ladder(life, connection, style, width=width, console=console))
            lines += ["", *_labelled("path", path_text(connection.path), width), ""]
    return [style.plain(line) for line in lines]


def excerpt(run: Run, style: Style, *, width: int = WIDTH, most: int = 60) -> list[str]:
    """Of a run that failed: the connections' ladders and paths, and of a long one its end, which is
    where the difference is. At most about `most` lines for each connection that is shown, and of
    many connections the newest."""
    chunks: list[list[str]] = []
    for life in run.lives:
        for connection in life.connections:
            if connection.role == "listener":
                continue
            rows = ladder(life, connection, style, width=width).split("\n")
            head, body = rows[:1], rows[1:]
            if len(body) > most:
                left_out = f"{'':>11} ({len(body) - most} rows before)"
                body = [style.plain(left_out), *body[-most:]]
            path = _labelled("path", path_text(connection.path), width)
            chunks.append([style.paint(_title(connection), "bold"), *head, *body, "", *path, ""])
    if not chunks:
        return connections_text(run, style, width=width)[:most]
    shown = chunks[-_MOST_CONNECTIONS:]
    more = len(chunks) - len(shown)
    lines = [f"({more} connections before)", ""] if more else []
    return [style.plain(line) for line in [*lines, *(line for chunk in shown for line in chunk)]]


def _head(run: Run, style: Style, width: int) -> Iterator[str]:
    about = run.about
    yield style.paint(safe(about.title or about.name or "a run"), "bold")
    yield from textwrap.wrap(safe(about.story), width)
    if about.source:
        yield style.paint(safe(about.source), "dim")
    fields = run.lives[0].fields if run.lives else {}
    made_of = [
        f"{n} {fields[k]}" for n, k in (("MicroPython", "mp"), ("lwIP", "lwip")) if k in fields
    ]
    made_of += [f"{k} {fields[k]}" for k in ("profile", "build") if k in fields]
    board = ", ".join(filter(None, (about.board_title or about.board, *made_of)))
    yield from _labelled("board", board or "not known", width)
    if about.whose_tcp:
        yield from _labelled("other end", about.whose_tcp, width)
    yield from _labelled("recorded", _when(about), width)


def _when(about: About) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about.wall_ns // 1_000_000_000))
    clock = f", board clock {about.clock}" if about.clock else ""
    early = f"; ended early: {about.ended}" if about.ended else ""
    return f"{when}, {about.lasted_s:.2f} s{clock}{early}"


def _without_connection(life: RunLife, style: Style, width: int) -> list[str]:
    """A life in which nobody connected: what there was instead."""
    lines = ["no connection was seen"]
    lines += [f"  {each.text()}" for each in life.connections]
    for moment in merged(life):
        if moment.kind == "gap":
            text = f"~~~ {safe(moment.text)} ~~~"
            lines += [style.paint(line, "red") for line in textwrap.wrap(text, width)]
    return lines


def _title(connection: Connection) -> str:
    ends = f"{connection.local or '?'}"
    if connection.remote is not None:
        ends += f" - {connection.remote}"
    return f"c{connection.id} {connection.role}, {ends}"


def _findings(run: Run, style: Style, width: int) -> Iterator[str]:
    about = run.about
    for each in about.judged:
        who = f"c{each.conn}: " if each.conn is not None else ""
        if each.expected:
            mark = "" if each.verdict == "PASS" else f" ({each.verdict}; seen: {each.seen or '-'})"
            label = "expected" if each.subject == "path" else each.subject
            yield from _labelled(label, f"{who}{each.expected}{mark}", width)
        elif each.seen:
            yield from _labelled(each.subject, f"{who}{each.seen}", width)
        if each.verdict != "PASS" or each.subject == "deviation":
            for line in each.text.splitlines():
                yield from _wrapped(f"  {safe(line)}", width)
    for remark in about.remarks:
        yield from (style.paint(line, "dim") for line in _wrapped(safe(remark), width))
    good = about.verdict == "PASS"
    colour = "green" if good else "red" if about.verdict else "dim"
    mark = "✓ " if good else "✗ " if about.verdict else ""
    verdict = style.paint(f"{mark}{safe(about.verdict) or 'not judged'}", colour, "bold")
    yield f"{'verdict':<{_LABEL}}{verdict}"
    for problem in run.problems():
        text = f"the evidence is incomplete: {safe(problem)}"
        yield from (style.paint(line, "red") for line in _wrapped(text, width))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ") or [""]


def _labelled(label: str, text: str, width: int) -> list[str]:
    whole = f"{safe(label):<{_LABEL}}{safe(text)}"
    return textwrap.wrap(whole, width, subsequent_indent=" " * _LABEL)
