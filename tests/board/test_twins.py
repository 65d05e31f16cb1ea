"""The C twins of the lesson on socket calls: compiled here, and run against the board both ways.

Each C program prints the same calls and states as its MicroPython twin, so the two sources can be
laid side by side; the board's trace says whether the states are true.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.lesson.library import PROGRAMS
from lwipscope.scenario.application import Application
from lwipscope.scenario.network import HOST_IP, LOOPBACK, Network, free_port
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.program import Program
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper
from lwipscope.wire.process import Process

PORT = 8080
END_S = 10.0
SERVED = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
CLOSED_FIRST = "SYN_SENT > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both C programs, compiled without a warning."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here (cc)")
    folder = tmp_path_factory.mktemp("twins")
    for name in ("twin_server", "twin_client"):
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", str(folder / name)]
        subprocess.run([compiler, *flags, str(PROGRAMS / f"{name}.c")], check=True, timeout=60)
    return folder


class Programs:
    """C programs that run where they reach the board, ended with the test."""

    def __init__(self, keeper: Keeper, network: Network) -> None:
        self._keeper = keeper
        self._network = network
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def client(self, program: Path) -> Process:
        """Connects to the board's port."""
        if self._network.has_tap:
            return self._start(program, "192.0.2.10", PORT)
        return self._start(program, LOOPBACK, self._network.serve(PORT, 0).port)

    def server(self, program: Path) -> Process:
        """Listens where the board reaches it at 192.0.2.1:8080; returns when it does."""
        if self._network.has_tap:
            started = self._start(program, PORT, HOST_IP)
        else:
            near = free_port()
            self._network.dial_out(PORT, near)
            started = self._start(program, near, LOOPBACK)
        seen = b""
        while b"LISTEN" not in seen:
            data = started.read(4096, END_S)
            assert data, f"the server said {seen!r}"
            seen += data
        return started

    def _start(self, program: Path, *args: str | int) -> Process:
        command = [str(program), *map(str, args)]
        inside = self._network.has_tap
        made = self._keeper.spawn(command, stdout=PIPE, stderr=STDOUT, in_namespace=inside)
        return self._stack.enter_context(made)


@pytest.fixture
def programs(wire_keeper: Keeper, network: Network) -> Iterator[Programs]:
    made = Programs(wire_keeper, network)
    yield made
    made.close()


@pytest.mark.usefixtures("wire")
def test_the_board_serves_a_client_in_c(
    board: EmulatedBoard, wire_keeper: Keeper, compiled: Path, programs: Programs
) -> None:
    app = _started(board, wire_keeper, "twin_server.py")
    client = programs.client(compiled / "twin_client")
    assert client.wait(END_S) == 0, client.read(4096, END_S)
    assert b"TIME_WAIT" in client.read(4096, END_S)
    app.path(port=PORT).must_be(SERVED)
    assert app.wait_end(END_S).error == ""
    app.no_leaks()


@pytest.mark.usefixtures("wire")
def test_the_board_is_served_by_a_server_in_c(
    board: EmulatedBoard, wire_keeper: Keeper, compiled: Path, programs: Programs
) -> None:
    server = programs.server(compiled / "twin_server")
    app = _started(board, wire_keeper, "twin_client.py")
    assert server.wait(END_S) == 0
    app.path(role="client").must_be(CLOSED_FIRST)
    assert app.wait_end(END_S).error == ""


@pytest.mark.parametrize("name", ["twin_server", "twin_client"])
def test_the_twins_say_the_same(name: str) -> None:
    """Call by call: what differs is what the other end's kernel does alone."""
    told = {}
    for language in ("c", "py"):
        source = (PROGRAMS / f"{name}.{language}").read_text()
        lines = [line.strip() for line in source.splitlines() if line.strip().startswith("step(")]
        told[language] = [line.rstrip(";").replace("the kernel", "the stack") for line in lines]
    assert told["c"] == told["py"]


def _started(board: EmulatedBoard, keeper: Keeper, name: str) -> Application:
    return Application.start(board, OtherEnd(keeper), Program.load(PROGRAMS / name))
