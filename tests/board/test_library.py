"""Every scenario of the library on the board: as expected, legal, and over in no time."""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.report.exchange import shown
from lwipscope.report.style import Style
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.pair import PEER_PORT, PORT, SERVER, conn_of, knocking, opened
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import Transition
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


def _over_two_lives(stage: Stage) -> None:
    """The board is reset under an established connection; then another is opened and reset."""
    stage.board_listens(PORT)
    old, peer = knocking(stage)
    old.handshake()
    stage.wait_state(State.ESTABLISHED, conn=conn_of(stage, old))
    stage.reboot()
    old.send("P.", b"hello?")
    old.expect("R.")
    stage.board_listens(PORT)
    raw, _ = knocking(stage, peer, port=PEER_PORT + 1)
    raw.handshake()
    raw.send("R")
    stage.wait_end(conn_of(stage, raw))


TWO_LIVES = Scenario(
    "two-lives",
    "A reset under a connection",
    "The board is reset; the peer knows nothing of it and is told by RST.",
    "RFC 9293 3.5.1",
    Expected(f"{SERVER} > CLOSED", "server"),
    _over_two_lives,
    RAW,
    others=(Expected(SERVER, "server", life=0),),
)


def test_a_scenario_over_two_lives(
    board: EmulatedBoard, wire_keeper: Keeper, tmp_path: Path
) -> None:
    played = play(TWO_LIVES, board, wire_keeper, tmp_path)
    assert played.failure == ""
    assert played.verdict is Verdict.PASS
    first, second = played.lives
    assert first.integrity.complete and second.integrity.complete
    assert first.hello is not None and second.hello is not None
    assert first.hello.boot != second.hello.boot
    assert played.events is second.events
    assert "resets the board" in [note.text for note in first.notes]
    text = shown(played, Style())
    before, after = text.split("the board was reset")
    assert re.search(r"^path +LISTEN > SYN_RCVD > ESTABLISHED$", before, re.M)
    assert re.search(r"^path +LISTEN > SYN_RCVD > ESTABLISHED > CLOSED$", after, re.M)
    assert sorted(path.name for path in tmp_path.glob("*.pcapng")) == [
        "two-lives.life-2.wire.pcapng",
        "two-lives.wire.pcapng",
    ]


@pytest.mark.parametrize(("life", "path"), [(0, "LISTEN"), (-2, "LISTEN"), (2, SERVER)])
def test_each_path_is_judged_in_its_life(
    life: int, path: str, board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    wrong = replace(TWO_LIVES, others=(Expected(path, "server", life=life),))
    played = play(wrong, board, wire_keeper)
    assert played.failure == ""
    assert played.check.verdict is Verdict.PASS
    assert played.others[0].verdict is Verdict.FAIL
    if life == 2:
        assert "number 2 was not reached, it had 2" in played.others[0].text


def test_legality_is_asked_over_all_lives(
    board: EmulatedBoard, wire_keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that lacks the edge that only the first life took."""
    whole = graph_of("modlwip-2.2.1")
    lacking = Graph(
        "modlwip-2.2.1",
        tuple(e for e in whole.edges if e.after is not State.FIN_WAIT_1),
        whole.absences,
    )
    monkeypatch.setattr("lwipscope.scenario.play.graph_of", lambda _profile: lacking)

    def closed_in_the_first(stage: Stage) -> None:
        pair = opened(stage)
        pair.socket.close()
        pair.raw.expect("F.")
        stage.reboot()
        stage.board_listens(PORT)

    played = play(replace(TWO_LIVES, play=closed_in_the_first, others=()), board, wire_keeper)
    (violation,) = played.violations
    assert isinstance(violation.event, Transition)
    assert violation.event.after is State.FIN_WAIT_1
    assert played.verdict is Verdict.FAIL


@pytest.mark.evidence_spoiled("the board is dead")
def test_no_life_after_death(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """A reboot of a board that is gone fails the step; the first life's evidence is told as bad."""

    def killed(stage: Stage) -> None:
        opened(stage)
        os.kill(board.pid, signal.SIGKILL)
        assert not board.alive(10.0)
        stage.reboot()

    played = play(replace(TWO_LIVES, play=killed), board, wire_keeper)
    assert "SIGKILL" in played.failure
    assert played.verdict is Verdict.ERROR
    assert all(check.verdict is Verdict.ERROR for check in (played.check, *played.others))
