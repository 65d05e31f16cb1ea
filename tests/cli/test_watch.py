"""`lwipscope watch` on a terminal: the full screen, its keys, and how the terminal is left."""

from __future__ import annotations

import re
import socket
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from board.bridges import Bridge
from cli.harness import LOOPBACK, Desk, Program, free_port, talk
from lwipscope.runfile.model import Run

pytest.importorskip("rich")

SERVER = """\
import machine, socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", {port}))
s.listen(2)
while True:
    c, _ = s.accept()
    data = c.recv(100)
    if data == b"restart":
        machine.reset()
    c.send(data)
    c.recv(100)
    c.close()
"""
CLEAR = "\x1b[?1049h"


@contextmanager
def serving(desk: Desk) -> Iterator[tuple[str, int]]:
    """A board that serves: its serial port, and the port to reach it at."""
    port = free_port()
    board = desk.start("start", "--log-dir", desk.logs, "--port", str(port))
    board.expect("^Ctrl-C ends it")
    serial = board.expect(r"^serial: +(\S+)")[1]
    script = desk.script(SERVER.format(port=port))
    remote = ("-m", "mpremote", "connect", serial, "run", "--no-follow", script)
    done = desk.start_other(sys.executable, *remote).finish()
    assert done.code == 0, done
    yield serial, port
    board.interrupt()
    board.finish()


@contextmanager
def watching(desk: Desk, *options: str, **env: str) -> Iterator[tuple[Program, int]]:
    """A board that serves on a port, and `watch` on a terminal."""
    with serving(desk) as (_serial, port):
        yield desk.start("watch", *options, terminal=True, **env), port


def seen(program: Program) -> str:
    """All that was written, without the codes for places and colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", program.out)


def modes(program: Program) -> list[object]:
    return termios.tcgetattr(program.terminal_fd)


def assert_restored(program: Program, before: list[object]) -> None:
    """The screen from before, its cursor and line wrap, and the modes."""
    assert modes(program) == before
    for on, off in (("\x1b[?1049l", CLEAR), ("\x1b[?25h", "\x1b[?25l"), ("\x1b[?7h", "\x1b[?7l")):
        assert program.out.rindex(on) > program.out.rindex(off)


def test_the_full_screen_and_its_keys(desk: Desk) -> None:
    with watching(desk) as (program, port):
        before = modes(program)
        program.expect(r"╣   LISTEN    ╠")
        assert CLEAR in program.out
        assert modes(program) != before
        assert talk(port, b"hello") == b"hello"
        program.expect(r"CLOSE_WAIT[^\n]*api close|LAST_ACK[^\n]*api close")
        program.type("f9\n")
        program.expect("no pcb with port 9 *")
        program.type(f"f{port}\n")
        program.expect(f"port {port} only")
        program.type("p")
        program.expect("PAUSED, ")
        program.type("?")
        program.expect("the screen stands still")
        program.type("xp")
        program.type("s")
        name = program.expect(r"saved: lwipscope show (watch-[\d-]+\.lwiprun)")[1]
        program.type("q")
        assert program.finish().code == 0
        assert_restored(program, before)
        run = Run.load(desk.work / name)
        assert any("LAST_ACK" in c.text() for c in run.lives[0].connections)


def test_a_restart_of_the_board_is_told_and_survived(desk: Desk) -> None:
    with watching(desk) as (program, port):
        program.expect(r"╣   LISTEN    ╠")
        with socket.create_connection((LOOPBACK, port)) as connection:
            connection.sendall(b"restart")
            program.expect(r"the board restarted: boot \S+ became")
        program.expect("resets 1")
        program.type("q")
        assert program.finish().code == 0


@pytest.mark.parametrize("rfc2217", [True, False], ids=["rfc2217", "socket"])
def test_a_line_over_the_network_that_breaks_and_comes_back(desk: Desk, rfc2217: bool) -> None:
    with serving(desk) as (serial, port), Bridge(serial, rfc2217=rfc2217) as bridge:
        program = desk.start("watch", bridge.url, terminal=True)
        program.expect(r"╣   LISTEN    ╠")
        bridge.hang_up()
        program.expect("the line was gone and is back")
        assert talk(port, b"hello") == b"hello"
        program.expect(r"CLOSE_WAIT[^\n]*api close|LAST_ACK[^\n]*api close")
        assert "resets" not in program.out
        program.type("q")
        assert program.finish().code == 0


def test_ctrl_c_restores_the_terminal(desk: Desk) -> None:
    with watching(desk, NO_COLOR="1") as (program, _port):
        before = modes(program)
        program.expect(r"╣   LISTEN    ╠")
        program.interrupt()
        assert program.finish().code == 0
        assert_restored(program, before)
        assert not re.search(r"\x1b\[[\d;]*m", program.out)


def test_a_board_that_goes_away(desk: Desk) -> None:
    with watching(desk) as (program, _port):
        before = modes(program)
        program.expect(r"╣   LISTEN    ╠")
    done = program.finish()
    assert done.code == 4
    assert "the board is lost" in done.out.partition("\x1b[?1049l")[2]
    assert_restored(program, before)


def test_a_terminal_that_is_closed(desk: Desk) -> None:
    with watching(desk) as (program, _port):
        program.expect(r"╣   LISTEN    ╠")
        program.hang_up()
        program.process.wait(10)
        assert program.process.returncode >= 0, "it did not end in order"


@pytest.mark.parametrize("how", ["--plain", "dumb"])
def test_lines_where_the_full_screen_is_not_wanted(desk: Desk, how: str) -> None:
    options = ("--plain",) if how == "--plain" else ()
    env = {} if options else {"TERM": "dumb"}
    with watching(desk, *options, "--seconds", "1", **env) as (program, _port):
        done = program.finish()
        assert done.code == 0
        assert "now " in done.out and CLEAR not in done.out


def test_without_rich_it_says_so_and_shows_lines(desk: Desk) -> None:
    hidden = desk.work / "hidden"
    hidden.mkdir()
    finder = "import sys\nsys.meta_path.insert(0, type('No', (), {'find_spec': staticmethod("
    finder += "lambda name, path=None, target=None: (_ for _ in ()).throw("
    finder += "ModuleNotFoundError(name)) if name == 'rich' else None)}))\n"
    (hidden / "sitecustomize.py").write_text(finder)
    with watching(desk, "--seconds", "1", PYTHONPATH=str(hidden)) as (program, _port):
        done = program.finish()
        assert done.code == 0
        assert "pip install lwipscope[tui]" in done.out
        assert "now " in done.out
