"""RFC 9293's edges beside a stack's: what both have, what one of them lacks, and why.

Edges are matched by `Edge.meets`: the RFC's trigger that a stack's edge carries out. A stack's edge
that no program can reach does not count as having it; its proof is the reason. Used by reports
and by people who ask what lwIP does differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.tcp.edge import Edge, pair
from lwipscope.tcp.graph import Graph
from lwipscope.tcp.state import State

Finding: TypeAlias = Literal["same", "only RFC", "only stack"]
_Key: TypeAlias = tuple[State, State, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One edge of the RFC with the stack's edges that carry it out, or one side alone."""

    finding: Finding
    rfc: Edge | None
    stack: tuple[Edge, ...]
    reason: str
    """Why the other side lacks it; empty if both have it."""

    def text(self) -> str:
        """One line: `only RFC    SYN_SENT > SYN_RCVD (rx SYN): ...`."""
        edge = self.rfc or self.stack[0]
        reason = f": {self.reason}" if self.reason else ""
        sites = [site for site in dict.fromkeys(e.site for e in self.stack) if site]
        where = f" at {', '.join(sites)}" if sites and self.finding == "same" else ""
        shown = edge if self.rfc is None else f"{edge.before} > {edge.after} ({edge.trigger})"
        return f"{self.finding:<10}  {shown}{where}{reason}"


def compare(rfc: Graph, stack: Graph) -> list[Row]:
    """All edges of both, the RFC's first. Stores that change nothing are left out."""
    carried: dict[_Key, list[Edge]] = {}
    own: list[Edge] = []
    for edge in stack.edges:
        if edge.meets:
            carried.setdefault(met_key(edge), []).append(edge)
        elif edge.before is not edge.after:
            own.append(edge)
    reasons = {(a.before, a.after, a.trigger): a.reason for a in stack.absences}
    rows: list[Row] = []
    for edge in rfc.edges:
        key = (edge.before, edge.after, str(edge.trigger))
        met = carried.get(key, [])
        reached = tuple(e for e in met if not e.unreachable)
        if reached:
            rows.append(Row("same", edge, reached, ""))
        else:
            reason = met[0].unreachable if met else reasons.get(key, "")
            rows.append(Row("only RFC", edge, tuple(met), reason))
    for edge in own:
        proof = f"; but no program gets there: {edge.unreachable}" if edge.unreachable else ""
        rows.append(Row("only stack", None, (edge,), edge.note + proof))
    return rows


def met_key(edge: Edge) -> _Key:
    """States and trigger of the RFC's edge that this one carries out."""
    states, colon, trigger = edge.meets.partition(": ")
    if not colon:
        return edge.before, edge.after, states
    return *pair(states), trigger
