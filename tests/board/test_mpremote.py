"""mpremote's own command line on the board's serial line, while connections come and go."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from board.helpers import WAIT_S, Peer, run
from lwipscope.board.command_port import CommandPort
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.link import Link
from lwipscope.errors import DeadlineExceeded, PeerError
from lwipscope.peer.kernel import KernelPeer
from lwipscope.trace.frame import BadFrame, Console, Frame, FrameSplitter
from lwipscope.trace.trace import Trace
from lwipscope.wire.keeper import Keeper

PORT = 6666
LISTENER = "import socket; s = socket.socket(); s.bind(('', 6666)); s.listen(1)"
NewBoard = Callable[..., EmulatedBoard]


def mpremote(device: str, *args: str) -> bytes:
    """Run mpremote to its end: what it printed. Its configuration files are not read."""
    command = [sys.executable, "-m", "mpremote", "connect", device, *args]
    env = {**os.environ, "XDG_CONFIG_HOME": "/nonexistent", "HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, timeout=WAIT_S, env=env, check=False)
    assert done.returncode == 0, (args, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def console_of(data: bytes) -> str:
    """The output without the trace's frames, which have to be intact."""
    splitter = FrameSplitter()
    items = [*splitter.feed(data), *splitter.close()]
    assert not [item for item in items if isinstance(item, BadFrame)]
    return b"".join(i.data for i in items if isinstance(i, Console)).decode().replace("\r\n", "\n")


@contextmanager
def coming_and_going(keeper: Keeper, ip: str) -> Iterator[list[str]]:
    """Connections without a pause, in a thread; the list says how each ended."""
    over = threading.Event()
    ends: list[str] = []

    def connect_for_ever() -> None:
        while not over.is_set():
            try:
                KernelPeer.connect(keeper.socket, (ip, PORT), timeout_s=2.0).close()
                ends.append("connected")
            except (OSError, PeerError, DeadlineExceeded) as error:
                ends.append(type(error).__name__)
            over.wait(0.005)

    thread = threading.Thread(target=connect_for_ever)
    thread.start()
    try:
        yield ends
    finally:
        over.set()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files for `mount` and `run`."""
    (tmp_path / "greeting.py").write_text("TEXT = 'from the host'\n" + "# filler\n" * 300)
    (tmp_path / "note.txt").write_text("a note\n")
    (tmp_path / "program.py").write_text("for i in range(5): print('line', i)\n")
    return tmp_path


@pytest.mark.parametrize("stream", ["all", "off"])
def test_mpremote_works_while_connections_come_and_go(
    new_board: NewBoard, keeper: Keeper, folder: Path, stream: str
) -> None:
    """10 calls each. With the stream on, frames come between the programs' output, intact."""
    if keeper.tap is None:
        pytest.skip(f"no TAP on this machine: {'; '.join(keeper.notes)}")
    board = new_board()
    run(board, LISTENER)
    board.port.request("stream", stream)
    device = board.release_line()
    calls: list[tuple[tuple[str, ...], str]] = [
        (("resume", "exec", "print(6 * 7)"), "42\n"),
        (("resume", "eval", "s is not None"), "True\n"),
        (("resume", "run", str(folder / "program.py")), "".join(f"line {i}\n" for i in range(5))),
        (
            ("resume", "mount", str(folder), "exec", "import greeting; print(greeting.TEXT)"),
            f"Local directory {folder} is mounted at /remote\nfrom the host\n",
        ),
        (
            ("resume", "mount", str(folder), "fs", "cat", ":note.txt"),
            f"Local directory {folder} is mounted at /remote\na note\n",
        ),
    ]
    with coming_and_going(keeper, board.ip) as ends:
        for args, expected in calls * 2:
            printed = mpremote(device, *args)
            if stream == "off":
                assert b"\x1e" not in printed
            assert console_of(printed) == expected, args
    assert ends.count("connected") > 20
    assert_alive(board, device)


def test_mpremote_resets_and_runs(new_board: NewBoard, folder: Path) -> None:
    """Without `resume` mpremote begins with a soft reset."""
    board = new_board()
    run(board, "x = 1")
    device = board.release_line()
    assert console_of(mpremote(device, "exec", "print('x' in globals())")) == "False\n"
    assert console_of(mpremote(device, "soft-reset", "eval", "1 + 1")) == "2\n"
    failed = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", device, "exec", "1 / 0"],
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    assert failed.returncode != 0
    assert b"ZeroDivisionError" in failed.stdout + failed.stderr
    assert folder.is_dir()
    assert_alive(board, device)


def test_frames_of_a_program_run_by_mpremote_are_a_whole_trace(
    new_board: NewBoard, tmp_path: Path
) -> None:
    """What mpremote prints holds each frame of the program's socket calls, in order."""
    board = new_board()
    device = board.release_line()
    program = tmp_path / "program.py"
    program.write_text(
        f"{LISTENER}\nprint('listening')\ns.close()\nimport time\ntime.sleep_ms(20)\n"
    )
    printed = mpremote(device, "run", str(program))
    frames = [i for i in FrameSplitter().feed(printed) if isinstance(i, Frame)]
    assert [f.seq for f in frames] == list(range(frames[0].seq, frames[0].seq + len(frames)))
    kinds = [f.kind for f in frames if f.kind != "beat"]
    assert kinds.count("born") == 2
    assert kinds.count("died") == 2
    assert_alive(board, device)


@pytest.mark.evidence_spoiled("the board stops")
def test_the_last_words_reach_the_program_at_the_line(new_board: NewBoard) -> None:
    """A slow reader: it looks only when QEMU has ended."""
    board = new_board()
    board.port.stream("off")
    fd = os.open(board.release_line(), os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(fd, b"import machine; print('x' * 3000); machine.mem32[0xFFFFFFF0]\r")
        assert not board.alive(WAIT_S)
        said = b""
        while select.select([fd], [], [], WAIT_S)[0] and (data := _read(fd)):
            said += data
    finally:
        os.close(fd)
    assert b"x" * 3000 in said
    assert [i.kind for i in FrameSplitter().feed(said) if isinstance(i, Frame)][-1] == "fault"


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""  # hung up


def assert_alive(board: EmulatedBoard, device: str) -> None:
    """A host that comes later than mpremote finds the board well."""
    link = Link(device, board.file.link.baud, trace=Trace(first_seq=None))
    try:
        port = CommandPort(link)
        assert port.hello().boot == board.trace.boot
        port.sync()
        assert link.trace.integrity.fault is None
        assert not link.trace.integrity.gaps
    finally:
        link.close()


def test_two_programs_cannot_hold_the_line(board: EmulatedBoard) -> None:
    """mpremote is told that the line is taken, and the trace is not disturbed."""
    tried = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", board.link.url, "eval", "1"],
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    assert tried.returncode != 0
    assert b"in use" in tried.stdout + tried.stderr


def test_peer_is_what_the_fixture_says(dial: Callable[[int], Peer], board: EmulatedBoard) -> None:
    run(board, LISTENER)
    assert dial(PORT).local[1] > 1023
