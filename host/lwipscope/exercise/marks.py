"""Grades as files for other programs: CSV, JSON and JUnit XML.

CSV (RFC 4180, UTF-8 with a byte order mark, so that spreadsheets know it): one row a submission,
the columns of `COLUMNS`; `tests` is `NAME=KIND` for each test, separated by spaces; `seen` is one
line on each test without a point. A text that a spreadsheet would take for a formula gets an
apostrophe before it.

JSON: `schema` is `lwipscope.grade/1`; `seed` is the teacher's; `complete` is false if the grading
was interrupted; `firmware` is its build id by profile; `grades` has for each submission `student`,
`exercise`, `seed` (the student's), `status`, `points`, `most`, `reason`, `lasted_s` and `tests`,
each with `name`, `kind`, `text`, `lasted_s` and `settings` (what stood in config.py). `status`:
graded, refused (no program for a board), killed (not done in time), error (this machine's fault),
not graded (interrupted). `kind`: passed, failed, hung, flooded, crashed, reset, evidence (faked or
lost), inconclusive, not played. Points are the tests passed.

JUnit: a suite for each submission; failed tests are failures, what was no verdict is an error.
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.exercise.result import Grade, TestResult

SCHEMA = "lwipscope.grade/1"
COLUMNS = (
    *("student", "exercise", "points", "most", "percent"),
    *("status", "seed", "tests", "remark", "seen"),
)
# Those of full width are taken for the same by spreadsheets in Chinese and Japanese.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_text(grades: Sequence[Grade]) -> str:
    """The whole file."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(COLUMNS)
    for grade in grades:
        percent = round(100 * grade.points / grade.most) if grade.most else 0
        tests = " ".join(f"{test.name}={test.kind.replace(' ', '-')}" for test in grade.tests)
        row = (
            *(grade.student, grade.exercise, grade.points, grade.most, percent),
            *(grade.status, grade.seed, tests, grade.remark, grade.seen),
        )
        writer.writerow([_cell(value) for value in row])
    return made.getvalue()


def _cell(value: str | int) -> str:
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(
    grades: Sequence[Grade], seed: int, complete: bool, firmware: Mapping[str, str]
) -> str:
    """The whole file."""
    told = {
        "schema": SCHEMA,
        "seed": seed,
        "complete": complete,
        "firmware": dict(firmware),
        "grades": [asdict(grade) for grade in grades],
    }
    return json.dumps(told, indent=1) + "\n"


def junit_text(grades: Sequence[Grade]) -> str:
    """The whole file."""
    root = ET.Element("testsuites", name="lwipscope.grade")
    for grade in grades:
        suite = ET.SubElement(root, "testsuite", name=printable(grade.student))
        listed = ET.SubElement(suite, "properties")
        for name in ("exercise", "seed", "status", "points", "most"):
            ET.SubElement(listed, "property", name=name, value=str(getattr(grade, name)))
        cases = [_case(suite, grade, test) for test in grade.tests]
        if grade.status != "graded":
            kind = "failure" if grade.status in ("refused", "killed") else "error"
            case = ET.SubElement(
                suite, "testcase", classname=printable(grade.student), name="submission"
            )
            ET.SubElement(case, kind, message=printable(grade.reason.partition("\n")[0]))
            cases.append(kind)
        suite.set("tests", str(len(cases)))
        for kind, counter in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(counter, str(cases.count(kind)))
        suite.set("time", f"{grade.lasted_s:.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, grade: Grade, test: TestResult) -> str:
    """The test's element; the name of what is inside, "" for a test that was passed."""
    case = ET.SubElement(
        suite,
        "testcase",
        classname=printable(f"{grade.student}.{grade.exercise}"),
        name=test.name,
        time=f"{test.lasted_s:.3f}",
    )
    if test.passed:
        return ""
    kind = {"inconclusive": "error", "not played": "skipped"}.get(test.kind, "failure")
    said = ET.SubElement(
        case, kind, message=printable(f"{test.kind}: {test.text.partition(chr(10))[0]}")
    )
    if kind != "skipped":
        said.text = printable(test.text)
    return kind


def printable(text: str) -> str:
    """Without control characters, and in UTF-8: a file's name may be anything."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in clean)


def must_be_writable(path: Path) -> None:
    """Told before the grading, not behind it."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        why = "it is a folder" if path.is_dir() else f"{folder} is no folder to write into"
        raise UsageError(f"{path}: can't be written: {why}")


def write(path: Path, text: str, *, for_spreadsheets: bool = False) -> None:
    """The file is there as a whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            encoding = "utf-8-sig" if for_spreadsheets else "utf-8"
            beside.write_text(text, encoding=encoding, newline="")
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error
