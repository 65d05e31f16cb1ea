"""The polite peer: it behaves until told not to. Against our endpoint at the board's place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.polite import PoliteConnection
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.stream import Listener, Stream
from lwipscope.peer.tcp_core import TcpConfig
from lwipscope.tcp.state import State
from lwipscope.wire.packet import FIN, parse_frame
from lwipscope.wire.switch import BOARD_MAC, Switch

BOARD_IP, PORT = "192.0.2.10", 6666
# A board that repeats nothing by itself within a test: what comes was caused by the peer.
PATIENT = TcpConfig(rto_s=600.0, rto_max_s=600.0)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as made:
        yield made
        assert made.first_failure is None


@pytest.fixture
def board(switch: Switch) -> Iterator[Endpoint]:
    with Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC, seed=1, config=PATIENT) as made:
        yield made


@pytest.fixture
def listener(board: Endpoint) -> Listener:
    return board.listen(PORT)


@pytest.fixture
def peer(switch: Switch) -> Iterator[RawPeer]:
    with RawPeer(switch, seed=2) as made:
        yield made


@pytest.fixture
def polite(peer: RawPeer, listener: Listener) -> PoliteConnection:
    assert listener.port == PORT
    return peer.polite(peer.connection(40000, BOARD_IP, PORT))


@pytest.fixture
def stream(polite: PoliteConnection, listener: Listener) -> Stream:
    """The board's end of the connection, established."""
    polite.connect()
    return listener.accept()


def flags(polite: PoliteConnection) -> list[str]:
    return [seen.flags for seen in polite.raw.skip()]


def test_it_opens_echoes_and_closes(polite: PoliteConnection, stream: Stream) -> None:
    assert polite.send(b"ping") == 4
    polite.flush()
    assert stream.recv(10) == b"ping"
    stream.send(b"pong")
    assert polite.receive(4) == b"pong"
    stream.flush()
    polite.close()
    stream.wait_state(State.CLOSE_WAIT)
    stream.close()
    stream.wait_state(State.CLOSED)
    assert (stream.reason, polite.state) == ("closed", State.TIME_WAIT)
    polite.elapse(1.5)
    assert polite.path[-2:] == (State.TIME_WAIT, State.CLOSED)


def test_it_accepts(peer: RawPeer, board: Endpoint) -> None:
    peer.listen(5000)
    opened: list[Stream] = []
    opener = threading.Thread(target=lambda: opened.append(board.connect(peer.ip, 5000)))
    opener.start()
    try:
        polite = peer.polite(peer.expect_syn(5000))
        polite.accept()
    finally:
        opener.join(20.0)
    polite.send(b"welcome")
    assert opened[0].recv(10) == b"welcome"
    assert polite.path == (State.SYN_RCVD, State.ESTABLISHED)
    with pytest.raises(UsageError, match="nothing has happened"):
        polite.connect()


def test_it_accepts_too_late(peer: RawPeer, board: Endpoint) -> None:
    peer.listen(5000)
    with pytest.raises(DeadlineExceeded):
        board.connect(peer.ip, 5000, timeout_s=0.02)
    polite = peer.polite(peer.expect_syn(5000))
    with pytest.raises(PeerError, match="the connection is over: refused"):
        polite.accept()  # the board has given up and answers the SYN+ACK with RST


def test_it_takes_over_an_established_connection(peer: RawPeer, listener: Listener) -> None:
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.handshake()
    stream = listener.accept()
    conn.send("P.", b"raw ")
    conn.expect(".", ack=5)
    stream.send(b"seen")
    conn.expect("P.", length=4)
    stream.send(b"unseen")
    peer.fence(BOARD_IP)
    polite = peer.polite(conn)
    assert polite.receive(6) == b"unseen"
    polite.send(b"polite")
    polite.flush()
    assert stream.recv(20) == b"raw polite"
    polite.close()
    stream.wait_state(State.CLOSE_WAIT)


def test_it_takes_over_in_close_wait(peer: RawPeer, listener: Listener) -> None:
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.handshake()
    stream = listener.accept()
    stream.close()
    conn.expect("F.")
    polite = peer.polite(conn)
    assert polite.state is State.CLOSE_WAIT
    polite.close()
    polite.wait_state(State.CLOSED)
    assert stream.history[-2:][0][1] in (State.FIN_WAIT_2, State.FIN_WAIT_1)
    stream.wait_state(State.TIME_WAIT)
    with pytest.raises(UsageError, match="takes over"):
        peer.polite(conn)


def test_withheld_acks_make_the_fins_cross(polite: PoliteConnection, stream: Stream) -> None:
    polite.withhold_acks()
    stream.close()
    polite.raw.expect("F.")
    assert stream.state is State.FIN_WAIT_1
    polite.close()
    stream.wait_state(State.CLOSING)
    polite.resume_acks()
    stream.wait_state(State.TIME_WAIT)
    assert State.FIN_WAIT_2 not in [state for _, state in stream.history]


def test_withheld_acks_of_data_add_up(polite: PoliteConnection, stream: Stream) -> None:
    polite.withhold_acks()
    stream.send(b"one")
    stream.send(b"two")
    assert polite.receive(6) == b"onetwo"
    polite.send(b"data goes on")
    assert stream.recv(20) == b"data goes on"
    with pytest.raises(DeadlineExceeded):
        stream.flush(timeout_s=0.0)
    polite.resume_acks()
    stream.flush()


def test_withheld_again_keeps_to_the_newest_number(
    polite: PoliteConnection, stream: Stream, switch: Switch
) -> None:
    acks: list[int] = []

    def watch(_at_s: float, _origin: str, data: bytes) -> None:
        tcp = parse_frame(data).tcp
        if tcp is not None and tcp.dst == BOARD_IP and tcp.flags & FIN:
            acks.append(tcp.ack)

    switch.on_frame(watch)
    for size in (1, 2):
        polite.withhold_acks()
        stream.send(b"x" * size)
        polite.receive(size)
        polite.resume_acks()
        stream.flush()
    polite.withhold_acks()
    stream.close()
    polite.raw.expect("F.")
    polite.close()
    stream.wait_state(State.CLOSING)
    assert polite.raw.board_isn is not None
    assert acks == [polite.raw.board_isn + 4]  # the three bytes, not the FIN


def test_withheld_handshake_ack(polite: PoliteConnection, listener: Listener) -> None:
    polite.withhold_acks()
    polite.connect()
    with pytest.raises(DeadlineExceeded):
        listener.accept(timeout_s=0.0)
    polite.resume_acks()
    listener.accept()


def test_held_fin(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.hold_fin()
    polite.close()
    peer.fence(BOARD_IP)
    assert (stream.state, polite.state) == (State.ESTABLISHED, State.ESTABLISHED)
    polite.release_fin()
    stream.wait_state(State.CLOSE_WAIT)


def test_zero_window(polite: PoliteConnection, stream: Stream) -> None:
    polite.zero_window()
    stream.send(b"last one")
    stream.flush()
    stream.send(b"waits")
    polite.raw.expect(payload=b"last one")
    assert polite.raw.waiting() == ()
    polite.open_window()
    assert polite.receive(13) == b"last onewaits"


def test_zero_window_after_bytes(polite: PoliteConnection, stream: Stream) -> None:
    polite.zero_window(after_bytes=4)
    stream.send(b"abcd")
    stream.flush()
    polite.raw.skip()
    stream.send(b"efgh")
    with pytest.raises(DeadlineExceeded):
        stream.flush(timeout_s=0.0)
    assert polite.raw.waiting() == ()
    polite.open_window()
    assert polite.receive(8) == b"abcdefgh"


def test_drop_and_retransmit(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.drop_nth(1)
    polite.send(b"lost")
    peer.fence(BOARD_IP)
    assert flags(polite)[-1] == "S."  # the board has not heard of it
    polite.elapse(0.25)
    polite.flush()
    assert stream.recv(10) == b"lost"


def test_drop_of_what_the_board_sends(polite: PoliteConnection, stream: Stream) -> None:
    polite.drop_nth(1, "from-board")
    stream.send(b"lost")
    polite.raw.expect(payload=b"lost")  # it did come; the polite peer did not take it
    assert polite.state is State.ESTABLISHED
    with pytest.raises(PeerError, match="4 bytes to come; nothing of that in 0 s"):
        polite.receive(4, timeout_s=0.0)


def test_duplicate(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.raw.skip()
    polite.duplicate_nth(1, copies=2)
    polite.send(b"thrice")
    peer.fence(BOARD_IP)
    assert flags(polite) == [".", ".", "."]
    assert stream.recv(20) == b"thrice"


def test_reorder(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.raw.skip()
    polite.reorder_nth(1)
    polite.send(b"first")
    polite.send(b"second")
    polite.flush()
    acks = [seen.ack for seen in polite.raw.skip()]
    assert acks[0] == 1  # the second came first
    assert acks[-1] == 12
    assert stream.recv(20) == b"firstsecond"
    assert peer.strays == ()


def test_delay(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.delay_all()
    polite.send(b"a")
    polite.close()
    peer.fence(BOARD_IP)
    assert (stream.state, polite.rules.held) == (State.ESTABLISHED, 2)
    assert polite.release() == 2
    stream.wait_state(State.CLOSE_WAIT)
    assert stream.recv(10) == b"a"


def test_vanish_and_come_back(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.vanish()
    polite.send(b"unheard")
    stream.send(b"unheard")
    polite.come_back()
    peer.fence(BOARD_IP)
    assert stream.state is State.ESTABLISHED
    polite.elapse(0.25)
    assert stream.recv(10) == b"unheard"


def test_reboot(polite: PoliteConnection, stream: Stream) -> None:
    polite.vanish()
    polite.come_back(rebooted=True)
    stream.send(b"who are you?")
    stream.wait_state(State.CLOSED)
    assert (stream.reason, polite.state) == ("reset", State.ESTABLISHED)


def test_reset_and_refusal(polite: PoliteConnection, stream: Stream, peer: RawPeer) -> None:
    polite.reset()
    stream.wait_state(State.CLOSED)
    assert polite.reason == "aborted"
    refused = peer.polite(peer.connection(40001, BOARD_IP, 1))
    with pytest.raises(PeerError, match="ESTABLISHED; the connection is over: refused"):
        refused.connect()
    with pytest.raises(UsageError, match="cannot send in CLOSED"):
        refused.send(b"x")


def test_what_comes_after_the_end_is_refused(polite: PoliteConnection, stream: Stream) -> None:
    polite.drop_nth(1)
    polite.reset()  # its RST is lost
    assert stream.state is State.ESTABLISHED
    stream.send(b"still there?")
    stream.wait_state(State.CLOSED)
    assert stream.reason == "reset"
