"""`start`, `watch` and `shell`: several terminals at one board."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from cli.harness import SCRIPTS, Desk, Program, free_port, one_message, talk, which


def started(desk: Desk, *options: str, terminal: bool = False) -> tuple[Program, str]:
    """`lwipscope start`, ready: the program and the serial port that it printed."""
    program = desk.start("start", "--log-dir", desk.logs, *options, terminal=terminal)
    program.expect("^Ctrl-C ends it")
    return program, program.expect(r"^serial: +(\S+)")[1]


def mpremote(desk: Desk, serial: str, *arguments: str | Path) -> Program:
    return desk.start_other(sys.executable, "-m", "mpremote", "connect", serial, *arguments)


def ended(program: Program) -> str:
    """Ctrl-C to `start`: what it had printed."""
    program.interrupt()
    done = program.finish()
    assert (done.code, done.err) == (0, "")
    return done.out


def test_mpremote_works_on_the_port_that_start_prints(desk: Desk) -> None:
    port = free_port()
    program, serial = started(desk, "--port", str(port))
    assert os.stat(serial).st_rdev  # noqa: PTH116
    done = mpremote(desk, serial, "exec", "print('answer', 6 * 7)").finish()
    assert (done.code, done.err) == (0, "")
    assert done.out == "answer 42\n"
    script = desk.script("import tcptrace\nprint('streams', tcptrace.stream())\n1/0\n")
    done = mpremote(desk, serial, "run", script).finish()
    assert done.code != 0
    assert "streams off" in done.out
    assert "ZeroDivisionError" in done.out + done.err
    # What start prints to be typed is true.
    assert re.search(rf"^  mpremote connect {serial} run ", program.out, re.M)
    assert f"lwipscope watch {serial}" in program.out
    assert f"nc 127.0.0.1 {port}" in program.out
    assert f"captures: {desk.logs}" in ended(program)


def test_watch_shows_transitions_with_causes(desk: Desk, wire: str) -> None:
    port = free_port()
    program, serial = started(desk, "--port", str(port), "--wire", wire)
    source = (SCRIPTS / "tcp_server.py").read_text().replace("PORT = 6666", f"PORT = {port}")
    done = mpremote(desk, serial, "run", "--no-follow", desk.script(source)).finish()
    assert (done.code, done.err) == (0, "")
    watching = desk.start("watch")  # finds the board that was started
    watching.expect(f"watching {serial}: hello")
    watching.expect("LISTEN")
    assert talk(port, b"hello") == b"hello"
    watching.expect("LAST_ACK > CLOSED")
    watching.interrupt()
    seen = watching.finish()
    assert seen.code == 0
    assert re.search(r"ms  c\d+ CLOSED > SYN_RCVD  rx SYN  from [\d.]+:\d+$", seen.out, re.M)
    assert re.search(r"SYN_RCVD > ESTABLISHED  rx ACK", seen.out)
    assert re.search(r"ESTABLISHED > CLOSE_WAIT  rx FIN", seen.out)
    assert re.search(r"CLOSE_WAIT > LAST_ACK  api close", seen.out)
    assert len(seen.err.splitlines()) == 1
    # A second look at the same board, for a second.
    again = desk.run("watch", serial, "--seconds", "1")
    assert again.code == 0
    assert "now " in again.out and "LISTEN" in again.out
    ended(program)


def test_watch_without_a_board(desk: Desk) -> None:
    done = desk.run("watch")
    assert done.code == 3
    assert "no emulated board runs" in one_message(done)
    assert "lwipscope start" in done.err


def test_watch_on_a_port_that_is_none(desk: Desk) -> None:
    file = desk.work / "file"
    file.write_text("text")
    for name in ("/dev/ttyNONE", str(file), "socket://127.0.0.1:1", "nonsense://"):
        done = desk.run("watch", name)
        assert done.code == 3, name
        assert name in one_message(done)
        assert "can't be opened" in done.err
        assert ("there is no such device" in done.err) == (name == "/dev/ttyNONE")


def test_watch_where_nobody_answers(desk: Desk) -> None:
    silent, theirs = os.openpty()
    try:
        done = desk.run("watch", os.ttyname(theirs))
    finally:
        os.close(silent)
        os.close(theirs)
    assert done.code == 3
    assert "nobody answered within 2 s" in one_message(done)
    assert "another port" in done.err


def test_watch_ctrl_c_while_nobody_answers(desk: Desk) -> None:
    silent, theirs = os.openpty()
    try:
        program = desk.start("watch", os.ttyname(theirs))
        program.catches(signal.SIGTERM)
        program.pause(0.5)
        program.interrupt()
        assert program.finish(2.0).code in (0, 130)
    finally:
        os.close(silent)
        os.close(theirs)


def test_watch_when_the_line_goes_away(desk: Desk) -> None:
    program, _serial = started(desk)
    watching = desk.start("watch")
    watching.expect("watching ")
    ended(program)
    done = watching.finish()
    assert done.code == 4
    assert "the board is lost" in done.err
    assert done.err.count("lwipscope: ") == 1


def test_watch_on_a_port_in_use(desk: Desk) -> None:
    program, serial = started(desk)
    busy = mpremote(desk, serial, "exec", "print('busy')\nwhile True: pass")
    busy.expect("busy")
    done = desk.run("watch", serial)
    assert done.code == 3
    assert "is in use by" in one_message(done)
    assert serial in done.err
    busy.interrupt()
    busy.finish()
    ended(program)


def test_shell_passes_exit_codes_and_output(desk: Desk) -> None:
    program, _serial = started(desk)
    for code in (0, 1, 7, 255):
        done = desk.run("shell", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}")
        assert (done.code, done.out, done.err) == (code, "out\n", "err\n")
    assert desk.run("shell", "--", "sh", "-c", "kill -TERM $$").code == 128 + signal.SIGTERM
    done = desk.run("shell", "--", "ip", "-4", "-o", "addr", "show", "lwip0")
    assert (done.code, done.err) == (0, "")
    assert "192.0.2.1/24" in done.out
    done = desk.run("shell", "--", "no-such-program")
    assert done.code == 3
    assert "no-such-program: not found" in one_message(done)
    ended(program)


@pytest.mark.usefixtures("need_tap")
def test_nc_in_the_shell_reaches_the_boards_server(desk: Desk) -> None:
    port = free_port()
    program, serial = started(desk, "--port", str(port))
    source = f"import socket\ns = socket.socket()\ns.bind(('', {port}))\ns.listen(2)\n"
    source += (
        "for i in range(2):\n    c, _ = s.accept()\n    c.send(b'from the board')\n    c.close()\n"
    )
    mpremote(desk, serial, "run", "--no-follow", desk.script(source)).finish()
    done = desk.run("shell", "--", which("nc"), "192.0.2.10", str(port))
    assert (done.code, done.out) == (0, "from the board")
    assert talk(port) == b"from the board"
    ended(program)


@pytest.mark.usefixtures("need_tap")
def test_shell_starts_a_board_where_none_runs(desk: Desk) -> None:
    done = desk.run("shell", "--", "sh", "-c", "ss -tan | head -1; exit 5")
    assert done.code == 5
    assert done.out.startswith("State")
    assert "behind a TAP" in done.err


@pytest.mark.usefixtures("need_tap")
def test_a_shell_on_a_terminal(desk: Desk) -> None:
    program = desk.start("shell", terminal=True)
    program.expect(r"leave with exit")
    program.type("echo $((6 * 7))\n")
    program.expect(r"^(# )?42\n# \Z")
    program.type("cat\n")
    program.type("hello\n")
    program.expect(r"hello\s(# )?hello$")
    program.interrupt()  # ends cat only
    program.expect(r"\^C\s+# \Z")
    program.type("echo still $((1 + 1))\n")
    program.expect(r"^(# )?still 2\n# \Z")
    program.type("exit 9\n")
    assert program.finish().code == 9


def test_shell_in_gate_mode_says_why_not(desk: Desk) -> None:
    done = desk.run("shell", "--wire", "gate", "--", "true")
    assert done.code == 3
    assert "no network namespace" in done.err
    assert "127.0.0.1" in done.err
    program, _serial = started(desk, "--wire", "gate")
    done = desk.run("shell", "--", "true")
    assert done.code == 3
    assert "no network namespace" in one_message(done)
    ended(program)


def test_with_two_boards_one_has_to_say_which(desk: Desk) -> None:
    first, _ = started(desk)
    second, serial = started(desk)
    for command in (["shell", "--", "true"], ["watch"]):
        done = desk.run(*command)
        assert done.code == 2
        message = one_message(done)
        assert f"--pid {first.pid}" in message and f"--pid {second.pid}" in message
    done = desk.run("shell", "--pid", str(second.pid), "--", "sh", "-c", "exit 3")
    assert done.code == 3
    assert desk.run("shell", "--pid", "1", "--", "true").code == 3
    assert serial in desk.run("watch", "--pid", str(second.pid), "--seconds", "0.1").err
    ended(first)
    assert desk.run("shell", "--", "sh", "-c", "exit 4").code == 4
    ended(second)


@pytest.mark.parametrize("command", ["start", "run", "shell"])
def test_a_terminal_that_is_closed(desk: Desk, command: str) -> None:
    if command == "start":
        program, _ = started(desk, terminal=True)
    elif command == "run":
        script = desk.script("while True:\n    print('line')\n")
        program = desk.start("run", script, "--log-dir", desk.logs, terminal=True)
        program.expect("line")
    else:
        program = desk.start("shell", terminal=True)
        program.expect("leave with exit")
    program.hang_up()
    program.process.wait(10)
    assert program.process.returncode >= 0, "it did not end in order"
    desk.assert_nothing_left()


@pytest.mark.usefixtures("need_tap")
@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "SIGKILL"])
def test_shell_takes_its_command_along(desk: Desk, how: str) -> None:
    program = desk.start("shell", "--", "sh", "-c", "echo ready; sleep 1000; true")
    program.expect("ready")
    program.process.send_signal(signal.Signals[how])
    program.process.wait(10)
    desk.assert_nothing_left()


def test_start_says_that_its_board_has_ended(desk: Desk) -> None:
    program, serial = started(desk)
    mpremote(desk, serial, "exec", "import machine; machine.mem32[0xfffffff0]").finish()
    done = program.finish()
    assert done.code == 4
    assert "processor fault" in one_message(done)


def test_start_on_taken_ports(desk: Desk) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        program, _ = started(desk, "--port", str(port))
        program.expect("^Ctrl-C ends it")
        gate = int(program.expect(rf"port {port}:  nc 127.0.0.1 (\d+)  \({port} is taken")[1])
        assert gate > port
        ended(program)
