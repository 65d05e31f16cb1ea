"""`lwipscope lesson` as a learner types it: a whole lesson, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from cli.harness import Desk, Done, Program, free_port, one_message, which
from lwipscope.lesson.library import SOLVED, lesson_names

LESSON = Path("lwipscope-lessons/01-three-way-handshake")
PREDICTED = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSED"
SEEN = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"


def fill(desk: Desk, key: str, value: str) -> None:
    """Write between the quotation marks of answers.toml."""
    path = desk.work / LESSON / "answers.toml"
    text, count = re.subn(rf"^{key} = .*$", f'{key} = "{value}"', path.read_text(), flags=re.M)
    assert count == 1, key
    path.write_text(text)


def complete(desk: Desk, name: str = "handshake.py") -> Path:
    """Do what the program's gaps ask for, at a port of this test's own."""
    path = desk.work / LESSON / name
    shutil.copy(SOLVED / name, path)
    return path


def run_program(desk: Desk) -> Program:
    return desk.start("run", LESSON / "handshake.py", "--port", str(free_port()))


def talk_by_nc(desk: Desk, program: Program) -> None:
    """What the lesson says: connect, type a line, Ctrl-C."""
    port = program.expect(r"the board's port 6666:  nc 127.0.0.1 (\d+)")[1]
    nc = desk.start_other(which("nc"), "127.0.0.1", port, terminal=True)
    program.expect("SYN_RCVD > ESTABLISHED")
    nc.type("hello\n")
    nc.expect(r"hello\n(?:.*\n)*?hello")  # the terminal's echo, and the board's
    nc.interrupt()
    nc.finish()


def observed(desk: Desk) -> None:
    """Predicted, completed and run."""
    assert desk.run("lesson", "start", "1").code == 0
    fill(desk, "server", PREDICTED)
    assert desk.run("lesson", "check").code == 1
    complete(desk)
    program = run_program(desk)
    talk_by_nc(desk, program)
    assert program.finish().code == 0


def numbers(desk: Desk) -> str:
    """The number that the third segment acknowledges, from what `show` prints."""
    done = desk.run("show", "--tcpdump", "-n", "-S")
    acks = re.findall(r"Flags \[\.\], ack (\d+)", done.out)
    return str(acks[0])


def test_a_whole_lesson(desk: Desk) -> None:
    listed = desk.run("lesson", "list")
    assert listed.code == 0
    assert len(re.findall(r"^ *\d+  ", listed.out, re.M)) == len(lesson_names())
    begun = desk.run("lesson", "start", "1")
    assert (begun.code, begun.err) == (0, "")
    assert f"lwipscope run {LESSON}/handshake.py" in begun.out
    assert "nc 127.0.0.1 6666" in begun.out
    assert (desk.work / LESSON / "LESSON.txt").read_text().startswith("Lesson 1: Three-way")
    first = desk.run("lesson", "check")
    assert first.code == 1
    assert "not written yet" in first.out
    fill(desk, "server", PREDICTED)
    second = desk.run("lesson", "check")
    assert second.code == 1
    assert "Recorded. Now run it" in second.out
    refused = desk.run("lesson", "explain")
    assert refused.code == 1
    assert "the run of handshake.py" in one_message(refused)
    complete(desk)
    program = run_program(desk)
    talk_by_nc(desk, program)
    assert program.finish().code == 0
    third = desk.run("lesson", "check")
    assert third.code == 1
    assert re.search(r"CLOSED +≠ CLOSE_WAIT +segment \d+ came in, FIN\+ACK", third.out)
    assert "After ESTABLISHED you expected CLOSED. The board went to CLOSE_WAIT" in third.out
    assert "q1: not answered yet" in third.out
    wrong = {"q1": "ACK", "q2": "1", "q3": "536", "q4": "LISTEN", "q5": "a"}
    for key, value in wrong.items():
        fill(desk, key, value)
    fourth = desk.run("lesson", "check")
    assert fourth.code == 1
    assert fourth.out.count("not yet") == len(wrong)
    assert "SYN+ACK" not in fourth.out.partition("Questions")[2]
    assert "Look here" not in fourth.out
    fill(desk, "q1", "FIN")
    assert "Look here: Second arrow" in desk.run("lesson", "check").out
    right = {"q1": "[S.]", "q2": numbers(desk), "q3": "1460 bytes", "q4": "SYN-RECEIVED", "q5": "b"}
    for key, value in right.items():
        fill(desk, key, value)
    last = desk.run("lesson", "check")
    assert (last.code, last.err) == (0, "")
    assert "Lesson 1 is complete" in last.out
    explained = desk.run("lesson", "explain")
    assert explained.code == 0
    assert "RFC 9293, sections 3.5" in explained.out
    assert "tcp_listen_input()" in explained.out
    assert "server.listen(2)" in explained.out
    assert re.search(
        r"^ +1  Three-way handshake +12 min +✓ complete$", desk.run("lesson", "list").out, re.M
    )


def test_a_prediction_made_or_changed_after_the_run(desk: Desk) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    complete(desk)
    program = run_program(desk)
    talk_by_nc(desk, program)
    program.finish()
    fill(desk, "server", SEEN)
    late = desk.run("lesson", "check")
    assert late.code == 1
    assert "taken on your word" in " ".join(late.out.split())
    assert "As you predicted: every state, in this order." in late.out
    program = run_program(desk)
    talk_by_nc(desk, program)
    program.finish()
    good = desk.run("lesson", "check")
    assert "As you predicted: every state, in this order." in good.out
    assert "taken on your word" not in " ".join(good.out.split())
    fill(desk, "server", PREDICTED)
    changed = desk.run("lesson", "check")
    assert f"changed to {PREDICTED} after the run" in " ".join(changed.out.split())
    assert "As you predicted" in changed.out


def test_another_exchange_than_the_one_meant(desk: Desk) -> None:
    """nc says nothing: the board sees the end, and the learner is told what was seen."""
    assert desk.run("lesson", "start", "1").code == 0
    fill(desk, "server", PREDICTED)
    complete(desk)
    path = desk.work / LESSON / "handshake.py"
    path.write_text(path.read_text().replace("connection.recv(100)  # waits until the", "#"))
    assert desk.run("lesson", "check").code == 1
    program = run_program(desk)
    port = program.expect(r"the board's port 6666:  nc 127.0.0.1 (\d+)")[1]
    nc = desk.start_other(which("nc"), "127.0.0.1", port, terminal=True)
    program.expect("SYN_RCVD > ESTABLISHED")
    nc.type("hello\n")
    program.expect("ESTABLISHED > FIN_WAIT_1")
    nc.interrupt()
    nc.finish()
    program.finish()
    done = desk.run("lesson", "check")
    assert done.code == 1
    assert "up to ESTABLISHED it is the one meant; then the board went to FIN_WAIT_1" in done.out
    assert "the program called close()" in done.out
    assert "In this lesson nc ends first" in done.out
    assert SEEN not in done.out


def test_a_program_with_gaps_and_with_errors(desk: Desk) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    fill(desk, "server", PREDICTED)
    assert desk.run("lesson", "check").code == 1
    path = desk.work / LESSON / "handshake.py"
    path.write_text(path.read_text().replace("import time\n", "import time\nx = 1 / 0\n"))
    assert run_program(desk).finish().code == 1
    raised = desk.run("lesson", "check")
    number = path.read_text().split("\n").index("x = 1 / 0") + 1
    assert f"ZeroDivisionError: divide by zero at handshake.py:{number}" in raised.out
    assert "x = 1 / 0" in raised.out
    path.write_text(path.read_text().replace("x = 1 / 0", "x = = 1"))
    assert run_program(desk).finish().code == 1
    broken = desk.run("lesson", "check")
    assert f"SyntaxError: invalid syntax at handshake.py:{number}" in broken.out
    path.write_text(path.read_text().replace("x = = 1", ""))
    assert run_program(desk).finish().code == 1
    gaps = desk.run("lesson", "check")
    assert "NameError" in gaps.out
    assert re.search(r"handshake.py:\d+: still to be completed: # \.\.\. take the", gaps.out)


def test_incomplete_evidence_and_a_run_file_by_name(desk: Desk) -> None:
    observed(desk)
    (run_file,) = (desk.work / "lwipscope-logs").rglob("*.lwiprun")
    whole = run_file.read_bytes()
    run_file.write_bytes(whole[: len(whole) - 40])
    cut = desk.run("lesson", "check")
    assert cut.code == 4
    assert "counts neither way" in cut.out
    elsewhere = desk.work / "elsewhere.lwiprun"
    elsewhere.write_bytes(whole)
    assert "After ESTABLISHED you expected" in desk.run("lesson", "check", "--run", elsewhere).out
    text = desk.script("no run", "x.lwiprun")
    assert desk.run("lesson", "check", "--run", text).code == 2
    other = desk.run("lesson", "check", "--run", elsewhere, "--connection", "c9")
    assert other.code == 1
    assert "this run has none" in other.out


def test_two_connections_fit(desk: Desk) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    fill(desk, "server", PREDICTED)
    path = complete(desk)
    source = path.read_text().replace("server.close()", "")
    twice = source.replace("connection, peer = server.accept()", "for i in range(2):", 1)
    body = twice.partition("for i in range(2):")
    tail = "".join(f"    {line}\n" for line in body[2].split("\n") if line)
    path.write_text(f"{body[0]}for i in range(2):\n    connection, peer = server.accept()\n{tail}")
    assert desk.run("lesson", "check").code == 1
    program = run_program(desk)
    talk_by_nc(desk, program)
    program.expect("LAST_ACK > CLOSED")
    port = program.expect(r"the board's port 6666:  nc 127.0.0.1 (\d+)")[1]
    nc = desk.start_other(which("nc"), "127.0.0.1", port, terminal=True)
    program.expect(r"SYN_RCVD > ESTABLISHED(?:.*\n)+.*SYN_RCVD > ESTABLISHED")
    nc.type("again\n")
    nc.expect(r"again\n(?:.*\n)*?again")
    nc.interrupt()
    nc.finish()
    program.finish()
    done = desk.run("lesson", "check")
    assert done.code == 1
    assert "2 connections of this run could be meant" in done.out
    conn = re.findall(r"^ +(c\d+) server", done.out, re.M)[1]
    chosen = desk.run("lesson", "check", "--connection", conn)
    assert f"connection {conn}" in chosen.out
    assert "After ESTABLISHED you expected" in chosen.out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ('server = "LISTEN', r"answers\.toml:12: this line can't be read"),
        ("server = SYN_RCVD", r"answers\.toml:12: this line can't be read"),
        ('server = "LISTEN > SIN_RCVD"', r"answers\.toml:12: server: 'SIN_RCVD' is no state"),
        ('sever = "LISTEN"', r"answers\.toml:12: sever is not asked here: expected server"),
        ("server = true", r"answers\.toml:12: server: expected a text between quotation marks"),
        ('server = ""\n[answer]', r"answers\.toml:13: 'answer' has no place here"),
    ],
)
def test_answers_that_are_none(desk: Desk, damage: str, said: str) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    path = desk.work / LESSON / "answers.toml"
    assert path.read_text().split("\n")[11] == 'server = ""'
    path.write_text(path.read_text().replace('server = ""', damage))
    done = desk.run("lesson", "check")
    assert done.code == (1 if "SIN_RCVD" in damage else 2)
    text = done.out + done.err
    assert re.search(said, " ".join(text.split())), text


@pytest.mark.parametrize("data", [b"\x00\xff\xfe", b"", b"just a letter to the teacher"])
def test_a_file_that_is_no_answers_file(desk: Desk, data: bytes) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    (desk.work / LESSON / "answers.toml").write_bytes(data)
    done = desk.run("lesson", "check")
    assert done.code == 2
    assert "answers.toml" in one_message(done)


def test_an_answers_file_that_is_gone(desk: Desk) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    (desk.work / LESSON / "answers.toml").unlink()
    assert "`lwipscope lesson start 1` makes a new one" in one_message(desk.run("lesson", "check"))
    assert desk.run("lesson", "start", "1").code == 0
    assert "not written yet" in desk.run("lesson", "check").out


def test_names_and_folders(desk: Desk) -> None:
    assert "did you mean three-way-handshake" in one_message(
        desk.run("lesson", "start", "3-way-handshak")
    )
    assert desk.run("lesson", "start", "99").code == 2
    assert "lesson start 1" in one_message(desk.run("lesson", "check"))
    assert "was not started" in one_message(desk.run("lesson", "check", "2"))
    assert desk.run("lesson", "start", "three-way", "--folder", "mine").code == 0
    assert (desk.work / "mine/01-three-way-handshake/answers.toml").exists()
    assert not (desk.work / "lwipscope-lessons").exists()
    assert desk.run("lesson", "check", "--folder", "mine").code == 1
    text = desk.script("", "a-file")
    assert desk.run("lesson", "start", "1", "--folder", text).code == 2
    progress = desk.work / "mine/01-three-way-handshake/progress.json"
    assert json.loads(progress.read_text())["lesson"] == "01-three-way-handshake"
    progress.write_text("{}")
    assert "damaged" in one_message(desk.run("lesson", "check", "--folder", "mine"))


def test_starting_again_keeps_what_was_written(desk: Desk) -> None:
    assert desk.run("lesson", "start", "1").code == 0
    fill(desk, "server", PREDICTED)
    again: Done = desk.run("lesson", "start", "1")
    assert again.code == 0
    assert "was started before" in again.out
    assert PREDICTED in (desk.work / LESSON / "answers.toml").read_text()


def test_in_the_folder_of_the_lesson(desk: Desk) -> None:
    """`check` without a name means the lesson of the folder where one is."""
    assert desk.run("lesson", "start", "1").code == 0
    assert desk.run("lesson", "start", "2").code == 0
    here = desk.work
    os.utime(here / LESSON / "progress.json", (1, 1))
    os.utime(here / LESSON / "answers.toml", (1, 1))
    assert "server-second" in desk.run("lesson", "check").out
    desk.work = here / LESSON
    try:
        done = desk.run("lesson", "check")
    finally:
        desk.work = here
    assert "server: not written yet (answers.toml:12)" in done.out


def test_netstat_beside_a_running_program(desk: Desk) -> None:
    """The table of a board whose line `run` has: both ends, and the listener."""
    program = desk.on_board(
        "import socket\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\nc, p = s.accept()\n"
        "c.recv(1)\nc.close()\n",
        *("--port", str(free_port())),
    )
    port = program.expect(r"the board's port 6666:  nc 127.0.0.1 (\d+)")[1]
    before = desk.run("netstat", "--find", "6666", "--style", "windows")
    assert re.search(r"0\.0\.0\.0:6666 .* LISTENING ", before.out), before.err
    nc = desk.start_other(which("nc"), "127.0.0.1", port, terminal=True)
    program.expect("SYN_RCVD > ESTABLISHED")
    during = desk.run("netstat", "--find", "6666")
    assert re.search(r"192\.0\.2\.10:6666 .* ESTABLISHED .*board c\d", during.out), during.err
    nc.interrupt()
    nc.finish()
    program.finish()
    assert desk.run("netstat").code == 3
