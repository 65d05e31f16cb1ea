"""What a lesson says and holds: values made from its TOML file, nothing of the learner's.

Read by `library`; the format is that of `texts/README.md`. A file with a mistake is an error that
names file and place: lessons are written by people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State

Kind: TypeAlias = Literal["choice", "path", "state", "number", "flags", "text"]
ExperimentRole: TypeAlias = Literal["server", "client", "listener", "any"]
Pick: TypeAlias = Literal["", "first", "last"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LETTERS = "abcdefghijklmnop"


class BadLesson(LwipscopeError):
    """A lesson's file that does not keep to the format."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """One line to be typed, and in which terminal."""

    number: str
    line: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is asked before the run, and what it is compared with."""

    ask: str
    kind: Kind = "path"
    choices: tuple[str, ...] = ()
    answer: str = "run:path"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One run that the learner makes. `expect`, `shows` and `absent` are never shown before it."""

    name: str
    do: str
    terminals: tuple[Terminal, ...]
    prediction: Prediction
    look: str
    expect: PathPattern
    program: str = ""
    scenario: str = ""
    files: tuple[str, ...] = ()
    port: int = 0
    role: ExperimentRole = "any"
    otherwise: str = ""
    shows: tuple[tuple[str, str], ...] = ()
    absent: tuple[tuple[State, State], ...] = ()
    pick: Pick = ""
    play: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `answers` are fixed texts or expressions over the run (`run:...`)."""

    ask: str
    kind: Kind
    answers: tuple[str, ...]
    because: str
    choices: tuple[str, ...] = ()
    within: float = 0.0
    hint: str = ""
    holds: tuple[tuple[str, str], ...] = ()
    """What makes a fixed answer true, for the lessons' test: expressions and their values."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What comes last."""

    text: str
    rfc: tuple[str, ...] = ()
    lwip: tuple[str, ...] = ()
    myths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """A whole lesson. `name` is `NN-name`, `lang` the language of its texts."""

    number: int
    name: str
    title: str
    minutes: int
    about: str
    experiments: tuple[Experiment, ...]
    questions: tuple[Question, ...]
    explanation: Explanation
    lang: str = "en"

    def experiment(self, name: str) -> Experiment:
        """By its name; the first one for an empty name."""
        for each in self.experiments:
            if name in ("", each.name):
                return each
        known = ", ".join(each.name for each in self.experiments)
        raise UsageError(f"lesson {self.number} has no experiment {name!r}, only {known}")


def read_lesson(file: str, number: int, name: str, table: dict[str, Any]) -> Lesson:
    """The lesson of a TOML file; BadLesson that says where it breaks the format."""
    top = _Table(file, "", table)
    experiments = tuple(_experiment(each) for each in top.tables("experiment"))
    questions = tuple(_question(each) for each in top.tables("question"))
    explained = top.table("explanation")
    made = Lesson(
        *(number, name, top.text("title"), top.number("minutes"), top.text("about")),
        experiments,
        questions,
        Explanation(
            explained.text("text"),
            explained.texts("rfc"),
            explained.texts("lwip"),
            explained.texts("myths"),
        ),
    )
    explained.done()
    top.done(ignored=("of",))
    if not experiments:
        raise BadLesson(f"{file}: a lesson needs at least one [[experiment]]")
    names = [each.name for each in experiments]
    programs = [each.program or each.scenario for each in experiments]
    for what, found in (("name", names), ("program or scenario", programs)):
        if len(set(found)) < len(found):
            raise BadLesson(f"{file}: two experiments have the same {what}: {', '.join(found)}")
    return made


def _experiment(table: _Table) -> Experiment:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        table.fail("name", f"{name!r}: expected one word of a-z, 0-9 and hyphens")
    terminals = []
    for each in table.tables("terminals"):
        terminals.append(Terminal(each.text("in"), each.text("type")))
        each.done()
    kind = table.one_of("predict_kind", get_args(Kind), "path")
    answer = table.text("predict_answer", "run:path" if kind == "path" else None)
    prediction = Prediction(
        *(table.text("predict"), kind, table.texts("predict_choices"), answer),
    )
    made = Experiment(
        name,
        table.text("do"),
        tuple(terminals),
        prediction,
        table.text("look"),
        table.path("expect"),
        table.text("program", ""),
        table.text("scenario", ""),
        table.texts("files"),
        table.number("port", 0),
        table.one_of("role", get_args(ExperimentRole), "any"),
        table.text("otherwise", ""),
        table.pairs("shows"),
        tuple(table.edge(each) for each in table.texts("absent")),
        table.one_of("pick", get_args(Pick), ""),
        table.texts("play"),
    )
    if bool(made.program) is bool(made.scenario):
        table.fail("program", "expected either a program or a scenario")
    _check_choices(table, kind, prediction.choices, (answer,))
    table.done()
    return made


def _question(table: _Table) -> Question:
    kind = table.one_of("kind", get_args(Kind))
    answers = table.answers("answer")
    made = Question(
        *(table.text("ask"), kind, answers, table.text("because")),
        choices=table.texts("choices"),
        within=table.figure("within"),
        hint=table.text("hint", ""),
        holds=table.pairs("holds"),
    )
    _check_choices(table, kind, made.choices, answers)
    table.done()
    return made


def _check_choices(
    table: _Table, kind: str, choices: tuple[str, ...], answers: tuple[str, ...]
) -> None:
    if (kind == "choice") != bool(choices):
        table.fail("choices", "kind = choice needs choices, and no other kind has any")
    letters = _LETTERS[: len(choices)]
    for answer in answers if choices else ():
        if not answer.startswith("run:") and answer not in list(letters):
            table.fail("answer", f"{answer!r}: expected one of the letters {letters}")


class _Table:
    """A table of a TOML file, read field by field; what nobody asked for is a mistake."""

    def __init__(self, file: str, place: str, values: dict[str, Any]) -> None:
        self._file, self._place, self._values = file, place, values
        self._asked: set[str] = set()

    def fail(self, key: str, complaint: str) -> None:
        raise BadLesson(f"{self._file}: {self._place}{key}: {complaint}")

    def done(self, ignored: tuple[str, ...] = ()) -> None:
        for key in self._values:
            if key not in self._asked and key not in ignored:
                self.fail(key, "no such key; see texts/README.md")

    def _get(self, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        self._asked.add(key)
        value = self._values.get(key, default)
        if value is None:
            self.fail(key, "is missing")
        if not isinstance(value, kind) or isinstance(value, bool):
            self.fail(key, f"{value!r}: expected {kind}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._get(key, str, default)).strip()

    def number(self, key: str, default: int | None = None) -> int:
        return int(self._get(key, int, default))

    def figure(self, key: str) -> float:
        return float(self._get(key, (int, float), 0))

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._get(key, list, [])
        if not all(isinstance(each, str) for each in found):
            self.fail(key, "expected a list of texts")
        return tuple(each.strip() for each in found)

    def answers(self, key: str) -> tuple[str, ...]:
        found = self._get(key, (str, int, float, list), None)
        every = found if isinstance(found, list) else [found]
        return tuple(str(each).strip() for each in every)

    def one_of(self, key: str, known: tuple[str, ...], default: str | None = None) -> Any:
        found = self.text(key, default)
        if found not in known:
            self.fail(key, f"{found!r}: expected one of {', '.join(known)}")
        return found

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        found = self._get(key, dict, {})
        return tuple((str(name), str(value)) for name, value in found.items())

    def path(self, key: str) -> PathPattern:
        try:
            return PathPattern.parse(self.text(key))
        except UsageError as error:
            raise BadLesson(f"{self._file}: {self._place}{key}: {error}") from error

    def edge(self, text: str) -> tuple[State, State]:
        before, _, after = text.partition(">")
        try:
            return State.parse(before), State.parse(after)
        except UsageError as error:
            raise BadLesson(f"{self._file}: {self._place}absent: {text!r}: {error}") from error

    def table(self, key: str) -> _Table:
        return _Table(self._file, f"{self._place}{key}.", self._get(key, dict, None))

    def tables(self, key: str) -> list[_Table]:
        found = self._get(key, list, [])
        return [
            _Table(self._file, f"{self._place}{key} {number}: ", each)
            for number, each in enumerate(found, 1)
        ]
