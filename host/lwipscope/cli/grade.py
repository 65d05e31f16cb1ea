"""`lwipscope grade FOLDER`: the teacher's own run of all submissions, and their marks."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lwipscope.cli.common import NETWORK, style
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import Inconclusive
from lwipscope.exercise.firmware import firmware_for
from lwipscope.exercise.grading import Conditions, Grading
from lwipscope.exercise.library import exercise as exercise_named
from lwipscope.exercise.marks import (
    csv_text,
    json_text,
    junit_text,
    must_be_writable,
    printable,
    write,
)
from lwipscope.exercise.result import Grade
from lwipscope.exercise.seeds import any_seed
from lwipscope.exercise.submissions import Submission, submissions
from lwipscope.firmware.firmware import Firmware, Profile
from lwipscope.firmware.progress import Step
from lwipscope.report.style import safe
from lwipscope.words.catalogue import Translator, mark, translator
from lwipscope.words.lang import add_lang_option, console_lang
from lwipscope.words.width import cut, pad, width

_INTERRUPTED = 130
_WIDEST_NAME = 32
_ABOUT = """\
Every folder in FOLDER, and every .py file, is one submission: board files only, with a main.py
whose line `# lwipscope exercise: NAME` says what it is for. Each is examined here, on the grading
firmware, in a process of its own, with a seed that follows from yours and the student's name.
Nothing of a submission runs on this machine outside the emulated board.
"""
_EPILOG = """\
A grade is refused, with the reason, for files that are not for a board, links, devices and
whatever is too large. A program that hangs, floods, crashes or restarts its board, or tampers with
the evidence gets no point for that test, and what was seen is told. A student repeats a test by:
  lwipscope exercise check FOLDER --seed SEED       (the SEED that the table names)

Exit codes: 0 all were graded or refused, 4 some could not be, 130 interrupted (what was graded
until then is told and written).
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "grade",
        help="grade a folder of submissions, each in a process of its own",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the submissions")
    parser.add_argument("--jobs", type=int, metavar="N", help="at the same time (default: cores)")
    parser.add_argument("--seed", type=int, metavar="S", help="yours; default: one by chance")
    parser.add_argument("--exercise", metavar="NAME", help="what all submissions are for")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="one row a submission")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything (lwipscope.grade/1)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML, a suite each")
    parser.add_argument(
        "--log-dir",
        type=Path,
        metavar="DIR",
        help="where run files of the tests go that were not passed (default: none is kept)",
    )
    parser.add_argument("--wire", choices=list(NETWORK), default="auto", help="see `lwipscope run`")
    add_lang_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Grade, show, write."""
    lang = console_lang(options.lang)
    tr = translator(lang)
    only = exercise_named(options.exercise) if options.exercise else None
    seed = any_seed() if options.seed is None else options.seed
    for path in (options.csv, options.json, options.junit):
        if path is not None:
            must_be_writable(path)
    submitted = submissions(options.folder, seed, only)
    firmware = _firmware(submitted)
    conditions = Conditions(firmware, NETWORK[options.wire], lang, options.log_dir)
    jobs = _cores() if options.jobs is None else options.jobs
    print(
        tr("{count} submissions, seed {seed}", count=len(submitted), seed=seed),
        flush=True,
    )
    grades: list[Grade] = []
    progress = ProgressLine() if sys.stderr.isatty() else None
    interrupted = False
    try:
        with Grading(submitted, conditions, jobs) as grading:
            for grade in grading.grades():
                grades.append(grade)
                if progress is not None:
                    text = tr("graded {student}", student=cut(safe(printable(grade.student)), 40))
                    progress(Step(text, len(grades), len(submitted)))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if progress is not None:
            progress.done()
    grades = _all(grades, submitted)
    _table(grades, tr)
    complete = not interrupted
    _write(options, grades, seed, complete, {p: f.build_id for p, f in firmware.items()})
    if interrupted:
        done = sum(grade.status != "not graded" for grade in grades)
        text = tr("interrupted: {done} of {count} were graded", done=done, count=len(grades))
        print(f"\nlwipscope: {text}", file=sys.stderr)
        return _INTERRUPTED
    unclear = [g for g in grades if g.status == "error" or _has_no_verdict(g)]
    return Inconclusive.exit_code if unclear else 0


def _has_no_verdict(grade: Grade) -> bool:
    return any(test.kind == "inconclusive" for test in grade.tests)


def _firmware(submitted: Sequence[Submission]) -> dict[Profile, Firmware]:
    """For the exercises that there are; built before the first submission's time runs."""
    profiles = {exercise_named(s.exercise).profile for s in submitted if not s.refused}
    progress = ProgressLine()
    try:
        return {
            profile: firmware_for(profile, grading=True, progress=progress)
            for profile in sorted(profiles)
        }
    finally:
        progress.done()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _all(grades: Sequence[Grade], submitted: Sequence[Submission]) -> list[Grade]:
    """In the order of the names, also those that were not reached."""
    by_name = {grade.student: grade for grade in grades}
    return [
        by_name.get(each.student)
        or Grade(each.student, each.exercise, each.seed, "not graded", reason="interrupted")
        for each in submitted
    ]


_STATUS: Mapping[str, str] = {
    "graded": mark("graded"),
    "refused": mark("refused"),
    "killed": mark("killed"),
    "error": mark("error"),
    "not graded": mark("not graded"),
}


def _table(grades: Sequence[Grade], tr: Translator) -> None:
    dress = style()
    names = [cut(safe(printable(grade.student)), _WIDEST_NAME) for grade in grades]
    head = (tr("student"), tr("exercise"), tr("points"), tr("seed"))
    columns = max(width(head[0]), *(width(name) for name in names))
    second = max(width(head[1]), *(width(grade.exercise) for grade in grades))
    print(
        f"\n{pad(head[0], columns)}  {pad(head[1], second)}  {pad(head[2], 6)}  "
        f"{pad(head[3], 10, 'right')}  {tr('remark')}"
    )
    for name, grade in zip(names, grades, strict=True):
        points = f"{grade.points}/{grade.most}"
        status = "" if grade.status == "graded" else f"{tr(_STATUS[grade.status])}: "
        print(
            dress.plain(
                f"{pad(name, columns)}  {pad(grade.exercise, second)}  {pad(points, 6)}  "
                f"{grade.seed:>10}  {status}{safe(printable(grade.remark))}".rstrip()
            )
        )


def _write(
    options: argparse.Namespace,
    grades: Sequence[Grade],
    seed: int,
    complete: bool,
    firmware: Mapping[str, str],
) -> None:
    if options.csv is not None:
        write(options.csv, csv_text(grades), for_spreadsheets=True)
    if options.json is not None:
        write(options.json, json_text(grades, seed, complete, firmware))
    if options.junit is not None:
        write(options.junit, junit_text(grades))
