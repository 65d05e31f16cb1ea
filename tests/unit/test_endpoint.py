"""Our TCP endpoint: its state machine without threads, then two endpoints over a switch."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.stream import Stream, StreamRefused, StreamReset
from lwipscope.peer.tcp_core import Connection, TcpConfig, diff, reset_for
from lwipscope.tcp.state import State
from lwipscope.wire.packet import (
    ACK,
    BROADCAST_MAC,
    ECHO_REPLY,
    ECHO_REQUEST,
    FIN,
    RST,
    SYN,
    IcmpEcho,
    TcpSegment,
    build_echo,
    build_tcp,
    parse_frame,
)
from lwipscope.wire.station import WirePort
from lwipscope.wire.switch import Switch

A, B = ("192.0.2.1", 40000), ("192.0.2.10", 6666)
CONFIG = TcpConfig()


class Pair:
    """Two connections joined without a wire; segments move when told, time when told."""

    def __init__(self, config: TcpConfig = CONFIG, isn_a: int = 1000, isn_b: int = 0xFFFFFF00):
        self.now_s = 0.0
        self.a = Connection(A, B, isn_a, config)
        self.b = Connection(B, A, isn_b, config)
        self.log: list[str] = []
        self.lose: Callable[[TcpSegment], bool] = lambda _segment: False

    def open(self) -> Pair:
        self.a.open_active(self.now_s)
        (syn,) = self.a.take_output()
        self.b.open_passive(self.now_s, syn)
        self.run()
        assert (self.a.state, self.b.state) == (State.ESTABLISHED, State.ESTABLISHED)
        self.log.clear()
        return self

    def run(self, limit: int = 10000) -> None:
        """Deliver everything until both are silent."""
        for _ in range(limit):
            moved = False
            for source, target, name in ((self.a, self.b, "a"), (self.b, self.a, "b")):
                for segment in source.take_output():
                    moved = True
                    self.log.append(f"{name} {segment.flags_text()} {len(segment.payload)}")
                    if not self.lose(segment):
                        target.segment(self.now_s, segment)
            if not moved:
                return
        raise AssertionError("the two never stop talking")

    def advance(self) -> None:
        """Jump to the next deadline of either side."""
        due = [side.deadline_s for side in (self.a, self.b) if side.deadline_s is not None]
        self.now_s = min(due)
        self.a.tick(self.now_s)
        self.b.tick(self.now_s)
        self.run()


def states(connection: Connection) -> list[str]:
    return [str(state) for _, state in connection.history]


def test_handshake_carries_mss_and_numbers() -> None:
    pair = Pair()
    pair.a.open_active(0.0)
    (syn,) = pair.a.take_output()
    assert (syn.flags, syn.seq, syn.mss) == (SYN, 1000, 1460)
    pair.b.open_passive(0.0, syn)
    (answer,) = pair.b.take_output()
    assert (answer.flags, answer.ack, answer.mss) == (SYN | ACK, 1001, 1460)
    pair.a.segment(0.0, answer)
    (ack,) = pair.a.take_output()
    assert (ack.flags, ack.seq, ack.ack) == (ACK, 1001, 0xFFFFFF01)


def test_the_closer_waits_in_time_wait() -> None:
    pair = Pair().open()
    pair.a.close(0.0)
    pair.run()
    assert pair.b.peer_closed
    assert (pair.a.state, pair.b.state) == (State.FIN_WAIT_2, State.CLOSE_WAIT)
    pair.b.close(0.0)
    pair.run()
    assert states(pair.a)[2:] == ["FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT"]
    assert states(pair.b)[2:] == ["CLOSE_WAIT", "LAST_ACK", "CLOSED"]
    pair.advance()
    assert (pair.a.state, pair.a.reason, pair.now_s) == (State.CLOSED, "closed", 1.0)
    assert pair.log == ["a F. 0", "b . 0", "b F. 0", "a . 0"]


def test_crossing_fins_go_through_closing() -> None:
    pair = Pair().open()
    pair.a.close(0.0)
    pair.b.close(0.0)
    pair.run()
    for side in (pair.a, pair.b):
        assert states(side)[2:] == ["FIN_WAIT_1", "CLOSING", "TIME_WAIT"]


def test_simultaneous_open_establishes_both() -> None:
    pair = Pair()
    pair.a.open_active(0.0)
    pair.b.open_active(0.0)
    pair.run()
    for side in (pair.a, pair.b):
        assert states(side) == ["SYN_SENT", "SYN_RCVD", "ESTABLISHED"]


def test_half_close_lets_data_flow_the_other_way() -> None:
    pair = Pair().open()
    pair.a.shutdown_write(0.0)
    pair.run()
    pair.b.send(0.0, b"late answer")
    pair.run()
    assert pair.a.read(100) == b"late answer"
    assert pair.a.room() == 0


def test_data_and_fin_in_order_even_when_reversed() -> None:
    pair = Pair().open()
    pair.a.send(0.0, b"x" * 3000)
    pair.a.close(0.0)
    out = pair.a.take_output()
    assert out[-1].flags & FIN
    for segment in reversed(out):
        pair.b.segment(0.0, segment)
    assert pair.b.read(5000) == b"x" * 3000
    assert pair.b.state is State.CLOSE_WAIT
    assert len(pair.b.take_output()) == len(out)  # every one was acknowledged at once


def test_a_lost_segment_is_repeated_after_three_duplicates_without_waiting() -> None:
    pair = Pair().open()
    lost: list[int] = []

    def lose(segment: TcpSegment) -> bool:
        if segment.payload and not lost:
            lost.append(segment.seq)
            return True
        return False

    pair.lose = lose
    pair.a.send(0.0, b"y" * 10000)
    pair.run()
    assert pair.now_s == 0.0
    assert pair.b.read(20000) == b"y" * 10000
    assert pair.a.unacknowledged() == 0


def test_retransmissions_double_up_to_the_bound_and_give_up() -> None:
    pair = Pair().open()
    pair.lose = lambda _segment: True
    pair.a.send(0.0, b"z")
    times = []
    while pair.a.state is not State.CLOSED:
        before = pair.now_s
        pair.advance()
        times.append(round(pair.now_s - before, 3))
    assert times == [0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0, 3.0, 3.0]
    assert pair.a.reason == "timeout"
    assert pair.log.count("a P. 1") == 9


@pytest.mark.parametrize("lost", ["a S", "b S."])
def test_a_lost_handshake_segment_is_repeated(lost: str) -> None:
    pair = Pair()
    pair.a.open_active(0.0)
    (syn,) = pair.a.take_output()
    if lost == "a S":
        pair.a.tick(0.2)
        (again,) = pair.a.take_output()
        assert again == syn
        return
    pair.b.open_passive(0.0, syn)
    pair.b.take_output()
    pair.b.segment(0.1, syn)
    (again,) = pair.b.take_output()
    assert again.flags == SYN | ACK
    pair.a.segment(0.1, again)
    pair.run()
    assert pair.b.state is State.ESTABLISHED


def test_a_closed_window_is_probed_and_reopened() -> None:
    pair = Pair(replace(CONFIG, receive_window=4000)).open()
    data = bytes(range(256)) * 40
    pair.a.send(0.0, data)
    pair.run()
    assert pair.b.readable() == 4000
    for _ in range(20):  # longer than the retries: the peer answers, so the connection lives
        pair.advance()
    assert pair.a.state is State.ESTABLISHED
    assert pair.b.readable() == 4000
    got = b""
    for _ in range(20):
        got += pair.b.read(1500)
        pair.run()
    assert got == data
    assert pair.a.unacknowledged() == 0


def test_a_fin_behind_a_closed_window_arrives_when_it_opens() -> None:
    pair = Pair(replace(CONFIG, receive_window=1000)).open()
    pair.a.send(0.0, b"x" * 1000)
    pair.a.close(0.0)
    pair.run()
    assert not pair.b.peer_closed
    assert pair.b.read(1000) == b"x" * 1000
    pair.run()
    assert pair.b.state is State.CLOSE_WAIT


def test_never_more_than_the_peers_window_and_mss() -> None:
    pair = Pair(replace(CONFIG, mss=500, receive_window=1200)).open()
    pair.a.send(0.0, b"x" * 9000)
    out = pair.a.take_output()
    assert [len(segment.payload) for segment in out] == [500, 500, 200]


def test_reset_ends_the_other_side() -> None:
    pair = Pair().open()
    pair.b.send(0.0, b"before")
    pair.run()
    pair.b.reset(0.0)
    pair.run()
    assert (pair.a.state, pair.a.reason, pair.b.reason) == (State.CLOSED, "reset", "aborted")
    assert pair.a.read(10) == b"before"


def test_close_with_unread_data_resets() -> None:
    pair = Pair().open()
    pair.b.send(0.0, b"unread")
    pair.run()
    pair.a.close(0.0)
    pair.run()
    assert pair.b.reason == "reset"


def test_data_after_close_resets_but_not_after_half_close() -> None:
    pair = Pair().open()
    pair.a.close(0.0)
    pair.run()
    pair.b.send(0.0, b"nobody reads this")
    pair.run()
    assert (pair.a.reason, pair.b.reason) == ("aborted", "reset")


def test_resets_and_syns_inside_the_window_are_challenged() -> None:
    pair = Pair().open()
    for flags in (RST, SYN, SYN | ACK):
        pair.a.segment(0.0, TcpSegment(*B[:1], A[0], B[1], A[1], 0xFFFFFF41, 1001, flags))
        (answer,) = pair.a.take_output()
        assert (answer.flags, answer.ack) == (ACK, 0xFFFFFF01)
    assert pair.a.state is State.ESTABLISHED


def test_an_orphan_does_not_wait_for_the_peers_fin_for_ever() -> None:
    pair = Pair().open()
    pair.a.close(0.0)
    pair.run()
    pair.advance()
    assert (pair.a.state, pair.a.reason, pair.now_s) == (State.CLOSED, "timeout", 60.0)


def test_time_wait_acknowledges_a_repeated_fin_and_starts_again() -> None:
    pair = Pair().open()
    pair.a.close(0.0)
    pair.run()
    pair.lose = lambda segment: segment.flags == ACK
    pair.b.close(0.0)
    pair.run()
    assert (pair.a.state, pair.b.state) == (State.TIME_WAIT, State.LAST_ACK)
    pair.lose = lambda _segment: False
    pair.advance()
    assert (pair.now_s, pair.b.state, pair.a.deadline_s) == (0.2, State.CLOSED, 1.2)


def test_only_time_wait_gives_way_and_only_to_a_newer_syn() -> None:
    pair = Pair().open()
    syn = TcpSegment(A[0], B[0], A[1], B[1], 1001, 0, SYN)
    pair.b.close(0.0)
    pair.run()
    assert not pair.b.gives_way_to(replace(syn, seq=5000))
    pair.a.close(0.0)
    pair.run()
    assert pair.b.state is State.TIME_WAIT
    assert pair.b.gives_way_to(replace(syn, seq=5000))
    assert not pair.b.gives_way_to(replace(syn, seq=1001))


def test_wrong_ack_in_syn_sent_is_reset_and_a_refusal_is_told() -> None:
    a = Connection(A, B, 1000, CONFIG)
    a.open_active(0.0)
    a.take_output()
    a.segment(0.0, TcpSegment(B[0], A[0], B[1], A[1], 5, 999, SYN | ACK))
    (answer,) = a.take_output()
    assert (answer.flags, answer.seq, a.state) == (RST, 999, State.SYN_SENT)
    a.segment(0.0, TcpSegment(B[0], A[0], B[1], A[1], 0, 999, RST | ACK))
    assert a.state is State.SYN_SENT  # a reset for another SYN
    a.segment(0.0, TcpSegment(B[0], A[0], B[1], A[1], 0, 1001, RST | ACK))
    assert (a.state, a.reason) == (State.CLOSED, "refused")


def test_reset_for_follows_the_standard() -> None:
    syn = TcpSegment(*("192.0.2.10", "192.0.2.1"), 5, 6, seq=0xFFFFFFFF, flags=SYN)
    answer = reset_for(syn)
    assert answer is not None
    assert (answer.flags, answer.seq, answer.ack, answer.sport) == (RST | ACK, 0, 0, 6)
    answer = reset_for(replace(syn, flags=ACK, ack=77))
    assert answer is not None and (answer.flags, answer.seq) == (RST, 77)
    assert reset_for(replace(syn, flags=RST)) is None


def test_sequence_numbers_wrap() -> None:
    assert diff(5, 0xFFFFFFFB) == 10
    assert diff(0xFFFFFFFB, 5) == -10


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 3000), st.randoms())
def test_streams_survive_loss_reordering_and_repetition(
    isn: int, mss: int, window: int, chance: random.Random
) -> None:
    config = replace(CONFIG, mss=mss, receive_window=window, retries_max=50)
    pair = Pair(config, isn_a=isn, isn_b=isn ^ 0x80000000).open()
    data = {side: chance.randbytes(chance.randrange(8000)) for side in "ab"}
    for name in "ab":
        side = getattr(pair, name)
        side.send(0.0, data[name])
        side.shutdown_write(0.0)
    got = {"a": b"", "b": b""}
    air: list[tuple[Connection, TcpSegment]] = []
    for _ in range(60000):
        air += [(pair.b, segment) for segment in pair.a.take_output()]
        air += [(pair.a, segment) for segment in pair.b.take_output()]
        if air:
            target, segment = air.pop(chance.randrange(min(3, len(air))))
            if chance.random() < 0.9:
                target.segment(pair.now_s, segment)
            if chance.random() < 0.05:
                target.segment(pair.now_s, segment)
        got["a"] += pair.b.read(500)
        got["b"] += pair.a.read(500)
        if not air:
            due = [s.deadline_s for s in (pair.a, pair.b) if s.deadline_s is not None]
            if not due:
                break
            pair.now_s = max(pair.now_s, min(due))
            pair.a.tick(pair.now_s)
            pair.b.tick(pair.now_s)
    assert got == data
    assert pair.a.state is pair.b.state is State.CLOSED
    assert {pair.a.reason, pair.b.reason} <= {"closed", "timeout"}


any_segments = st.builds(
    TcpSegment,
    src=st.just(B[0]),
    dst=st.just(A[0]),
    sport=st.just(B[1]),
    dport=st.just(A[1]),
    seq=st.integers(-3, 3000).map(lambda n: 0xFFFFFF01 + n & 0xFFFFFFFF),
    ack=st.integers(-3, 3000).map(lambda n: 1001 + n),
    flags=st.integers(0, 255),
    window=st.integers(0, 65535),
    payload=st.binary(max_size=20),
)


@given(st.lists(any_segments, max_size=8), st.sampled_from(["", "send", "close", "half"]))
def test_any_segments_keep_the_machine_sane(segments: list[TcpSegment], action: str) -> None:
    pair = Pair().open()
    if action == "send":
        pair.a.send(0.0, b"x" * 2000)
    elif action:
        getattr(pair.a, {"close": "close", "half": "shutdown_write"}[action])(0.0)
    for segment in segments:
        pair.a.segment(0.0, segment)
        for answer in pair.a.take_output():
            assert 0 <= answer.seq <= 0xFFFFFFFF and 0 <= answer.ack <= 0xFFFFFFFF
    pair.a.reset(0.0)
    assert pair.a.state is State.CLOSED


# With threads, frames and a switch.

BOARD_IP = "192.0.2.10"
BOARD_MAC = bytes.fromhex("026c7700000a")


@dataclass
class BadPort:
    """Loses and reorders what is sent, decided by a seeded generator."""

    inner: WirePort
    chance: random.Random
    loss: float
    held: bytes | None = None

    def send(self, frame: bytes) -> None:
        draw = self.chance.random()
        if draw < self.loss:
            return
        if draw < 2 * self.loss and self.held is None:
            self.held = frame
            return
        self.inner.send(frame)
        if self.held is not None:
            held, self.held = self.held, None
            self.inner.send(held)

    def close(self) -> None:
        self.inner.close()


@dataclass
class BadWire:
    """A switch whose ports lose and reorder frames."""

    switch: Switch
    loss: float = 0.01

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> WirePort:
        return BadPort(self.switch.attach(mac, receive, name=name), random.Random(mac), self.loss)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as made:
        yield made
        assert made.counters().callback_errors == 0


@pytest.fixture
def pair(switch: Switch) -> Iterator[tuple[Endpoint, Endpoint]]:
    with (
        Endpoint(switch, seed=1) as host,
        Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC, seed=2) as b,
    ):
        yield host, b


def joined(host: Endpoint, board: Endpoint) -> tuple[Stream, Stream]:
    with board.listen(6666) as listener:
        stream = host.connect(BOARD_IP, 6666)
        return stream, listener.accept()


def read_all(stream: Stream) -> bytes:
    got = bytearray()
    while data := stream.recv(65536, timeout_s=20.0):
        got += data
    return bytes(got)


def test_echo_both_half_closes_and_the_states(pair: tuple[Endpoint, Endpoint]) -> None:
    left, right = joined(*pair)
    left.send(b"question")
    left.shutdown_write()
    assert read_all(right) == b"question"
    assert right.peer_closed and right.state is State.CLOSE_WAIT
    right.send(b"answer")
    right.close()
    assert read_all(left) == b"answer"
    left.close()
    right.wait_state(State.CLOSED)
    left.wait_state(State.TIME_WAIT)
    left.wait_state(State.CLOSED)  # after 1 s
    assert left.reason == right.reason == "closed"
    assert [str(state) for _, state in left.history] == [
        *("SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED"),
    ]


def test_reset_is_passed_on_as_reset(pair: tuple[Endpoint, Endpoint]) -> None:
    left, right = joined(*pair)
    left.send(b"last words")
    left.flush()
    left.reset()
    assert right.recv(100) == b"last words"
    with pytest.raises(StreamReset):
        right.recv(100)
    with pytest.raises(StreamReset):
        right.send(b"x")
    assert (left.reason, right.reason) == ("aborted", "reset")


def test_refusal_silence_and_absence_differ(pair: tuple[Endpoint, Endpoint]) -> None:
    host, board = pair
    with pytest.raises(StreamRefused):
        host.connect(BOARD_IP, 7)
    with pytest.raises(DeadlineExceeded, match="ARP"):
        host.connect("192.0.2.77", 7, timeout_s=0.05)
    with board.listen(6666, backlog=1) as listener:
        host.connect(BOARD_IP, 6666)
        with pytest.raises(DeadlineExceeded, match="answer the SYN"):
            host.connect(BOARD_IP, 6666, timeout_s=0.05)  # the backlog is full
        listener.accept().close()


def test_closing_a_listener_resets_who_was_not_accepted(pair: tuple[Endpoint, Endpoint]) -> None:
    host, board = pair
    with board.listen(6666):
        stream = host.connect(BOARD_IP, 6666)
    stream.wait_state(State.CLOSED)
    assert stream.reason == "reset"
    with pytest.raises(StreamRefused):
        host.connect(BOARD_IP, 6666)


def test_waits_have_deadlines_and_wrong_use_is_told(pair: tuple[Endpoint, Endpoint]) -> None:
    host, board = pair
    left, right = joined(host, board)
    with pytest.raises(DeadlineExceeded):
        left.recv(1, timeout_s=0.02)
    with pytest.raises(DeadlineExceeded):
        left.wait_state(State.CLOSED, timeout_s=0.02)
    with pytest.raises(DeadlineExceeded, match="room to send"):
        left.send(bytes(1_000_000), timeout_s=0.05)  # nobody reads
    with board.listen(7) as listener, pytest.raises(DeadlineExceeded):
        listener.accept(timeout_s=0.02)
    right.shutdown_write()
    with pytest.raises(UsageError):
        right.send(b"x")
    with pytest.raises(UsageError):
        host.connect("board", 7)
    left.wait_state(State.CLOSE_WAIT)
    left.reset()
    with pytest.raises(PeerError, match="aborted"):
        left.recv(1)  # no end of file, although the peer's FIN came first


def test_a_reset_after_the_fin_is_end_of_file_and_stays_visible(
    pair: tuple[Endpoint, Endpoint],
) -> None:
    left, right = joined(*pair)
    right.shutdown_write()
    left.wait_state(State.CLOSE_WAIT)
    right.wait_state(State.FIN_WAIT_2)
    right.reset()
    left.wait_state(State.CLOSED)
    assert left.recv(1) == b""
    assert left.reason == "reset"
    with pytest.raises(StreamReset):
        left.send(b"x")


def test_a_port_in_time_wait_can_be_connected_again(switch: Switch) -> None:
    slow = TcpConfig(time_wait_s=60.0)
    with (
        Endpoint(switch, seed=1) as host,
        Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC, seed=5, config=slow) as board,
        board.listen(6666) as listener,
    ):
        first = host.connect(BOARD_IP, 6666, local_port=50000)
        accepted = listener.accept()
        accepted.close()
        assert first.recv(1) == b""
        first.close()
        accepted.wait_state(State.TIME_WAIT)
        first.wait_state(State.CLOSED)
        host.connect(BOARD_IP, 6666, local_port=50000)
        assert listener.accept().state is State.ESTABLISHED


def test_one_megabyte_each_way_over_a_bad_wire(switch: Switch) -> None:
    bad = BadWire(switch)
    up, down = random.Random(3).randbytes(1_000_000), random.Random(4).randbytes(1_000_000)
    with (
        Endpoint(bad, seed=1) as host,
        Endpoint(bad, ip=BOARD_IP, mac=BOARD_MAC, seed=2) as board,
        board.listen(6666) as listener,
    ):
        left = host.connect(BOARD_IP, 6666)
        right = listener.accept()
        got: dict[str, bytes] = {}

        def pump(stream: Stream, data: bytes) -> None:
            stream.send(data, timeout_s=30.0)
            stream.shutdown_write()

        def collect(name: str, stream: Stream) -> None:
            got[name] = read_all(stream)

        threads = [
            threading.Thread(target=pump, args=(left, up)),
            threading.Thread(target=pump, args=(right, down)),
            threading.Thread(target=collect, args=("up", right)),
            threading.Thread(target=collect, args=("down", left)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40.0)
        assert got.get("up") == up
        assert got.get("down") == down


def test_ping_arp_and_frames_for_others(switch: Switch) -> None:
    got: list[bytes] = []
    answered = threading.Event()

    def receive(data: bytes) -> None:
        got.append(data)
        answered.set()

    port = switch.attach(BOARD_MAC, receive)
    with Endpoint(switch) as host:
        echo = IcmpEcho(BOARD_IP, host.ip, ECHO_REQUEST, 7, 1, b"payload")
        port.send(build_echo(echo, src_mac=BOARD_MAC, dst_mac=host.mac))
        assert answered.wait(5.0)
        assert parse_frame(got[0]).echo == IcmpEcho(host.ip, BOARD_IP, ECHO_REPLY, 7, 1, b"payload")
        # For another address, damaged, or broadcast: no answer, not even a reset.
        segment = TcpSegment(BOARD_IP, "192.0.2.99", 1, 2, flags=SYN)
        mine = replace(segment, dst=host.ip)
        port.send(build_tcp(segment, src_mac=BOARD_MAC, dst_mac=host.mac))
        port.send(build_tcp(mine, src_mac=BOARD_MAC, dst_mac=host.mac, tcp_checksum_xor=1))
        port.send(build_tcp(mine, src_mac=BOARD_MAC, dst_mac=BROADCAST_MAC))
        answered.clear()
        port.send(build_tcp(replace(mine, seq=9), src_mac=BOARD_MAC, dst_mac=host.mac))
        assert answered.wait(5.0)
        assert len(got) == 2
        tcp = parse_frame(got[1]).tcp
        assert tcp is not None and (tcp.flags_text(), tcp.ack) == ("R.", 10)


def test_the_same_seed_gives_the_same_numbers(switch: Switch) -> None:
    def first_syn() -> TcpSegment:
        syns: list[TcpSegment] = []
        asked = threading.Event()

        def receive(data: bytes) -> None:
            tcp = parse_frame(data).tcp
            if tcp is not None and tcp.flags == SYN:
                syns.append(tcp)
                asked.set()

        port = switch.attach(BOARD_MAC, receive)
        with Endpoint(switch, seed=7) as host:
            hello = IcmpEcho(BOARD_IP, host.ip, ECHO_REQUEST, 1, 1, b"")
            port.send(build_echo(hello, src_mac=BOARD_MAC, dst_mac=host.mac))
            arp_known = threading.Thread(target=lambda: _try_connect(host))
            # The endpoint learns our MAC from a segment, here a stray one that it resets.
            stray = TcpSegment(BOARD_IP, host.ip, 1, 2, flags=ACK)
            port.send(build_tcp(stray, src_mac=BOARD_MAC, dst_mac=host.mac))
            arp_known.start()
            assert asked.wait(5.0)
            arp_known.join()
        port.close()
        return syns[0]

    one, two = first_syn(), first_syn()
    assert (one.seq, one.sport) == (two.seq, two.sport)


def _try_connect(host: Endpoint) -> None:
    with pytest.raises(DeadlineExceeded):
        host.connect(BOARD_IP, 6666, timeout_s=0.1)


def test_close_ends_threads_and_resets_peers(switch: Switch) -> None:
    before = threading.active_count()
    with Endpoint(switch) as host, Endpoint(switch, ip=BOARD_IP, mac=BOARD_MAC) as board:
        left, right = joined(host, board)
        board.close()
        left.wait_state(State.CLOSED)
        assert (left.reason, right.reason) == ("reset", "aborted")
        with pytest.raises(UsageError):
            board.listen(7)
    assert threading.active_count() == before
