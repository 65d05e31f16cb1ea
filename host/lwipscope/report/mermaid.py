"""The state diagram as Mermaid text (stateDiagram-v2), which code hosts draw in a README.

Mermaid knows no dashed arrows between states: what the stack lacks says so in its label.
"""

from __future__ import annotations

from lwipscope.report.diagram import KIND_TEXTS, TIMES, Arrow, Diagram

_HEAD = """\
---
title: {title}
---
stateDiagram-v2
    direction TB
    [*] --> CLOSED"""


def text(diagram: Diagram) -> str:
    """The diagram; a label names every trigger, `(never taken)` where edges were counted."""
    lines = [_HEAD.format(title=_safe(f"TCP's states, {diagram.name}"))]
    lines += (
        f"    {arrow.before} --> {arrow.after}: {_label(arrow, diagram.counted)}"
        for arrow in diagram.arrows
    )
    seen = dict.fromkeys(
        str(state) for a in diagram.arrows if a.count for state in (a.before, a.after)
    )
    if seen:
        lines.append("    classDef seen stroke:#00808f,stroke-width:3px")
        lines.append(f"    class {','.join(seen)} seen")
    return "\n".join(lines) + "\n"


def _label(arrow: Arrow, counted: bool) -> str:
    there = [way for way in arrow.ways if way.kind in ("has", "extra")]
    triggers = ", ".join(dict.fromkeys(way.trigger for way in there or arrow.ways))
    if not there:
        return _safe(f"{triggers} ({KIND_TEXTS[arrow.kind]})")
    taken = f"{arrow.count} {TIMES}" if arrow.count else "never taken"
    return _safe(f"{triggers} ({taken})" if counted else triggers)


def _safe(label: str) -> str:
    """Without what Mermaid's grammar would take for its own."""
    return label.replace(":", ",").replace(";", ",").replace("#", "No.").replace("\n", " ")
