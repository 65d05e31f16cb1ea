"""`lwipscope lesson`: lessons in which the learner predicts, observes and explains."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.errors import UsageError
from lwipscope.lesson.checking import Checking
from lwipscope.lesson.commands import words_here
from lwipscope.lesson.explaining import explain
from lwipscope.lesson.folder import DEFAULT, folder_of, start, the_lesson
from lwipscope.lesson.library import lesson_named, lessons
from lwipscope.lesson.page import Page, lesson_page
from lwipscope.lesson.progress import Progress
from lwipscope.lesson.prose import LEAST_WIDTH, WIDTH
from lwipscope.lesson.runs import Made
from lwipscope.lesson.text import Lesson
from lwipscope.report.style import Style
from lwipscope.runfile.model import Run
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.lang import add_lang_option, chosen_lang, console_lang
from lwipscope.words.width import pad, width

_FILE_WIDTH = 90
_ABOUT = """\
Lessons about the states of TCP, 10 to 15 minutes each. You write down what you expect, run it on
the emulated board against an ordinary nc, see where the board went another way and why, and answer
questions about your own run. Nothing but lwipscope and QEMU is needed.
"""
_EXAMPLES = """\
a lesson from its beginning to its end:
  lwipscope lesson list          what there is, and how far you are
  lwipscope lesson start 1       makes the folder lwipscope-lessons/01-.../ and shows the lesson
                                 (write down in its answers.toml what you expect)
  lwipscope lesson check         records what you expect
                                 (run what the lesson says, and answer its questions)
  lwipscope lesson check         compares, and says which answers are right
  lwipscope lesson explain       the whole story, once you have tried

Exit codes: 0 complete, 1 not yet, 2 usage, 4 the newest run's evidence is incomplete.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "lesson",
        help="learn the states of TCP: predict, observe, explain",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listed = what.add_parser("list", help="all lessons, and how far you are with each")
    add_json_option(listed, "lessons")
    _common(listed, _list)
    begun = what.add_parser(
        "start",
        help="make a lesson's folder and show the lesson",
        description="Makes the lesson's folder with LESSON.txt, the programs and answers.toml, and "
        "shows the lesson. What is there already is kept.",
    )
    begun.add_argument("name", metavar="LESSON", help="its number, or its name")
    _common(begun, _start)
    checked = what.add_parser(
        "check",
        help="record predictions, compare with the run, mark answers",
        description="Records your predictions before the run; afterwards looks at the newest run "
        "of the lesson, shows where it parts from what you predicted and what made the "
        "difference, and says which answers are right. Runs are looked for in lwipscope-logs/ "
        "here and beside the lessons.",
        epilog="Exit codes: 0 complete, 1 not yet, 2 usage, 4 evidence incomplete.",
    )
    _maybe_named(checked)
    checked.add_argument(
        "--run",
        dest="run_file",
        type=Path,
        metavar="FILE",
        help="look at this run file (of `run`, `run-scenario` or `lab`) and at no other",
    )
    checked.add_argument(
        "--connection", type=_conn, metavar="cN", help="which connection, if the run has several"
    )
    _common(checked, _check)
    explained = what.add_parser(
        "explain",
        help="the answers and the whole story, once you have tried",
        description="Tells the whole story with RFC section and lwIP function. Refused before "
        "predictions, runs and an attempt at every question were checked.",
    )
    _maybe_named(explained)
    _common(explained, _explain)


def _common(parser: argparse.ArgumentParser, run: object) -> None:
    parser.add_argument(
        "--folder",
        type=Path,
        default=DEFAULT,
        metavar="DIR",
        help="the folder of your lessons [%(default)s]",
    )
    add_lang_option(parser)
    parser.set_defaults(run=run)


def _maybe_named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        metavar="LESSON",
        help="its number, or its name (default: the one of this folder, or the newest)",
    )


def _conn(text: str) -> int:
    number = text.removeprefix("c")
    if not (number.isascii() and number.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no connection; the ladder calls them c3")
    return int(number)


def _list(options: argparse.Namespace) -> int:
    if options.json:
        listed = [_told(each, options.folder) for each in lessons(chosen_lang(options.lang))]
        print_json("lessons", {"lessons": listed})
        return 0
    lang = console_lang(options.lang)
    tr, dress = translator(lang), Style.of(sys.stdout)
    every = lessons(lang)
    wide = max((width(each.title) for each in every), default=0)
    for each in every:
        told = _how_far(each, Progress.load(folder_of(each, options.folder)), tr)
        colour = "green" if told.startswith("✓") else "dim"
        minutes = tr("{minutes} min", minutes=each.minutes)
        line = f"{each.number:>3}  {pad(each.title, wide)}  {minutes:>7}   "
        print(dress.plain((line + dress.paint(told, colour)).rstrip()))
    print("\n" + tr("`lwipscope lesson start 1` begins; the order is from easy to hard."))
    return 0


def _told(lesson: Lesson, root: Path) -> dict[str, Any]:
    """One lesson for --json."""
    folder = folder_of(lesson, root)
    progress = Progress.load(folder)
    state = "not started"
    if progress is not None:
        state = "predicted" if progress.predicted else "started"
        state = "answering" if progress.tried else state
        state = "complete" if progress.completed_ns else state
    return {
        "number": lesson.number,
        "name": lesson.name,
        "title": lesson.title,
        "minutes": lesson.minutes,
        "state": state,
        "right": sum(each.right for each in progress.tried.values()) if progress else 0,
        "questions": len(lesson.questions),
        "explained": bool(progress and progress.explained_ns),
        "folder": str(folder),
    }


def _how_far(lesson: Lesson, progress: Progress | None, tr: Translator) -> str:
    if progress is None:
        return ""
    if progress.completed_ns:
        after = progress.explained_ns and progress.explained_ns < progress.completed_ns
        return "✓ " + (tr("complete, after the explanation") if after else tr("complete"))
    rights = sum(each.right for each in progress.tried.values())
    if progress.tried:
        return tr("{right} of {count} answers right", right=rights, count=len(lesson.questions))
    if progress.predicted:
        return tr("predicted")
    return tr("started")


def _start(options: argparse.Namespace) -> int:
    # The file is UTF-8 in any case; the terminal may not show every language.
    in_file, shown = chosen_lang(options.lang), console_lang(options.lang)
    lesson = lesson_named(options.name, in_file)
    folder = folder_of(lesson, options.folder)
    file_page = Page(Style(), translator(in_file), words_here(folder), _FILE_WIDTH)
    is_new = start(lesson, options.folder, file_page)
    page = replace(file_page, dress=Style.of(sys.stdout), tr=translator(shown), width=_width())
    print("\n".join(lesson_page(lesson_named(options.name, shown), page)))
    said = (
        page.tr("The lesson is in {folder}; this text is its LESSON.txt.", folder=folder)
        if is_new
        else page.tr(
            "The lesson was started before; what you wrote in {folder} is kept. To begin anew, "
            "remove that folder.",
            folder=folder,
        )
    )
    print("", *page.prose(said), sep="\n")
    if hint := path_hint(os.environ.get("PATH", ""), Path(sys.executable).parent):
        asked = page.tr("So that every terminal knows `lwipscope`, type this in each one first:")
        print("", *page.prose(asked), "", f"    {page.dress.paint(hint, 'cyan')}", sep="\n")
    return 0


def path_hint(path: str, scripts: Path) -> str:
    """The line that makes a shell find `lwipscope`; empty if it does, or if that is not known."""
    if shutil.which("lwipscope", path=path) or not shutil.which("lwipscope", path=str(scripts)):
        return ""
    if os.name == "nt":
        return f"set PATH={scripts};%PATH%"
    return f"export PATH={shlex.quote(str(scripts))}:$PATH"


def _check(options: argparse.Namespace) -> int:
    lesson, folder, progress, page = _opened(options)
    run = None
    if options.run_file is not None:
        run = Made(options.run_file, Run.load(options.run_file))
    checking = Checking(lesson, folder, progress, page, run, options.connection)
    try:
        code = checking.check()
    finally:
        print("\n".join(page.dress.plain(line) for line in checking.lines))
    return code


def _explain(options: argparse.Namespace) -> int:
    lesson, folder, progress, page = _opened(options)
    print("\n".join(page.dress.plain(line) for line in explain(lesson, folder, progress, page)))
    return 0


def _opened(options: argparse.Namespace) -> tuple[Lesson, Path, Progress, Page]:
    lang = console_lang(options.lang)
    tr = translator(lang)
    lesson, folder = the_lesson(options.name, options.folder, lang, tr)
    progress = Progress.load(folder)
    if progress is None or progress.lesson != lesson.name:
        raise UsageError(tr("{folder} is the folder of another lesson", folder=folder))
    return lesson, folder, progress, Page(Style.of(sys.stdout), tr, words_here(folder), _width())


def _width() -> int:
    """Of the terminal, within what reads well."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(LEAST_WIDTH, min(WIDTH, shutil.get_terminal_size().columns))
