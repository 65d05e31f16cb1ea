"""`lesson explain`: the whole story, after an attempt: answers, the reasons, RFC and lwIP.

Refused before predictions, runs and one attempt at every question have been checked; what is
missing is named. The answers that are told are those of the learner's own run.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.lesson.answers import question_key
from lwipscope.lesson.checking import keys_of
from lwipscope.lesson.expression import NotThere
from lwipscope.lesson.library import SOLVED, program_text
from lwipscope.lesson.marking import key_text
from lwipscope.lesson.observing import GAP
from lwipscope.lesson.page import Page, question_lines
from lwipscope.lesson.progress import Progress, Tried
from lwipscope.lesson.seen import NotSeen, Seen, seen_in
from lwipscope.lesson.text import Experiment, Lesson
from lwipscope.runfile.model import Run
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.path import path_text


class NotTried(LwipscopeError):
    """Explained is what was tried. (Exit code 1: not yet.)"""


def explain(lesson: Lesson, folder: Path, progress: Progress, page: Page) -> list[str]:
    """The explanation; NotTried that says what comes first."""
    missing = [*_missing(lesson, progress, page)]
    if missing:
        listed = "\n".join(f"  - {each}" for each in missing)
        raise NotTried(
            page.tr(
                "lesson {number} is explained once you have tried it. Still to be done, then "
                "checked by `lwipscope lesson check {number}`:\n{listed}",
                number=lesson.number,
                listed=listed,
            )
        )
    seen = dict(_seen(lesson, progress))
    lines = [*_page(lesson, seen, page)]
    progress.explained_ns = progress.explained_ns or time.time_ns()
    progress.save(folder)
    return lines


def _missing(lesson: Lesson, progress: Progress, page: Page) -> Iterator[str]:
    tr = page.tr
    for each in lesson.experiments:
        if each.name not in progress.predicted:
            yield tr("your prediction for {name}", name=each.name)
        if each.name not in progress.observed:
            yield tr("the run of {name}", name=each.program or each.scenario)
    for number in range(1, len(lesson.questions) + 1):
        tried = progress.tried.get(question_key(number), Tried())
        if not (tried.tries or tried.right):
            yield tr("an attempt at question {key}", key=question_key(number))


def _seen(lesson: Lesson, progress: Progress) -> Iterator[tuple[str, Seen]]:
    for each in lesson.experiments:
        known = progress.observed[each.name]
        try:
            yield each.name, seen_in(Run.load(Path(known.file)), each, known.conn)
        except (UsageError, NotSeen):
            continue  # the file is gone: what was fixed is told all the same


def _page(lesson: Lesson, seen: dict[str, Seen], page: Page) -> Iterator[str]:
    tr = page.tr
    yield page.head(tr("Lesson {number}: {title}", number=lesson.number, title=lesson.title))
    yield page.rule()
    yield from page.prose(lesson.explanation.text)
    for name, it in seen.items():
        experiment = lesson.experiment(name)
        if experiment.absent:
            yield ""
            yield from _absences(experiment, it, page)
    yield ""
    yield page.head(tr("The questions"))
    for number, question in enumerate(lesson.questions, 1):
        ask, _ = question_lines(question, number, tr)
        yield ""
        yield from page.prose(ask)
        try:
            keys = keys_of(question, seen, lesson)
            text = tr(" or ").join(key_text(question.kind, key, question.choices) for key in keys)
        except NotThere as error:
            text = tr("(of your run; its file is gone: {why})", why=error)
        yield f"   {page.dress.paint(text, 'green')}"
        yield from page.prose(question.because, "   ")
    yield from _solved(lesson, page)
    yield ""
    yield page.head(tr("Where it stands"))
    sections = ", ".join(lesson.explanation.rfc)
    if sections:
        yield from page.prose(tr("RFC 9293, sections {sections}", sections=sections), "  ")
    if lesson.explanation.lwip:
        places = ", ".join(lesson.explanation.lwip)
        yield from page.prose(tr("lwIP 2.2.1: {places}", places=places), "  ")
    yield ""
    yield page.head(tr("A state or an edge in more detail"))
    for edge in _edges(seen):
        yield f"  {page.dress.paint(f'lwipscope show --explain {edge!r}', 'cyan')}"
    if lesson.explanation.myths:
        yield ""
        yield page.head(tr("Told otherwise elsewhere"))
        for name in lesson.explanation.myths:
            yield f"  {page.dress.paint(f'lwipscope myth {name}', 'cyan')}"


def _edges(seen: dict[str, Seen]) -> list[str]:
    """The last edge that each experiment's connection took."""
    paths = [it.connection.path[-2:] for it in seen.values()]
    return list(dict.fromkeys(path_text(path) for path in paths if len(path) > 1))


def _absences(experiment: Experiment, seen: Seen, page: Page) -> Iterator[str]:
    """The stack's own proof that it lacks an edge."""
    tr, graph = page.tr, graph_of(seen.life.profile)
    for before, after in experiment.absent:
        yield page.head(tr("{edge}: why this stack has no such edge", edge=f"{before} > {after}"))
        reasons = [a for a in graph.absences if (a.before, a.after) == (before, after)]
        for absence in reasons:
            yield from page.prose(f"{tr(absence.reason)} ({absence.source})", "  ")
        if not reasons:
            text = tr("neither RFC 9293 nor lwIP has it: no line of lwIP stores this state then")
            yield from page.prose(text, "  ")


def _solved(lesson: Lesson, page: Page) -> Iterator[str]:
    """The completed programs, as far as their gaps go."""
    for each in lesson.experiments:
        if not each.program or not (SOLVED / each.program).exists():
            continue
        gaps = program_text(each.program).decode()
        if GAP not in gaps:
            continue
        yield ""
        yield page.head(page.tr("{program}, what was to be completed", program=each.program))
        new = completed(gaps, program_text(each.program, solved=True).decode())
        for line in textwrap.dedent("\n".join(new)).split("\n"):
            yield f"    {page.dress.paint(line, 'cyan')}"


def completed(gaps: str, solved: str) -> list[str]:
    """The lines of the solved program that stand in the place of gaps."""
    old, new = gaps.split("\n"), solved.split("\n")
    found = []
    for what, start, end, there, to in SequenceMatcher(None, old, new, False).get_opcodes():
        if what == "replace" and any(line.strip().startswith(GAP) for line in old[start:end]):
            found += [line for line in new[there:to] if line and not line.startswith("#")]
    return found
