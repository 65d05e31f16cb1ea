"""The long texts of an exercise: task, requirements, what its tests do, and the starter program.

They lie in `texts/LANG/NAME.toml`; a text that is not there in Chinese is shown in English. Keys:
title, minutes, about, task, requirements (a list), board (what the learner should know of it),
starter (a program with gaps), and a table [tests] NAME = "what it does".
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import LwipscopeError
from lwipscope.words.lang import Lang

FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class Words:
    """Of one exercise, in one language."""

    title: str
    minutes: int
    about: str
    task: str
    requirements: tuple[str, ...]
    board: str
    starter: str
    tests: Mapping[str, str]


def words_of(name: str, lang: Lang) -> Words:
    """Of the exercise with that name."""
    path = FOLDER / lang / f"{name}.toml"
    if not path.is_file():
        path = FOLDER / "en" / f"{name}.toml"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        return Words(
            said["title"],
            int(said["minutes"]),
            said["about"].strip(),
            said["task"].strip(),
            tuple(said["requirements"]),
            said["board"].strip(),
            said["starter"],
            dict(said["tests"]),
        )
    except (OSError, KeyError, ValueError) as error:
        raise LwipscopeError(f"{path}: expected the texts of an exercise, but: {error}") from error
