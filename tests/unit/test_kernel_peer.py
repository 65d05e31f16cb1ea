"""Kernel peers on loopback: what each call does to the other end and to the kernel's state."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from lwipscope.errors import DeadlineExceeded, PeerError
from lwipscope.peer.byte_stream import ByteStream, PatientStream, patient
from lwipscope.peer.dialer import KernelDialer
from lwipscope.peer.kernel import KernelListener, KernelPeer, PortTaken

LOOPBACK = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[KernelListener]:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as listener:
        yield listener


@pytest.fixture
def pair(listener: KernelListener) -> Iterator[tuple[KernelPeer, KernelPeer]]:
    with KernelPeer.connect(socket.socket, listener.address) as client:
        with listener.accept() as server:
            yield client, server


Pair = tuple[KernelPeer, KernelPeer]


def test_both_ends_know_each_other_and_are_established(pair: Pair) -> None:
    client, server = pair
    assert (client.local, client.remote) == (server.remote, server.local)
    assert client.tcp_info_state() == server.tcp_info_state() == "ESTABLISHED"


def test_half_close_passes_fin_and_leaves_the_other_direction_open(pair: Pair) -> None:
    client, server = pair
    client.send(b"question")
    client.shutdown_write()
    assert server.recv_until_fin() == b"question"
    assert server.tcp_info_state() == "CLOSE_WAIT"
    # FIN_WAIT_1 until the acknowledgement comes, which the kernel may delay.
    assert client.tcp_info_state() in ("FIN_WAIT_1", "FIN_WAIT_2")
    server.send(b"answer")
    server.close()
    assert client.recv_until_fin() == b"answer"
    with pytest.raises(PeerError, match="our FIN"):
        client.send(b"more")


def test_reset_shows_as_connection_reset_in_recv_and_send(pair: Pair) -> None:
    client, server = pair
    client.reset()
    assert client.tcp_info_state() == "CLOSED"
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    assert server.tcp_info_state() == "CLOSED"
    with pytest.raises(ConnectionResetError):
        server.send(b"x")
    with pytest.raises(ConnectionResetError):
        server.shutdown_write()


def test_reset_after_fin_is_seen_by_who_waits_for_it(pair: Pair) -> None:
    client, server = pair
    client.shutdown_write()
    assert server.recv(1) == b""
    assert not server.wait_reset(0.01)
    client.reset()
    assert server.wait_reset(5)


def test_interrupt_wakes_the_reader_and_sends_nothing(pair: Pair) -> None:
    client, server = pair
    server.interrupt()
    assert server.recv(1) == b""
    with pytest.raises(DeadlineExceeded):
        client.recv(1, 0.05)


def test_deadlines_name_the_other_end(pair: Pair, listener: KernelListener) -> None:
    client, _server = pair
    with pytest.raises(DeadlineExceeded, match=f"nothing from {listener.name}"):
        client.recv(1, 0.01)
    with pytest.raises(DeadlineExceeded, match="window is closed"):
        client.send(bytes(50_000_000), 0.05)
    with pytest.raises(DeadlineExceeded, match="no connection"):
        listener.accept(0.01)


def test_refused_is_connection_refused() -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as listener:
        address = listener.address
    with pytest.raises(ConnectionRefusedError, match=f"{LOOPBACK}:{address[1]}"):
        KernelPeer.connect(socket.socket, address)
    with pytest.raises(ConnectionRefusedError):
        KernelDialer(socket.socket, address).dial(5)


def test_an_unanswered_syn_stays_in_syn_sent_until_the_deadline() -> None:
    # A full backlog drops SYNs: the only silence there is on loopback.
    with KernelListener(socket.socket, (LOOPBACK, 0), backlog=0) as listener:
        with KernelPeer.connect(socket.socket, listener.address):
            with KernelPeer.start_connect(socket.socket, listener.address) as peer:
                with pytest.raises(DeadlineExceeded, match="no answer to the SYN"):
                    peer.finish_connect(0.05)
                assert peer.tcp_info_state() == "SYN_SENT"
            dialer = KernelDialer(socket.socket, listener.address)
            with pytest.raises(DeadlineExceeded, match=r"up to 0\.05 s"):
                dialer.dial(0.05)
            with pytest.raises(DeadlineExceeded):
                dialer.dial(3600, lambda: True)


def test_a_source_port_can_be_chosen(listener: KernelListener) -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as free:
        source = free.address
    with KernelPeer.connect(socket.socket, listener.address, source=source) as client:
        assert client.local == source
        assert listener.name == f"{LOOPBACK}:{listener.address[1]}"


def test_port_taken(listener: KernelListener) -> None:
    with pytest.raises(PortTaken, match="already in use"):
        KernelListener(socket.socket, listener.address)


def test_use_after_close_is_an_error_and_close_is_idempotent(pair: Pair) -> None:
    client, _server = pair
    client.close()
    client.close()
    client.reset()
    with pytest.raises(PeerError, match="closed already"):
        client.recv(1)


def test_kernel_peer_is_a_patient_stream_and_plain_streams_are_wrapped(pair: Pair) -> None:
    client, server = pair
    assert patient(client) is client

    class Plain:
        """Only what ByteStream asks for."""

        def __init__(self, peer: KernelPeer) -> None:
            self.send = peer.send
            self.recv = peer.recv
            self.shutdown_write = peer.shutdown_write
            self.close = peer.close
            self.reset = peer.reset

    plain: ByteStream = Plain(client)
    wrapped = patient(plain)
    assert isinstance(wrapped, PatientStream)
    assert wrapped.send_some(memoryview(b"abc"), 1) == 3
    assert server.recv(10) == b"abc"
    assert not wrapped.wait_reset(0.01)
    wrapped.interrupt()
    assert not wrapped.wait_reset(3600)
