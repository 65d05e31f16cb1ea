"""A raw peer and the board: states and edges that nc can't hold, each segment by hand.

Facts about lwIP 2.2.1: core/tcp_in.c (tcp_process, tcp_listen_input) and core/tcp.c; the state
stores' lines are in the trace. MicroPython's socket layer aborts 10 s after close()
(extmod/modlwip.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from board.helpers import the_one, told
from lwipscope.board.agent import BoardSocket
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import PeerError
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.peer.raw_match import Seen
from lwipscope.scenario.network import Network
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rules import Rules, delay, drop

PORT = 6666
PEER_PORT = 40000


@pytest.fixture
def peer(stage: Stage) -> Iterator[RawPeer]:
    with RawPeer(stage.board.switch, name="raw") as made:
        yield made
        assert stage.board.switch.first_failure is None


@pytest.fixture
def listener(stage: Stage) -> BoardSocket:
    return stage.board_listens(PORT)


@pytest.fixture
def conn(stage: Stage, peer: RawPeer, listener: BoardSocket) -> RawConnection:
    """To the board's listening port; nothing has been sent."""
    assert listener.name
    return peer.connection(PEER_PORT, stage.board.ip, PORT)


@pytest.fixture
def nothing(stage: Stage, conn: RawConnection) -> Callable[[], None]:
    """The board answers nothing, by its own record."""
    return partial(conn.expect_nothing, stage.board.port.sync, trace=stage.board.trace)


@pytest.fixture
def trouble(stage: Stage) -> Iterator[Callable[[Rules], None]]:
    """Sets rules at the switch, which outlive a board's life; they end with the test."""
    switch = stage.board.switch
    try:
        yield switch.set_rules
    finally:
        switch.set_rules(None)


def open_both(
    stage: Stage, conn: RawConnection, listener: BoardSocket
) -> tuple[BoardSocket, int, Seen]:
    """Handshake and accept: the board's socket, its connection id, its SYN+ACK."""
    answer = conn.handshake()
    return *stage.board_accepts(listener), answer


def states(stage: Stage) -> list[str]:
    """The steps of the one connection, each with its cause."""
    stage.board.port.sync()
    return told(the_one(stage.board))


def in_state(stage: Stage, state: State) -> bool:
    """By the board's own list."""
    rows = [row for row in stage.board.port.snapshot() if row.remote and row.remote.port]
    assert len(rows) == 1
    return rows[0].state is state


# Opening.


def test_syn_rcvd_is_held_without_the_last_ack(
    stage: Stage, conn: RawConnection, nothing: Callable[[], None]
) -> None:
    conn.send("S")
    conn.expect("S.", seq=0, ack=1, length=0, window=8760, mss=1460)
    nothing()
    assert in_state(stage, State.SYN_RCVD)
    conn.send("S", seq=0)  # its SYN once more: the board answers once more and stays
    conn.expect("S.", seq=0, ack=1)
    assert in_state(stage, State.SYN_RCVD)
    conn.send(".")
    stage.wait_state(State.ESTABLISHED)
    nothing()
    assert states(stage) == ["SYN_RCVD by=rx:S", "ESTABLISHED by=rx:."]


def test_syn_rcvd_ends_by_its_timer(stage: Stage, conn: RawConnection) -> None:
    """TCP_SYN_RCVD_TIMEOUT is 20 s; SYN+ACK is repeated after 3 and 9 s."""
    conn.send("S")
    conn.expect("S.")
    moved_ms = 0
    while moved_ms < 22_000:
        moved_ms += stage.board.port.advance(22_000 - moved_ms, forced=True)
    assert [seen.flags for seen in conn.skip()] == ["S.", "S."]
    assert states(stage) == ["SYN_RCVD by=rx:S", "CLOSED by=timer:SYN_RCVD"]


def test_rst_in_syn_rcvd(stage: Stage, conn: RawConnection, nothing: Callable[[], None]) -> None:
    conn.send("S")
    conn.expect("S.")
    conn.send("R", seq=2)  # in the window, but not the next number: RFC 5961 3.2
    conn.expect(".", seq=1, ack=1)
    assert in_state(stage, State.SYN_RCVD)
    conn.send("R")
    nothing()
    assert states(stage) == ["SYN_RCVD by=rx:S", "CLOSED by=rx:R"]


def test_fin_on_the_handshake_ack(stage: Stage, conn: RawConnection) -> None:
    conn.send("S")
    conn.expect("S.")
    conn.send("F.")
    conn.expect(".", seq=1, ack=2, length=0)
    assert states(stage) == [
        "SYN_RCVD by=rx:S",
        "ESTABLISHED by=rx:F.",
        "CLOSE_WAIT by=rx:F.",
    ]


def test_a_syn_with_a_bad_checksum_is_dropped(
    stage: Stage, conn: RawConnection, nothing: Callable[[], None]
) -> None:
    conn.send("S", bad_checksum=True)
    nothing()
    assert [row.state for row in stage.board.port.snapshot()] == [State.LISTEN]
    conn.handshake()
    stage.wait_state(State.ESTABLISHED)


def test_syn_sent_ignored(stage: Stage, peer: RawPeer) -> None:
    """Seven SYNs, 3 s apart, and nobody answers (TCP_SYNMAXRTX)."""
    peer.listen(5000)
    _, conn_id = stage.board_connects(peer.ip, 5000)
    conn = peer.expect_syn(5000)
    assert conn.board_mss == 1460
    moved_ms = 0
    while moved_ms < 20_000:
        moved_ms += stage.board.port.advance(20_000 - moved_ms, forced=True)
    stage.wait_end(conn_id)
    peer.fence(stage.board.ip)
    assert [(seen.flags, seen.seq) for seen in conn.skip()] == [("S", 0)] * 6
    assert states(stage) == ["SYN_SENT by=api:connect", "CLOSED by=timer:SYN-retries"]


def test_syn_sent_and_what_it_takes(stage: Stage, peer: RawPeer) -> None:
    peer.listen(5000)
    _, conn_id = stage.board_connects(peer.ip, 5000)
    conn = peer.expect_syn(5000)
    nothing = partial(conn.expect_nothing, stage.board.port.sync, trace=stage.board.trace)
    conn.send("S")  # a simultaneous open, which lwIP does not know
    nothing()
    conn.send("R.", seq=0, ack=5)  # does not acknowledge the SYN
    nothing()
    assert in_state(stage, State.SYN_SENT)
    conn.send("S.", seq=0, ack=7)  # neither does this: RST, and its SYN at once again
    conn.expect("R.", timeout_s=5.0)
    conn.expect("S", seq=0)
    assert in_state(stage, State.SYN_SENT)
    conn.send("S.", seq=0)
    conn.expect(".", seq=1, ack=1)
    stage.wait_state(State.ESTABLISHED, conn=conn_id)
    assert states(stage) == ["SYN_SENT by=api:connect", "ESTABLISHED by=rx:S."]


def test_the_board_connects_and_is_refused(stage: Stage, peer: RawPeer) -> None:
    peer.listen(5000)
    _, conn_id = stage.board_connects(peer.ip, 5000)
    peer.expect_syn(5000).send("R.", seq=0, ack=1)
    stage.wait_end(conn_id)
    assert states(stage) == ["SYN_SENT by=api:connect", "CLOSED by=rx:R."]


def test_accept_handshake(stage: Stage, peer: RawPeer) -> None:
    peer.listen(5000)
    client, conn_id = stage.board_connects(peer.ip, 5000)
    conn = peer.expect_syn(5000)
    conn.accept_handshake()
    stage.wait_state(State.ESTABLISHED, conn=conn_id)
    client.send(b"hi")
    conn.expect("P.", seq=1, ack=1, payload=b"hi")


# Closing.


def test_closing(
    stage: Stage, conn: RawConnection, listener: BoardSocket, nothing: Callable[[], None]
) -> None:
    socket, conn_id, _ = open_both(stage, conn, listener)
    socket.close()
    conn.expect("F.", seq=1, ack=1, length=0)
    conn.send("F.", ack=1)  # crosses the board's FIN
    conn.expect(".", seq=2, ack=2)
    assert in_state(stage, State.CLOSING)
    conn.send(".")
    stage.wait_state(State.TIME_WAIT, conn=conn_id)
    nothing()
    assert states(stage)[2:] == [
        "FIN_WAIT_1 by=api:close",
        "CLOSING by=rx:F.",
        "TIME_WAIT by=rx:.",
    ]


def test_fin_with_ack_straight_to_time_wait(
    stage: Stage, conn: RawConnection, listener: BoardSocket
) -> None:
    socket, _, _ = open_both(stage, conn, listener)
    socket.close()
    conn.expect("F.")
    conn.send("F.")
    conn.expect(".", seq=2, ack=2)
    assert states(stage)[2:] == ["FIN_WAIT_1 by=api:close", "TIME_WAIT by=rx:F."]


def test_fin_wait_2_is_silent_and_its_fin_is_answered(
    stage: Stage, conn: RawConnection, listener: BoardSocket, nothing: Callable[[], None]
) -> None:
    socket, _, _ = open_both(stage, conn, listener)
    socket.close()
    conn.expect("F.")
    nothing()
    assert in_state(stage, State.FIN_WAIT_1)
    conn.send(".")
    nothing()
    assert in_state(stage, State.FIN_WAIT_2)
    conn.send("F.")
    conn.expect(".", ack=2)
    conn.send("F.", seq=1)  # the board's last ACK was lost: it is given again
    conn.expect(".", seq=2, ack=2)
    assert in_state(stage, State.TIME_WAIT)


def test_last_ack_is_held(
    stage: Stage, conn: RawConnection, listener: BoardSocket, nothing: Callable[[], None]
) -> None:
    socket, _, _ = open_both(stage, conn, listener)
    conn.send("F.")
    conn.expect(".", ack=2)
    socket.close()
    conn.expect("F.", seq=1, ack=2)
    conn.send(".", ack=1)  # of everything but the FIN
    nothing()
    assert in_state(stage, State.LAST_ACK)
    conn.send(".")
    nothing()
    assert states(stage)[2:] == [
        "CLOSE_WAIT by=rx:F.",
        "LAST_ACK by=api:close",
        "CLOSED by=rx:.",
    ]


# RST in ESTABLISHED (RFC 5961 3.2).


def test_rst_exact(
    stage: Stage, conn: RawConnection, listener: BoardSocket, nothing: Callable[[], None]
) -> None:
    open_both(stage, conn, listener)
    conn.send("R")
    nothing()
    assert states(stage)[2:] == ["CLOSED by=rx:R"]


def test_rst_in_the_window_is_challenged(
    stage: Stage, conn: RawConnection, listener: BoardSocket, nothing: Callable[[], None]
) -> None:
    _, _, answer = open_both(stage, conn, listener)
    conn.send("R", seq=1 + answer.window - 1)
    with pytest.raises(PeerError, match=r"nothing was expected to come.*\n  \. seq=1 ack=1"):
        nothing()
    conn.expect(".", seq=1, ack=1, length=0)
    nothing()
    assert in_state(stage, State.ESTABLISHED)


@pytest.mark.parametrize("seq", [0, 1 + 8760 + 1, 0x40000000])
def test_rst_outside_the_window_is_ignored(
    stage: Stage,
    conn: RawConnection,
    listener: BoardSocket,
    nothing: Callable[[], None],
    seq: int,
) -> None:
    open_both(stage, conn, listener)
    conn.send("R", seq=seq)
    nothing()
    assert in_state(stage, State.ESTABLISHED)


def test_nobody_listens(stage: Stage, peer: RawPeer) -> None:
    conn = peer.connection(PEER_PORT, stage.board.ip, 7)
    nothing = partial(conn.expect_nothing, stage.board.port.sync, trace=stage.board.trace)
    conn.send("S", bad_checksum=True)
    nothing()
    conn.send("S")
    conn.expect("R.", ack=1)
    conn.send("R")
    nothing()


def test_what_the_board_sent_but_never_came(
    stage: Stage,
    conn: RawConnection,
    listener: BoardSocket,
    nothing: Callable[[], None],
    trouble: Callable[[Rules], None],
) -> None:
    """The record of the board, not silence on the wire, decides that nothing was sent."""
    open_both(stage, conn, listener)
    trouble(Rules(drop(direction="from-board")))
    conn.send("R", seq=2)
    with pytest.raises(PeerError, match="never came here"):
        nothing()


# The polite peer.


def test_polite_to_the_end(stage: Stage, peer: RawPeer, listener: BoardSocket) -> None:
    polite = peer.polite(peer.connection(PEER_PORT, stage.board.ip, PORT))
    polite.connect()
    socket, conn_id = stage.board_accepts(listener)
    polite.send(b"question")
    assert stage.board_receives(socket, conn_id, 8) == b"question"
    socket.send(b"answer")
    assert polite.receive(6) == b"answer"
    polite.close()
    stage.wait_state(State.CLOSE_WAIT, conn=conn_id)
    socket.close()
    stage.wait_end(conn_id)
    assert polite.wait_state(State.TIME_WAIT) is State.TIME_WAIT
    assert states(stage)[2:] == [
        "CLOSE_WAIT by=rx:F.",
        "LAST_ACK by=api:close",
        "CLOSED by=rx:.",
    ]


def test_polite_withholding_makes_closing(
    stage: Stage, peer: RawPeer, listener: BoardSocket
) -> None:
    polite = peer.polite(peer.connection(PEER_PORT, stage.board.ip, PORT))
    polite.connect()
    socket, conn_id = stage.board_accepts(listener)
    polite.withhold_acks()
    socket.close()
    polite.raw.expect("F.")
    polite.close()
    stage.wait_state(State.CLOSING, conn=conn_id)
    polite.resume_acks()
    stage.wait_state(State.TIME_WAIT, conn=conn_id)


def test_polite_zero_window_is_probed(stage: Stage, peer: RawPeer, listener: BoardSocket) -> None:
    polite = peer.polite(peer.connection(PEER_PORT, stage.board.ip, PORT))
    polite.connect()
    socket, conn_id = stage.board_accepts(listener)
    polite.zero_window()
    socket.send(b"fills it")
    polite.raw.expect("P.", payload=b"fills it")
    stage.board.trace.wait_for(
        lambda e: (
            isinstance(e, Segment) and e.conn == conn_id and e.direction == "rx" and not e.win
        ),
        5.0,
        "the window of 0",
    )
    socket.send(b"waits")
    peer.fence(stage.board.ip)
    assert polite.raw.waiting() == ()
    stage.board.port.advance(3_000, forced=True)
    polite.raw.expect(".", seq=9, payload=b"w")  # tcp_zero_window_probe: one byte
    polite.open_window()
    assert polite.receive(13) == b"fills itwaits"


def test_polite_vanishes(stage: Stage, peer: RawPeer, listener: BoardSocket) -> None:
    polite = peer.polite(peer.connection(PEER_PORT, stage.board.ip, PORT))
    polite.connect()
    socket, conn_id = stage.board_accepts(listener)
    polite.vanish()
    socket.send(b"anybody?")
    stage.board.port.sync()
    polite.come_back(rebooted=True)
    stage.board.port.advance(4_000, forced=True)
    stage.wait_end(conn_id)
    assert states(stage)[2:] == ["CLOSED by=rx:R"]


# Trouble for whoever is at the other end.


@pytest.mark.usefixtures("wire")
def test_rules_hold_the_last_ack_of_any_peer(
    stage: Stage, listener: BoardSocket, trouble: Callable[[Rules], None]
) -> None:
    """SYN_RCVD with a kernel's TCP at the other end (ours where there is no TAP)."""
    rules = Rules(delay(1, flags=".", direction="to-board"))
    trouble(rules)
    stage.nc_connects(PORT)
    stage.wait_state(State.SYN_RCVD)
    rules.wait_deeds(1)
    assert in_state(stage, State.SYN_RCVD)
    assert stage.board.switch.release_held() == 1
    stage.wait_state(State.ESTABLISHED)
    assert [deed.text().split()[:3] for deed in rules.deeds] == [["held", "back", "."]]
    assert listener.accept().name


# Without chance: the manual clock, fixed numbers.


def test_a_repeat_is_the_same_byte_for_byte(
    new_board: Callable[..., EmulatedBoard], wire_keeper: Keeper
) -> None:
    options = StartOptions(number=1, clock="manual", random_seed=1)
    runs = [_closing(new_board(options), wire_keeper) for _ in range(2)]
    assert runs[0] == runs[1]
    assert [line.count("Transition(") for line in runs[0]].count(1) >= 6


def _closing(board: EmulatedBoard, keeper: Keeper) -> list[str]:
    """CLOSING and the end of 2MSL: all frames and all events with their times."""
    frames: list[str] = []
    board.switch.on_frame(lambda _at_s, origin, data: frames.append(f"{origin} {data.hex()}"))
    with board, Network(keeper, board.switch, board.ip) as network:
        with RawPeer(board.switch, seed=1, name="raw") as peer:
            stage = Stage(board, network)
            listener = stage.board_listens(PORT)
            conn = peer.connection(PEER_PORT, board.ip, PORT)
            socket, conn_id, _ = open_both(stage, conn, listener)
            socket.close()
            conn.expect("F.")
            conn.send("F.", ack=1)
            conn.expect(".")
            conn.send(".")
            conn.expect_nothing(board.port.sync, trace=board.trace)
            stage.advance_until_end(conn_id, 130_000)
            board.port.sync()
        board.switch.counters()
        said = [f"{event.clock_us} {event}" for event in board.trace.events]
    return [*frames, *said]
