"""Boards over 127.0.0.1, as where there are no unix sockets and no pipes: LWIPSCOPE_TRANSPORT."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from board.helpers import WAIT_S, run
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.loopback_line import OneCaller
from lwipscope.errors import BoardLost, NoBoard
from lwipscope.firmware.firmware import Firmware
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import play
from lwipscope.trace.event import Event
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.switch import Switch
from lwipscope.wire.udp_board_line import UdpBoardLine

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "unit" / "windows_stand_in.py"


@pytest.fixture
def over_loopback(
    monkeypatch: pytest.MonkeyPatch, firmware: Firmware, gate_keeper: Keeper
) -> Iterator[Callable[[], EmulatedBoard]]:
    monkeypatch.setenv("LWIPSCOPE_TRANSPORT", "loopback")
    made: list[EmulatedBoard] = []

    def start() -> EmulatedBoard:
        made.append(EmulatedBoard(BoardFile.load(DEFAULT_BOARD), firmware.elf, gate_keeper))
        return made[-1]

    yield start
    for board in made:
        board.close()


def never(_event: Event) -> bool:
    return False


@pytest.mark.parametrize("name", ["close-four-segments", "syn-sent-refused", "http-keep-alive"])
def test_scenarios_pass(
    over_loopback: Callable[[], EmulatedBoard], gate_keeper: Keeper, name: str
) -> None:
    board = over_loopback()
    played = play(scenario_named(name), board, gate_keeper)
    assert played.verdict is Verdict.PASS, played.check.text
    again = play(scenario_named(name), board, gate_keeper)
    assert again.verdict is Verdict.PASS, again.check.text


def test_a_reset_is_a_new_life_and_nothing_of_the_old_one_is_in_it(
    over_loopback: Callable[[], EmulatedBoard],
) -> None:
    """Typed text that the old board had not read would be read by a system reset's new life."""
    board = over_loopback()
    first = board.pid
    for _ in range(5):
        board.repl.start("while True: pass")
        board.link.write(b"print('of the old life')\r\n" * 40)
        hello = board.reset()
        assert hello.seq == 0
        assert run(board, "print('alive')") == "alive\n"
        closing = board.port.sync()
        _events, integrity = board.trace.evidence(closing)
        assert integrity.complete
        said = b"".join(text.data for text in board.trace.console)
        assert b"of the old life" not in said
    assert board.pid != first


def test_a_killed_qemu_is_a_lost_board(over_loopback: Callable[[], EmulatedBoard]) -> None:
    board = over_loopback()
    board.repl.start("while True: pass")
    os.kill(board.pid, 9)
    with pytest.raises(BoardLost, match="SIGKILL"):
        board.trace.wait_for(never, WAIT_S, "the end")
    with pytest.raises(BoardLost):
        board.reset()


def test_two_boards_at_once_do_not_hear_each_other(
    over_loopback: Callable[[], EmulatedBoard],
) -> None:
    boards = [over_loopback(), over_loopback()]
    for number, board in enumerate(boards):
        assert run(board, f"print('board', {number})") == f"board {number}\n"


def test_others_can_have_the_line(over_loopback: Callable[[], EmulatedBoard]) -> None:
    board = over_loopback()
    device = os.open(board.release_line(), os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(device, b"print(6 * 7)\r\n")
        said = b""
        while b"42\r\n" not in said:
            said += os.read(device, 4096)
    finally:
        os.close(device)


def test_datagrams_of_others_are_not_frames() -> None:
    """Only what comes from QEMU's own port is taken."""
    line = UdpBoardLine()
    seen: list[bytes] = []
    came = threading.Event()
    frame = bytes(12) + b"\x08\x00" + bytes(50)

    def see(_at_s: float, _origin: str, data: bytes) -> None:
        seen.append(data)
        came.set()

    with Switch(line=line) as switch, socket.socket(type=socket.SOCK_DGRAM) as stranger:
        switch.on_frame(see)
        stranger.sendto(b"x" * 60, ("127.0.0.1", line.switch_port))
        with socket.socket(type=socket.SOCK_DGRAM) as qemu:
            qemu.bind(("127.0.0.1", line.board_port))
            qemu.sendto(frame, ("127.0.0.1", line.switch_port))
            assert came.wait(WAIT_S)
    assert seen == [frame]


def test_a_second_connection_is_an_error_and_a_third_finds_nobody() -> None:
    caller = OneCaller()
    one = socket.create_connection(("127.0.0.1", caller.port))
    two = socket.create_connection(("127.0.0.1", caller.port))
    with one, two, pytest.raises(NoBoard, match="two programs have connected"):
        caller.accept(1.0, lambda: True)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", caller.port)).close()


def test_nobody_calls() -> None:
    caller = OneCaller()
    with pytest.raises(TimeoutError):
        caller.accept(5.0, lambda: False)


def lwipscope(
    *arguments: str, folder: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "host"), **(env or {})},
    )


def test_the_demo_passes(tmp_path: Path) -> None:
    done = lwipscope(
        *("-m", "lwipscope", "demo", "--wire", "gate"),
        folder=tmp_path,
        env={"LWIPSCOPE_TRANSPORT": "loopback"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    assert "FAIL" not in done.stdout


@pytest.mark.parametrize(
    "name", ["close-four-segments", "client-refused", "server-closes-first-textbook"]
)
def test_without_fork_unix_sockets_and_terminals(name: str, tmp_path: Path) -> None:
    """The whole way in the stand-in for Windows, where even the keeper is missing."""
    done = lwipscope(
        *(str(STAND_IN), "lwipscope-with-pyserial", "run-scenario", name), folder=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    assert not done.stderr


def test_what_cannot_be_had_there_is_said_in_a_line(tmp_path: Path) -> None:
    """No real nc without pipes, no device without pseudo-terminals, no prompt without mpremote."""
    for command, code, said in (
        ("lwipscope-with-pyserial run-scenario server-peer-closes-first", 1, "can't be driven on"),
        ("lwipscope-with-pyserial start", 3, "no pseudo-terminals"),
        ("lwipscope run-scenario close-four-segments", 3, "mpremote"),
        ("lwipscope run-scenario close-four-segments --wire tap", 3, "namespace with a TAP"),
    ):
        done = lwipscope(str(STAND_IN), *command.split(), folder=tmp_path)
        told = done.stdout + done.stderr
        assert done.returncode == code, told
        assert said in told
        assert "Traceback" not in told


def test_the_plugin_gives_a_board_there(tmp_path: Path) -> None:
    (tmp_path / "test_board.py").write_text("def test_it(lwip_board):\n    assert lwip_board.ip\n")
    chosen = ("-p", "no:cacheprovider", "-p", "lwipscope.pytest_plugin", "-q")
    done = lwipscope(
        *(str(STAND_IN), "pytest", *chosen, "test_board.py"),
        folder=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
