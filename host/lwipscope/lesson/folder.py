"""The learner's folder of lessons: one folder for each lesson that was started, nothing elsewhere.

`start` makes LESSON.txt, the programs, answers.toml and progress.json; what is there already is
kept. `the_lesson` finds which lesson a command means when it names none.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.lesson.answers import template
from lwipscope.lesson.library import lesson_named, lesson_names, load, program_text
from lwipscope.lesson.page import ANSWERS, Page, lesson_page
from lwipscope.lesson.progress import FILE, Progress
from lwipscope.lesson.text import Lesson
from lwipscope.words.catalogue import Translator

DEFAULT = Path("lwipscope-lessons")
TEXT = "LESSON.txt"


def folder_of(lesson: Lesson, root: Path) -> Path:
    """Where a lesson is or will be."""
    return root / lesson.name


def start(lesson: Lesson, root: Path, page: Page) -> bool:
    """Make the lesson's folder; False if it was there, and then only what is missing is made.

    `page` is without colours: it is for the file.
    """
    folder = folder_of(lesson, root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            page.tr(
                "{folder}: can't be made: {why}; try --folder DIR",
                folder=folder,
                why=error.strerror,
            )
        ) from error
    begun = Progress.load(folder)
    for each in lesson.experiments:
        for name in filter(None, (each.program, *each.files)):
            _make(folder / Path(name).name, program_text(name))
    _make(folder / ANSWERS, template(lesson, page.words, page.tr).encode())
    # The text may be newer, or wanted in another language, and nobody writes into it.
    text = "\n".join(lesson_page(lesson, page)) + "\n"
    _make(folder / TEXT, text.encode(), anew=True)
    if begun is None:
        Progress(lesson.name, time.time_ns()).save(folder)
    return begun is None


def the_lesson(given: str | None, root: Path, lang: str, tr: Translator) -> tuple[Lesson, Path]:
    """The lesson that is meant and its folder: the one named, the one of this folder, or the one
    that was worked at last."""
    if given is not None:
        lesson = lesson_named(given, lang)
        here = Path()
        at_home = (here / FILE).exists() and here.resolve().name == lesson.name
        folder = here if at_home else folder_of(lesson, root)
    else:
        folder = _newest(root, tr)
        progress = Progress.load(folder)
        known = progress.lesson if progress is not None else ""
        if known not in lesson_names():
            raise UsageError(
                tr("{folder}: no lesson is called {name} here", folder=folder, name=repr(known))
            )
        lesson = load(known, lang)
    if not (folder / FILE).exists():
        raise UsageError(
            tr(
                "lesson {number} was not started in {root}: `lwipscope lesson start {number}` does "
                "that (or say --folder DIR)",
                number=lesson.number,
                root=f"{root}{os.sep}",
            )
        )
    return lesson, folder


def _newest(root: Path, tr: Translator) -> Path:
    if (Path() / FILE).exists():
        return Path()
    found = [*root.glob(f"*/{FILE}")] if root.is_dir() else []
    if not found:
        raise UsageError(
            tr(
                "no lesson was started in {root}: `lwipscope lesson start 1` begins with the first "
                "(or say --folder DIR)",
                root=f"{root}{os.sep}",
            )
        )
    times = {path: max(_age(path), _age(path.with_name(ANSWERS))) for path in found}
    return max(found, key=lambda path: times[path]).parent


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _make(path: Path, data: bytes, *, anew: bool = False) -> None:
    """Write a file, unless it is there already; never half of it."""
    if path.exists() and not anew:
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            beside.write_bytes(data)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error
