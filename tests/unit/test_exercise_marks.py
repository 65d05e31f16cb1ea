"""Seeds, submissions, and the files that grades are written into."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lwipscope.errors import UsageError
from lwipscope.exercise.library import EXERCISES, exercise
from lwipscope.exercise.lines import Lines
from lwipscope.exercise.marks import (
    COLUMNS,
    csv_text,
    json_text,
    junit_text,
    must_be_writable,
    write,
)
from lwipscope.exercise.result import KINDS, Grade, TestResult, shortened
from lwipscope.exercise.seeds import student_seed, test_random
from lwipscope.exercise.submissions import submissions
from lwipscope.exercise.words import words_of

TESTS = (
    TestResult("one", "passed", "", 0.5, {"PORT": 7}),
    TestResult("two", "failed", "expected\nseen \x1b[31m", 1.0, {"PORT": 8}),
    TestResult("three", "inconclusive", "a hole"),
    TestResult("four", "not played", "hung"),
)
GRADES = (
    Grade("=cmd()", "echo-server", 1, "graded", 1, 4, "", TESTS, 2.0),
    Grade("b\x00d\udcff", "", 2, "refused", 0, 0, "conftest.py: no"),
    Grade("c", "pool", 3, "error", 0, 5, "no QEMU"),
)


def test_a_seed_follows_from_teacher_exercise_and_student() -> None:
    seeds = {student_seed(*key) for key in [(1, "a", "x"), (2, "a", "x"), (1, "b", "x")]}
    seeds |= {student_seed(1, "a", "y"), student_seed(1, "ax", "")}
    assert len(seeds) == 5
    assert student_seed(1, "a", "x") == student_seed(1, "a", "x")
    # Pinned: a student has to be able to repeat a grading with a later version.
    assert student_seed(4711, "echo-server", "anna") == 1030583716


def test_the_random_numbers_of_a_test_are_its_own() -> None:
    for each in EXERCISES:
        for test in each.tests:
            first, again = (
                each.settings(test, test_random(5, each.name, test.name)) for _ in range(2)
            )
            other = each.settings(test, test_random(6, each.name, test.name))
            assert first == again != other
            assert 1024 < int(first["PORT"]) < 65536


def test_csv_has_a_row_for_each_and_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(GRADES))))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 4
    wide = [Grade(f"{sign}1", "pool", 1, "graded") for sign in ("\uff1d", "\uff0b", "\n=")]
    cells = [row[0] for row in csv.reader(io.StringIO(csv_text(wide)))][1:]
    assert all(cell.startswith("'") for cell in cells), cells
    assert rows[1][0] == "'=cmd()" and rows[1][2:5] == ["1", "4", "25"]
    assert rows[1][7] == "one=passed two=failed three=inconclusive four=not-played"
    assert "\x00" not in rows[2][0] and rows[2][5] == "refused" and "conftest" in rows[2][8]


def test_json_comes_back_as_it_was() -> None:
    told = json.loads(json_text(GRADES, 9, False, {"roomy": "abc"}))
    assert told["schema"] == "lwipscope.grade/1" and told["complete"] is False
    assert [g["points"] for g in told["grades"]] == [1, 0, 0]
    assert [TestResult.of(test) for test in told["grades"][0]["tests"]] == list(TESTS)
    with pytest.raises(ValueError, match="no kind"):
        TestResult.of({"kind": "bribed"})


def test_junit_counts_failures_errors_and_skipped() -> None:
    text = junit_text(GRADES)
    root = ET.fromstring(text.partition("\n")[2])
    counts = [[suite.get(k) for k in ("tests", "failures", "errors", "skipped")] for suite in root]
    assert counts == [["4", "1", "1", "1"], ["1", "1", "0", "0"], ["1", "0", "1", "0"]]
    assert "\x1b" not in text


def test_a_file_is_written_as_a_whole_or_told(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "ä\r\n", for_spreadsheets=True)
    assert (tmp_path / "a.csv").read_bytes() == b"\xef\xbb\xbf\xc3\xa4\r\n"
    with pytest.raises(UsageError, match="can't be written"):
        write(tmp_path / "none/a.csv", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_place_that_cannot_be_written_is_told_before_the_grading(tmp_path: Path) -> None:
    must_be_writable(tmp_path / "a.csv")
    for path in (tmp_path, tmp_path / "none/a.csv"):
        with pytest.raises(UsageError, match="can't be written"):
            must_be_writable(path)


def test_what_was_seen_is_one_line_a_test() -> None:
    text = "the program ended with an exception:\n  Traceback\n  OSError: 104"
    tests = (*TESTS, TestResult("five", "failed", text))
    seen = Grade("a", "pool", 1, "graded", 1, 5, "", tests).seen
    assert seen == (
        "two: expected; three: a hole; five: the program ended with an exception: OSError: 104"
    )


def test_submissions_are_folders_and_py_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        submissions(tmp_path, 1, None)
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna/main.py").write_text("# lwipscope exercise: pool\n")
    (tmp_path / "anna.py").write_text("# lwipscope exercise: chess\n")
    (tmp_path / "bert.py").write_text("x = 1\n")
    (tmp_path / "list.csv").write_text("")
    (tmp_path / ".hidden").mkdir()
    found = {s.student: s for s in submissions(tmp_path, 1, None)}
    assert sorted(found) == ["anna", "anna.py", "bert"]
    assert found["anna"].exercise == "pool" and not found["anna"].refused
    assert "no exercise 'chess'" in found["anna.py"].refused
    assert "does not say which" in found["bert"].refused
    named = {s.student: s for s in submissions(tmp_path, 1, exercise("pool"))}
    assert not named["bert"].refused and named["bert"].exercise == "pool"
    assert "it says that it is for the exercise chess" in named["anna.py"].refused


def test_no_submission_takes_the_name_of_another(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    for name in ("bert.py", "bert.py.py", "cora.py", "Cora.PY"):
        (tmp_path / name).write_text("x = 1\n")
    found = {s.student: s.path.name for s in submissions(tmp_path, 1, exercise("pool"))}
    assert found == {
        "bert": "bert",
        "bert.py": "bert.py",
        "bert.py.py": "bert.py.py",
        "cora": "cora.py",
        "Cora": "Cora.PY",
    }


def test_an_archive_is_told_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "Dora Smith.zip").write_bytes(b"PK")
    (found,) = submissions(tmp_path, 1, exercise("pool"))
    assert found.student == "Dora Smith.zip" and "unpack it first" in found.refused


def test_what_a_program_says_is_cut() -> None:
    assert shortened("expected\n  seen") == "expected\n  seen"
    long = shortened("\n".join(["first", "x" * 100_000, *["line"] * 10_000, "last"]))
    assert len(long) < 2_000 and long.startswith("first\n") and long.endswith("\nlast")


def test_a_grading_process_that_says_too_much_is_not_waited_for() -> None:
    says = "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)"
    with subprocess.Popen(
        [sys.executable, "-I", "-c", says], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            lines = Lines(process, b"{}\n")
            while lines.read(5.0):
                pass
            assert lines.too_long and not lines.ended
        finally:
            process.kill()


def test_each_exercise_has_its_words() -> None:
    for each in EXERCISES:
        words = words_of(each.name, "en")
        assert set(words.tests) == {test.name for test in each.tests}
        assert 4 <= len(each.tests) <= 6
        compile(words.starter, each.name, "exec")
        assert "TODO" in words.starter and words.requirements and words.task
        names = each.settings(each.tests[0], test_random(1, "x", "y"))
        assert all(f"{name}" in words.task + " ".join(words.requirements) for name in names)


def test_every_kind_has_a_place_in_the_files() -> None:
    tests = tuple(TestResult(kind, kind) for kind in KINDS)
    text = junit_text([Grade("a", "pool", 1, "graded", 1, len(tests), "", tests)])
    root = ET.fromstring(text.partition("\n")[2])
    assert root[0].get("tests") == str(len(KINDS))
