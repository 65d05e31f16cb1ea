"""A lesson as the learner reads it: the page of `lesson start`, and that of `lesson explain`.

The same lines go to the terminal and, without colours, into the learner's LESSON.txt. Answers are
on the second page only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lwipscope.lesson.commands import filled
from lwipscope.lesson.prose import heading, paragraphs
from lwipscope.lesson.text import Experiment, Kind, Lesson, Question
from lwipscope.report.style import Style
from lwipscope.words.catalogue import Translator
from lwipscope.words.width import pad, width

ANSWERS = "answers.toml"
_SEPARATOR = "─"


@dataclass(frozen=True, slots=True)
class Page:
    """How and for whom a lesson is set."""

    dress: Style
    tr: Translator
    words: Mapping[str, str]
    width: int = 100

    def prose(self, text: str, indent: str = "") -> list[str]:
        """A text with its placeholders filled in."""
        return paragraphs(filled(text, self.words), self.dress, self.width, indent)

    def head(self, text: str) -> str:
        """A heading."""
        return heading(text, self.dress)

    def rule(self) -> str:
        """A line across."""
        return self.dress.paint(self.dress.plain(_SEPARATOR * self.width), "dim")


def lesson_page(lesson: Lesson, page: Page) -> list[str]:
    """What the lesson is about, and what to do."""
    tr, made = page.tr, []
    title = tr("Lesson {number}: {title}", number=lesson.number, title=lesson.title)
    minutes = tr("about {minutes} minutes", minutes=lesson.minutes)
    room = page.width - width(title) - width(minutes)
    gap = " " * room if room > 1 else "\n"
    made += [*(page.head(title) + gap + page.dress.paint(minutes, "dim")).split("\n")]
    made.append(page.rule())
    made += page.prose(lesson.about)
    made += ["", page.head(tr("1. Predict, before you run anything"))]
    intro = tr(
        "Open `{folder}/answers.toml` in an editor. Write down under [predict] what you expect; a "
        "guess will do. Then let it be recorded:",
        folder=page.words["folder"],
    )
    made += [*page.prose(intro), *_commands(page, [("", _check(lesson))])]
    wide = max(len(each.name) for each in lesson.experiments)
    made.append("")
    for each in lesson.experiments:
        made += _item(page, each.name, wide, each.prediction.ask)
        made += _choices(page, each.prediction.choices, " " * (wide + 4))
    made += ["", page.head(tr("2. Run and look"))]
    for number, each in enumerate(lesson.experiments, 1):
        made += _experiment(lesson, number, each, page)
    if any(each.program for each in lesson.experiments):
        made += _by_lab(page)
    made += ["", page.head(tr("3. Answer and explain"))]
    last = tr(
        "The questions are in `{folder}/answers.toml`, under [answers]: {count} of them. `check` "
        "says which answers are right, and nothing of the others. When all questions have been "
        "tried, `explain` tells the rest.",
        folder=page.words["folder"],
        count=len(lesson.questions),
    )
    made += [*page.prose(last)]
    made += _commands(page, [("", _check(lesson)), ("", _explain(lesson))])
    return made


def question_lines(question: Question, number: int, tr: Translator) -> tuple[str, str]:
    """The question, and what kind of answer it wants."""
    return f"{number}. {' '.join(question.ask.split())}", wanted(question.kind, tr)


def wanted(kind: Kind, tr: Translator) -> str:
    """How an answer of that kind is written."""
    return {
        "choice": tr("one letter"),
        "path": tr("a path: states with > between them"),
        "state": tr("the name of a state"),
        "number": tr("a number"),
        "flags": tr("flags, by name or as tcpdump writes them, as in PSH+ACK or [P.]"),
        "text": tr("a word or a few"),
    }[kind]


def _experiment(lesson: Lesson, number: int, each: Experiment, page: Page) -> Iterator[str]:
    if len(lesson.experiments) > 1:
        yield ""
        title = page.tr("Run {number}: {name}", number=number, name=each.name)
        yield page.dress.paint(title, "cyan", "bold")
    yield from page.prose(each.do)
    yield from _commands(page, [(t.number, t.line) for t in each.terminals])
    if each.look:
        yield ""
        yield from page.prose(each.look)


def _by_lab(page: Page) -> list[str]:
    text = page.tr(
        "`lwipscope lab` (`--terminal` at a prompt) is another way to do a run: the same calls and "
        "an nc in one window. `check` finds what you did there as well."
    )
    return ["", *page.prose(text)]


def _commands(page: Page, lines: list[tuple[str, str]]) -> Iterator[str]:
    """Commands below each other, each with its terminal."""
    labels = [page.tr("terminal {number}", number=n) if n else "" for n, _ in lines]
    wide = max((width(label) for label in labels), default=0)
    yield ""
    for label, (_, line) in zip(labels, lines, strict=True):
        place = page.dress.paint(pad(label, wide), "dim") + "   " if wide else ""
        yield f"    {place}{page.dress.paint(filled(line, page.words), 'cyan')}"


def _item(page: Page, name: str, wide: int, text: str) -> list[str]:
    first, *more = page.prose(text, " " * (wide + 4))
    return [f"  {page.dress.paint(pad(name, wide), 'cyan')}  {first.lstrip()}", *more]


def _choices(page: Page, choices: tuple[str, ...], indent: str) -> Iterator[str]:
    for letter, choice in zip("abcdefghijklmnop", choices, strict=False):
        yield from page.prose(f"{letter}) {choice}", indent)


def _check(lesson: Lesson) -> str:
    return f"lwipscope lesson check {lesson.number}"


def _explain(lesson: Lesson) -> str:
    return f"lwipscope lesson explain {lesson.number}"
