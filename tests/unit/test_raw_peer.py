"""The raw peer's segment level, against our own well-behaved endpoint on a switch in this process.

The endpoint stands where the board would: same address, same MAC.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator

import pytest

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.raw_match import Absolute
from lwipscope.peer.stream import StreamRefused
from lwipscope.tcp.state import State
from lwipscope.wire.packet import parse_frame
from lwipscope.wire.switch import BOARD_MAC, Switch

BOARD_IP, PORT = "192.0.2.10", 6666


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as made:
        yield made
        assert made.first_failure is None


@pytest.fixture
def board(switch: Switch) -> Iterator[Endpoint]:
    with Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC, seed=1) as made:
        yield made


@pytest.fixture
def peer(switch: Switch, board: Endpoint) -> Iterator[RawPeer]:
    assert board.ip == BOARD_IP
    with RawPeer(switch, seed=2) as made:
        yield made


def test_a_connection_by_hand(peer: RawPeer, board: Endpoint) -> None:
    listener = board.listen(PORT)
    conn = peer.connection(40000, BOARD_IP, PORT, isn=0xFFFFFFFE)
    conn.send("S", mss=1000)
    answer = conn.expect("S.", seq=0, ack=1, length=0, mss=1460, window=65535)
    assert answer.segment.ack == 0xFFFFFFFF
    conn.send(".")
    stream = listener.accept()
    conn.send("P.", b"hello")
    conn.expect(".", seq=1, ack=6, length=0)
    assert stream.recv(10) == b"hello"
    stream.send(b"world!")
    conn.expect("P.", seq=1, ack=6, payload=b"world!")
    conn.send(".", window=3)
    stream.flush()
    stream.send(b"small")
    conn.expect(".", seq=7, payload=b"sma")
    conn.send(".", window=1000)
    conn.expect("P.", seq=10, payload=b"ll")
    conn.send("F.")
    conn.expect(".", ack=7)
    stream.close()
    conn.expect("F.", seq=12, ack=7)
    conn.send(".")
    stream.wait_state(State.CLOSED)
    assert stream.reason == "closed"


def test_the_board_connects(peer: RawPeer, switch: Switch) -> None:
    peer.listen(5000, isn=7)
    with Endpoint(switch, ip="192.0.2.11", mac=bytes.fromhex("026c7700000b")) as other:
        with pytest.raises(DeadlineExceeded):  # nothing answers by itself
            other.connect(peer.ip, 5000, timeout_s=0.05)
    first = peer.expect_syn(5000)
    assert (first.remote[0], first.isn) == ("192.0.2.11", 7)
    with pytest.raises(PeerError, match=r"no SYN came within 0\.01 s"):
        peer.expect_syn(5000, timeout_s=0.01)


def test_the_board_uses_the_same_port_again(switch: Switch) -> None:
    with RawPeer(switch) as peer:
        peer.listen(5000)
        found = []
        for seed in (1, 2):  # two lives with different initial numbers
            with Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC, seed=seed) as life:
                with pytest.raises(DeadlineExceeded):
                    life.connect(peer.ip, 5000, timeout_s=0.05, local_port=50000)
            found.append(peer.expect_syn(5000))
    assert found[0].remote == found[1].remote == (BOARD_IP, 50000)
    assert found[0].board_isn != found[1].board_isn


def test_what_nobody_listens_for(peer: RawPeer, board: Endpoint) -> None:
    with pytest.raises(DeadlineExceeded):
        board.connect(peer.ip, 5001, timeout_s=0.02)
    assert "S seq=" in peer.strays[0]
    with pytest.raises(UsageError, match="listen"):
        peer.expect_syn(5001)
    peer.refuses = True
    with pytest.raises(StreamRefused):
        board.connect(peer.ip, 5002)


def test_a_failed_expectation_tells_what_came(peer: RawPeer, board: Endpoint) -> None:
    board.listen(PORT)
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.send("S")
    with pytest.raises(PeerError) as caught:
        conn.expect("F.", ack=2, timeout_s=0.05)
    said = str(caught.value)
    assert "raw peer 192.0.2.100:40000 with 192.0.2.10:6666: expected F. ack=2" in said
    assert "S. seq=0 ack=1 win=65535 len=0 mss=1460\n      flags are S., not F." in said
    assert "      ack is 1, not 2" in said
    assert "sent last: S seq=0 ack=0" in said
    quiet = peer.connection(40001, BOARD_IP, PORT)
    with pytest.raises(PeerError, match="no segment came"):
        quiet.expect(timeout_s=0.0)


def test_what_expect_has_not_gone_past_is_not_acknowledged(peer: RawPeer, board: Endpoint) -> None:
    listener = board.listen(PORT)
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.handshake()
    stream = listener.accept()
    stream.send(b"abc")
    stream.close()
    peer.fence(BOARD_IP)
    assert [one.flags for one in conn.waiting()] == ["P.", "F."]
    assert conn.send(".").ack == conn.board_isn + 1  # type: ignore[operator]
    conn.expect(".", payload=b"abc")
    assert conn.send(".").ack == conn.board_isn + 4  # type: ignore[operator]
    assert [one.flags for one in conn.skip()] == ["F."]
    assert conn.send(".").ack == conn.board_isn + 5  # type: ignore[operator]
    stream.wait_state(State.FIN_WAIT_2)


def test_expect_nothing(peer: RawPeer, board: Endpoint) -> None:
    listener = board.listen(PORT)
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.handshake()
    stream = listener.accept()
    calls: list[str] = []
    conn.send("R", seq=0x20000)  # outside the window
    conn.expect_nothing(lambda: calls.append("settled"))
    assert calls == ["settled"]
    conn.send("R", seq=2)  # inside: challenged
    with pytest.raises(PeerError, match=r"nothing was expected to come.*\n  \. seq=1 ack=1"):
        conn.expect_nothing()
    assert stream.state is State.ESTABLISHED
    conn.send("R")  # exact
    stream.wait_state(State.CLOSED)


def test_numbers_that_do_not_follow(peer: RawPeer, board: Endpoint) -> None:
    listener = board.listen(PORT)
    conn = peer.connection(40000, BOARD_IP, PORT)
    conn.handshake()
    listener.accept()
    conn.send("P.", b"later", seq=4)
    conn.expect(".", ack=1)
    conn.send("P.", b"lost", bad_checksum=True)
    conn.expect_nothing()
    conn.send("P.", b"now")  # neither the hole nor the spoiled one moved the next number
    conn.expect(".", ack=9)
    conn.send(".", seq=Absolute(conn.isn + 4), ack=Absolute(0))
    conn.send(".", ack=77)  # of something never sent
    conn.expect(".", ack=9)


def test_what_the_segment_looks_like_on_the_wire(peer: RawPeer, switch: Switch) -> None:
    frames: list[bytes] = []
    conn = peer.connection(40000, BOARD_IP, PORT, isn=100)
    switch.on_frame(lambda _at_s, _origin, data: frames.append(data))
    conn.send("S", mss=None)
    conn.send("S", options=b"\x01\x01\x01\x00")
    conn.send("FPUEW", b"xmas", seq=10, window=7, urgent=3)
    conn.send("none", seq=-1)
    conn.send("S.", ack=9, bad_checksum=True)
    switch.counters()
    parsed = [parse_frame(data) for data in frames if parse_frame(data).src_mac == peer.mac]
    tcp = [frame.tcp for frame in parsed[:4]]
    assert all(tcp)
    first, second, third, fourth = (one for one in tcp if one is not None)
    assert (first.options, first.seq, first.ack, first.window) == (b"", 100, 0, 65535)
    assert second.options == b"\x01\x01\x01\x00"
    assert (third.flags_text(), third.seq, third.window) == ("FPUEW", 110, 7)
    assert (third.urgent, third.payload) == (3, b"xmas")
    assert (fourth.flags_text(), fourth.seq, fourth.window) == ("none", 99, 7)
    assert parsed[4].problem == "wrong TCP checksum"


def test_a_vanished_host_is_silent(peer: RawPeer, board: Endpoint) -> None:
    peer.listen(5000)
    peer.vanish()
    with pytest.raises(DeadlineExceeded, match="ARP"):
        board.connect(peer.ip, 5000, timeout_s=0.02)
    with pytest.raises(UsageError, match="vanished"):
        peer.fence(BOARD_IP)
    peer.come_back(rebooted=True)
    with pytest.raises(StreamRefused):
        board.connect(peer.ip, 5000)


def test_nobody_is_there(switch: Switch) -> None:
    with RawPeer(switch) as peer:
        with pytest.raises(DeadlineExceeded, match=r"192\.0\.2\.10"):
            peer.connection(1, BOARD_IP, PORT, timeout_s=0.02)


def test_mistakes(peer: RawPeer, switch: Switch) -> None:
    conn = peer.connection(40000, BOARD_IP, PORT)
    with pytest.raises(UsageError, match="already has a connection"):
        peer.connection(40000, BOARD_IP, PORT)
    peer.forget(conn)
    conn = peer.connection(40000, BOARD_IP, PORT)
    with pytest.raises(UsageError, match="letters"):
        conn.send("SYN")
    with pytest.raises(UsageError, match="32 bits"):
        conn.send("S", seq=1 << 32)
    with pytest.raises(UsageError, match="unicast"):
        RawPeer(switch)  # the same MAC once more
    peer.close()
    with pytest.raises(UsageError, match="closed"):
        conn.send("S")


def test_turnaround(peer: RawPeer, board: Endpoint, switch: Switch) -> None:
    """From a segment reaching the switch to the polite peer's answer on the wire: <= 0.3 ms."""
    listener = board.listen(PORT)
    conn = peer.polite(peer.connection(40000, BOARD_IP, PORT))
    conn.connect()
    stream = listener.accept()
    times: list[tuple[float, str]] = []

    def watch(at_s: float, _origin: str, data: bytes) -> None:
        tcp = parse_frame(data).tcp
        if tcp is not None:
            times.append((at_s, "in" if tcp.dst == peer.ip else "out"))

    switch.on_frame(watch)
    begin_s = time.monotonic()
    for _ in range(200):
        stream.send(b"x" * 100)
        conn.receive(100)
        stream.flush()
    assert time.monotonic() - begin_s < 10
    pairs = itertools.pairwise(times)
    took_ms = [(b[0] - a[0]) * 1e3 for a, b in pairs if (a[1], b[1]) == ("in", "out")]
    assert len(took_ms) >= 190
    assert statistics.median(took_ms) <= 0.3
