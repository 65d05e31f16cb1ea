"""Ways through lwIP's TCP that together make every store that the socket layer can reach.

Played by the oracle's tests and by the mutants. Each begins on a fresh board whose agent runs, and
ends with the board quiet; what is to be seen is not told here: the oracle sees it.
Recipes: tests/board/test_raw_peer.py. Source: lwIP 2.2.1 core/tcp.c, core/tcp_in.c.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

from lwipscope.board.agent import BoardOSError, BoardSocket
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

PORT = 6666
PEER_PORT = 5000
STEP_S = 20.0  # a stop of the oracle costs 4 ms
_POOL = 16


class Field:
    """The stage, a raw peer, and the board's listener. A step may take `step_s`."""

    def __init__(self, stage: Stage, peer: RawPeer, step_s: float = STEP_S) -> None:
        self.stage = stage
        self.peer = peer
        self.step_s = step_s
        self._ports = itertools.count(40000)
        self._listener: BoardSocket | None = None

    @property
    def listener(self) -> BoardSocket:
        if self._listener is None:
            self._listener = self.stage.board_listens(PORT, backlog=5)
        return self._listener

    def connection(self) -> RawConnection:
        """To the board's listener; nothing has been sent."""
        assert self.listener.name
        return self.peer.connection(next(self._ports), self.stage.board.ip, PORT)

    def half_open(self) -> RawConnection:
        conn = self.connection()
        conn.send("S")
        conn.expect("S.", timeout_s=self.step_s)
        return conn

    def open(self) -> tuple[RawConnection, BoardSocket, int]:
        """Established and accepted: the peer's end, the board's end, its id."""
        since = self.stage.board.trace.mark()
        conn = self.connection()
        conn.handshake(timeout_s=self.step_s)
        number = self.stage.wait_state(State.ESTABLISHED, since=since, timeout_s=self.step_s).conn
        return conn, self.listener.accept(), number

    def called(self) -> RawConnection:
        """The board connects; its SYN has come, unanswered."""
        self.peer.listen(PEER_PORT)
        self.stage.board_connects(self.peer.ip, PEER_PORT)
        return self.peer.expect_syn(PEER_PORT, timeout_s=self.step_s)

    def elapse(self, ms: int) -> None:
        """Board time goes by."""
        moved_ms = 0
        while moved_ms < ms:
            moved_ms += self.stage.board.port.advance(ms - moved_ms, forced=True)

    def settle(self) -> None:
        """The board has taken all that the peer sent, and has told what came of it."""
        self.peer.fence(self.stage.board.ip, self.step_s)
        self.stage.board.port.sync()


def peer_closes_first(on: Field) -> None:
    conn, socket, _ = on.open()
    conn.send("F.")
    conn.expect(".", ack=2)
    socket.close()
    conn.expect("F.", seq=1)
    conn.send(".")


def board_closes_first(on: Field) -> None:
    conn, socket, _ = on.open()
    socket.close()
    conn.expect("F.")
    conn.send(".")
    on.settle()
    conn.send("F.")
    conn.expect(".", ack=2)
    on.elapse(121_000)


def fins_cross(on: Field) -> None:
    conn, socket, _ = on.open()
    socket.close()
    conn.expect("F.")
    conn.send("F.", ack=1)
    conn.expect(".", seq=2, ack=2)
    conn.send(".")


def fin_acknowledges_fin(on: Field) -> None:
    conn, socket, _ = on.open()
    socket.close()
    conn.expect("F.")
    conn.send("F.")
    conn.expect(".", seq=2, ack=2)


def fin_on_the_handshake_ack(on: Field) -> None:
    conn = on.half_open()
    conn.send("F.")
    conn.expect(".", ack=2)


def fin_out_of_order(on: Field) -> None:
    """Data and FIN before what goes before them: CLOSE_WAIT is stored twice."""
    conn, _, _ = on.open()
    conn.send("FP.", b"def", seq=4)
    conn.expect(".", ack=1)
    conn.send("P.", b"abc", seq=1)
    conn.expect(".", ack=8)


def syn_rcvd_ends(on: Field) -> None:
    on.half_open().send("R")
    on.half_open()
    on.elapse(22_000)


def resets(on: Field) -> None:
    """RST in ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1 and FIN_WAIT_2."""
    on.open()[0].send("R")
    conn, _, _ = on.open()
    conn.send("F.")
    conn.expect(".", ack=2)
    conn.send("R")
    for acknowledged in (False, True):
        conn, socket, _ = on.open()
        socket.close()
        conn.expect("F.")
        if acknowledged:
            conn.send(".")
        conn.send("R")


def client(on: Field) -> None:
    conn = on.called()
    conn.accept_handshake()
    conn.send("R.")


def client_refused(on: Field) -> None:
    on.called().send("R.", seq=0, ack=1)


def client_unanswered(on: Field) -> None:
    on.called()
    on.elapse(20_000)


def unread_data(on: Field) -> None:
    """close() with data that nobody read: RST, and the pcb is gone without a store."""
    conn, socket, _ = on.open()
    conn.send("P.", b"abc")
    on.settle()
    socket.close()
    conn.expect("R.")


def close_abort(on: Field) -> None:
    """10 s after close() MicroPython gives up."""
    conn, socket, _ = on.open()
    socket.close()
    conn.expect("F.")
    on.elapse(12_000)


def accept_queue_full(on: Field) -> None:
    """The second is established and aborted by the same segment."""
    on.stage.board_listens(PORT + 1, backlog=1)
    for port in (50000, 50001):
        conn = on.peer.connection(port, on.stage.board.ip, PORT + 1)
        conn.handshake()
        on.settle()


def pool_empty(on: Field) -> None:
    """A pcb in TIME_WAIT makes room for another; in the end there is none left."""
    fin_acknowledges_fin(on)
    with suppress(BoardOSError):
        for _ in range(_POOL + 1):
            on.stage.board.agent.socket()


def everything_closed(on: Field) -> None:
    """The listener closes with connections in its queue; the agent ends, and the soft reset."""
    for _ in range(2):
        on.connection().handshake()
    on.open()
    on.settle()
    on.listener.close()
    on.stage.board.agent.stop()
    repl = on.stage.board.repl
    repl.start("pass", soft_reset=True)
    repl.wait(on.step_s)


def many(on: Field) -> None:
    """Slots are used again, in lwIP's order."""
    for _ in range(3):
        held = [on.open() for _ in range(4)]
        for conn, socket, _ in held[::2]:
            conn.send("F.")
            conn.expect(".", ack=2)
            socket.close()
            conn.expect("F.", seq=1)
            conn.send(".")
        for conn, _, _ in held[1::2]:
            conn.send("R")
        on.settle()


SITUATIONS: tuple[Callable[[Field], None], ...] = (
    peer_closes_first,
    board_closes_first,
    fins_cross,
    fin_acknowledges_fin,
    fin_on_the_handshake_ack,
    fin_out_of_order,
    syn_rcvd_ends,
    resets,
    client,
    client_refused,
    client_unanswered,
    unread_data,
    close_abort,
    accept_queue_full,
    pool_empty,
    everything_closed,
    many,
)
