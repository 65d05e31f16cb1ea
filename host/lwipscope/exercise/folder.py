"""The learner's folder: a README with the task, a starter program, and a config.py to try it with.

Made by `lwipscope exercise new`; read by nobody: checks look at the program alone, and make their
own config.py.
"""

from __future__ import annotations

import random
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.exercise.exercise import CONFIG, Exercise, config_text
from lwipscope.exercise.words import Words
from lwipscope.scenario.program import MAIN
from lwipscope.words.catalogue import Translator

README = "README.md"
# The port of the examples elsewhere.
_TRY_PORT = 6666


def make_folder(folder: Path, exercise: Exercise, words: Words, tr: Translator) -> None:
    """Make it; UsageError if there is something already."""
    files = {
        README: readme(exercise, words, tr),
        MAIN: f"# lwipscope exercise: {exercise.name}\n{words.starter}",
        CONFIG: practice_config(exercise, tr),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in files if (folder / name).exists()]
        if there:
            raise UsageError(
                f"{folder}: has {', '.join(there)} already, and nothing was changed; name another "
                "folder with --folder"
            )
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error


def practice_config(exercise: Exercise, tr: Translator) -> str:
    """Settings to try the program with by hand."""
    settings = {**exercise.draw(random.Random(exercise.name)), "PORT": _TRY_PORT}
    return config_text(settings, tr("to try the program; each test has its own values"))


def readme(exercise: Exercise, words: Words, tr: Translator) -> str:
    """What the learner reads."""
    peer = "nc 127.0.0.1 6666" if exercise.serves else "nc -l -p 6666"
    lines = [
        f"# {words.title}",
        "",
        words.task,
        "",
        tr("## What is required"),
        "",
        *(f"- {each}" for each in words.requirements),
        "",
        tr("## What to know about the board"),
        "",
        words.board,
        "",
        tr("## Trying it"),
        "",
        tr("Write your program into `main.py`. In one terminal, in this folder:"),
        "",
        "    lwipscope run .",
        "",
        tr("and in another one:"),
        "",
        f"    {peer}",
        "",
        tr("## How it is checked"),
        "",
        "    lwipscope exercise check .",
        "",
        tr(
            "Each test runs your program on a fresh board, with a `config.py` of its own: ports, "
            "data and schedules come from a seed, which is shown. `--seed N` repeats them."
        ),
        "",
        *(f"- `{test.name}`: {words.tests[test.name]}" for test in exercise.tests),
        "",
    ]
    return "\n".join(lines)
