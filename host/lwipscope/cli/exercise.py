"""`lwipscope exercise`: the learner writes the board's application, and it is checked."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from lwipscope.cli.common import NETWORK, style
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.progress import ProgressLine
from lwipscope.cli.run_files import LOGS
from lwipscope.errors import UsageError
from lwipscope.exercise.board_files import BoardFiles, read
from lwipscope.exercise.examiner import Examiner
from lwipscope.exercise.exercise import Exercise
from lwipscope.exercise.firmware import firmware_for
from lwipscope.exercise.folder import make_folder
from lwipscope.exercise.library import EXERCISES
from lwipscope.exercise.library import exercise as exercise_named
from lwipscope.exercise.result import KIND_WORDS, TestResult
from lwipscope.exercise.seeds import any_seed
from lwipscope.exercise.words import words_of
from lwipscope.report.style import Style
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.lang import Lang, add_lang_option, chosen_lang, console_lang

_ABOUT = """\
Exercises: you write the program that runs on the board, and tests play the other end. What they
saw on the board is told, not only that something failed.
"""
_EXAMPLES = """\
an exercise from its beginning to its end:
  lwipscope exercise list              what there is
  lwipscope exercise new echo-server   makes the folder echo-server/ with README.md and main.py
                                       (write the program)
  lwipscope run echo-server            try it by hand, with nc 127.0.0.1 6666
  lwipscope exercise check echo-server
                                       (a test failed: the same again, with a run file of it)
  lwipscope exercise check echo-server --seed SEED --log-dir lwipscope-logs
  lwipscope show lwipscope-logs/TEST.lwiprun

Exit codes of check: 0 all tests passed, 1 not, 2 usage, 3 no board, 4 no verdict.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "exercise",
        help="write the board's program yourself, and have it checked",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listed = what.add_parser("list", help="all exercises")
    add_json_option(listed, "exercises")
    listed.set_defaults(run=_list)
    new = what.add_parser("new", help="make a folder with the task and a program to begin with")
    new.add_argument("name", metavar="NAME", help="see `lwipscope exercise list`")
    new.add_argument("--folder", type=Path, metavar="DIR", help="the folder (default: ./NAME)")
    new.set_defaults(run=_new)
    check = what.add_parser(
        "check",
        help="play the tests against your program",
        description="Each test runs the program on a fresh emulated board, with a config.py of its "
        "own. The seed makes ports, data and schedules; the same seed repeats them.",
    )
    check.add_argument(
        "program",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER|FILE",
        help="a folder with main.py, or one file (default: this folder)",
    )
    check.add_argument("--seed", type=int, metavar="N", help="repeat the tests of a former check")
    check.add_argument("--exercise", metavar="NAME", help="if the program does not say which")
    check.add_argument("--only", metavar="TEST", help="play this test only")
    check.add_argument("--wire", choices=list(NETWORK), default="auto", help="see `lwipscope run`")
    check.add_argument(
        "--grading",
        action="store_true",
        help="on the firmware that grades are given on, in which machine.mem32 and others are not",
    )
    check.add_argument(
        "--log-dir",
        type=Path,
        metavar="DIR",
        help="where a run file of each test goes that was not passed, for `lwipscope show` "
        "(default: none is kept)",
    )
    check.set_defaults(run=_check)
    for each in (listed, new, check):
        add_lang_option(each)


def _list(options: argparse.Namespace) -> int:
    if options.json:
        print_json("exercises", {"exercises": _told(chosen_lang(options.lang))})
        return 0
    lang = console_lang(options.lang)
    tr = translator(lang)
    for each in EXERCISES:
        words = words_of(each.name, lang)
        minutes = tr("{minutes} minutes", minutes=words.minutes)
        print(f"{each.name:<16} {words.about} ({minutes})")
    return 0


def _told(lang: Lang) -> list[dict[str, Any]]:
    """The list for --json."""
    return [
        {
            "name": each.name,
            "title": words.title,
            "minutes": words.minutes,
            "about": words.about,
            "profile": each.profile,
            "tests": {test.name: words.tests[test.name] for test in each.tests},
        }
        for each in EXERCISES
        for words in (words_of(each.name, lang),)
    ]


def _new(options: argparse.Namespace) -> int:
    chosen = exercise_named(options.name)
    folder = options.folder or Path(chosen.name)
    lang = console_lang(options.lang)
    tr = translator(lang)
    make_folder(folder, chosen, words_of(chosen.name, lang), tr)
    print(tr("{folder} has README.md (the task), main.py (your program), config.py", folder=folder))
    print(tr("check it by: {command}", command=f"lwipscope exercise check {folder}"))
    return 0


def chosen_exercise(files: BoardFiles, name: str | None) -> Exercise:
    """By option, or by what the program says."""
    if name or files.exercise:
        return exercise_named(name or files.exercise)
    raise UsageError(
        f"{files.name}: the program does not say which exercise it is for: put the line "
        "`# lwipscope exercise: NAME` at its beginning, or use --exercise NAME"
    )


def _check(options: argparse.Namespace) -> int:
    files = read(options.program)
    chosen = chosen_exercise(files, options.exercise)
    lang = console_lang(options.lang)
    tr, dress = translator(lang), style()
    seed = any_seed() if options.seed is None else options.seed
    tests = tuple(t for t in chosen.tests if options.only in (None, t.name))
    if not tests:
        names = ", ".join(test.name for test in chosen.tests)
        raise UsageError(f"--only {options.only}: {chosen.name} has the tests {names}")
    progress = ProgressLine()
    try:
        firmware = firmware_for(chosen.profile, grading=options.grading, progress=progress)
    finally:
        progress.done()
    print(tr("exercise {name}, seed {seed}", name=chosen.name, seed=seed), flush=True)
    results = []
    with (
        Keeper.start(NETWORK[options.wire]) as keeper,
        Examiner(firmware, keeper, tr, recordings=options.log_dir) as examiner,
    ):
        for result in examiner.examine(chosen, files, seed, tests):
            results.append(result)
            show(result, words_of(chosen.name, lang).tests[result.name], tr, dress)
    passed = sum(result.passed for result in results)
    print(tr("{passed} of {count} tests passed", passed=passed, count=len(results)))
    if passed == len(results):
        return 0
    print(tr("the same again: {command}", command=_again(options, seed)))
    if options.log_dir is not None:
        print(tr("run files: {folder}", folder=options.log_dir))
        missed = next(result for result in results if not result.passed)
        path = options.log_dir / f"{missed.name}.lwiprun"
        print(dress.plain(f"  lwipscope show {shlex.quote(str(path))}"))
    return 4 if any(r.kind == "inconclusive" for r in results) else 1


def _again(options: argparse.Namespace, seed: int) -> str:
    """The same tests, with run files of those that are not passed."""
    words = ["lwipscope", "exercise", "check", str(options.program), "--seed", str(seed)]
    for name in ("exercise", "only"):
        if getattr(options, name):
            words += [f"--{name}", getattr(options, name)]
    if options.wire != "auto":
        words += ["--wire", options.wire]
    if options.grading:
        words.append("--grading")
    return shlex.join([*words, "--log-dir", str(options.log_dir or LOGS)])


def show(result: TestResult, about: str, tr: Translator, dress: Style) -> None:
    """One test: what it does, and what was seen."""
    mark = dress.paint("✓", "green") if result.passed else dress.paint("✗", "red")
    kind = "" if result.passed else f" [{tr(KIND_WORDS[result.kind])}]"
    print(dress.plain(f"{mark} {result.name}: {about}{kind}"))
    if not result.passed:
        settings = ", ".join(f"{name} = {value!r}" for name, value in result.settings.items())
        lines = [*result.text.splitlines(), *([f"config.py: {settings}"] if settings else [])]
        for line in lines:
            print(dress.plain(f"    {line}"))
    sys.stdout.flush()
