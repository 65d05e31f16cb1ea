"""What stands below a diagram: the meaning of its marks, or what RFC and stack have alone.

Lines of text with their places, wrapped by an estimate of their width. Called by `svg`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwipscope.report.diagram import MINUS, Diagram

_LINE = 16.0
_MARGIN = 28.0
_BELOW = 22.0
_STATES = 4


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One line: `what` is emphasized and stands before the text."""

    x: float
    y: float
    kind: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Key:
    """All lines, and how high they are together."""

    lines: tuple[KeyLine, ...]
    height: float


def legend(diagram: Diagram, width: float) -> Key:
    """What lines, rings and numbers mean."""
    texts = [
        ("◉", "CLOSED, by any of the ways named; their number follows. CLOSED stands twice."),
        ("+N", "as many ways more between the same states: point at the arrow to read them."),
    ]
    if any(arrow.kind in ("absent", "elsewhere", "unreachable") for arrow in diagram.arrows):
        texts.append(("dashed", "RFC 9293 has it, a program on this stack can't bring it about."))
    if diagram.counted:
        texts.append(("coloured", "taken in this run, with how often; grey: not taken in it."))
    return _set([("key", what, text) for what, text in texts], _MARGIN, width - 2 * _MARGIN, _LINE)


def compare_key(diagram: Diagram, width: float) -> Key:
    """Two columns: what only the RFC has, and what only the stack has."""
    column = (width - 3 * _MARGIN) / 2
    left = _set(
        [
            ("heading rfc", "", f"Only in RFC 9293 (dashed, or {MINUS}N in a label)"),
            *_grouped(diagram, "rfc"),
            ("heading", "", "In lwIP another way (dashed, grey)"),
            *_elsewhere(diagram),
        ],
        _MARGIN,
        column,
    )
    right = _set(
        [
            ("heading stack", "", "Only in lwIP (+N in a label)"),
            *_grouped(diagram, "stack"),
        ],
        2 * _MARGIN + column,
        column,
    )
    return Key((*left.lines, *right.lines), max(left.height, right.height))


def _grouped(diagram: Diagram, side: str) -> list[tuple[str, str, str]]:
    """One row for ways of the same trigger and reason."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for arrow in diagram.arrows:
        for way in arrow.ways:
            if way.only == side:
                reason = way.note.split(". ")[0].rstrip(".")
                states = str(arrow.before), str(arrow.after)
                groups.setdefault((way.trigger, reason), []).append(states)
    # Several triggers of the same reason, between the same states, share a row.
    merged: dict[tuple[str, str], list[str]] = {}
    for (trigger, reason), pairs in groups.items():
        befores = list(dict.fromkeys(before for before, _ in pairs))
        names = ", ".join(befores) if len(befores) <= _STATES else f"{len(befores)} states"
        merged.setdefault((f"{names} → {pairs[0][1]}", reason), []).append(trigger)
    rows = [
        ("key", states, f"{', '.join(triggers)}: {reason}.")
        for (states, reason), triggers in merged.items()
    ]
    # First what is an arrow of its own in the picture.
    return sorted(rows, key=lambda row: row[1].endswith("→ CLOSED"))


def _elsewhere(diagram: Diagram) -> list[tuple[str, str, str]]:
    return [
        ("key", f"{arrow.before} → {arrow.after}", f"{way.trigger}: {way.note}.")
        for arrow in diagram.arrows
        for way in arrow.ways
        if way.kind == "elsewhere"
    ]


def _set(rows: list[tuple[str, str, str]], x: float, width: float, gap: float = _LINE + 4) -> Key:
    """Rows below each other, each wrapped; the emphasized part stands on the first line."""
    lines: list[KeyLine] = []
    y = _BELOW
    for kind, what, text in rows:
        wrapped = _wrapped(f"{what} {text}".strip(), width)
        for number, line in enumerate(wrapped):
            emphasized = what if number == 0 and line.startswith(what) else ""
            lines.append(KeyLine(x, y, kind, emphasized, line.removeprefix(emphasized).strip()))
            y += _LINE
        y += gap - _LINE
    return Key(tuple(lines), y + _BELOW / 2)


def _wrapped(text: str, width: float) -> list[str]:
    """Lines of at most this width, by the usual widths of letters at 12 pixels."""
    lines, line, used = [], "", 0.0
    for word in text.split():
        long = sum(3.4 if c in "iljtfrI.,:;'()| " else 8.2 if c.isupper() else 6.5 for c in word)
        if line and used + long > width:
            lines.append(line)
            line, used = "", 0.0
        line = f"{line} {word}".strip()
        used += long + 3.4
    return [*lines, line]
