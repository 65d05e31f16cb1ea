"""The state diagram as SVG: a picture that stands alone, or a part of the HTML report.

Drawn from a `Diagram`, at the places of `diagram_layout`. Each arrow carries its states
(`data-edge`) and, as its title, every edge that it stands for. Style: assets/diagram.css.
"""

from __future__ import annotations

import textwrap
from html import escape
from importlib.resources import files

from lwipscope.report.diagram import MINUS, TIMES, Arrow, Diagram
from lwipscope.report.diagram_key import Key, compare_key, legend
from lwipscope.report.diagram_layout import COMPACT, FULL, PLACES, ROUTES, Scale
from lwipscope.report.routing import Grid, Point, head, label_place, path, towards
from lwipscope.tcp.state import State

_LABEL_WIDTH = 13
_TITLE_HEIGHT = 64
_RING = 6.0


def style() -> str:
    """The diagram's style sheet."""
    return asset("diagram.css")


def asset(name: str) -> str:
    """A file of this package's folder `assets`."""
    return files("lwipscope.report").joinpath("assets", name).read_text("utf-8")


def picture(diagram: Diagram, *, compare: bool = False, subtitle: str = "") -> str:
    """A whole SVG file: title, diagram, and what the marks mean."""
    width, drawn = size(FULL)
    key = compare_key(diagram, width) if compare else legend(diagram, width)
    height = _TITLE_HEIGHT + drawn + key.height
    title = f"RFC 9293 and {diagram.name}" if compare else f"TCP's states: {diagram.name}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" class="{_classes(diagram, compare)}" '
        f'role="img"><title>{escape(title)}</title><style>{style()}</style>',
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="title" x="28" y="38">{escape(title)}</text>',
        f'<text class="subtitle" x="28" y="57">{escape(subtitle)}</text>' if subtitle else "",
        f'<g transform="translate(0 {_TITLE_HEIGHT})">{_drawn(diagram, FULL, compare)}</g>',
        f'<g transform="translate(0 {_TITLE_HEIGHT + drawn:.0f})">{_key(key)}</g></svg>\n',
    ]
    return "".join(parts)


def part(diagram: Diagram, label: str, scale: Scale = COMPACT) -> str:
    """An SVG element for a page: compact, and what a page may put its own marks on."""
    width, height = size(scale)
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" class="{_classes(diagram, False)}" '
        f'role="group" aria-label="{escape(label)}">{_drawn(diagram, scale, False)}</svg>'
    )


def size(scale: Scale) -> tuple[float, float]:
    """Width and height of the diagram alone."""
    below = 0.5 * scale.row + 16
    return scale.left + 2 * scale.column + scale.right, scale.top + 6 * scale.row + below


def _classes(diagram: Diagram, compare: bool) -> str:
    return "lw-diagram" + " counted" * diagram.counted + " compare" * compare


def _drawn(diagram: Diagram, scale: Scale, compare: bool) -> str:
    grid = Grid(scale)
    # Solid lines run over dashed ones.
    arrows = sorted(diagram.arrows, key=lambda a: (a.kind in ("has", "extra"), a.count > 0))
    states = {state for a in diagram.arrows if a.count for state in (a.before, a.after)}
    boxes = [_box(grid, state, state in states, False) for state in PLACES]
    boxes.append(_box(grid, State.CLOSED, State.CLOSED in states, True))
    lines = "".join(_arrow(grid, arrow, compare) for arrow in arrows)
    return f'<g class="arrows">{lines}</g><g class="states">{"".join(boxes)}</g>'


def _box(grid: Grid, state: State, seen: bool, end: bool) -> str:
    scale = grid.scale
    x, y = grid.centre(state, end)
    return (
        f'<g class="state{" seen" * seen}" data-state="{state}" data-end="{int(end)}">'
        f'<rect class="box" x="{x - scale.width / 2:.1f}" y="{y - scale.height / 2:.1f}" '
        f'width="{scale.width}" height="{scale.height}" rx="{scale.height / 4.5:.1f}"/>'
        f'<text class="name" x="{x:.1f}" y="{y + scale.text * 0.35:.1f}" '
        f'font-size="{scale.text}">{state}</text></g>'
    )


def _arrow(grid: Grid, arrow: Arrow, compare: bool) -> str:
    route = ROUTES[arrow.before, arrow.after]
    points = grid.points(arrow.before, arrow.after, route)
    corner = grid.scale.corner
    line = path(points, corner, 6.0)
    end = f'<path class="head" d="{head(points)}"/>'
    if route.is_stub:
        line = path(points, corner)
        end = _ring(points, _RING if grid.scale.labels else 4.6)
    classes = f"arrow {arrow.kind}" + " taken" * bool(arrow.count)
    return (
        f'<g class="{classes}" data-edge="{escape(arrow.key)}">'
        f"<title>{escape(arrow.title())}</title>"
        f'<path class="halo" d="{line}"/><path class="line" d="{line}"/>{end}'
        f'<path class="hit" d="{path(points, corner)}"/>'
        f"{_label(grid.scale, arrow, points, compare)}</g>"
    )


def _ring(points: list[Point], radius: float) -> str:
    x, y = towards(points[-1], points[-2], -radius)
    return (
        f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius * 0.5:.1f}"/>'
    )


def _label(scale: Scale, arrow: Arrow, points: list[Point], compare: bool) -> str:
    if not scale.labels:
        return ""
    route = ROUTES[arrow.before, arrow.after]
    size, place = scale.text - 1.5, route.label
    way = arrow.ways[0]
    trigger = way.trigger.removeprefix("api ").removeprefix("timer ")
    words = textwrap.wrap(trigger, _LABEL_WIDTH) if place[1] in "lr" else [trigger]
    lines = [escape(line) for line in words]
    more = _more(arrow, compare)
    if route.is_stub and more:
        lines.append(more.strip())
    else:
        lines[-1] += more
    if way.sends and not route.is_stub:
        lines.append(f'<tspan class="sends">{escape(way.sends)}</tspan>')
    height = size + 3
    if route.is_stub:
        points = [points[0], towards(points[-1], points[-2], -2 * _RING)]
    (x, y), anchor = label_place(points, place, len(lines), height)
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{y + number * height:.1f}">{line}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text class="label" text-anchor="{anchor}" font-size="{size}">{spans}</text>'


def _more(arrow: Arrow, compare: bool) -> str:
    """What stands behind the trigger: how many ways more there are, how often it was taken."""
    if compare:
        rfc = sum(1 for way in arrow.ways if way.only == "rfc")
        stack = sum(1 for way in arrow.ways if way.only == "stack")
        if arrow.kind not in ("has", "elsewhere"):
            return ""
        text = f' <tspan class="only-rfc">{MINUS}{rfc}</tspan>' if rfc else ""
        return text + (f' <tspan class="only-stack">+{stack}</tspan>' if stack else "")
    more = arrow.number("has", "extra") - 1
    text = f' <tspan class="more">+{more}</tspan>' if more > 0 else ""
    return text + (f' <tspan class="count">{arrow.count} {TIMES}</tspan>' if arrow.count else "")


def _key(key: Key) -> str:
    return "".join(
        f'<text class="{line.kind}" x="{line.x:.0f}" y="{line.y:.0f}">'
        + (f'<tspan class="what">{escape(line.what)}</tspan> ' if line.what else "")
        + f"{escape(line.text)}</text>"
        for line in key.lines
    )
