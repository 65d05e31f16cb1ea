"""A class is graded as a teacher does it: good, wrong and hostile submissions side by side.

One grading for all tests of this module. The good ones get all points, each wrong one fails exactly
the tests meant for it, each hostile one is graded as what it is, and nothing of theirs runs here.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.harness import Desk, Done
from exercise.class_of_students import HOSTILE, PROGRAMS
from lwipscope.exercise.seeds import student_seed
from lwipscope.paths import cache_dir

SEED = 4711
GOOD = ("echo_server", "graceful_close", "never_leaks", "survives")
# The tests that each must fail, and words that have to be there; `~`: may fail, by chance.
WRONG = {
    "echo_one_recv": ("conversation long-message", "close() with unread data"),
    "echo_leaky": ("in-turn", "in CLOSE_WAIT since"),
    "echo_dies_on_reset": ("after-reset", "OSError: [Errno 104] ECONNRESET"),
    "echo_one_client": ("in-turn after-reset", "the program ended by itself"),
    "echo_fixed_port": (
        "greeting conversation long-message in-turn after-reset",
        "it listens at 0.0.0.0:6666",
    ),
    "graceful_one_recv": ("pieces long-document", "close() with unread data"),
    "graceful_send_once": ("long-document", "then the board closed (FIN)"),
    "leaks_without_timeout": ("silent vanished ~in-passing", "in ESTABLISHED since"),
    "leaks_impatient": ("silent", "then the board closed (FIN)"),
    "survives_dies_on_reset": ("refused resets no-answer", 'main.py", line'),
    "survives_without_timeout": ("no-answer", "SYN_SENT"),
    "survives_forgets_close": ("closes no-answer", "no pcb of a former one"),
}
HARM = {
    "hangs": ("hung", "expected the program to listen or to connect"),
    "floods_serial": ("flooded", "printed more than"),
    "floods_wire": ("flooded", "frames"),
    "restarts": ("reset", "restarted"),
    "hangs_board": ("hung", "it hangs"),
    "fills_memory": ("failed", "MemoryError"),
    "fakes_frames": ("evidence", "imitate"),
    "syntax_error": ("failed", "SyntaxError"),
    "long_exception": ("failed", "OSError: "),
    "serves_nobody": ("failed", "nothing came; then the board closed"),
    "needs_memory_access": ("failed", "AttributeError"),
}
REFUSED = {
    "brings-conftest": "conftest.py: is for the host's Python",
    "brings-ini": "pytest.ini: is for the host's tools",
    "brings-link": "secret.txt: expected a file, seen a link",
    "is-link": "expected a folder or a .py file, seen a link",
    "brings-nothing": "expected a main.py",
    "says-nothing": "does not say which exercise",
}


@dataclass(frozen=True)
class Graded:
    done: Done
    folder: Path

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "grades.json").read_text())
        return found

    def of(self, student: str) -> dict[str, Any]:
        found: dict[str, Any] = next(g for g in self.told["grades"] if g["student"] == student)
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[Desk]:
    home = Path(tempfile.mkdtemp(prefix="lg-", dir="/tmp"))
    desk = Desk(home, cache_dir())
    try:
        yield desk
        desk.assert_nothing_left()
    finally:
        desk.close()
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def graded(place: Desk) -> Graded:
    folder = place.work / "class"
    folder.mkdir()
    for name in GOOD:
        _submit(folder, f"good-{name}", (PROGRAMS / f"good/{name}.py").read_text())
    for name in WRONG:
        _submit(folder, name, (PROGRAMS / f"wrong/{name}.py").read_text())
    for name in HARM:
        _submit(folder, name, HOSTILE[name])
    _refusable(folder, place.work)
    shutil.copy(PROGRAMS / "good/echo_server.py", folder / "one-file.py")
    (folder / "names.csv").write_text("the teacher's own list\n")
    out = [f"--{kind}={place.work / f'grades.{kind}'}" for kind in ("csv", "json", "junit")]
    program = place.start("grade", folder, "--seed", str(SEED), "--jobs", "4", *out)
    done = program.finish(240)
    return Graded(done, place.work)


def _submit(folder: Path, student: str, source: str) -> Path:
    (folder / student).mkdir()
    (folder / student / "main.py").write_text(source)
    return folder / student


def _refusable(folder: Path, outside: Path) -> None:
    echo = (PROGRAMS / "good/echo_server.py").read_text()
    evil = f"open({str(outside / 'was-run')!r}, 'w').close()\n"
    (_submit(folder, "brings-conftest", echo) / "conftest.py").write_text(evil)
    (_submit(folder, "brings-ini", echo) / "pytest.ini").write_text("[pytest]\n")
    (_submit(folder, "brings-link", echo) / "secret.txt").symlink_to("/etc/hostname")
    (folder / "is-link").symlink_to(folder / "good-echo_server")
    (folder / "brings-nothing").mkdir()
    _submit(folder, "says-nothing", evil)


pytestmark = pytest.mark.timeout(300)


def test_the_command_succeeds_and_says_the_seed(graded: Graded) -> None:
    assert graded.done.code == 0, graded.done
    assert f"seed {SEED}" in graded.done.out
    assert graded.told["schema"] == "lwipscope.grade/1"
    assert graded.told["complete"] is True
    assert graded.told["seed"] == SEED


@pytest.mark.parametrize("name", [*(f"good-{name}" for name in GOOD), "one-file"])
def test_a_good_program_gets_all_points(graded: Graded, name: str) -> None:
    grade = graded.of(name)
    assert grade["status"] == "graded" and grade["points"] == grade["most"] >= 5, grade
    assert grade["seed"] == student_seed(SEED, grade["exercise"], name)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_fails_what_is_meant_for_it(graded: Graded, name: str) -> None:
    grade = graded.of(name)
    words, seen = WRONG[name]
    must = {word for word in words.split() if word[0] != "~"}
    may = {word[1:] for word in words.split() if word[0] == "~"}
    failed = {test["name"] for test in grade["tests"] if test["kind"] != "passed"}
    assert must <= failed <= must | may, grade
    assert {test["kind"] for test in grade["tests"]} <= {"passed", "failed", "not played"}, grade
    assert any(seen in test["text"] for test in grade["tests"]), grade
    assert grade["points"] == grade["most"] - len(failed)


@pytest.mark.parametrize("name", HARM)
def test_a_harmful_program_is_graded_as_such(graded: Graded, name: str) -> None:
    grade = graded.of(name)
    kind, seen = HARM[name]
    assert grade["status"] == "graded" and grade["points"] == 0, grade
    assert any(t["kind"] == kind and seen in t["text"] for t in grade["tests"]), grade
    assert grade["lasted_s"] < 30, grade
    assert all(len(test["text"]) < 5_000 for test in grade["tests"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_program_for_a_board_is_refused(graded: Graded, name: str) -> None:
    grade = graded.of(name)
    assert grade["status"] == "refused" and grade["points"] == 0, grade
    assert REFUSED[name] in grade["reason"], grade


def test_nothing_of_a_submission_runs_on_this_machine(graded: Graded) -> None:
    assert graded.done.code == 0
    assert not (graded.folder / "was-run").exists()


def test_csv_and_junit_say_the_same(graded: Graded) -> None:
    text = (graded.folder / "grades.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    grades = graded.told["grades"]
    assert [(r["student"], int(r["points"])) for r in rows] == [
        (g["student"], g["points"]) for g in grades
    ]
    suites = ET.parse(graded.folder / "grades.junit").getroot()
    for suite, grade in zip(suites, grades, strict=True):
        bad = int(suite.get("failures", "")) + int(suite.get("skipped", ""))
        assert int(suite.get("errors", "")) == 0
        expected = sum(test["kind"] != "passed" for test in grade["tests"])
        assert bad == expected + (grade["status"] != "graded"), grade


def test_an_interrupt_tells_what_there_is_and_leaves_nothing(place: Desk) -> None:
    folder = place.work / "interrupted"
    folder.mkdir()
    _submit(folder, "anna", (PROGRAMS / "good/echo_server.py").read_text())
    _submit(folder, "bert", HOSTILE["hangs"])
    _submit(folder, "cora", HOSTILE["hangs"])
    told = place.work / "partial.json"
    program = place.start("grade", folder, "--jobs", "1", "--json", told, terminal=True)
    program.expect("graded anna")
    program.interrupt()
    done = program.finish()
    assert done.code == 130 and "1 of 3 were graded" in done.out, done
    partial = json.loads(told.read_text())
    assert partial["complete"] is False
    assert [g["status"] for g in partial["grades"]] == ["graded", "not graded", "not graded"]
    place.assert_nothing_left()


def test_a_killed_grading_takes_its_boards_along(place: Desk) -> None:
    folder = place.work / "killed"
    folder.mkdir()
    _submit(folder, "bert", HOSTILE["hangs"])
    program = place.start("grade", folder, terminal=True)
    program.expect("1 submissions")
    while not place.processes("qemu-system-arm"):
        assert not program.pause(0.05), program
    os.kill(program.pid, signal.SIGKILL)
    program.process.wait(10)
    place.assert_nothing_left()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grade", "nowhere"), "nowhere: can't be read"),
        (("grade", "."), "expected a folder or a .py file for each submission"),
        (("exercise", "new", "chess"), "there is no exercise 'chess'"),
        (("exercise", "check", "nowhere"), "nowhere: can't be read"),
    ],
)
def test_a_mistake_is_told_in_one_line(place: Desk, arguments: tuple[str, ...], said: str) -> None:
    empty = place.home / "empty"
    empty.mkdir(exist_ok=True)
    words = [str(empty) if word == "." else word for word in arguments]
    done = place.run(*words)
    assert done.code == 2 and said in done.err, done
