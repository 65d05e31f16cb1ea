"""A run as one HTML file: both ends' diagrams, the ladder between them, all to be stepped through.

Nothing is loaded from anywhere: style, script and data are in the file. Data is JSON in a script
element in which `<`, `>` and `&` are escaped, and the script puts it on the page as text only, so
that what a board printed or a peer was called never becomes markup. Called by `lwipscope report`.
"""

from __future__ import annotations

import datetime
import json
from html import escape
from typing import Any

from lwipscope.report.diagram import Diagram, diagram_of
from lwipscope.report.page_deviations import deviations_of
from lwipscope.report.page_rows import initial_numbers, rows_of
from lwipscope.report.svg import asset, part, style
from lwipscope.runfile.model import Run, RunLife
from lwipscope.trace.connection import Connection
from lwipscope.trace.sample import Sample
from lwipscope.trace.sampled import SampledConnection, sampled_connections

_FRAME_BUDGET = 360_000
_LEAST_FRAME = 96
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def page(run: Run) -> str:
    """The whole file."""
    peer = diagram_of("rfc9293")
    # One board has one stack, whatever its lives.
    board = diagram_of(run.lives[-1].profile if run.lives else "unknown")
    data = _data(run, peer, board)
    return document(
        f"{run.about.name}: {run.about.verdict or 'a run'}",
        asset("report.html")
        .replace("{{peer}}", part(peer, "States of the other end; up and down choose an edge"))
        .replace("{{board}}", part(board, "States of the board; up and down choose an edge"))
        .replace("{{data}}", embedded(data))
        .replace("{{script}}", asset("report.js")),
    )


def document(title: str, body: str) -> str:
    """A page of ours."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style()}{asset('report.css')}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def embedded(data: Any) -> str:
    """JSON that ends no script element and begins no comment."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character, safe in _ESCAPES.items():
        text = text.replace(character, safe)
    # A lone surrogate can't be written as UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def when(run: Run) -> str:
    """The moment of the run, in UTC."""
    moment = datetime.datetime.fromtimestamp(run.about.wall_ns / 1e9, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if run.about.wall_ns else ""


def sampled(run: Run) -> bool:
    """Whether states were only looked at now and then."""
    return any(isinstance(e, Sample) for life in run.lives for e in life.plain_events)


def _data(run: Run, peer: Diagram, board: Diagram) -> dict[str, Any]:
    about = run.about
    frames = [frame for life in run.lives for frame in life.wire if frame.tcp is not None]
    total = sum(len(frame.data) for frame in frames)
    limit = 1 << 16 if total <= _FRAME_BUDGET else max(_LEAST_FRAME, _FRAME_BUDGET // len(frames))
    return {
        "name": about.name,
        "title": about.title,
        "story": about.story,
        "source": about.source,
        "verdict": about.verdict,
        "judged": [
            [j.subject, j.verdict, j.expected, j.seen, j.text, j.life, j.conn] for j in about.judged
        ],
        "remarks": [*about.remarks],
        "deviations": deviations_of(run),
        "ended": about.ended,
        "problems": run.problems(),
        "sampled": sampled(run),
        "facts": _facts(run),
        "graphs": {"peer": _graph(peer), "board": _graph(board)},
        "exact": not run.lives or board.profile not in ("rfc9293", "unknown"),
        "lives": [_life(life, board, limit) for life in run.lives],
    }


def _facts(run: Run) -> list[list[str]]:
    """Board, firmware, whose TCP: what a reader has to know to judge."""
    about = run.about
    fields = run.lives[-1].fields if run.lives else {}
    firmware = [
        f"{label} {fields[key]}"
        for key, label in (
            *(("mp", "MicroPython"), ("lwip", "lwIP"), ("profile", "options")),
            *(("sources", "sources"), ("build", "build")),
        )
        if key in fields
    ]
    if fields.get("workarounds") == "0":
        firmware.append("without workarounds")
    board = about.board_title or about.board or fields.get("board", "")
    facts = [
        ("board", board),
        ("firmware", ", ".join(firmware)),
        ("other end's TCP", about.whose_tcp),
        ("board's clock", about.clock),
        ("when", when(run)),
        ("command", about.command),
        ("made with", ", ".join(f"{key} {value}" for key, value in about.versions.items())),
    ]
    return [[label, text] for label, text in facts if text]


def _graph(diagram: Diagram) -> dict[str, list[list[str]]]:
    return {
        arrow.key: [[w.kind, w.trigger, w.source, w.note, w.sends, w.rfc] for w in arrow.ways]
        for arrow in diagram.arrows
    }


def _life(life: RunLife, board: Diagram, frame_limit: int) -> dict[str, Any]:
    return {
        "boot": life.fields.get("boot", ""),
        "conns": [
            *(_connection(each) for each in life.connections),
            *(_sampled(each) for each in sampled_connections(life.plain_events)),
        ],
        "rows": rows_of(life, board, frame_limit),
    }


def _connection(connection: Connection) -> dict[str, Any]:
    numbers = initial_numbers(connection)
    return {
        "id": connection.id,
        "role": connection.role,
        "local": str(connection.local or ""),
        "remote": str(connection.remote or ""),
        "listener": connection.listener,
        "path": [str(state) for state in connection.path],
        "ended": connection.ended,
        "broken": connection.broken,
        "isn": [numbers.get("rx"), numbers.get("tx")],
    }


def _sampled(connection: SampledConnection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "role": connection.role,
        "local": str(connection.local),
        "remote": str(connection.remote or ""),
        "path": [str(state) for state in connection.seen],
        "isn": [None, None],
    }
