"""The state diagram of one stack as data: arrows, each with all the edges that it stands for.

Built from the edge graph that judges the runs, so picture and check can't differ. One arrow stands
for all edges between the same two states; what the RFC has between them and the stack has not is
listed with its reason. Drawn by `svg` and `mermaid`, shown by the HTML report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from lwipscope.tcp.comparison import Row, compare
from lwipscope.tcp.edge import Edge
from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.state import State

Kind: TypeAlias = Literal["has", "extra", "unreachable", "elsewhere", "absent"]
Only: TypeAlias = Literal["rfc", "stack", ""]
Pair: TypeAlias = tuple[State, State]

TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"

KINDS: tuple[Kind, ...] = get_args(Kind)

KIND_TEXTS: dict[Kind, str] = {
    "has": "",
    "extra": "RFC 9293 has no such edge",
    "unreachable": "in the code, but no program gets there",
    "elsewhere": "done in another way",
    "absent": "not in this stack",
}

NAMES = {
    "rfc9293": "RFC 9293",
    "modlwip-2.2.1": "lwIP 2.2.1 below MicroPython's sockets",
    "unknown": "a stack of which nothing was verified: RFC 9293's edges",
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way from one state to another: an edge of the stack, or one that it lacks."""

    kind: Kind
    trigger: str
    source: str
    note: str
    sends: str = ""
    edge: Edge | None = None
    count: int = 0
    only: Only = ""
    """Which side has it alone, as far as programs get."""
    rfc: str = ""
    """Where the RFC has the edge that this one carries out."""

    def text(self) -> str:
        """One line; it begins with the trigger."""
        parts = [self.trigger]
        if self.count:
            parts.append(f"taken {self.count} {TIMES}")
        if self.kind != "has":
            parts.append(KIND_TEXTS[self.kind])
        parts += [part for part in (self.source, self.rfc, self.note) if part]
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Arrow:
    """What is drawn between two states."""

    before: State
    after: State
    ways: tuple[Way, ...]

    @property
    def key(self) -> str:
        """`ESTABLISHED>CLOSE_WAIT`."""
        return f"{self.before}>{self.after}"

    @property
    def kind(self) -> Kind:
        """That of its best way: one that exists makes it an arrow of the stack."""
        kinds = {way.kind for way in self.ways}
        return next(kind for kind in KINDS if kind in kinds)

    @property
    def count(self) -> int:
        """How often it was taken."""
        return sum(way.count for way in self.ways)

    def number(self, *kinds: Kind) -> int:
        """How many ways are of these kinds."""
        return sum(1 for way in self.ways if way.kind in kinds)

    def title(self) -> str:
        """The states, and a line for each way."""
        return "\n".join([f"{self.before} → {self.after}", *(way.text() for way in self.ways)])


@dataclass(frozen=True, slots=True)
class Diagram:
    """The arrows of one stack. `counted`: edges were counted in a run."""

    profile: str
    arrows: tuple[Arrow, ...]
    counted: bool = False

    @property
    def name(self) -> str:
        """Whose machine it is."""
        return NAMES.get(self.profile, self.profile)


def diagram_of(profile: str, counts: Mapping[Edge, int] | None = None) -> Diagram:
    """The diagram of a stack profile, with how often each edge was taken in a run, if told."""
    graph, rfc = graph_of(profile), graph_of("rfc9293")
    counted = counts is not None
    counts = counts or {}
    ways: dict[Pair, list[Way]] = {}
    if not graph.exact:
        for edge in graph.edges:
            ways.setdefault(drawn_as(edge), []).append(_way(edge, "has", counts, ""))
        return Diagram(profile, _arrows(ways), counted)
    rows = compare(rfc, graph)
    sends = {each: _sends(row.rfc) for row in rows if row.rfc for each in row.stack}
    met = {each: row.rfc.source for row in rows if row.rfc for each in row.stack}
    unmet = {each for row in rows if row.finding == "only RFC" for each in row.stack}
    for edge in graph.edges:
        kind: Kind = "unreachable" if edge.unreachable else "has" if edge.meets else "extra"
        way = _way(edge, kind, counts, sends.get(edge, ""))
        only: Only = "rfc" if edge in unmet else "stack" if kind == "extra" else ""
        ways.setdefault(drawn_as(edge), []).append(replace(way, only=only, rfc=met.get(edge, "")))
    for pair, way in _lacking(rows, graph):
        ways.setdefault(pair, []).append(way)
    ranks = {
        each: (number, str(each.trigger).lower() != str(row.rfc.trigger).lower())
        for number, row in enumerate(rows)
        if row.rfc
        for each in row.stack
    }
    for several in ways.values():
        # What the RFC names first gives the arrow its label.
        several.sort(key=lambda w: (KINDS.index(w.kind), *_rank(w, ranks)))
    return Diagram(profile, _arrows(ways), counted)


def drawn_as(edge: Edge) -> Pair:
    """The states between which an edge is drawn.

    An accepted connection is a pcb of its own in lwIP: its CLOSED > SYN_RCVD is drawn where its
    path begins, at LISTEN.
    """
    if (edge.before, edge.after) == (State.CLOSED, State.SYN_RCVD):
        return State.LISTEN, State.SYN_RCVD
    return edge.before, edge.after


def _way(edge: Edge, kind: Kind, counts: Mapping[Edge, int], sends: str) -> Way:
    notes = [edge.note, edge.unreachable]
    if (edge.before, edge.after) != drawn_as(edge):
        notes.insert(0, f"stored as {edge.before} > {edge.after}")
    note = "; ".join(each for each in notes if each)
    count = counts.get(edge, 0)
    return Way(kind, str(edge.trigger), edge.source, note, sends or _sends(edge), edge, count)


def _rank(way: Way, ranks: Mapping[Edge, tuple[int, bool]]) -> tuple[int, bool]:
    return ranks.get(way.edge, (len(ranks), False)) if way.edge else (len(ranks), False)


def _lacking(rows: list[Row], graph: Graph) -> list[tuple[Pair, Way]]:
    """What the RFC has and the stack does not have, or not between the same states."""
    sources = {(a.before, a.after, a.trigger): a.source for a in graph.absences}
    found = []
    for row in rows:
        if row.rfc is None:
            continue
        pair, trigger = drawn_as(row.rfc), str(row.rfc.trigger)
        if row.finding == "only RFC" and not row.stack:
            source = sources.get((*pair, trigger), "")
            text = f"{row.rfc.source}; {source}"
            way = Way("absent", trigger, text, row.reason, only="rfc")
        elif row.finding == "same" and pair not in {drawn_as(each) for each in row.stack}:
            other = row.stack[0]
            note = f"here it is {other.before} > {other.after}: {other.note}"
            way = Way("elsewhere", trigger, row.rfc.source, note)
        else:
            continue
        found.append((pair, way))
    return found


def _sends(edge: Edge) -> str:
    """What is sent, as the RFC's notes say it: `sends SYN+ACK`."""
    parts = (part.strip() for part in edge.note.split(";"))
    sent = next((part for part in parts if part.startswith("sends ")), "")
    return "" if sent == "sends nothing" else sent


def _arrows(ways: Mapping[Pair, list[Way]]) -> tuple[Arrow, ...]:
    return tuple(Arrow(*pair, tuple(each)) for pair, each in ways.items())
