"""Legality of traces: what the graph lacks and what breaks off is named, and coverage adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.tcp.edge import Edge
from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Cause, Died, Event, Lost, Segment, Transition
from lwipscope.trace.legality import Violation, check_legality, coverage

LWIP = graph_of("modlwip-2.2.1")
UNKNOWN = graph_of("unknown")
S = State


def to(conn: int, before: State, after: State, cause: str, at: str) -> Transition:
    return Transition(0, 0, conn, before, after, Cause.parse(cause), at, None, None, None)


def died(conn: int, state: State, cause: str) -> Died:
    return Died(0, 0, conn, state, Cause.parse(cause), 0)


def born(conn: int) -> Born:
    return Born(0, 0, conn, "pcb", 1)


# An accepted connection that the peer closes first, and its listener: as a board tells it.
SERVED: list[Event] = [
    born(1),
    born(2),
    to(2, S.CLOSED, S.LISTEN, "api:listen", "tcp.c:890"),
    died(1, S.CLOSED, "api:listen"),
    born(3),
    to(3, S.CLOSED, S.SYN_RCVD, "rx:S", "tcp_in.c:680"),
    Segment(0, 0, 3, "tx", "S.", 6510, 1001, 8760, 0, 1460, None, None),
    to(3, S.SYN_RCVD, S.ESTABLISHED, "rx:.", "tcp_in.c:942"),
    to(3, S.ESTABLISHED, S.CLOSE_WAIT, "rx:F.", "tcp_in.c:998"),
    to(3, S.CLOSE_WAIT, S.LAST_ACK, "api:close", "tcp.c:434"),
    to(3, S.LAST_ACK, S.CLOSED, "rx:.", "tcp.c:2212"),
    died(3, S.CLOSED, "rx:."),
    to(2, S.LISTEN, S.CLOSED, "api:close", "tcp.c:2212"),
    died(2, S.CLOSED, "api:close"),
]


def concrete(edge: Edge) -> str:
    """A cause that the edge's trigger fits."""
    trigger = edge.trigger
    if trigger.kind != "rx":
        return f"{trigger.kind}:{trigger.detail}"
    return f"rx:{trigger.must or 'none'}" + ",abort" * trigger.aborted


def taken(edge: Edge) -> list[Event]:
    """A trace, begun in the middle, in which a pcb takes this edge."""
    cause = concrete(edge)
    if not edge.site:
        return [died(9, edge.before, cause)]
    events: list[Event] = [to(9, edge.before, edge.after, cause, edge.site)]
    return [*events, died(9, S.CLOSED, cause)] if edge.after is S.CLOSED else events


def the_one(violations: list[Violation]) -> Violation:
    assert len(violations) == 1, [v.text() for v in violations]
    return violations[0]


@pytest.mark.parametrize("graph", [LWIP, UNKNOWN], ids=lambda g: g.profile)
def test_a_served_connection_is_legal(graph: Graph) -> None:
    assert check_legality(SERVED, graph) == []


def test_its_coverage() -> None:
    covered = coverage(SERVED, LWIP)
    assert len(covered.taken) == 8
    assert set(covered.counts.values()) == {1}, "the death behind a store is the same edge"
    assert set(covered.taken) | set(covered.missing) == set(LWIP.reachable())
    assert covered.text() == f"8 of {len(LWIP.reachable())} edges of modlwip-2.2.1, 8 transitions"


@pytest.mark.parametrize("edge", LWIP.reachable(), ids=str)
def test_every_edge_is_legal_and_named_if_the_graph_lacks_it(edge: Edge) -> None:
    events = taken(edge)
    assert check_legality(events, LWIP) == []
    assert coverage(events, LWIP).counts == {edge: 1}
    without = Graph("modlwip-2.2.1", tuple(e for e in LWIP.edges if e != edge))
    violation = the_one(check_legality(events, without))
    assert violation.event is events[0]
    assert events[0].text() in violation.text()
    assert violation.nearest
    assert coverage(events, without).counts == {}


@pytest.mark.parametrize("edge", [e for e in LWIP.edges if e.unreachable], ids=str)
def test_a_trace_that_refutes_a_proof_is_told(edge: Edge) -> None:
    violation = the_one(check_legality(taken(edge), LWIP))
    assert edge.unreachable in violation.text()
    assert check_legality(taken(edge), LWIP, unreachable_too=True) == []
    assert edge not in coverage(taken(edge), LWIP).missing


@given(
    index=st.sampled_from([i for i, e in enumerate(SERVED) if isinstance(e, Transition)]),
    after=st.sampled_from(State),
    cause=st.sampled_from(["rx:S", "rx:.", "rx:F.", "rx:R", "api:close", "timer:2MSL", "-"]),
    at=st.sampled_from(["tcp.c:434", "tcp_in.c:998", "tcp.c:2212", "tcp.c:2213", ""]),
)
def test_what_is_no_edge_is_named(index: int, after: State, cause: str, at: str) -> None:
    """Whatever is altered in one transition: it is that event that is told, unless it is legal."""
    changed = SERVED[index]
    assert isinstance(changed, Transition)
    changed = replace(changed, after=after, cause=Cause.parse(cause), at=at)
    violations = check_legality([*SERVED[:index], changed], LWIP)
    edge = LWIP.legal(changed.before, after, cause, at)
    if edge is not None and not edge.unreachable:
        assert violations == []
    else:
        assert the_one(violations).event is changed


def test_a_violation_tells_what_the_graph_expects() -> None:
    by = "rx:F."
    wrong = to(3, S.ESTABLISHED, S.CLOSE_WAIT, by, "tcp_in.c:1029")
    text = the_one(check_legality([*SERVED[:8], wrong], LWIP)).text()
    assert "c3 ESTABLISHED > CLOSE_WAIT (rx FIN+ACK) at tcp_in.c:1029" in text
    assert "ESTABLISHED > CLOSE_WAIT (rx FIN) at tcp_in.c:998" in text
    opened = to(4, S.SYN_SENT, S.SYN_RCVD, "rx:S", "tcp_in.c:680")
    text = the_one(check_legality([opened], LWIP)).text()
    assert "from SYN_SENT only ESTABLISHED, CLOSED" in text
    assert "modlwip-2.2.1 has no edge SYN_SENT > SYN_RCVD" in text
    assert the_one(check_legality([died(4, S.LISTEN, "kill:pool-empty")], LWIP)).nearest


def test_a_missed_transition_breaks_the_walk() -> None:
    """Each edge alone is legal, but one of them is missing."""
    index = next(i for i, e in enumerate(SERVED) if isinstance(e, Transition) and e.conn == 3) + 2
    holed = [*SERVED[:index], *SERVED[index + 1 :]]
    violation = the_one(check_legality(holed, LWIP))
    assert violation.event is holed[index]
    assert "from SYN_RCVD" in violation.expected
    unborn = [e for e in SERVED if not isinstance(e, Born)]
    assert check_legality(unborn, LWIP) == [], "a trace may begin in the middle"
    lost = [*SERVED[:index], Lost(0, 0, 0, 3), *SERVED[index + 1 :]]
    assert check_legality(lost, LWIP) == [], "what was lost is told elsewhere"


def test_a_store_of_closed_is_followed_by_the_death() -> None:
    closed = to(3, S.LAST_ACK, S.CLOSED, "rx:.", "tcp.c:2212")
    for wrong in (died(3, S.CLOSED, "api:close"), died(3, S.LAST_ACK, "rx:.")):
        assert the_one(check_legality([closed, wrong], LWIP)).event is wrong
    again = to(3, S.CLOSED, S.SYN_SENT, "api:connect", "tcp.c:1176")
    assert "the death of c3" in the_one(check_legality([closed, again], LWIP)).expected


def test_a_child_has_a_listener_that_listens() -> None:
    child = SERVED[5]
    assert isinstance(child, Transition)
    child = replace(child, listener=2)
    assert check_legality([*SERVED[:5], child], LWIP) == []
    deaf = [*SERVED[:2], *SERVED[3:5], child]  # the tracer missed the store of LISTEN
    assert "c2, which is in CLOSED" in the_one(check_legality(deaf, LWIP)).expected


def test_nothing_follows_a_death() -> None:
    again = to(3, S.CLOSED, S.SYN_SENT, "api:connect", "tcp.c:1176")
    assert "is dead" in the_one(check_legality([*SERVED, again], LWIP)).expected
    assert coverage([*SERVED, again], LWIP).counts == coverage(SERVED, LWIP).counts


def test_an_unknown_stack_may_free_and_store_as_it_likes() -> None:
    other: list[Event] = [
        born(1),
        to(1, S.CLOSED, S.SYN_SENT, "-", ""),
        to(1, S.SYN_SENT, S.SYN_RCVD, "-", "other.c:5"),
        to(1, S.SYN_RCVD, S.SYN_RCVD, "-", ""),
        died(1, S.SYN_RCVD, "-"),
        born(2),
        died(2, S.CLOSED, "-"),
    ]
    assert check_legality(other, UNKNOWN) == []
    assert len(check_legality(other, LWIP)) == 5
    skipped = to(3, S.ESTABLISHED, S.LAST_ACK, "-", "")
    assert "no edge ESTABLISHED > LAST_ACK" in the_one(check_legality([skipped], UNKNOWN)).text()


def test_coverage_of_runs_adds_up() -> None:
    first = coverage(SERVED, LWIP)
    other: list[Event] = [
        born(1),
        to(1, S.CLOSED, S.SYN_SENT, "api:connect", "tcp.c:1176"),
        died(1, S.SYN_SENT, "timer:SYN-retries"),
        born(2),
        to(2, S.CLOSED, S.LISTEN, "api:listen", "tcp.c:890"),
    ]
    both = first + coverage(other, LWIP)
    assert len(both.taken) == 10
    assert sum(both.counts.values()) == 8 + 3
    assert len(both.missing) == len(first.missing) - 2
    assert both.taken == (coverage(other, LWIP) + first).taken
    with pytest.raises(UsageError, match="different graphs"):
        first + coverage(SERVED, UNKNOWN)
