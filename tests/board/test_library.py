"""Every scenario of the library on the board: as expected, legal, and over in no time."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

SLOW_S = 5.0


@pytest.mark.parametrize("scenario", LIBRARY, ids=lambda s: s.name)
def test_every_scenario_passes(
    scenario: Scenario, board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    if scenario.needs_nc and shutil.which("nc") is None:
        pytest.skip("this scenario is played against nc, which is not installed")
    played = play(scenario, board, wire_keeper)
    assert played.failure == ""
    assert [check.text for check in (played.check, *played.others) if check.verdict.exit_code] == []
    assert [violation.text() for violation in played.violations] == []
    assert played.verdict is Verdict.PASS
    assert len(played.others) == len(scenario.others)
    assert played.wall_s < SLOW_S


def test_what_a_scenario_insists_on_decides(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """The path is right, but a timer that ought to have ended it did not."""
    good = scenario_named("rst-in-established")

    def too_much(stage: Stage) -> None:
        good.play(stage)
        stage.insist_end(_ended(stage), "timer retransmit")

    played = play(replace(good, play=too_much), board, wire_keeper)
    assert played.check.verdict is Verdict.PASS
    assert "expected the end by timer retransmit; it was by rx RST" in played.failure
    assert played.verdict is Verdict.FAIL


def test_the_connections_beside_it_decide(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    good = scenario_named("accept-queue-full")
    (other,) = good.others
    wrong = replace(good, others=(replace(other, path="LISTEN > SYN_RCVD > CLOSED"),))
    played = play(wrong, board, wire_keeper)
    assert played.failure == ""
    assert played.check.verdict is Verdict.PASS
    assert played.verdict is Verdict.FAIL


def test_a_state_that_is_not_reached_has_a_limit(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """run_until() ends after its limit of board time and says so."""
    held = scenario_named("syn-rcvd-held")

    def for_ever(stage: Stage) -> None:
        held.play(stage)
        conn = stage.wait_state(State.SYN_RCVD).conn
        stage.run_until(State.ESTABLISHED, conn, 2_000)

    expected = Expected("LISTEN > SYN_RCVD", "server")
    played = play(replace(held, play=for_ever, expected=expected), board, wire_keeper)
    assert "be in ESTABLISHED within 2 s of board time" in played.failure
    assert played.verdict is Verdict.FAIL


def _ended(stage: Stage) -> int:
    return stage.wait_state(State.SYN_RCVD).conn
