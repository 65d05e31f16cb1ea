"""A board on a serial port: the emulated one behind its pseudo-terminal, which is a serial port.

Also behind real servers on loopback: RFC 2217 (pyserial's) and plain TCP. With the tracer, and
without: MicroPython at whose end there is a REPL and nothing of ours.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from board.bridges import Bridge
from lwipscope import toolchain
from lwipscope.board import network_way, quarantine, storage
from lwipscope.board.board import Board
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.device_file import ANY, DeviceFile, NetworkWay, ResetWays
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.identify import identify
from lwipscope.board.ladder import LadderFailed
from lwipscope.board.lock import BoardTaken, holder
from lwipscope.board.opening import open_board
from lwipscope.board.power import Power
from lwipscope.board.presence import BoardBusy
from lwipscope.board.quarantine import InQuarantine
from lwipscope.board.rack import Instance, Rack
from lwipscope.board.serial_board import Place, SerialBoard
from lwipscope.board.untraced import UntracedBoard
from lwipscope.errors import BoardLost, LwipscopeError, NoBoard, UsageError
from lwipscope.firmware import build
from lwipscope.firmware.firmware import Firmware
from lwipscope.tcp.state import State
from lwipscope.trace.event import Transition
from lwipscope.wire.keeper import Keeper

FILE = DeviceFile.load(ANY)
FOREVER = "import time\nprint('busy')\nwhile True:\n    time.sleep(0.01)\n"
SECRET = "correct-horse-42"

pytestmark = pytest.mark.evidence_spoiled("the line belongs to others")
needs_compiler = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is remembered about boards, and for locks."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(quarantine, "cache_dir", lambda: tmp_path)


@pytest.fixture
def desk(gate_keeper: Keeper, firmware: Firmware) -> Iterator[str]:
    """The serial port of a board with the tracer."""
    file = BoardFile.load(DEFAULT_BOARD)
    with EmulatedBoard(file, firmware.elf, gate_keeper) as emulated:
        emulated.port.stream("off")
        yield emulated.release_line()


@pytest.fixture
def plain(gate_keeper: Keeper) -> Iterator[str]:
    """The serial port of a board whose firmware has nothing of ours."""
    stock = build.build("roomy", tracer=False)
    with UntracedBoard(BoardFile.load(DEFAULT_BOARD), stock.elf, gate_keeper) as emulated:
        yield emulated.release_line()


@pytest.fixture
def busy(desk: str) -> str:
    """The same with a program that runs."""
    with open_board(desk) as board:
        board.repl.start(FOREVER)
        while b"busy" not in board.repl.output:
            assert board.repl.read(5.0)
        # Gone without leaving it as it was found, like a terminal that is unplugged.
        board.__dict__.pop("repl")
    return desk


def listens(board: Board) -> None:
    """Proves link, agent and, where there is one, the tracer."""
    board.agent.start()
    listener = board.agent.socket()
    listener.bind(6666)
    listener.listen()
    board.port.sync()
    if board.capabilities.tracer:
        states = [e.after for e in board.trace.events if isinstance(e, Transition)]
        assert State.LISTEN in states
    assert board.trace.evidence()[1].complete, board.trace.integrity.problems()
    board.agent.stop()


def test_with_the_tracer(desk: str) -> None:
    with open_board(desk) as board:
        assert board.capabilities.tracer and not board.capabilities.wire
        assert board.ip == "192.0.2.10"
        listens(board)
        boots = {board.trace.boot}
        for _ in range(2):
            hello = board.reset()
            assert hello is not None
            boots.add(hello.boot)
            listens(board)
        assert len(boots) == 3
        board.files.install([("part.py", b"N = 7\n"), ("main.py", b"import part\nprint(part.N)")])
        assert board.repl.run(board.files.runner("main.py")) == b"7\r\n"
        assert board.alive()
    with open_board(desk) as board:  # it was left usable
        assert board.repl.run("print(1)") == b"1\r\n"


@needs_compiler
def test_without_the_tracer(plain: str) -> None:
    with open_board(plain) as board:
        assert not board.capabilities.tracer
        assert board.repl.run("lwipscope_mark = 1\nprint(1)") == b"1\r\n"
        assert board.reset() is None
        assert board.repl.run("print('lwipscope_mark' in globals())") == b"False\r\n"
        listens(board)
        listens(board)  # uploaded again, in the same life
        assert board.ip == "192.0.2.10"
        board.files.install([("main.py", b"print('ram')")])
        assert board.repl.run(board.files.runner("main.py")) == b"ram\r\n"


@pytest.mark.parametrize("rfc2217", [True, False], ids=["rfc2217", "socket"])
def test_behind_a_server(desk: str, rfc2217: bool) -> None:
    with Bridge(desk, rfc2217=rfc2217) as bridge:
        with open_board(bridge.url) as board:
            listens(board)
            assert board.reset() is not None
            listens(board)
        if rfc2217:
            assert ("dtr", True) not in bridge.port.set_lines[2:]
            assert ("rts", True) not in bridge.port.set_lines[2:]
            assert bridge.port.set_lines[2:], "nothing was negotiated"
        with open_board(bridge.url) as board:
            bridge.hang_up()
            assert not board.alive(10.0)
            with pytest.raises(BoardLost):
                board.port.sync()


def test_no_server_there(free_tcp_port: int) -> None:
    for scheme in ("rfc2217", "socket"):
        with pytest.raises(NoBoard, match="Does its server run there"):
            open_board(f"{scheme}://127.0.0.1:{free_tcp_port}")


@pytest.fixture
def free_tcp_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_program_that_runs_is_left_alone(busy: str) -> None:
    before = time.monotonic()
    with pytest.raises(BoardBusy, match="--take-over"):
        open_board(busy)
    assert time.monotonic() - before < 5.0
    with open_board(busy, must_be_idle=False) as board:  # it still runs, and its tracer answers
        assert isinstance(board, SerialBoard)
        assert board.presence.has_tracer and "program runs" in board.presence.runs
    with open_board(busy, may_take_over=True) as board:
        assert board.repl.run("print('mine')") == b"mine\r\n"


@needs_compiler
def test_a_program_that_runs_is_left_alone_without_the_tracer(plain: str) -> None:
    with open_board(plain) as board:
        board.repl.start(FOREVER)
        while b"busy" not in board.repl.output:
            assert board.repl.read(5.0)
        board.__dict__.pop("repl")
    with pytest.raises(BoardBusy, match="--take-over"):
        open_board(plain)
    with serial.Serial(plain, timeout=0.5) as port:
        assert b"KeyboardInterrupt" not in port.read(1000)
    with open_board(plain, may_take_over=True) as board:
        assert board.repl.run("print('mine')") == b"mine\r\n"


def test_one_user_at_a_time(desk: str) -> None:
    with open_board(desk) as board:
        with pytest.raises(BoardTaken, match=rf"in use by .*\(process {os.getpid()}, since"):
            open_board(desk)
        assert holder(desk) is not None
        board.close()
        assert holder(desk) is None
    # A program that knows nothing of our locks.
    script = (
        f"import serial; port = serial.Serial({desk!r}, exclusive=True); "
        "print('has it', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "has it\n"
        with pytest.raises(NoBoard, match=rf"in use by .*process {other.pid}\)"):
            open_board(desk)
        other.stdin.close()


def test_the_lock_survives_no_crash(desk: str) -> None:
    script = (
        "import os, sys; from lwipscope.board.lock import BoardLock; "
        f"lock = BoardLock({desk!r}); print('has it', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "has it\n"
        with pytest.raises(BoardTaken, match=str(other.pid)):
            open_board(desk)
        other.kill()
    with open_board(desk) as board:
        assert board.repl.run("print(1)") == b"1\r\n"


def test_any_free_board_of_a_type(desk: str, tmp_path: Path) -> None:
    rack = Rack(
        (Instance("one", ANY, port=str(tmp_path / "gone")), Instance("two", ANY, port=desk))
    )
    with pytest.raises(LwipscopeError, match="2 boards"):
        open_board(ANY, rack=rack)
    with open_board(f"any:{ANY}", rack=rack) as board:
        assert isinstance(board, SerialBoard) and board.place.name == "two"
        started_s = time.monotonic()
        with pytest.raises(NoBoard, match=r"none of 2 boards(.|\n)*in use by"):
            open_board(f"any:{ANY}", rack=rack, wait_s=0.5)
        assert 0.4 < time.monotonic() - started_s < 5.0
        timer = threading.Timer(0.5, board.close)
        timer.start()
        with open_board(f"any:{ANY}", rack=rack, wait_s=20.0) as second:
            assert second.alive()
        timer.join()


def test_the_ladder_tells_what_failed(desk: str) -> None:
    """Power commands are fakes here: `true` switches nothing."""
    ladder = ResetWays(("lines", "power", "machine"), lines="rts-pulse", boot_s=2.0)
    file = replace(FILE, reset=ladder)
    place = Place("left", lambda: desk, Power(cycle=("false",)))
    with SerialBoard(file, place) as board:
        lines, power, machine = board.recover()
        assert lines.failure and power.failure.startswith("the power command ended with 1: false")
        assert machine.failure == ""
        listens(board)
    place = Place("left", lambda: desk, Power(on=("true",), off=("true",)))
    with SerialBoard(replace(file, reset=replace(ladder, ladder=("power",))), place) as board:
        started_s = time.monotonic()
        with pytest.raises(LadderFailed, match="power: it did not restart in time"):
            board.recover()
        assert time.monotonic() - started_s < 6.0
    entry = quarantine.of("left")
    assert entry is not None and "did not restart" in entry.reason
    rack = Rack((Instance("left", ANY, port=desk),))
    with pytest.raises(InQuarantine, match="--release left"):
        open_board("left", rack=rack)
    quarantine.release("left")
    with open_board("left", rack=rack) as opened:
        listens(opened)


def test_a_port_that_vanishes_and_comes_back(desk: str) -> None:
    """The bridge's client is dropped by the reset, as USB drops a board's port."""
    with Bridge(desk, rfc2217=False) as bridge:
        found: list[str | None] = [None, bridge.url]

        def locate() -> str | None:
            return found.pop(0) if len(found) > 1 else found[0]

        place = Place("usb", lambda: bridge.url)
        with SerialBoard(FILE, place) as board:
            object.__setattr__(board.place, "locate", locate)
            bridge.hang_up()
            assert not board.alive(10.0)
            # The line is back at the second look; then machine.reset() does it.
            failed, done = board._climb(("machine", "machine"))
            assert failed.failure == "the serial port is gone" and done.failure == ""
            listens(board)


class WatchedLink:
    """Everything that crosses a board's line towards the host."""

    def __init__(self, board: SerialBoard) -> None:
        self.data = bytearray()
        self.stop: Callable[[], None] = board.link.on_bytes(
            lambda data, _at: self.data.extend(data)
        )


FAKE_WLAN = """\
import sys
class FakeWlan:
    PM_NONE = 0
    seen = None
    def __init__(self, which): pass
    def active(self, on=None): return FakeWlan.seen is not None
    def config(self, **_): raise ValueError('no power save here')
    def connect(self, ssid, password):
        FakeWlan.seen = (ssid, password)
        if password == 'raise':
            raise OSError('bad password ' + password + ' for ' + ssid)
    def isconnected(self): return True
    def status(self): return 5
    def ifconfig(self): return ('192.0.2.77', '', '', '') if FakeWlan.seen else ('0.0.0.0',)
class FakeNetwork:
    WLAN = FakeWlan
    STA_IF = 0
sys.modules['network'] = FakeNetwork()
"""


def test_wifi_credentials_go_to_the_board_and_nowhere_else(
    desk: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Wi-Fi interface is a fake on the board."""
    way = NetworkWay("wlan", 2.0)
    with open_board(desk) as board:
        assert isinstance(board, SerialBoard)
        board.repl.run(FAKE_WLAN)
        monkeypatch.delenv(network_way.SSID, raising=False)
        with pytest.raises(LwipscopeError, match="LWIP_WIFI_SSID"):
            network_way.bring_up(board.repl, way)
        monkeypatch.setenv(network_way.SSID, "lab-net")
        monkeypatch.setenv(network_way.PASSWORD, SECRET)
        watched = WatchedLink(board)
        assert network_way.bring_up(board.repl, way) == "192.0.2.77"
        watched.stop()
        assert SECRET.encode() not in watched.data and b"lab-net" not in watched.data
        told = board.repl.run("print(FakeWlan.seen)")
        assert SECRET.encode() in told, "the fake saw something else"
        board.repl.run("FakeWlan.seen = None")
        monkeypatch.setenv(network_way.PASSWORD, "raise")
        monkeypatch.setenv(network_way.SSID, "lab-net")
        with pytest.raises(NoBoard) as caught:
            network_way.bring_up(board.repl, way)
        assert "bad password (hidden) for (hidden)" in str(caught.value)
        assert caught.value.__cause__ is None and caught.value.__suppress_context__
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_identify(desk: str) -> None:
    with open_board(desk) as board:
        assert isinstance(board, SerialBoard)
        found = identify(board.repl, board.presence.hello)
        assert found.text("platform") == "qemu" and found.text("ip") == "192.0.2.10"
        assert {"tcptrace", "viper"} <= set(found.modules)
        assert any("16 pcbs" in line for line in found.lines())
        assert found.differences(FILE) == []
        told = found.differences(DeviceFile.load("esp32-devkit"))
        assert len(told) == 3 and "'esp32'" in told[0] and "'qemu'" in told[0]


def test_the_boards_files_are_left_as_found(desk: str) -> None:
    """The board's own filesystem is one in RAM here (littlefs, as on boards with flash)."""
    own = [("main.py", b"print('mine')\n"), ("boot.py", b""), ("lib/part.py", b"N = 1\n" * 999)]
    with open_board(desk) as board:
        assert storage.hashes(board.repl) == {}
        board.files.install(own)
        before = storage.hashes(board.repl)
        assert set(before) == {"/main.py", "/boot.py", "/lib/", "/lib/part.py"}
        assert before["/main.py"] == hashlib.sha256(own[0][1]).hexdigest()
        listens(board)
        identify(board.repl)
        assert storage.hashes(board.repl) == before
        storage.keep(board.repl, [("app/main.py", b"print(1)"), ("note.txt", b"x" * 5000)])
        assert set(storage.hashes(board.repl)) - set(before) == {
            *("/lwipscope/", "/lwipscope/app/", "/lwipscope/app/main.py"),
            "/lwipscope/note.txt",
        }
        assert "/lwipscope/note.txt" in storage.clean(board.repl)
        assert storage.hashes(board.repl) == before
        assert storage.clean(board.repl) == []
        with pytest.raises(UsageError, match="below /lwipscope"):
            storage.keep(board.repl, [("../main.py", b"")])


def test_the_rack_file(tmp_path: Path) -> None:
    path = tmp_path / "lwip-rack.toml"
    path.write_text(
        'schema = 1\n[[board]]\nname = "left"\ntype = "esp32-devkit"\nport = "/dev/ttyUSB7"\n'
        'power.cycle = ["true", "-x"]\n'
    )
    (left,) = Rack.load(path).instances
    assert left.power.cycle == ("true", "-x") and left.locate() == "/dev/ttyUSB7"
    whole = path.read_text()
    for old, new, message in (
        ('port = "/dev/ttyUSB7"\n', "", r"board\[0\].port: expected port"),
        ('type = "esp32-devkit"\n', "", r"board\[0\].type: the field is missing"),
        ("esp32-devkit", "esp33", r"board\[0\].type: there is no board file 'esp33'"),
        ("power.cycle", "power.cicle", r"board\[0\].power.cicle: unknown field; did you mean"),
        ('["true", "-x"]', '"true -x"', r"board\[0\].power.cycle: expected a list"),
        ("schema = 1", "schema = 2", "schema: expected 1, found 2"),
        ('"left"', '"qemu-mps2-an385"', "is the name of a board file"),
    ):
        path.write_text(whole.replace(old, new))
        with pytest.raises(UsageError, match=message):
            Rack.load(path)
