"""States that a plain socket can hold the board in, as `lwipscope doctor` tells for real boards.

The peer is the kernel's TCP and does what any program may do. Held means: 4 s of board time later
the board is still there, though its retransmissions and window probes were answered.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from lwipscope.board.agent import BoardOSError, BoardSocket
from lwipscope.doctor.states import Role
from lwipscope.doctor.ways import BOTH, WITHOUT_RIGHTS, By
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.wire.keeper import Keeper

PORT = 6666
DEAD_IP = "192.0.2.77"
HELD_MS = 4_000
SMALL = 2048
PIECE = b"x" * 40


class Held:
    """A connection between the board and a plain socket; `board` is the board's end."""

    def __init__(self, peer: KernelPeer, board: BoardSocket, conn: int) -> None:
        self.peer, self.board, self.conn = peer, board, conn


Connect = Callable[[Role], Held]


@pytest.fixture
def connect(stage: Stage, keeper: Keeper, need_tap: None) -> Iterator[Connect]:
    """A connection in either role of the board; the peer's receive buffer is small."""
    del need_tap

    def small(family: int, kind: int) -> socket.socket:
        made = keeper.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        return made

    with ExitStack() as stack:

        def made(role: Role) -> Held:
            if role == "server":
                listener = stage.board_listens(PORT)
                peer = KernelPeer.connect(small, (stage.board.ip, PORT))
                stack.callback(peer.reset)
                return Held(peer, *stage.board_accepts(listener))
            waiting = stack.enter_context(KernelListener(small, (HOST_IP, PORT)))
            sock, conn = stage.board_connects(HOST_IP, PORT)
            peer = waiting.accept()
            stack.callback(peer.reset)
            stage.wait_state(State.ESTABLISHED, conn=conn)
            return Held(peer, sock, conn)

        yield made


@pytest.fixture
def need_tap(keeper: Keeper) -> None:
    if keeper.tap is None:
        pytest.skip("; ".join(keeper.notes))


def fill(stage: Stage, held: Held) -> None:
    """Send until nothing more is taken: the peer does not read."""
    with pytest.raises(BoardOSError, match="EAGAIN"):
        for _ in range(2_000):
            held.board.send(PIECE)
    stage.board.port.sync()


def stays(stage: Stage, held: Held, state: State) -> None:
    stage.wait_state(state, conn=held.conn)
    stage.elapse(HELD_MS)
    stage.insist_state(held.conn, state)


def states(by: By) -> set[State]:
    return {way.state for way in WITHOUT_RIGHTS if way.by == by}


@pytest.mark.parametrize("role", BOTH)
def test_stopped_reader_holds_fin_wait_1_and_closing(
    stage: Stage, connect: Connect, role: Role
) -> None:
    held = connect(role)
    fill(stage, held)
    held.board.close()
    stays(stage, held, State.FIN_WAIT_1)
    held.peer.shutdown_write()
    stays(stage, held, State.CLOSING)
    assert {State.FIN_WAIT_1, State.CLOSING} < states("stopped reader")


@pytest.mark.parametrize("role", BOTH)
def test_stopped_reader_holds_last_ack(stage: Stage, connect: Connect, role: Role) -> None:
    held = connect(role)
    held.peer.shutdown_write()
    stage.wait_state(State.CLOSE_WAIT, conn=held.conn)
    fill(stage, held)
    held.board.close()
    stays(stage, held, State.LAST_ACK)
    assert State.LAST_ACK in states("stopped reader")


@pytest.mark.parametrize("role", BOTH)
def test_plain_and_silent_peers(stage: Stage, connect: Connect, role: Role) -> None:
    held = connect(role)
    stays(stage, held, State.ESTABLISHED)
    held.board.close()
    stays(stage, held, State.FIN_WAIT_2)
    held.peer.close()
    stays(stage, held, State.TIME_WAIT)
    assert states("silent peer") == {State.FIN_WAIT_2}


@pytest.mark.parametrize("role", BOTH)
def test_plain_peer_holds_close_wait(stage: Stage, connect: Connect, role: Role) -> None:
    held = connect(role)
    held.peer.shutdown_write()
    stays(stage, held, State.CLOSE_WAIT)
    assert states("plain peer") == {State.ESTABLISHED, State.CLOSE_WAIT, State.TIME_WAIT}


def test_dead_address_holds_syn_sent(stage: Stage, need_tap: None) -> None:
    del need_tap
    sock = stage.board.agent.socket()
    sock.connect(DEAD_IP, PORT)
    conn = stage.wait_state(State.SYN_SENT).conn
    stage.elapse(HELD_MS)
    stage.insist_state(conn, State.SYN_SENT)
    assert states("dead address") == {State.SYN_SENT}
