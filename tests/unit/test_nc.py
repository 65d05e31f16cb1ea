"""Real netcat in the namespace, against kernel peers on the namespace's own loopback."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope.errors import DeadlineExceeded, PeerError, WireUnavailable
from lwipscope.peer.dialer import KernelDialer
from lwipscope.peer.gate import Gate
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.peer.nc import Netcat, Variant, find_nc, how_it_ends, need_nc, variant_of
from lwipscope.wire.keeper import Keeper

LOOPBACK = "127.0.0.1"
PORT = 6666


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    found = find_nc()
    if found is None or found[1] is not Variant.OPENBSD:
        pytest.skip("netcat-openbsd is not installed")
    with Keeper.start(tap=None) as keeper:
        if not keeper.has_namespace:
            pytest.skip("; ".join(keeper.notes))
        yield keeper


@pytest.fixture
def listener(keeper: Keeper) -> Iterator[KernelListener]:
    with KernelListener(keeper.socket, (LOOPBACK, PORT)) as listener:
        yield listener


def quiet(peer: KernelPeer) -> bool:
    try:
        peer.recv(1, 0.1)
    except DeadlineExceeded:
        return True
    return False


def test_connect_talks_both_ways_and_n_sends_fin_at_end_of_input(
    keeper: Keeper, listener: KernelListener
) -> None:
    with Netcat.connect(keeper, LOOPBACK, PORT) as nc:
        assert nc.argv == ("nc", "-N", LOOPBACK, str(PORT))
        with listener.accept() as peer:
            nc.feed(b"hello")
            assert peer.recv(100) == b"hello"
            peer.send(b"world")
            assert nc.read_exactly(5) == b"world"
            nc.close_stdin()
            assert peer.recv(1) == b""
            assert nc.returncode is None
            peer.shutdown_write()
            assert nc.read() == b""
            assert nc.wait() == 0
    assert "FIN at once" in nc.how_it_ends


def test_without_n_the_end_of_input_is_not_told(keeper: Keeper, listener: KernelListener) -> None:
    with Netcat.connect(keeper, LOOPBACK, PORT, args=()) as nc:
        with listener.accept() as peer:
            nc.close_stdin()
            assert quiet(peer)
            peer.shutdown_write()
            assert peer.recv(1) == b""
            assert nc.wait() == 0


def test_connecting_nc_stays_after_the_peers_fin_while_its_input_is_open(
    keeper: Keeper, listener: KernelListener
) -> None:
    with Netcat.connect(keeper, LOOPBACK, PORT) as nc:
        with listener.accept() as peer:
            peer.shutdown_write()
            assert quiet(peer)
            assert peer.tcp_info_state() == "FIN_WAIT_2"
            assert nc.returncode is None
            nc.close_stdin()
            assert peer.recv(1) == b""
            assert nc.wait() == 0


def test_listen_returns_when_it_listens_and_ends_with_the_peer(keeper: Keeper) -> None:
    with Netcat.listen(keeper, PORT) as nc:
        assert nc.argv == ("nc", "-N", "-l", "-p", str(PORT))
        with KernelPeer.connect(keeper.socket, (LOOPBACK, PORT)) as peer:
            peer.send(b"abc")
            assert nc.read_exactly(3) == b"abc"
            peer.shutdown_write()
            assert peer.recv(1) == b""
            assert nc.wait() == 0


def test_listen_in_the_namespace_does_not_take_the_machines_port(keeper: Keeper) -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as outside:
        port = outside.address[1]
        with Netcat.listen(keeper, port):
            with KernelPeer.connect(keeper.socket, (LOOPBACK, port)):
                with pytest.raises(DeadlineExceeded):
                    outside.accept(0.05)


def test_outside_the_namespace_for_the_gate(keeper: Keeper) -> None:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as listener:
        port = listener.address[1]
        with pytest.raises(PeerError, match="taken already"):
            Netcat.listen(keeper, port, in_namespace=False)
        with Netcat.connect(keeper, LOOPBACK, port, in_namespace=False) as nc:
            with listener.accept() as peer:
                nc.feed(b"x")
                assert peer.recv(1) == b"x"
    with Netcat.listen(keeper, port, in_namespace=False):
        KernelPeer.connect(socket.socket, (LOOPBACK, port)).close()


def test_listen_on_a_taken_port_and_with_bad_flags(
    keeper: Keeper, listener: KernelListener
) -> None:
    with pytest.raises(PeerError, match=f"port {listener.address[1]} is taken"):
        Netcat.listen(keeper, PORT)
    with pytest.raises(PeerError, match=r"ended instead of listening.*cannot use -z"):
        Netcat.listen(keeper, PORT + 1, args=("-z",))


def test_refused_ends_with_one_and_says_so_with_v(keeper: Keeper) -> None:
    with Netcat.connect(keeper, LOOPBACK, PORT, args=("-v", "-n")) as nc:
        assert b"Connection refused" in nc.read_until_end()
        assert nc.wait() == 1
        with pytest.raises(PeerError, match="ended after 0 of 3"):
            nc.read_exactly(3)


def test_kill_is_seen_by_the_peer(keeper: Keeper, listener: KernelListener) -> None:
    with Netcat.connect(keeper, LOOPBACK, PORT) as nc:
        with listener.accept() as peer:
            nc.kill()
            assert nc.wait() == -signal.SIGKILL
            assert peer.recv(1) == b""


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("OpenBSD netcat (Debian patchlevel 1.219-1)\nusage: nc [-46CDd", Variant.OPENBSD),
        ("[v1.10-47]\nconnect to somewhere:\tnc [-options]", Variant.TRADITIONAL),
        ("Ncat 7.93 ( https://nmap.org/ncat )", Variant.NCAT),
        ("BusyBox v1.35.0 multi-call binary.\nUsage: nc [OPTIONS]", Variant.BUSYBOX),
        ("", Variant.UNKNOWN),
    ],
)
def test_variant_by_help_text(text: str, variant: Variant) -> None:
    assert variant_of(text) is variant


def test_openbsds_nc_is_preferred_and_a_missing_one_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_nc() is None
    with pytest.raises(WireUnavailable, match="netcat-openbsd"):
        need_nc()
    for name, text in (("nc", "[v1.10-47]"), ("ncat", "Ncat 7.93")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{text}' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert need_nc() == (str(tmp_path / "nc"), Variant.TRADITIONAL)
    (tmp_path / "netcat").write_text("#!/bin/sh\necho 'OpenBSD netcat'\n")
    (tmp_path / "netcat").chmod(0o755)
    assert need_nc() == (str(tmp_path / "netcat"), Variant.OPENBSD)


def test_n_with_another_variant_is_refused() -> None:
    with Keeper.start("none") as keeper:
        with pytest.raises(WireUnavailable, match="traditional one and has no -N"):
            Netcat.connect(keeper, LOOPBACK, PORT, nc=("/bin/nc", Variant.TRADITIONAL))


def test_how_it_ends_tells_the_cases_apart() -> None:
    cases = [
        how_it_ends(args, listens=listens) for args in ((), ("-N",)) for listens in (False, True)
    ]
    assert len(set(cases)) == 4
    assert "never ends" in how_it_ends(("-k",), listens=True)
    assert how_it_ends(("-q", "1"), listens=True).startswith("end of input: FIN")


def test_two_ncs_talk_through_a_gate_into_the_namespace(keeper: Keeper) -> None:
    with Netcat.listen(keeper, PORT) as inside:
        with Gate.serve(KernelDialer(keeper.socket, (LOOPBACK, PORT)), 0) as gate:
            with Netcat.connect(keeper, LOOPBACK, gate.port, in_namespace=False) as outside:
                outside.feed(b"in")
                assert inside.read_exactly(2) == b"in"
                inside.feed(b"out")
                assert outside.read_exactly(3) == b"out"
                outside.close_stdin()
                assert inside.wait() == 0
                assert outside.wait() == 0


def test_nothing_is_left_of_an_nc_that_is_closed(keeper: Keeper) -> None:
    nc = Netcat.listen(keeper, PORT)
    pid = nc.process.pid
    nc.close()
    nc.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
