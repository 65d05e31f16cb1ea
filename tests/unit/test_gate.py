"""The gate between two loopback ends: data, FIN, RST and refusals pass, each way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lwipscope.errors import DeadlineExceeded, WireUnavailable
from lwipscope.peer.byte_stream import ByteStream
from lwipscope.peer.dialer import KernelDialer
from lwipscope.peer.gate import Gate
from lwipscope.peer.kernel import KernelListener, KernelPeer

LOOPBACK = "127.0.0.1"
# near: the end that connected to the gate; far: the end that the gate connected to.
Pair = tuple[KernelPeer, KernelPeer]


class Plain:
    """Only what ByteStream asks for, as with an endpoint of our own."""

    def __init__(self, peer: KernelPeer) -> None:
        self.send = peer.send
        self.recv = peer.recv
        self.shutdown_write = peer.shutdown_write
        self.close = peer.close
        # Not peer.reset: closing a descriptor does not wake a thread that polls it.
        self._peer = peer

    def reset(self) -> None:
        self._peer.interrupt()
        self._peer.reset()


class PlainDialer:
    """Dials `Plain` streams."""

    def __init__(self, dialer: KernelDialer) -> None:
        self._dialer = dialer
        self.name = dialer.name

    def dial(self, timeout_s: float, cancelled: Callable[[], bool]) -> ByteStream:
        peer = self._dialer.dial(timeout_s, cancelled)

        return Plain(peer)


class Events:
    """The gate's lines, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, text: str, timeout_s: float = 5.0) -> str:
        with self._changed:
            found = self._changed.wait_for(
                lambda: [line for line in self.lines if text in line], timeout_s
            )
        assert found, f"{text!r} not in {self.lines}"
        return found[0]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def server() -> Iterator[KernelListener]:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as server:
        yield server


@pytest.fixture(params=["serve", "serve-plain", "dial_out"])
def gate(
    request: pytest.FixtureRequest, server: KernelListener, events: Events
) -> Iterator[tuple[Gate, int]]:
    """A gate in each direction, and the port at which it takes connections."""
    dialer = KernelDialer(socket.socket, server.address)
    if request.param == "dial_out":
        board_side = KernelListener(socket.socket, (LOOPBACK, 0))
        made = Gate.dial_out(board_side, server.address[1], on_event=events)
        port = board_side.address[1]
    else:
        plain = request.param == "serve-plain"
        made = Gate.serve(PlainDialer(dialer) if plain else dialer, 0, on_event=events)
        port = made.port
    with made:
        yield made, port


@pytest.fixture
def pair(gate: tuple[Gate, int], server: KernelListener) -> Iterator[Pair]:
    with KernelPeer.connect(socket.socket, (LOOPBACK, gate[1])) as near:
        with server.accept() as far:
            yield near, far


def test_half_close_from_the_near_end(pair: Pair, events: Events) -> None:
    near, far = pair
    near.send(b"question")
    near.shutdown_write()
    assert far.recv_until_fin() == b"question"
    far.send(b"answer")
    assert near.recv(100) == b"answer"
    far.shutdown_write()
    assert near.recv(1) == b""
    assert "FIN both ways; 8 bytes there, 6 back" in events.wait_for("FIN both ways")


def test_half_close_from_the_far_end(pair: Pair, gate: tuple[Gate, int], events: Events) -> None:
    near, far = pair
    far.shutdown_write()
    assert near.recv(1) == b""
    near.send(b"still")
    assert far.recv(100) == b"still"
    assert gate[0].connections == 1
    near.close()
    assert far.recv(1) == b""
    events.wait_for("FIN both ways")


@pytest.mark.parametrize("from_near", [True, False])
def test_reset_passes_as_reset(pair: Pair, events: Events, from_near: bool) -> None:
    one, other = pair if from_near else pair[::-1]
    one.send(b"last words")
    assert other.recv(100) == b"last words"
    one.reset()
    with pytest.raises(ConnectionResetError):
        other.recv(1, 5)
    events.wait_for(": RST; ")


def test_reset_after_fin_still_passes(server: KernelListener) -> None:
    with Gate.serve(KernelDialer(socket.socket, server.address), 0) as gate:
        with KernelPeer.connect(socket.socket, (LOOPBACK, gate.port)) as near:
            with server.accept() as far:
                near.shutdown_write()
                assert far.recv(1) == b""
                near.reset()
                # Nothing is sent: only who keeps watching the near end can know.
                assert far.wait_reset(5)


def test_a_megabyte_each_way_at_the_same_time(pair: Pair) -> None:
    near, far = pair
    forth = bytes(range(256)) * 4096
    back = forth[::-1]

    def pour(end: KernelPeer, data: bytes) -> None:
        end.send(data, 20)
        end.shutdown_write()

    threads = [
        threading.Thread(target=pour, args=(near, forth)),
        threading.Thread(target=pour, args=(far, back)),
    ]
    got: list[bytes] = []
    threads.append(threading.Thread(target=lambda: got.append(far.recv_until_fin(20))))
    for thread in threads:
        thread.start()
    assert near.recv_until_fin(20) == back
    for thread in threads:
        thread.join()
    assert got == [forth]


def test_a_reader_that_stops_stops_the_writer_and_loses_nothing(server: KernelListener) -> None:
    with Gate.serve(KernelDialer(socket.socket, server.address), 0) as gate:
        with KernelPeer.connect(socket.socket, (LOOPBACK, gate.port)) as near:
            with server.accept() as far:
                chunk = bytes(1_000_000)
                sent = 0
                while count := near.send_some(chunk, 0.3):
                    sent += count
                    assert sent < 100_000_000, "the gate has swallowed what nobody reads"
                near.shutdown_write()
                assert len(far.recv_until_fin(20)) == sent


def test_fifty_connections_at_once_do_not_mix(
    gate: tuple[Gate, int], server: KernelListener, events: Events
) -> None:
    nears = [KernelPeer.connect(socket.socket, (LOOPBACK, gate[1])) for _ in range(50)]
    fars = [server.accept() for _ in nears]
    for number, near in enumerate(nears):
        near.send(bytes([number]))
    for far in fars:
        far.send(far.recv(1))
    for number, near in enumerate(nears):
        assert near.recv(1) == bytes([number])
    assert gate[0].connections == 50
    for end in (*nears, *fars):
        end.close()
    assert not [line for line in events.lines if "reset" in line]


def test_refused_by_the_far_end_is_a_reset_at_the_near_end(events: Events) -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as gone:
        address = gone.address
    with Gate.serve(KernelDialer(socket.socket, address), 0, on_event=events) as gate:
        with KernelPeer.connect(socket.socket, (LOOPBACK, gate.port)) as near:
            with pytest.raises(ConnectionResetError):
                near.recv(1, 5)
    assert f"{LOOPBACK}:{address[1]}: Connection refused" in events.wait_for("reset: ")


def test_silent_far_end_is_given_up_and_close_does_not_wait_for_it(events: Events) -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0), backlog=0) as full:
        with KernelPeer.connect(socket.socket, full.address):
            dialer = KernelDialer(socket.socket, full.address)
            with Gate.serve(dialer, 0, on_event=events, dial_timeout_s=3600) as gate:
                with KernelPeer.connect(socket.socket, (LOOPBACK, gate.port)) as near:
                    gate.close()
                    with pytest.raises((ConnectionResetError, DeadlineExceeded)):
                        near.recv(1, 5)


def test_close_resets_what_is_open(pair: Pair, gate: tuple[Gate, int]) -> None:
    gate[0].close()
    gate[0].close()
    for end in pair:
        with pytest.raises(ConnectionResetError):
            end.recv(1, 5)
    assert gate[0].connections == 0
    with pytest.raises(ConnectionRefusedError):
        KernelPeer.connect(socket.socket, (LOOPBACK, gate[1]))


def test_a_taken_port_moves_the_gate_or_is_explained(server: KernelListener) -> None:
    dialer = KernelDialer(socket.socket, server.address)
    taken = server.address[1]
    with Gate.serve(dialer, taken) as gate:
        assert taken < gate.port <= taken + 100
    with pytest.raises(WireUnavailable, match=rf"port {taken} is taken.*ss -ltnp.*{taken}"):
        Gate.serve(dialer, taken, exact=True)


def test_an_exact_port_can_be_had_again_at_once(server: KernelListener) -> None:
    dialer = KernelDialer(socket.socket, server.address)
    with Gate.serve(dialer, 0) as gate:
        port = gate.port
        with KernelPeer.connect(socket.socket, (LOOPBACK, port)), server.accept():
            pass
    with Gate.serve(dialer, port, exact=True) as again:
        assert again.port == port
