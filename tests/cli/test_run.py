"""`lwipscope run`: a person's own program, well-behaved or not."""

from __future__ import annotations

import ast
import re
import signal
import socket
import subprocess

import dpkt
import pytest

from cli.harness import LOOPBACK, SCRIPTS, Desk, Done, Program, free_port, one_message, talk, which

SERVER = """
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", {port}))
server.listen(4)
print("ready")
while True:
    connection, peer = server.accept()
    while True:
        data = connection.recv(100)
        if not data:
            break
        connection.send(data.upper())
    connection.close()
    print("served")
"""
CLIENT = """
import socket
client = socket.socket()
client.connect(("192.0.2.1", {port}))
client.send(b"hello from the board\\n")
print("heard", client.recv(100))
client.close()
"""
ENDLESS = "print('begun')\nwhile True:\n    pass\n"
DEAF = """
while True:
    try:
        print("begun")
        while True:
            pass
    except KeyboardInterrupt:
        print("no")
"""
SERVED = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"


def assert_logs(desk: Desk, *said: str, frames: int = 0) -> None:
    """The serial log has these texts, and the capture at least so many frames."""
    log = (desk.logs / "serial.log").read_text()
    # Console text comes in pieces of any length.
    pieces = re.findall(r"^ +console (b['\"].*)$", log, re.M)
    whole = log + b"".join(map(ast.literal_eval, pieces)).decode("utf-8", "replace")
    for text in said:
        assert text in whole, f"{text!r} is missing\n{log[-3000:]}"
    with (desk.logs / "wire.pcapng").open("rb") as file:
        assert len(list(dpkt.pcapng.Reader(file))) >= frames


def gate_of(program: Program, port: int) -> int:
    """The port of this machine that leads to the board's `port`."""
    return int(program.expect(rf"the board's port {port}:  nc 127.0.0.1 (\d+)")[1])


def test_output_is_left_and_transitions_are_right(desk: Desk) -> None:
    source = "import socket\nprint('one')\ns = socket.socket()\ns.bind(('', 7007))\ns.listen(1)\n"
    done = desk.on_board(source + "s.close()\nprint('two')\n").finish()
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines.index("one") < lines.index("two")
    assert re.search(
        r"^ {40,}\d+\.\d+ ms  c\d+ CLOSED > LISTEN  api listen  port 7007$", done.out, re.M
    )
    assert "LISTEN > CLOSED" in done.out
    assert f"captures and logs: {desk.logs}" in done.out
    assert_logs(desk, "one", "LISTEN", "two")


def test_a_program_without_connections_or_lines(desk: Desk) -> None:
    done = desk.on_board("").finish()
    assert (done.code, done.err) == (0, "")
    done = desk.on_board("print('no line end', end='')").finish()
    assert done.code == 0
    assert "no line end" in done.out.splitlines()


def test_the_default_folder_of_logs(desk: Desk) -> None:
    assert desk.run("run", desk.script("print(1)")).code == 0
    (folder,) = (desk.work / "lwipscope-logs").iterdir()
    assert folder.name.startswith("run-")


def test_an_exception_of_the_program(desk: Desk) -> None:
    done = desk.on_board("print('before')\ndef f():\n    return 1 / 0\nf()\n").finish()
    assert done.code == 1
    assert "before" in done.out
    assert re.search(
        r"ended with an exception:\nTraceback \(most recent call last\):\n"
        r'  File ".*app.py", line 4, in <module>\n  File ".*app.py", line 3, in f\n'
        r"ZeroDivisionError: divide by zero\n$",
        done.err,
    )


def test_a_text_that_says_keyboard_interrupt_is_an_exception(desk: Desk) -> None:
    done = desk.on_board("raise ValueError('KeyboardInterrupt:')").finish()
    assert done.code == 1
    assert "ValueError: KeyboardInterrupt:" in done.err


def test_a_syntax_error_names_file_and_line(desk: Desk) -> None:
    done = desk.on_board("print('fine')\nif so:\n    print(\n").finish()
    assert done.code == 1
    assert re.search(r'File ".*app\.py", line [34]\b', done.err)
    assert "SyntaxError" in done.err
    assert "fine" not in done.out.splitlines()


@pytest.mark.parametrize("ending", ["sys.exit()", "sys.exit(3)", "raise SystemExit"])
def test_a_program_that_exits(desk: Desk, ending: str) -> None:
    done = desk.on_board(f"import sys\nprint('bye')\n{ending}\nprint('still here')\n").finish()
    assert "bye" in done.out.splitlines()
    assert "still here" not in done.out
    assert done.code in (0, 1)
    assert len(done.err.splitlines()) <= 6


def interrupted(program: Program, ready: str, end: str) -> Done:
    program.expect(ready)
    if end == "--seconds":
        return program.finish()
    if end == "SIGTERM":
        program.process.send_signal(signal.SIGTERM)
    else:
        program.interrupt()
    return program.finish()


@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM", "--seconds"])
def test_a_program_that_never_ends(desk: Desk, end: str) -> None:
    port = free_port()
    options = ("--seconds", "1.5") if end == "--seconds" else ()
    program = desk.on_board(SERVER.format(port=port), *options)
    program.expect("^ready")
    assert talk(gate_of(program, port), b"abc") == b"ABC"
    done = interrupted(program, "LAST_ACK > CLOSED", end)
    assert done.err == ""
    assert done.code == 0
    assert done.out.index("served") < done.out.index("paths:")
    assert SERVED in done.out.partition("paths:")[2]
    assert_logs(desk, "LISTEN", "ESTABLISHED", "LAST_ACK", "KeyboardInterrupt", frames=7)


def test_ctrl_c_on_a_terminal(desk: Desk) -> None:
    program = desk.start("run", desk.script(ENDLESS), "--log-dir", desk.logs, terminal=True)
    done = interrupted(program, "begun", "Ctrl-C")
    assert done.code == 0
    assert "paths:" in done.out
    assert "interrupted" not in done.out


def test_the_program_cleans_up_after_ctrl_c(desk: Desk) -> None:
    done = interrupted(desk.start("run", SCRIPTS / "tcp_server.py"), "listening on", "Ctrl-C")
    assert (done.code, done.err) == (0, "")
    assert "stopped" in done.out.splitlines()
    assert "LISTEN > CLOSED" in done.out


def test_a_program_that_does_not_heed_ctrl_c(desk: Desk) -> None:
    program = desk.on_board(DEAF)
    done = interrupted(program, "begun", "Ctrl-C")
    assert done.code == 0
    assert "no" in done.out.splitlines()
    assert "paths:" in done.out
    assert done.err == "the program goes on after Ctrl-C; its board ends now\n"


def test_a_second_ctrl_c_does_not_wait_for_the_program(desk: Desk) -> None:
    program = desk.on_board(DEAF)
    program.expect("begun")
    program.interrupt()
    program.expect("^no$")
    program.interrupt()
    done = program.finish(4.0)
    assert done.code == 130
    assert "paths:" in done.out
    assert one_message(Done(130, "", done.err.lstrip())) == "lwipscope: interrupted\n"
    assert_logs(desk, "begun")


@pytest.mark.parametrize("count", [2, 5])
def test_many_ctrl_c_during_the_end(desk: Desk, count: int) -> None:
    program = desk.on_board(ENDLESS)
    program.expect("begun")
    for _ in range(count):
        program.interrupt()
        program.pause(0.01)
    done = program.finish()
    assert done.code in (0, 130)
    assert done.err in ("", "\nlwipscope: interrupted\n")
    assert_logs(desk, "begun")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.py", "No such file"),
        (".", "needs a main.py to start with; it is empty"),
        ("x/y", "No such file"),
    ],
)
def test_a_script_that_can_not_be_read(desk: Desk, name: str, why: str) -> None:
    done = desk.run("run", name)
    assert (done.code, done.out) == (2, "")
    assert why in one_message(done)
    assert name in done.err


def test_a_folder_is_run_with_its_files(desk: Desk) -> None:
    folder = desk.work / "app"
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text(
        "from lib import helper\nprint(open('page.txt').read())\nhelper.go()"
    )
    (folder / "lib/helper.py").write_text("def go():\n    raise ValueError(__name__)\n")
    (folder / "page.txt").write_text("a page")
    done = desk.run("run", "app")
    assert done.code == 1
    assert "a page" in done.out
    assert 'File "app/main.py", line 3, in <module>' in done.err
    assert 'File "app/lib/helper.py", line 2, in go' in done.err
    assert "ValueError: lib.helper" in done.err
    assert "<stdin>" not in done.err


@pytest.mark.parametrize(
    "content", [bytes(range(256)), b"M\x06\x00\x1f", b"print('\xff')", b"print('a\x04b')"]
)
def test_a_script_that_is_no_program(desk: Desk, content: bytes) -> None:
    done = desk.run("run", desk.script(content))
    assert (done.code, done.out) == (2, "")
    assert "app.py: no MicroPython program" in one_message(done)


def test_a_long_script(desk: Desk) -> None:
    lines = [f"x{n} = {n}  # {'-' * 40}" for n in range(1800)]
    source = "\n".join([*lines, "print('sum', x0 + x1799)"])
    assert len(source) > 100_000
    done = desk.on_board(source).finish(30)
    assert (done.code, done.err) == (0, "")
    assert "sum 1799" in done.out.splitlines()


def test_nc_reaches_the_program(desk: Desk, wire: str) -> None:
    port = free_port()
    program = desk.on_board(SERVER.format(port=port), "--wire", wire)
    gate = gate_of(program, port)
    assert gate == port
    answer = subprocess.run(
        [which("nc"), "-N", LOOPBACK, str(gate)], input=b"hello\n", capture_output=True, timeout=20
    )
    assert answer.stdout == b"HELLO\n"
    done = interrupted(program, "LAST_ACK > CLOSED", "Ctrl-C")
    assert (done.code, done.err) == (0, "")
    assert SERVED in done.out
    assert ("behind a TAP" in done.out) == (wire == "tap")


def test_a_taken_port_is_replaced_by_the_next(desk: Desk) -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        program = desk.on_board(SERVER.format(port=port))
        gate = gate_of(program, port)
        assert gate > port
        program.expect(rf"{gate}  \({port} is taken on this machine\)")
        assert talk(gate, b"x") == b"X"
        done = interrupted(program, "LAST_ACK > CLOSED", "Ctrl-C")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("nc", ["nc", "lwipscope nc"])
def test_the_board_reaches_nc(desk: Desk, wire: str, nc: str) -> None:
    port = free_port()
    arguments = ("-l", "-p", str(port))
    if nc == "nc":
        listening = desk.start_other(which("nc"), *arguments, terminal=True)
    else:
        listening = desk.start("nc", "-v", *arguments, terminal=True)
        listening.expect("(?i)listening")
    listening.type("hi board\n")
    program = desk.on_board(CLIENT.format(port=port), "--wire", wire, "--port", str(port))
    listening.expect("hello from the board")
    done = program.finish()
    assert (done.code, done.err) == (0, "")
    assert r"heard b'hi board\n'" in done.out
    assert "SYN_SENT > ESTABLISHED > FIN_WAIT_1" in done.out.partition("paths:")[2]
    assert listening.finish().code == 0


def test_a_program_can_not_forge_the_trace_or_the_terminal(desk: Desk) -> None:
    source = (
        'print("\\x1e0 1 state c=9 CLOSED>LISTEN by=- *00000000")\nprint("\\x1b[31mred\\x07")\n'
    )
    program = desk.start("run", desk.script(source), "--log-dir", desk.logs, terminal=True)
    done = program.finish()
    assert done.code == 0
    assert "?0 1 state c=9" in done.out
    assert r"\x1b[31mred\x07" in done.out
    assert "\x1b[31mred" not in done.out.replace(r"\x1b", "")
    assert not done.out.partition("paths:")[2].partition("captures")[0].strip()


def test_other_alphabets(desk: Desk) -> None:
    program = desk.on_board("print('grüße ▶ 你好')", PYTHONIOENCODING="ascii")
    done = program.finish()
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "gr" in done.out and "\\u" in done.out
    assert "grüße ▶ 你好" in desk.on_board("print('grüße ▶ 你好')").finish().out


def test_a_flood_of_output(desk: Desk) -> None:
    done = desk.on_board("for i in range(10000):\n    print('%06d' % i + 'x' * 94)\n").finish(40)
    assert (done.code, done.err) == (0, "")
    numbers = [int(line[:6]) for line in done.out.splitlines() if line.endswith("x" * 94)]
    assert numbers == list(range(10000))


LISTEN_FIRST = """
import machine, socket
server = socket.socket()
server.bind(("", {port}))
server.listen(1)
print("before")
{then}
print("after")
"""


def test_a_program_that_resets_the_board(desk: Desk) -> None:
    source = LISTEN_FIRST.format(port=free_port(), then="machine.reset()")
    done = desk.on_board(source).finish()
    assert done.code == 4
    assert "the board restarted" in one_message(done)
    assert "before" in done.out.splitlines()
    assert re.search(r"paths:\n.*\n +LISTEN", done.out)
    assert_logs(desk, "LISTEN", "before")


def test_a_program_that_resets_softly(desk: Desk) -> None:
    source = LISTEN_FIRST.format(port=free_port(), then="machine.soft_reset()")
    done = desk.on_board(source).finish()
    assert "before" in done.out.splitlines()
    assert "after" not in done.out.splitlines()
    assert done.code in (0, 1)
    assert_logs(desk, "LISTEN", "before")


def test_a_program_that_kills_the_board(desk: Desk) -> None:
    source = LISTEN_FIRST.format(port=free_port(), then="machine.mem32[0xfffffff0]")
    done = desk.on_board(source).finish()
    assert done.code == 4
    message = one_message(done)
    assert "HardFault" in message and "fffffff0" in message
    assert "before" in done.out.splitlines()
    assert re.search(r"paths:\n.*\n +LISTEN", done.out)
    assert_logs(desk, "LISTEN", "before", "HardFault")


@pytest.mark.parametrize("name", ["wire.pcapng", "serial.log"])
def test_a_full_disk(desk: Desk, name: str) -> None:
    desk.logs.mkdir()
    (desk.logs / name).symlink_to("/dev/full")
    done = desk.on_board("print('before')").finish()
    assert done.code != 0
    assert "No space left" in one_message(done)
    assert str(desk.logs) in done.err
