"""What decides a scenario's verdict beside the board's path: the wire, the peer, the deviations.

Broken evidence is made by breaking what carries it: QEMU is killed, its socket closed, the line
cut.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.report.exchange import shown
from lwipscope.report.style import Style
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.pair import opened
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rule_text import parse_rule

GOOD = scenario_named("close-second")
NC = scenario_named("server-peer-closes-first")


def report(played: Played) -> str:
    return " ".join(shown(played, Style()).split())


# Trouble on the wire.


def test_a_lost_syn_ack_is_sent_again(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """By the kernel's repeated SYN, in real time; the path stays the same."""
    rules = [parse_rule("drop 1 S. from-board"), parse_rule("drop 1 R")]
    played = play(NC, board, wire_keeper, rules=rules)
    assert played.verdict is Verdict.PASS
    assert [deed.text().split()[:2] for deed in played.trouble.deeds] == [["dropped", "S."]]
    text = report(played)
    assert "trouble drop 1 S. from-board: once drop 1 R: it met no segment dropped S." in text
    assert "seed" not in text


def test_the_board_repeats_in_real_time(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """The board's FIN is lost: it comes again within the step's time, without moving the clock."""
    played = play(GOOD, board, wire_keeper, rules=[parse_rule("drop 1 F. from-board")])
    assert played.failure == ""
    assert played.verdict is Verdict.PASS
    assert played.peer.seen == GOOD.peer_path
    fins = [e for e in played.events if " tx FIN+ACK " in e.text()]
    assert len(fins) == 2


def test_chance_is_the_same_with_the_same_seed(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    def met(seed: int) -> list[str]:
        rules = [parse_rule("duplicate p=0.5 to-board")]
        played = play(GOOD, board, wire_keeper, rules=rules, seed=seed)
        assert f"chance came from seed {seed}" in report(played)
        return [deed.text().partition(" seq=")[0] for deed in played.trouble.deeds]

    assert met(1) == met(1)
    assert len({tuple(met(seed)) for seed in range(6)}) > 1


def test_a_step_that_trouble_prevents_fails(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """The raw peer repeats nothing: a verdict within a step's deadline, and the reason."""
    played = play(GOOD, board, wire_keeper, rules=[parse_rule("drop 1 S to-board")])
    assert played.verdict is Verdict.FAIL
    assert "S." in played.failure
    assert "dropped S seq=" in report(played)
    assert play(GOOD, board, wire_keeper).verdict is Verdict.PASS


# The other end's states.


def test_a_peer_that_took_another_path_fails(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    wrong = replace(GOOD, peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > ...")
    played = play(wrong, board, wire_keeper)
    assert played.check.verdict is Verdict.PASS
    assert played.verdict is Verdict.FAIL
    text = report(played)
    assert f"by its segments: {GOOD.peer_path}" in text
    assert f"peer path {GOOD.peer_path} expected SYN_SENT > ESTABLISHED > CLOSE_WAIT" in text


def test_a_peer_that_was_not_there_fails(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    refused = scenario_named("client-refused")
    played = play(replace(refused, peer_path="SYN_RCVD"), board, wire_keeper)
    assert played.check.verdict is Verdict.PASS
    assert played.verdict is Verdict.FAIL
    assert "no connection of the other end was seen" in report(played)


def test_what_is_lost_never_reached_the_peer(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """All FINs of the board are lost: the peer's path is that of one who never got any."""
    played = play(GOOD, board, wire_keeper, rules=[parse_rule("drop F. from-board")])
    assert played.peer.seen == "SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2"


def test_both_wires_tell_the_peers_path(
    wire: str, board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    for name in ("server-peer-closes-first", "client-closes-first", "server-closes-first-textbook"):
        played = play(scenario_named(name), board, wire_keeper)
        assert played.verdict is Verdict.PASS, (wire, report(played))
        assert played.peer.expected


# Deviations.


def test_a_deviation_that_is_not_seen_fails(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    for name in ("close-abort-10s", "keepalive-absent"):
        played = play(replace(GOOD, deviations=(name,)), board, wire_keeper)
        assert played.check.verdict is Verdict.PASS
        assert played.verdict is Verdict.FAIL
        assert f"deviation {name} no longer seen" in report(played)


def test_a_deviation_that_the_scenario_insists_on(
    board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    def seen(stage: Stage) -> None:
        GOOD.play(stage)
        stage.deviation_seen("keepalive-absent")

    named = replace(GOOD, play=seen, deviations=("keepalive-absent",))
    played = play(named, board, wire_keeper)
    assert played.verdict is Verdict.PASS
    assert "keepalive-absent" in played.deviations.seen
    assert "deviates keepalive-absent, " in report(played)

    misspelt = replace(GOOD, play=lambda stage: stage.deviation_seen("keep-alive-absent"))
    assert "did you mean 'keepalive-absent'" in play(misspelt, board, wire_keeper).failure


def test_on_an_unverified_stack_it_is_only_told(
    board: EmulatedBoard, wire_keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lwipscope.scenario.life.profile_of", lambda _lwip, _mp: "unknown")
    played = play(replace(GOOD, deviations=("close-abort-10s",)), board, wire_keeper)
    assert played.verdict is Verdict.PASS
    assert "(on a stack that was not verified) deviation close-abort-10s no longer" in report(
        played
    )


# Broken evidence.


def _kill(board: EmulatedBoard) -> None:
    os.kill(board.pid, signal.SIGKILL)
    assert not board.alive(10.0)


def _cut_the_line(board: EmulatedBoard) -> None:
    board.link.close()


def _close_the_switch(board: EmulatedBoard) -> None:
    board.switch.close()


def _unplug(board: EmulatedBoard) -> None:
    assert board._qmp is not None
    board._qmp.command("netdev_del", id="wire")


@pytest.mark.evidence_spoiled("the board, its line or its wire is gone")
@pytest.mark.parametrize(
    ("broken", "verdict", "said"),
    [
        (_kill, Verdict.ERROR, "SIGKILL"),
        (_cut_the_line, Verdict.ERROR, "the board was lost"),
        (_close_the_switch, Verdict.INCONCLUSIVE, "this wire is closed"),
        (_unplug, Verdict.INCONCLUSIVE, "the board's end of the wire is gone"),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_broken_evidence_is_neither_pass_nor_fail(
    broken: Callable[[EmulatedBoard], None],
    verdict: Verdict,
    said: str,
    at_the_end: bool,
    new_board: Callable[..., EmulatedBoard],
    wire_keeper: Keeper,
) -> None:
    """Whether it breaks in the middle, or behind the last step of a path that was as expected."""
    board = new_board()

    def breaking(stage: Stage) -> None:
        if at_the_end:
            GOOD.play(stage)
            broken(board)
            return
        pair = opened(stage)
        broken(board)
        pair.raw.send("F.")
        stage.wait_state(State.CLOSE_WAIT, conn=pair.conn)

    played = play(replace(GOOD, play=breaking), board, wire_keeper)
    assert played.verdict is verdict
    assert said in report(played)
