"""A board and a raw peer, brought to the point where a scenario begins.

Called by the scenarios of this package. `role` is the board's: as server it listens at PORT and the
peer connects from PEER_PORT, as client it connects to PEER_PORT of the peer. The peer sends
nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.board.agent import BoardSocket
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.peer.raw_record import wait_processed
from lwipscope.scenario.stage import STEP_S, Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Hello, Transition
from lwipscope.wire.layers import TcpSegment

PORT = 6666
PEER_PORT = 40000
SERVER = "LISTEN > SYN_RCVD > ESTABLISHED"
CLIENT = "SYN_SENT > ESTABLISHED"
WHO = "raw"

BoardRole: TypeAlias = Literal["server", "client"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Both ends of one connection: the peer's, the board's socket, the board's connection id."""

    stage: Stage
    raw: RawConnection
    socket: BoardSocket
    conn: int

    def nothing(self) -> None:
        """The board answers nothing to what was sent, by its own record."""
        nothing(self.stage, self.raw)

    def insist(self, state: State) -> None:
        """The board is in that state."""
        self.stage.insist_state(self.conn, state)

    def to_the_end_of_2msl(self, limit_ms: int = 130_000) -> int:
        """Move board time until TIME_WAIT is over: after how many ms."""
        moved_ms = self.stage.run_until(State.CLOSED, self.conn, limit_ms)
        told(self.stage, moved_ms, "2MSL is over")
        return moved_ms


def nothing(stage: Stage, raw: RawConnection) -> None:
    """The board answers nothing to what was sent, by its own record."""
    raw.expect_nothing(stage.board.port.sync, trace=stage.board.trace)


def delivered(stage: Stage, segment: TcpSegment) -> None:
    """Wait until the board has processed a segment, whatever it answers."""
    wait_processed(stage.board.trace, segment, STEP_S)
    stage.board.port.sync()


def told(stage: Stage, moved_ms: int, what: str) -> None:
    """Note how far the board's clock was moved, and what came of it."""
    stage.note("host", f"moved the board's clock: after {moved_ms / 1000:.1f} s {what}")


def opened(stage: Stage, role: BoardRole = "server") -> Pair:
    """An established connection that the board's application has."""
    if role == "client":
        pair, _ = dialled(stage)
        pair.raw.accept_handshake()
        stage.wait_state(State.ESTABLISHED, conn=pair.conn)
        return pair
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    return accepted(stage, raw, listener)


def accepted(stage: Stage, raw: RawConnection, listener: BoardSocket) -> Pair:
    """A connection whose handshake the peer has sent, once the board's application has it."""
    conn = conn_of(stage, raw)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    return Pair(stage, raw, listener.accept(), conn)


def still_alive(pair: Pair) -> None:
    """What the peer says is read, and answered."""
    delivered(pair.stage, pair.raw.send("P.", b"alive?"))
    seen = pair.socket.recv()
    pair.stage.insist(seen == b"alive?", f"the connection to live, not {seen!r}")
    pair.socket.send(b"alive!")
    pair.raw.expect("P.", payload=b"alive!")
    pair.raw.send(".")


def dialled(stage: Stage) -> tuple[Pair, RawPeer]:
    """The board connects: its SYN has come, and nothing has answered it."""
    peer = stage.network.raw()
    peer.listen(PEER_PORT)
    client, conn = stage.board_connects(peer.ip, PEER_PORT)
    return Pair(stage, peer.expect_syn(PEER_PORT), client, conn), peer


def knocking(
    stage: Stage, peer: RawPeer | None = None, *, port: int = PEER_PORT
) -> tuple[RawConnection, RawPeer]:
    """A connection to the board on which nothing has been sent, and its peer."""
    made = peer if peer is not None else stage.network.raw()
    return made.connection(port, stage.board.ip, PORT), made


def half_open(stage: Stage) -> tuple[RawConnection, int]:
    """A listener, a SYN and its SYN+ACK: the board is in SYN_RCVD."""
    stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.send("S")
    raw.expect("S.", seq=0, ack=1, length=0)
    return raw, conn_of(stage, raw)


def conn_of(stage: Stage, raw: RawConnection) -> int:
    """The board's id of a connection that this peer has opened."""
    ip, port = raw.local
    event = stage.board.trace.wait_for(
        lambda e: (
            isinstance(e, Transition)
            and e.after is State.SYN_RCVD
            and e.remote is not None
            and (e.remote.ip, e.remote.port) == (ip, port)
        ),
        STEP_S,
        f"the board's SYN_RCVD for {ip}:{port}",
    )
    return event.conn


def size_of(stage: Stage, name: str) -> int:
    """One of the sizes that the board's hello tells: `pcb`, `lpcb`, `mss`, `wnd`."""
    hello = next(event for event in stage.board.trace.events if isinstance(event, Hello))
    return int(hello.fields[name])
