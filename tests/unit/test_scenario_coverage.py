"""Adding up what scenarios took: here of scenarios that were not played at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from lwipscope.errors import UsageError
from lwipscope.scenario.coverage import coverage_of, report, taken_by
from lwipscope.scenario.pair import Pair
from lwipscope.scenario.several import go_to, nth
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.state import State

GRAPH = graph_of("modlwip-2.2.1")


def test_nothing_played_takes_nothing() -> None:
    total = coverage_of(())
    assert total.missing == GRAPH.reachable()
    assert total.taken == ()
    assert taken_by(()) == {edge: [] for edge in GRAPH.reachable()}
    assert coverage_of((), "rfc9293").graph.profile == "rfc9293"


def test_the_report_tells_what_is_missing_and_what_can_not_be() -> None:
    text = report(())
    assert text.count("NOT TAKEN") == len(GRAPH.reachable()) == 90
    for edge in GRAPH.edges:
        assert f"{edge}\n    {edge.unreachable or 'NOT TAKEN'}" in text
    assert text.endswith("\n0 of 90 edges of modlwip-2.2.1, 0 transitions")


@pytest.mark.parametrize("state", [State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RCVD])
def test_no_way_back_from_established(state: State) -> None:
    pair = cast(Pair, SimpleNamespace(raw=None))
    with pytest.raises(UsageError, match=f"{state} does not come after ESTABLISHED"):
        go_to(pair, state)


def test_the_nth_connection_comes_from_the_nth_port() -> None:
    assert [nth(number, "...").remote_port for number in range(3)] == [40000, 40001, 40002]
    assert nth(0, "...").role == "server"
