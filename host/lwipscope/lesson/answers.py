"""The learner's answers.toml: predictions and answers, and the questions as comments beside them.

It is written by `lesson start` and edited by a person, so that every mistake in it is told with its
line. What is read: texts and numbers under [predict] and [answers]; an empty text is no answer yet.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.lesson.commands import filled
from lwipscope.lesson.page import ANSWERS, question_lines, wanted
from lwipscope.lesson.text import Lesson
from lwipscope.words.catalogue import Translator
from lwipscope.words.width import wrap

_WIDTH = 96
_MOST_BYTES = 1 << 20
_WHERE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Answers:
    """What the file holds; empty texts are left out. `lines` tells where each key stands."""

    path: Path
    predictions: Mapping[str, str]
    answers: Mapping[str, str]
    lines: Mapping[str, int]
    written_ns: int

    def at(self, key: str) -> str:
        """`answers.toml:12` for a key of it."""
        return f"{self.path}:{self.lines[key]}" if key in self.lines else str(self.path)


def question_key(number: int) -> str:
    """The key of a question: q1 for the first."""
    return f"q{number}"


def template(lesson: Lesson, words: Mapping[str, str], tr: Translator) -> str:
    """A file without answers."""
    title = tr("Lesson {number}: {title}", number=lesson.number, title=lesson.title)
    made = [f"# {title}", "#"]
    made += _comment(tr("Write your answers between the quotation marks, and save the file."))
    made += ["", *_comment(tr("1. PREDICT, before you run anything. Then type:"))]
    made += [f"#        lwipscope lesson check {lesson.number}", "", "[predict]"]
    for each in lesson.experiments:
        asked = each.prediction
        made += ["", *_comment(filled(asked.ask, words)), *_choices(asked.choices)]
        made += [f"#    ({wanted(asked.kind, tr)})", f'{each.name} = ""']
    made += [
        "",
        "",
        *_comment(tr("2. RUN AND LOOK, as LESSON.txt says. Then answer, and type again:")),
    ]
    made += [f"#        lwipscope lesson check {lesson.number}", "", "[answers]"]
    for number, question in enumerate(lesson.questions, 1):
        ask, kind = question_lines(question, number, tr)
        made += ["", *_comment(filled(ask, words)), *_choices(question.choices)]
        made += [f"#    ({kind})", f'{question_key(number)} = ""']
    return "\n".join(made) + "\n"


def read_answers(folder: Path, lesson: Lesson, tr: Translator) -> Answers:
    """The file of this folder; UsageError with the line of a mistake."""
    path = folder / ANSWERS
    try:
        written_ns = path.stat().st_mtime_ns
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            tr(
                "{path} is not there: `lwipscope lesson start {number}` makes a new one",
                path=path,
                number=lesson.number,
            )
        ) from error
    except OSError as error:
        raise UsageError(
            tr("{path}: can't be read: {why}", path=path, why=error.strerror)
        ) from error
    table, text = _table(path, raw, tr)
    known = {
        "predict": [each.name for each in lesson.experiments],
        "answers": [question_key(n) for n in range(1, len(lesson.questions) + 1)],
    }
    lines = _key_lines(text)
    found = {name: _section(path, table, name, keys, lines, tr) for name, keys in known.items()}
    for name in table:
        if name not in known:
            raise UsageError(
                tr(
                    "{path}: {name} has no place here: expected [predict] and [answers] only",
                    path=f"{path}:{_line_of(text, name)}",
                    name=repr(name),
                )
            )
    return Answers(path, found["predict"], found["answers"], lines, written_ns)


def _table(path: Path, raw: bytes, tr: Translator) -> tuple[dict[str, object], str]:
    try:
        if len(raw) > _MOST_BYTES:
            raise UnicodeError
        text = raw.decode("utf-8-sig")
    except UnicodeError:
        raise UsageError(
            tr(
                "{path} is no file of answers: expected text in UTF-8, under {most} kB; `lwipscope "
                "lesson start` makes a new one where there is none",
                path=path,
                most=_MOST_BYTES >> 10,
            )
        ) from None
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        number = int(where[1]) if where else len(text.split("\n"))
        lines = text.split("\n")
        shown = lines[number - 1].strip() if number <= len(lines) else ""
        complaint = _WHERE.sub("", str(error)).strip().replace("(at end of document)", "")
        raise UsageError(
            tr(
                "{path}: this line can't be read ({why}):\n    {line}\n"
                'expected  name = "your answer", with both quotation marks',
                path=f"{path}:{number}",
                why=complaint.strip(),
                line=shown,
            )
        ) from None


def _section(
    path: Path,
    table: Mapping[str, object],
    name: str,
    keys: list[str],
    lines: Mapping[str, int],
    tr: Translator,
) -> dict[str, str]:
    section = table.get(name)
    if not isinstance(section, dict):
        raise UsageError(
            tr(
                "{path}: the line [{name}] is missing: expected it before {keys}",
                path=path,
                name=name,
                keys=", ".join(keys),
            )
        )
    made = {}
    for key, value in section.items():
        where = f"{path}:{lines.get(key, '?')}"
        if key not in keys:
            raise UsageError(
                tr(
                    "{path}: {key} is not asked here: expected {keys}",
                    path=where,
                    key=key,
                    keys=", ".join(keys),
                )
            )
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = " > ".join(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UsageError(
                tr("{path}: {key}: expected a text between quotation marks", path=where, key=key)
            )
        if text := str(value).strip():
            made[key] = text
    return made


def _key_lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        key, equals, _ = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            found.setdefault(key.strip().strip("\"'"), number)
    return found


def _line_of(text: str, word: str) -> int:
    lines = [line.split("#")[0] for line in text.split("\n")]
    return next((number for number, line in enumerate(lines, 1) if word in line), 1)


def _comment(text: str) -> list[str]:
    return wrap(" ".join(text.replace("`", "").split()), _WIDTH, first="# ", rest="# ")


def _choices(choices: tuple[str, ...]) -> Iterator[str]:
    for letter, choice in zip("abcdefghijklmnop", choices, strict=False):
        yield from wrap(f"{letter}) {choice}", _WIDTH, first="#    ", rest="#       ")
