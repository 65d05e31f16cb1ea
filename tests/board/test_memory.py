"""What scenarios of an end that has forgotten take for granted, and can't choose for themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from board.helpers import run
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import play
from lwipscope.scenario.rebooting import FIRST_SYN
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

PEER_PORT = 40000


def test_keepalive_is_refused_with_a_warning_only(board: EmulatedBoard) -> None:
    """setsockopt() does not raise, so a program believes that it has what it asked for."""
    printed = run(
        board,
        """
        import socket
        s = socket.socket()
        SO_KEEPALIVE = 8
        print(s.setsockopt(socket.SOL_SOCKET, SO_KEEPALIVE, 1))
        print(hasattr(socket, "SO_KEEPALIVE"))
        """,
    )
    assert printed == "Warning: lwip.setsockopt() not implemented\nNone\nFalse\n"


@pytest.mark.parametrize("seed", [0, 4711])
def test_numbers_and_ports_of_the_lives(new_board: Callable[..., EmulatedBoard], seed: int) -> None:
    """Without a seed each life has a port of its own, with one they are alike. The initial number
    is always the same; and a board that is started in the same way does all of it again."""
    seen = []
    for _ in range(2):
        with new_board(StartOptions(number=7, random_seed=seed)) as board:
            seen.append([_first_syn(board) for _ in range(3)])
    assert seen[0] == seen[1]
    ports = [port for port, _ in seen[0]]
    assert len(set(ports)) == (3 if seed == 0 else 1)
    assert min(ports) >= 49152  # RFC 6335 6: dynamic ports
    assert {number for _, number in seen[0]} == {FIRST_SYN}


@pytest.mark.parametrize("seed", [0, 4711])
@pytest.mark.parametrize("name", ["board-reboots-numbers", "board-reboots-and-connects"])
def test_a_seed_does_not_disturb_the_scenarios(
    new_board: Callable[..., EmulatedBoard], wire_keeper: Keeper, name: str, seed: int
) -> None:
    """With equal ports in both lives, too; and on a board whose clock does not run."""
    options = StartOptions(number=7, random_seed=seed, clock="manual")
    with new_board(options) as board:
        played = play(scenario_named(name), board, wire_keeper)
    assert played.failure == ""
    assert played.verdict is Verdict.PASS


def _first_syn(board: EmulatedBoard) -> tuple[int, int]:
    """The port and the number with which the board begins to connect; then it is reset."""
    with RawPeer(board.switch) as peer:
        peer.listen(PEER_PORT)
        board.agent.start()
        board.agent.socket().connect(peer.ip, PEER_PORT)
        syn = peer.expect_syn(PEER_PORT)
        board.reset()
    assert syn.board_isn is not None
    return syn.remote[1], syn.board_isn
