"""Draws what `lwipscope watch` shows on the whole terminal: a `Watched` becomes lines of spans.

From above: who the board is, counters, the pcb table, then the small diagram with the last
transitions beside it, and a line for keys and messages. Without room for the diagram (less than 80
columns or 22 lines) the transitions have the place. Pure: board time and messages are given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lwipscope.report import small_diagram
from lwipscope.report.spans import Line, Span, fitted
from lwipscope.report.watched import Move, Pcb, Watched
from lwipscope.tcp.graph import graph_of, profile_of

KEYS = "q quit   p pause   f filter by port   s save   ? help"
_GLOW_US = 2_000_000
_LEAST = (80, 22)
HELP = """\
q        quit (Ctrl-C too); the board goes on running
p        pause: the screen stands still, the board and the recording go on; p again: on with it
f        show one port only: type its number and Enter; f and Enter alone: all ports again
s        save all that was seen as a run file: lwipscope show FILE, lwipscope report FILE
?        this help; any key leaves it

The diagram has TCP's eleven states. ╣STATE 2╠: two pcbs are in it now; (STATE): one has just left
it. Ages are in the board's own time. Frames lost: sent by the board and not arrived here; records
lost: the board's buffer was full. After either the table is read from the board again.\
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn beside the board's own story. `now_us`: board time now."""

    where: str
    now_us: int
    port: int | None = None
    paused: bool = False
    missed: int = 0
    """Events that came while it was paused."""
    status: str = ""
    message: str = ""
    prompt: str | None = None
    help: bool = False


def page(watched: Watched, scene: Scene, width: int, height: int) -> list[Line]:
    """Exactly `height` lines of exactly `width` characters."""
    lines = [_head(watched, scene), _counters(watched, width)]
    room = max(0, height - len(lines) - 1)
    if scene.help:
        body: list[Line] = [[], *([Span(text)] for text in HELP.splitlines())]
    elif width >= _LEAST[0] and height >= _LEAST[1]:
        table_room = room - small_diagram.HEIGHT - 2
        body = _table(watched, scene, table_room)
        body += [[]] * (table_room + 1 - len(body))
        body += [[Span("─" * width, "dim")]]
        body += _with_diagram(watched, scene, width)
    else:
        body = _table(watched, scene, max(1, room // 2))
        body += [[Span("─" * width, "dim")]]
        body += _moves(watched, scene, room - len(body), True)
    lines += (body + [[]] * room)[:room]
    lines.append(_foot(scene))
    return [fitted(line, width) for line in lines[:height]]


def _head(watched: Watched, scene: Scene) -> Line:
    told = watched.fields
    about = [told.get("board", ""), told.get("profile", "")]
    if "lwip" in told:
        about.append(f"lwIP {told['lwip']}")
    line: Line = []
    if scene.paused:
        line.append(Span(f"PAUSED, {scene.missed} events since  ", "bold yellow"))
    if scene.port is not None:
        line.append(Span(f"port {scene.port} only  ", "bold cyan"))
    line.append(Span(" ".join(word for word in about if word) or "a board", "bold"))
    line.append(Span(f"  {scene.where}  boot {watched.boot}  {_seconds(scene.now_us)}"))
    return line


def _counters(watched: Watched, width: int) -> Line:
    counts = watched.counts
    pools = [
        f"{pool} {watched.used.get(pool, '?')}/{watched.fields[pool]}"
        for pool in ("pcb", "lpcb")
        if pool in watched.fields
    ]
    line = [Span(f"events {counts['events']}  transitions {counts['transitions']}")]
    if counts["segments"]:
        line.append(Span(f"  segments {counts['segments']}"))
    for name in ("frames lost", "records lost"):
        count = counts[name.replace(" ", "_")]
        line.append(Span(f"  {name} {count}", "bold red" if count else ""))
    if counts["malformed"]:
        line.append(Span(f"  malformed {counts['malformed']}", "bold red"))
    if counts["resets"]:
        line.append(Span(f"  resets {counts['resets']}", "yellow"))
    line.append(Span(f"  {'pools ' if width >= 100 else ''}{'  '.join(pools)}"))
    return line


def _table(watched: Watched, scene: Scene, room: int) -> list[Line]:
    """A heading and at most `room` rows."""
    head = f"{'conn':<6}{'state':<12}{'age':>10}  {'local':<22}{'remote':<22}"
    lines: list[Line] = [[Span(head, "bold")]]
    pcbs = [pcb for pcb in watched.pcbs.values() if pcb.has_port(scene.port)]
    shown = pcbs
    if len(pcbs) > room:
        newest = sorted(pcbs, key=lambda pcb: pcb.since_us, reverse=True)
        shown = newest[: max(0, room - 1)]
    for pcb in sorted(shown, key=lambda pcb: pcb.conn):
        lines.append(_row(pcb, scene.now_us))
    if len(shown) < len(pcbs):
        lines.append([Span(f"… {len(pcbs) - len(shown)} more, which changed longer ago", "dim")])
    if not pcbs:
        what = "no pcb" if scene.port is None else f"no pcb with port {scene.port}"
        lines.append([Span(f"({what})", "dim")])
    return lines


def _row(pcb: Pcb, now_us: int) -> Line:
    fresh = now_us - pcb.since_us < _GLOW_US
    return [
        Span(f"{f'c{pcb.conn}':<6}"),
        Span(f"{pcb.state.name:<12}", "bold green" if fresh else "green"),
        Span(f"{_seconds(now_us - pcb.since_us):>10}  "),
        Span(f"{pcb.local or '-'!s:<22}{pcb.remote or '-'!s:<22}"),
    ]


def _with_diagram(watched: Watched, scene: Scene, width: int) -> list[Line]:
    lit = Counter(p.state for p in watched.pcbs.values() if p.has_port(scene.port))
    glowing = {s for s, at in watched.left_us.items() if scene.now_us - at < _GLOW_US}
    graph = graph_of(profile_of(watched.fields.get("lwip", ""), watched.fields.get("mp", "")))
    drawn = small_diagram.small_diagram(graph, lit, glowing)
    beside = width - small_diagram.WIDTH - 3
    moves = _moves(watched, scene, len(drawn), beside >= 62)
    moves += [[]] * (len(drawn) - len(moves))
    return [
        [*fitted(left, small_diagram.WIDTH), Span(" │ ", "dim"), *fitted(right, beside)]
        for left, right in zip(drawn, moves, strict=True)
    ]


def _moves(watched: Watched, scene: Scene, room: int, roomy: bool) -> list[Line]:
    """The newest transitions, the last one lowest."""
    moves = [move for move in watched.moves if move.has_port(scene.port)]
    if not moves:
        return [[Span("(no transition yet)", "dim")]][:room]
    return [_move(move, roomy) for move in moves[-room:]] if room > 0 else []


def _move(move: Move, roomy: bool) -> Line:
    if not roomy:
        return [
            Span(f"c{move.conn} > "),
            Span(move.after.name, "bold"),
            Span(f" {move.cause}"),
        ]
    return [
        Span(f"{move.clock_us / 1000:11.1f} ms ", "dim"),
        Span(f"c{move.conn} {move.before.name} > "),
        Span(move.after.name, "bold"),
        Span(f"  {move.cause}"),
    ]


def _foot(scene: Scene) -> Line:
    if scene.prompt is not None:
        return [Span("port (Enter alone: all): ", "bold cyan"), Span(f"{scene.prompt}_")]
    if scene.status:
        return [Span(scene.status, "bold yellow")]
    if scene.message:
        return [Span(scene.message, "bold")]
    return [Span("any key: back" if scene.help else KEYS, "dim")]


def _seconds(us: int) -> str:
    return f"{max(0, us) / 1e6:.1f} s"
