"""Finds lessons: all of them in order, or one by its number or name, in the language wanted.

English files hold everything; a file of another language has the same shape and replaces texts
only, so that no expectation or answer exists twice. A part that is missing there stays English.
"""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.lesson.text import BadLesson, Lesson, read_lesson
from lwipscope.paths import share_dir

FOLDER = Path(__file__).parent
TEXTS = FOLDER / "texts"
PROGRAMS = share_dir("firmware") / "lessons"
SOLVED = PROGRAMS / "solved"
TRANSLATED = frozenset(
    {"title", "about", "do", "predict", "predict_choices", "look", "otherwise"}
    | {"ask", "choices", "hint", "because", "text"}
)
"""Keys that a file of another language may have; all others are taken from the English one."""

_FILE = re.compile(r"(\d\d)-[a-z0-9-]+")


def lesson_names() -> list[str]:
    """`NN-name` of all lessons, in order."""
    return sorted(p.stem for p in (TEXTS / "en").glob("*.toml") if _FILE.fullmatch(p.stem))


def lessons(lang: str = "en") -> list[Lesson]:
    """All lessons, in order."""
    return [load(name, lang) for name in lesson_names()]


def lesson_named(text: str, lang: str = "en") -> Lesson:
    """By its number (3, 03), its name, with or without the number, or the beginning of it."""
    return load(_name_of(text.strip().lower(), lesson_names()), lang)


def load(name: str, lang: str = "en") -> Lesson:
    """The lesson `NN-name`."""
    path = TEXTS / "en" / f"{name}.toml"
    table = _table(path)
    other = TEXTS / lang / f"{name}.toml"
    if lang != "en" and other.exists():
        table = translated(table, _table(other))
    return read_lesson(path.name, int(name[:2]), name, table)


def translated(english: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The English table with the texts of the other one in their places."""
    made = copy.deepcopy(english)
    _replace(made, other)
    return made


def program_text(name: str, *, solved: bool = False) -> bytes:
    """A program of a lesson; solved: completed, where it has gaps."""
    path = SOLVED / name
    if not solved or not path.exists():
        path = PROGRAMS / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadLesson(f"the lesson's program {name} is missing: {error.strerror}") from error


def _replace(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if key not in into:
            continue
        here = into[key]
        if isinstance(here, dict) and isinstance(value, dict):
            _replace(here, value)
        elif key in TRANSLATED:
            if type(here) is type(value) and (isinstance(here, str) or len(here) == len(value)):
                into[key] = value
        elif isinstance(here, list) and isinstance(value, list):
            for one, its_text in zip(here, value, strict=False):
                if isinstance(one, dict) and isinstance(its_text, dict):
                    _replace(one, its_text)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadLesson(f"{path}: no lesson: {error}") from error


def _name_of(text: str, names: Sequence[str]) -> str:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
    for name in names:
        if text in (name, name[3:]) or number == int(name[:2]):
            return name
    begun = [
        name for name in names if text and (name.startswith(text) or name[3:].startswith(text))
    ]
    if len(begun) == 1:
        return begun[0]
    near = difflib.get_close_matches(text, [name[3:] for name in names], 1)
    guess = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"there is no lesson {text!r}{guess or '.'} `lwipscope lesson list` shows them; expected a "
        f"number from 1 to {len(names)}, or a name"
    )
