"""The graph against a real board: every transition of the exchanges is an edge, or is named."""

from __future__ import annotations

import shutil

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.scenario import Scenario
from lwipscope.tcp.graph import Graph, graph_of, profile_of
from lwipscope.trace.event import Transition
from lwipscope.trace.legality import check_legality, coverage
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

TEXTBOOK = "server-closes-first-textbook"


def played(scenario: Scenario, board: EmulatedBoard, keeper: Keeper) -> Played:
    if scenario.needs_nc and shutil.which("nc") is None:
        pytest.skip("this exchange is played against nc, which is not installed")
    made = play(scenario, board, keeper)
    assert made.verdict is Verdict.PASS, made.failure or made.check.text
    return made


def graph_for(made: Played) -> Graph:
    """By what the board says of itself."""
    assert made.hello is not None
    return graph_of(profile_of(made.hello.fields["lwip"], made.hello.fields["mp"]))


@pytest.mark.parametrize("scenario", EXCHANGES, ids=lambda s: s.name)
def test_exchanges_are_legal(
    scenario: Scenario,
    board: EmulatedBoard,
    wire_keeper: Keeper,
) -> None:
    made = played(scenario, board, wire_keeper)
    graph = graph_for(made)
    assert graph.profile == "modlwip-2.2.1"
    for each in (graph, graph_of("unknown")):
        assert [v.text() for v in check_legality(made.events, each)] == []
    taken = coverage(made.events, graph)
    changed = [e for e in made.events if isinstance(e, Transition)]
    assert sum(taken.counts.values()) >= len(changed), "every transition is some edge"
    connection = made.check.connection
    assert connection is not None
    for step in connection.steps:
        before = step.before if isinstance(step, Transition) else step.state
        assert before in {e.before for e in taken.taken}


def test_an_edge_that_the_graph_lacks_is_named(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """For each edge of a real trace: take it out of the graph, and it is told."""
    textbook = next(scenario for scenario in EXCHANGES if scenario.name == TEXTBOOK)
    made = played(textbook, board, wire_keeper)
    graph = graph_for(made)
    taken = coverage(made.events, graph).counts
    assert len(taken) == 8
    for edge, count in taken.items():
        lacking = Graph(graph.profile, tuple(e for e in graph.edges if e != edge))
        violations = check_legality(made.events, lacking)
        assert len(violations) == count, edge
        event = violations[0].event
        before = event.before if isinstance(event, Transition) else event.state
        assert before is edge.before
        assert event.text() in violations[0].text()


def test_a_tracer_that_misses_a_transition_is_noticed(
    board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    """For each transition of a real trace: leave it out."""
    textbook = next(scenario for scenario in EXCHANGES if scenario.name == TEXTBOOK)
    made = played(textbook, board, wire_keeper)
    graph = graph_for(made)
    places = [i for i, event in enumerate(made.events) if isinstance(event, Transition)]
    assert len(places) == 6  # LISTEN, and SYN_RCVD to TIME_WAIT, which is freed without a store
    for index in places:
        without = [*made.events[:index], *made.events[index + 1 :]]
        assert check_legality(without, graph), made.events[index].text()
