"""Our own nc: side by side with netcat-openbsd where that is installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lwipscope.errors import DeadlineExceeded
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.peer.nc import Variant, find_nc
from lwipscope.peer.stdnc import run_nc

LOOPBACK = "127.0.0.1"
OURS = [sys.executable, "-c", "import sys; from lwipscope.peer.stdnc import run_nc\n"]
OURS[-1] += "sys.exit(run_nc(sys.argv[1:]))"
HOST = Path(__file__).parents[2] / "host"


@pytest.fixture(params=["ours", "openbsd"])
def nc(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "ours":
        return OURS
    found = find_nc()
    if found is None or found[1] is not Variant.OPENBSD:
        pytest.skip("netcat-openbsd is not installed")
    return [found[0]]


class Running:
    """An nc with pipes; ended and closed with the test."""

    def __init__(self, command: Sequence[str], *args: str) -> None:
        self.process = subprocess.Popen(
            [*command, *args],
            env={**os.environ, "PYTHONPATH": str(HOST)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.stderr = self.process.stderr

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def runs(self) -> bool:
        try:
            self.process.wait(0.1)
        except subprocess.TimeoutExpired:
            return True
        return False


@pytest.fixture
def listener() -> Iterator[KernelListener]:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as listener:
        yield listener


@pytest.fixture
def free_port() -> int:
    with KernelListener(socket.socket, (LOOPBACK, 0)) as listener:
        return listener.address[1]


def quiet(peer: KernelPeer) -> bool:
    try:
        peer.recv(1, 0.1)
    except DeadlineExceeded:
        return True
    return False


def listening(nc: list[str], port: int, *args: str) -> Running:
    """Start `nc -l -p PORT -v -n` and wait until it says that it listens."""
    running = Running(nc, *args, "-vn", "-l", "-p", str(port))
    assert running.stderr.readline() == f"Listening on 0.0.0.0 {port}\n".encode()
    return running


def test_connect_without_n(nc: list[str], listener: KernelListener) -> None:
    with Running(nc, LOOPBACK, str(listener.address[1])) as running, listener.accept() as peer:
        running.stdin.write(b"typed")
        assert peer.recv(100) == b"typed"
        peer.send(b"shown")
        assert running.stdout.read(5) == b"shown"
        running.stdin.close()
        assert quiet(peer)
        peer.shutdown_write()
        assert peer.recv(1) == b""
        assert running.process.wait(5) == 0


@pytest.mark.parametrize("flags", [["-N"], ["-q", "0"], ["-q0"]])
def test_end_of_input_sends_fin(nc: list[str], listener: KernelListener, flags: list[str]) -> None:
    with Running(nc, *flags, LOOPBACK, str(listener.address[1])) as running:
        with listener.accept() as peer:
            running.stdin.write(b"all")
            running.stdin.close()
            assert peer.recv_until_fin() == b"all"
            # Ours would end with -q 0: see the module's text.
            if flags == ["-N"]:
                assert running.runs()
                peer.send(b"late")
                assert running.stdout.read(4) == b"late"
            if nc is not OURS or flags == ["-N"]:
                peer.shutdown_write()
            assert running.process.wait(5) == 0


def test_peers_fin_with_open_input(nc: list[str], listener: KernelListener) -> None:
    with Running(nc, LOOPBACK, str(listener.address[1])) as running, listener.accept() as peer:
        peer.shutdown_write()
        assert running.runs()
        running.stdin.write(b"half")
        assert peer.recv(10) == b"half"
        running.stdin.close()
        assert peer.recv(1) == b""
        assert running.process.wait(5) == 0


def test_reset_ends_it_without_a_word(nc: list[str], listener: KernelListener) -> None:
    with Running(nc, LOOPBACK, str(listener.address[1])) as running, listener.accept() as peer:
        peer.send(b"x")
        assert running.stdout.read(1) == b"x"
        peer.reset()
        assert running.process.wait(5) == 0
        assert running.stderr.read() == b""


def test_a_listener_ends_with_its_peer(nc: list[str], free_port: int) -> None:
    with listening(nc, free_port) as running:
        with KernelPeer.connect(socket.socket, (LOOPBACK, free_port)) as peer:
            said = f"Connection received on {LOOPBACK} {peer.local[1]}\n"
            assert running.stderr.readline() == said.encode()
            with KernelPeer.connect(socket.socket, (LOOPBACK, free_port)) as second:
                assert quiet(second)
                peer.send(b"abc")
                peer.shutdown_write()
                assert peer.recv(1) == b""
                assert running.process.wait(5) == 0
                with pytest.raises(ConnectionResetError):
                    second.recv(1)
            assert running.stdout.read() == b"abc"


def test_k_serves_one_after_the_other(nc: list[str], free_port: int) -> None:
    with listening(nc, free_port, "-k") as running:
        for word in (b"one", b"two"):
            with KernelPeer.connect(socket.socket, (LOOPBACK, free_port)) as peer:
                peer.send(word)
                assert running.stdout.read(3) == word
                peer.shutdown_write()
                assert peer.recv(1) == b""
        assert running.runs()


def test_z_only_looks(nc: list[str], listener: KernelListener, free_port: int) -> None:
    port = str(listener.address[1])
    with Running(nc, "-zvn", LOOPBACK, port) as running:
        assert running.process.wait(5) == 0
        assert f"Connection to {LOOPBACK} {port} port [tcp/*] succeeded!" in (
            running.stderr.read().decode()
        )
    with Running(nc, "-z", LOOPBACK, str(free_port)) as running:
        assert running.process.wait(5) == 1


def test_w_ends_an_idle_connection(nc: list[str], listener: KernelListener) -> None:
    address = (LOOPBACK, str(listener.address[1]))
    with Running(nc, "-w", "1", *address) as running, listener.accept() as peer:
        assert peer.recv(1, 5) == b""
        assert running.process.wait(5) == 0


def test_p_chooses_the_source_port(nc: list[str], listener: KernelListener, free_port: int) -> None:
    with Running(nc, "-p", str(free_port), LOOPBACK, str(listener.address[1])):
        with listener.accept() as peer:
            assert peer.remote == (LOOPBACK, free_port)


def test_refused_and_port_in_use(nc: list[str], listener: KernelListener, free_port: int) -> None:
    with Running(nc, "-v", LOOPBACK, str(free_port)) as running:
        assert running.process.wait(5) == 1
        assert b"failed: Connection refused" in running.stderr.read()
    with Running(nc, "-l", "-p", str(listener.address[1])) as running:
        assert running.process.wait(5) == 1
        assert b": Address already in use" in running.stderr.read()


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-l"], "missing port number"),
        ([LOOPBACK], "missing port number"),
        ([LOOPBACK, "x"], "port number invalid: x"),
        ([LOOPBACK, "70000"], "port number too large: 70000"),
        (["-w", "x", LOOPBACK, "1"], "timeout invalid: x"),
        (["-l", "-z", "1"], "cannot use -z and -l"),
        (["-k", LOOPBACK, "1"], "must use -l with -k"),
    ],
)
def test_mistakes_are_told_as_the_real_one_tells_them(
    nc: list[str], argv: list[str], text: str
) -> None:
    with Running(nc, *argv) as running:
        assert running.process.wait(5) == 1
        assert running.stderr.read().decode().strip().partition(": ")[2] == text


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-u", LOOPBACK, "1"], "UDP is not supported"),
        (["-X"], "option -X not recognized"),
        ([], "usage: nc"),
        ([LOOPBACK, "1-3"], "goes with -z only"),
        ([LOOPBACK, "1", "2"], "one port was expected"),
        (["-l", "0"], "port number too small"),
        (["-n", "localhost", "1"], "getaddrinfo"),
        (["-l", "256.1.1.1", "5"], "256.1.1.1"),
    ],
)
def test_our_own_words(capfd: pytest.CaptureFixture[str], argv: list[str], text: str) -> None:
    assert run_nc(argv) == 1
    assert text in capfd.readouterr().err


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_nc(["-h"]) == 0
    assert "usage: nc" in capfd.readouterr().out


def test_a_megabyte_each_way_through_ours(listener: KernelListener) -> None:
    data = os.urandom(1 << 20)
    with Running(OURS, "-N", LOOPBACK, str(listener.address[1])) as running:
        with listener.accept() as peer:

            def feed() -> None:
                rest = memoryview(data)
                while rest:
                    rest = rest[running.stdin.write(rest) :]
                running.stdin.close()

            feeder = threading.Thread(target=feed)
            feeder.start()
            assert peer.recv_until_fin(20) == data
            feeder.join()
            sender = threading.Thread(target=peer.send, args=(data, 20))
            sender.start()
            got = b""
            while len(got) < len(data):
                got += running.stdout.read(65536)
            sender.join()
            assert got == data
            peer.close()
            assert running.process.wait(5) == 0
