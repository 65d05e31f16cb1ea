"""Is every transition of a trace an edge of the stack's graph? And which edges did it take?

`check_legality` is for every trace of every test: an event that the graph lacks is a defect of the
tracer, of the graph, or news about the stack. Beyond single edges it wants each pcb's events to be
a walk: every transition begins where the one before it ended, a store of CLOSED is followed by the
pcb's death of the same cause, nothing follows that, and whose child a pcb is was in LISTEN.
`coverage` counts the edges; those of several runs can be added up. Graphs: `lwipscope.tcp.graph`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lwipscope.errors import UsageError
from lwipscope.tcp.edge import Edge
from lwipscope.tcp.graph import Graph
from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Died, Event, Lost, Transition

_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """An event that the graph does not allow, what was expected, and the nearest edges."""

    event: Transition | Died
    expected: str
    nearest: tuple[Edge, ...] = ()

    def text(self) -> str:
        """Several lines: the event, what the graph expects, and what comes near."""
        lines = [f"no legal transition: {self.event.text()}", f"  expected: {self.expected}"]
        lines += (f"  near it:  {edge}, {edge.source}" for edge in self.nearest)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often each edge of a graph was taken; a + b adds two runs up."""

    graph: Graph
    counts: Mapping[Edge, int]

    def __add__(self, other: Coverage) -> Coverage:
        if other.graph.profile != self.graph.profile:
            raise UsageError(
                f"coverage of {self.graph.profile} and {other.graph.profile} can't be added up: "
                "these are different graphs"
            )
        return Coverage(self.graph, Counter(self.counts) + Counter(other.counts))

    @property
    def taken(self) -> tuple[Edge, ...]:
        """The edges that were taken, in the graph's order."""
        return tuple(edge for edge in self.graph.edges if self.counts.get(edge))

    @property
    def missing(self) -> tuple[Edge, ...]:
        """The edges that could be taken and were not, in the graph's order."""
        return tuple(edge for edge in self.graph.reachable() if not self.counts.get(edge))

    def text(self) -> str:
        """One line: `12 of 90 edges of modlwip-2.2.1, 31 transitions`."""
        reachable = self.graph.reachable()
        return (
            f"{len(reachable) - len(self.missing)} of {len(reachable)} edges of "
            f"{self.graph.profile}, {sum(self.counts.values())} transitions"
        )


def check_legality(
    events: Iterable[Event], graph: Graph, *, unreachable_too: bool = False
) -> list[Violation]:
    """The events that break the graph's rules, in order; empty if all is legal.

    `unreachable_too` is for firmware with a test-only helper that goes where sockets can't.
    """
    return [
        found
        for step in _steps(events, graph)
        if (found := _violation(step, graph, unreachable_too)) is not None
    ]


def coverage(events: Iterable[Event], graph: Graph) -> Coverage:
    """The edges that these events took. Illegal events count for nothing."""
    taken = (step.edge for step in _steps(events, graph) if not step.broken)
    return Coverage(graph, Counter(edge for edge in taken if edge is not None))


@dataclass(frozen=True, slots=True)
class _Step:
    """A transition or a death, the edge that it is, and what is wrong with its place."""

    event: Transition | Died
    before: State
    after: State
    site: str
    edge: Edge | None
    broken: str = ""


def _steps(events: Iterable[Event], graph: Graph) -> Iterator[_Step]:
    """Every event that ought to be an edge; the death behind a store of CLOSED belongs to it."""
    states: dict[int, State] = {}
    closed_by: dict[int, Transition] = {}
    dead: set[int] = set()
    for event in events:
        if isinstance(event, Born):
            states[event.conn] = State.CLOSED
        elif isinstance(event, Lost):
            states, closed_by = {}, {}  # what comes next need not follow from what is known
        if not isinstance(event, Transition | Died):
            continue
        conn = event.conn
        after = event.after if isinstance(event, Transition) else State.CLOSED
        before = event.before if isinstance(event, Transition) else event.state
        site = event.at if isinstance(event, Transition) else ""
        broken = ""
        known = states.get(conn, before)
        store = closed_by.pop(conn, None)
        if conn in dead:
            broken = f"nothing, since c{conn} is dead"
        elif before is not known:
            broken = f"a transition from {known}, the state that c{conn} was in"
        elif store is not None and not (isinstance(event, Died) and event.cause == store.cause):
            broken = f"the death of c{conn} by {store.cause.text()}, since CLOSED was stored"
        elif isinstance(event, Transition) and event.listener is not None:
            listening = states.get(event.listener, State.LISTEN)
            if listening is not State.LISTEN:
                broken = f"no child of c{event.listener}, which is in {listening}"
        states[conn] = after
        if isinstance(event, Died):
            dead.add(conn)
        elif after is State.CLOSED and before is not State.CLOSED:
            closed_by[conn] = event
        silent = store is not None or (not graph.exact and before is after)
        if broken or not silent:
            edge = graph.legal(before, after, str(event.cause), site)
            yield _Step(event, before, after, site, edge, broken)


def _violation(step: _Step, graph: Graph, unreachable_too: bool) -> Violation | None:
    if step.broken:
        return Violation(step.event, step.broken)
    if step.edge is None:
        return Violation(step.event, _expected(step, graph), _nearest(step, graph))
    if step.edge.unreachable and not unreachable_too:
        proof = f"not this edge, which is held to be unreachable: {step.edge.unreachable}"
        return Violation(step.event, proof, (step.edge,))
    return None


def _expected(step: _Step, graph: Graph) -> str:
    """What the graph has between these states, or else from the first of them."""
    between = graph.between(step.before, step.after)
    if between:
        ways = "; ".join(str(edge) for edge in between)
        return f"this transition for one of these reasons only: {ways}"
    afters = dict.fromkeys(str(edge.after) for edge in graph.edges_from(step.before))
    there = f"from {step.before} only {', '.join(afters)}" if afters else f"none from {step.before}"
    return f"{there}; {graph.profile} has no edge {step.before} > {step.after}"


def _nearest(step: _Step, graph: Graph) -> tuple[Edge, ...]:
    """The edges that have most in common with the event."""
    cause = str(step.event.cause)

    def likeness(edge: Edge) -> int:
        return (
            2 * (edge.before is step.before)
            + 2 * (edge.after is step.after)
            + 3 * (edge.site == step.site != "")
            + edge.trigger.fits(cause)
            + (edge.trigger.kind == step.event.cause.kind)
        )

    ranked = sorted(graph.edges, key=likeness, reverse=True)
    return tuple(edge for edge in ranked[:_NEAREST] if likeness(edge) > 1)
