"""The library takes every edge that lwIP 2.2.1 has below MicroPython's sockets, on one board."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from json_check import faults

from board.conftest import Boards
from lwipscope.report.json_schemas import name_of, schema_of
from lwipscope.report.played_json import coverage_json
from lwipscope.scenario.coverage import coverage_of, report, taken_by
from lwipscope.scenario.library import LIBRARY
from lwipscope.scenario.play import Played, play
from lwipscope.tcp.graph import graph_of
from lwipscope.wire.keeper import Keeper

PROFILE = "modlwip-2.2.1"
# The first test plays all, also on a machine that does much else.
pytestmark = pytest.mark.timeout(240)
MOST_WALL_S = 60.0  # a third of that on an idle machine


@pytest.fixture(scope="module")
def library(boards: Boards, keeper: Keeper) -> Sequence[Played]:
    """Every scenario that this machine can play, once."""
    has_nc = shutil.which("nc") is not None
    scenarios = [scenario for scenario in LIBRARY if has_nc or not scenario.needs_nc]
    return [play(scenario, boards.fresh(keeper), keeper) for scenario in scenarios]


def test_no_edge_is_missing(library: Sequence[Played]) -> None:
    total = coverage_of(library, PROFILE)
    missing = [str(edge) for edge in total.missing]
    assert not missing, f"{total.text()}; nobody takes\n" + "\n".join(missing)
    assert len(total.taken) == len(graph_of(PROFILE).reachable())


def test_no_edge_is_taken_that_can_not_be(library: Sequence[Played]) -> None:
    """Else its proof is refuted."""
    refuted = [str(edge) for edge in coverage_of(library, PROFILE).taken if edge.unreachable]
    assert not refuted


def test_the_report_names_who_takes_an_edge(library: Sequence[Played]) -> None:
    takers = taken_by(library, PROFILE)
    assert takers.keys() == set(graph_of(PROFILE).reachable())
    assert all(takers.values())
    text = report(library, PROFILE)
    assert "NOT TAKEN" not in text
    for edge in graph_of(PROFILE).edges:
        assert str(edge) in text
    assert text.endswith(coverage_of(library, PROFILE).text())


def test_the_report_as_json(library: Sequence[Played]) -> None:
    told = coverage_json(library, [("nobody", "it is not here")])
    assert not faults({"schema": name_of("coverage"), **told}, schema_of("coverage"))
    assert told["missing"] == 0 and all(edge["taken_by"] for edge in told["edges"])
    assert all(edge["why"] for edge in told["unreachable"])


def test_an_edge_that_nobody_takes_is_named(library: Sequence[Played]) -> None:
    """Without the one scenario that takes it."""
    takers = taken_by(library, PROFILE)
    lonely = {edge: names[0] for edge, names in takers.items() if len(set(names)) == 1}
    assert lonely
    for edge, name in lonely.items():
        others = [result for result in library if result.scenario.name != name]
        assert edge in coverage_of(others, PROFILE).missing
    edge, name = next(iter(lonely.items()))
    text = report([result for result in library if result.scenario.name != name], PROFILE)
    assert f"{edge}\n    NOT TAKEN" in text


def test_the_whole_library_is_quick(library: Sequence[Played]) -> None:
    assert sum(result.wall_s for result in library) < MOST_WALL_S
