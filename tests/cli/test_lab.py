"""`lwipscope lab --terminal` as a person or a script uses it: lines, live lines, ends."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time

import pytest

from cli.harness import Desk, Done, Program, free_port
from lwipscope.runfile.model import Run

USABLE_S = 3.0
READY = r"lab> \Z"  # the prompt, and nothing behind it


def script(desk: Desk, *lines: str, options: str = "") -> Done:
    """The lines as a script at the prompt."""
    path = desk.work / "lines"
    path.write_text("".join(f"{line}\n" for line in lines))
    command = f"{shlex.quote(sys.executable)} -m lwipscope lab --terminal {options} < {path}"
    return desk.start_other("sh", "-c", command).finish()


def at_the_prompt(desk: Desk, *options: str) -> Program:
    program = desk.start("lab", "--terminal", "--log-dir", desk.logs, *options, terminal=True)
    program.expect("^lab> ")
    return program


def end(program: Program) -> None:
    """Ctrl-D, which is a key only where a prompt waits for it."""
    program.expect(READY)
    program.type("\x04")
    assert program.finish().code == 0


def done(program: Program, line: str, pattern: str) -> re.Match[str]:
    """A line is typed when the prompt waits for it."""
    program.expect(READY)
    program.type(f"{line}\n")
    return program.expect(pattern)


def test_a_script_is_answered_line_by_line_and_leaves_a_run(desk: Desk) -> None:
    port = free_port()
    ended = script(
        desk,
        "# a comment",
        f"board listen {port}",
        f"raw connect {port} withhold-ack",
        "raw ack r1",
        "board accept s1",
        "raw close-crossing r1 s2",
        "raw ack r1",
        "time until CLOSED",
        options=f"--log-dir {desk.logs}",
    )
    assert ended.code == 0, ended
    assert ended.err == ""
    assert f"lab> board listen {port}\n" in ended.out
    assert f"from a terminal of yours: nc 127.0.0.1 {port}\n" in ended.out
    assert "python:  s1 = socket.socket()" in ended.out
    assert "c3 SYN_RCVD > ESTABLISHED: rx ACK" in ended.out
    assert "c3 (s2) FIN_WAIT_1 > CLOSING: rx FIN+ACK" in ended.out
    assert "c3 (s2) TIME_WAIT > CLOSED: timer 2MSL" in ended.out
    # What a line's answer tells is not told a second time as something that happened by itself.
    assert ended.out.count("> CLOSING") == 1
    run = Run.load(desk.logs / "lab.lwiprun")
    assert run.problems() == []
    assert list(desk.logs.glob("*.pcapng"))
    shown = desk.run("show", desk.logs / "lab.lwiprun")
    assert shown.code == 0
    assert "CLOSING" in shown.out


def test_a_failed_line_is_told_and_makes_the_exit_code_1(desk: Desk) -> None:
    ended = script(desk, "board acept s1", "table", "quit", "board listen 5", options="--lang en")
    assert ended.code == 1
    assert "no verb begins with 'board acept'" in ended.out
    assert "no pcb is taken" in ended.out
    assert "board listen 5" not in ended.out.partition("lab> quit")[2]
    (folder,) = (desk.work / "lwipscope-logs").iterdir()
    assert re.fullmatch(r"lab-\d{8}-\d{6}(-\d+)?", folder.name)


def test_a_learners_file_is_run_from_the_command_line(desk: Desk) -> None:
    desk.script("print('hello from the board')\n\n1 / 0\n")
    ended = desk.run("lab", "--terminal", "script", "app.py")
    assert ended.code == 1
    assert "app: hello from the board" in ended.out
    assert 'File "app.py", line 3' in ended.out


def test_the_prompt_is_there_soon(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    began_s = time.monotonic()
    program = at_the_prompt(desk)
    usable_s = time.monotonic() - began_s
    end(program)
    with capsys.disabled():
        sys.stdout.write(f" [usable after {usable_s:.2f} s] ")
    assert usable_s < USABLE_S


def test_live_lines_come_between_the_prompts_and_spare_what_is_typed(desk: Desk) -> None:
    pytest.importorskip("readline")
    program = at_the_prompt(desk)
    found = done(program, f"board listen {free_port()}", r"nc 127\.0\.0\.1 (\d+)")
    program.expect(READY)
    program.type("board acc")
    program.expect("lab> board acc")
    other = desk.start("nc", "127.0.0.1", found[1])
    # Above the line that is being typed, which stands there again afterwards.
    program.expect(r"\x1b\[J  \| c3 [^\n]*SYN_RCVD[^\n]*\n(  \| [^\n]*\n)*lab> board acc")
    program.type("ept s1\n")
    program.expect("s2 is the connection with")
    done(program, "board close s2", "FIN_WAIT_1")
    other.finish()
    end(program)


def test_tab_completes_and_the_arrow_brings_the_last_line_back(desk: Desk) -> None:
    pytest.importorskip("readline")
    program = at_the_prompt(desk)
    program.type("boa\tli\t6666\x15")
    program.expect("board listen 6666")
    program.type("time manual\n")
    program.expect("stands still")
    program.expect(READY)
    program.type("\x1b[A\n")
    program.expect(r"stands still(.*\n)*.*stands still")
    end(program)


def test_without_readline_it_works_too(desk: Desk) -> None:
    (desk.work / "readline.py").write_text("raise ImportError('none here')\n")
    program = desk.start(
        "lab", "--terminal", "--log-dir", desk.logs, terminal=True, PYTHONPATH=str(desk.work)
    )
    program.expect("^lab> ")
    done(program, "board listen 6666", "s1 listens")
    done(program, "raw connect 6666", "SYN_RCVD > ESTABLISHED")
    program.type("quit\n")
    assert program.finish().code == 0


def test_two_labs_at_once_have_folders_and_ports_of_their_own(desk: Desk) -> None:
    programs = [desk.start("lab", "--terminal", terminal=True) for _ in range(2)]
    port, found = free_port(), []
    for program in programs:
        program.expect("^lab> ")
        found.append(done(program, f"board listen {port}", r"nc 127\.0\.0\.1 (\d+)")[1])
    assert len(set(found)) == 2
    assert f"({port} is taken on this machine)" in programs[1].out
    for program in programs:
        done(program, f"raw connect {port}", "SYN_RCVD > ESTABLISHED")
        end(program)
    folders = list((desk.work / "lwipscope-logs").iterdir())
    assert len(folders) == 2
    assert all(Run.load(folder / "lab.lwiprun").problems() == [] for folder in folders)


@pytest.mark.parametrize("how", ["ctrl-c", "terminal", "SIGTERM", "idle", "ctrl-d"])
def test_however_it_ends_nothing_is_left_and_the_run_is_there(desk: Desk, how: str) -> None:
    idle = ("--idle-minutes", "0.02") if how == "idle" else ()
    program = at_the_prompt(desk, *idle)
    done(program, "board listen 6666", "s1 listens")
    done(program, "nc connect 6666", "SYN_RCVD > ESTABLISHED")
    if how == "ctrl-c":
        program.interrupt()
    elif how == "terminal":
        program.hang_up()
    elif how == "SIGTERM":
        os.kill(program.pid, signal.SIGTERM)
    elif how == "ctrl-d":
        program.expect(READY)
        program.type("\x04")
    ended = program.finish()
    assert ended.code == 0, ended
    if how == "idle":
        assert "nobody has used the lab" in ended.out
    assert Run.load(desk.logs / "lab.lwiprun").problems() == []


def test_a_killed_lab_leaves_nothing(desk: Desk) -> None:
    program = at_the_prompt(desk)
    done(program, "board listen 6666", "s1 listens")
    done(program, "nc connect 6666", "SYN_RCVD > ESTABLISHED")
    os.kill(program.pid, signal.SIGKILL)
    assert program.finish().code == -signal.SIGKILL


@pytest.mark.parametrize("option", [["--idle-minutes", "-1"], ["--port", "70000"]])
def test_wrong_options_are_told(desk: Desk, option: list[str]) -> None:
    ended = desk.run("lab", "--terminal", *option)
    assert ended.code == 2
    assert option[1] in ended.err


def test_a_folder_that_cannot_be_made_is_told(desk: Desk) -> None:
    file = desk.work / "file"
    file.write_text("")
    ended = desk.run("lab", "--terminal", "--log-dir", file / "logs")
    assert ended.code == 2
    assert "can't be made" in ended.err
