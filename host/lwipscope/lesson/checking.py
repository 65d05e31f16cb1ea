"""`lesson check`: predictions, then runs, then answers; the next step is named.

Nothing is given away: a wrong answer is told as "not yet", from its second attempt on with a hint.
A prediction is recorded with the time at which it was written (of the file, or of this check).
One that was changed after the run is told; what was written before the run counts. One that was
recorded only after the run is taken on the learner's word, and that is said each time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lwipscope.errors import Inconclusive
from lwipscope.lesson.answers import Answers, question_key, read_answers
from lwipscope.lesson.comparing import compared
from lwipscope.lesson.expression import PREFIX, NotThere, Value, evaluate, split
from lwipscope.lesson.marking import Unreadable, key_text, path_of, readable, right
from lwipscope.lesson.observing import Sighting, clock_time, look_for
from lwipscope.lesson.page import Page
from lwipscope.lesson.progress import Observed, Predicted, Progress, Tried
from lwipscope.lesson.runs import Made, places, runs_since
from lwipscope.lesson.seen import Seen
from lwipscope.lesson.text import Experiment, Lesson, Question
from lwipscope.words.width import pad

COMPLETE, NOT_YET = 0, 1


@dataclass
class Checking:
    """One `lesson check`. `lines` are for the learner; `code` is of the command line."""

    lesson: Lesson
    folder: Path
    progress: Progress
    page: Page
    run: Made | None = None
    conn: int | None = None
    lines: list[str] = field(default_factory=list)
    code: int = NOT_YET

    def check(self) -> int:
        """All of it; the exit code."""
        tr = self.page.tr
        answers = read_answers(self.folder, self.lesson, tr)
        try:
            if not self._predictions(answers):
                return NOT_YET
            sightings = self._observations()
            missing = [each for each in sightings.values() if each.seen is None]
            if missing:
                if any(each.incomplete for each in missing):
                    self.code = Inconclusive.exit_code
                self._next(tr("When you have run it, type this again."))
                return self.code
            seen = {name: each.seen for name, each in sightings.items() if each.seen is not None}
            self._questions(answers, seen)
            return self.code
        finally:
            self.progress.save(self.folder)

    # Predictions.

    def _predictions(self, answers: Answers) -> bool:
        tr, good = self.page.tr, True
        self._head(tr("Predictions"))
        for each in self.lesson.experiments:
            given = answers.predictions.get(each.name, "")
            before = self.progress.predicted.get(each.name)
            if not given and before is None:
                good = False
                self._bad(
                    f"{each.name}: " + tr("not written yet ({place})", place=answers.at(each.name))
                )
                continue
            if given:
                try:
                    readable(given, each.prediction.kind, each.prediction.choices, tr)
                except Unreadable as error:
                    if before is None:
                        good = False
                    self._bad(f"{answers.at(each.name)}: {each.name}: {error}")
                    continue
            self._record(each, given, answers.written_ns)
        if not good:
            self._next(
                tr("Write down what you expect before you run anything; then type this again.")
            )
        elif not self.progress.observed and self._nothing_run():
            self._next(tr("Recorded. Now run it, as LESSON.txt says; then type this again."))
            return False
        return good

    def _record(self, each: Experiment, given: str, written_ns: int) -> None:
        tr, known = self.page.tr, self.progress.predicted.get(each.name)
        if known is None or (given and given != known.text and not self._ran_since(each, known)):
            known = Predicted(given, min(written_ns, time.time_ns()))
            self.progress.predicted[each.name] = known
        elif given and given != known.text:
            known.later = given
        else:
            known.later = ""
        when = clock_time(known.at_ns)
        self._good(f"{each.name}: {known.text}   " + tr("(written at {time})", time=when))
        if known.later:
            self._note(
                tr(
                    "changed to {later} after the run: what you wrote before it counts",
                    later=known.later,
                )
            )

    def _ran_since(self, each: Experiment, known: Predicted) -> bool:
        if each.name in self.progress.observed:
            return True
        sighting = look_for(each, self._runs(), known.at_ns, None, self.page.tr)
        return sighting.made is not None and sighting.made.wall_ns >= known.at_ns

    def _nothing_run(self) -> bool:
        tr = self.page.tr
        found = (look_for(e, self._runs(), 0, None, tr).made for e in self.lesson.experiments)
        return not any(found)

    # Runs.

    def _runs(self) -> Sequence[Made]:
        if self.run is not None:
            return [self.run]
        return runs_since(places(self.folder), self.progress.started_ns)

    def _observations(self) -> dict[str, Sighting]:
        runs, found = self._runs(), {}
        self.lines.append("")
        self._head(self.page.tr("What the board did"))
        for each in self.lesson.experiments:
            program = self.folder / each.program if each.program else None
            since_ns = self.progress.predicted[each.name].at_ns
            sighting = look_for(each, runs, since_ns, program, self.page.tr, self.conn)
            told_which = self.run is not None or self.conn is not None
            if sighting.seen is None and each.name in self.progress.observed and not told_which:
                sighting = self._as_before(each, program) or sighting
            found[each.name] = sighting
            self._tell(each, sighting)
        return found

    def _as_before(self, each: Experiment, program: Path | None) -> Sighting | None:
        """The run that counted the last time, if its file is still there."""
        known = self.progress.observed[each.name]
        path = Path(known.file)
        if not path.exists():
            return None
        from lwipscope.runfile.model import Run

        made = Made(path, Run.load(path))
        since_ns = self.progress.predicted[each.name].at_ns
        return look_for(each, [made], since_ns, program, self.page.tr, known.conn)

    def _tell(self, each: Experiment, sighting: Sighting) -> None:
        tr, seen = self.page.tr, sighting.seen
        if len(self.lesson.experiments) > 1:
            number = self.lesson.experiments.index(each) + 1
            title = tr("Run {number}: {name}", number=number, name=each.name)
            self.lines += [""] * (number > 1) + [
                "  " + self.page.dress.paint(title, "cyan", "bold")
            ]
        if seen is None or sighting.made is None:
            first, *more = sighting.why
            self._bad(first)
            for line in more:
                kept = line.startswith("  ")
                self.lines += [f"    {line}"] if kept else self.page.prose(line, "    ")
            return
        made = sighting.made
        self.progress.observed[each.name] = Observed(
            str(made.path.resolve()), made.wall_ns, seen.connection.id
        )
        self._good(
            tr(
                "run of {time}, connection c{conn}",
                time=clock_time(made.wall_ns),
                conn=seen.connection.id,
            )
        )
        if sighting.before:
            self._note(
                tr(
                    "This run was begun before your prediction was recorded ({time}), so it is "
                    "taken on your word that you predicted first. Next time `lwipscope lesson "
                    "check` before the run records it.",
                    time=clock_time(self.progress.predicted[each.name].at_ns),
                )
            )
        self.lines += [f"    {line}".rstrip() for line in self._comparison(each, seen)]
        for before, after in each.absent:
            self._note(tr("no connection took the edge {edge}", edge=f"{before} > {after}"))

    def _comparison(self, each: Experiment, seen: Seen) -> list[str]:
        tr, asked = self.page.tr, each.prediction
        told = self.progress.predicted[each.name].text
        if asked.kind == "path" and asked.answer == "run:path":
            return compared(path_of(told, tr), seen.connection, self.page)
        value = _value(asked.answer, {each.name: seen}, each.name)
        shown = key_text(asked.kind, value, asked.choices)
        same = right(told, asked.kind, [value], 0.0, tr)
        lines = [f"{pad(tr('predicted'), 9)}  {told}", f"{pad(tr('seen'), 9)}  {shown}"]
        return [*lines, "", tr("As you predicted.") if same else tr("Not as you predicted.")]

    # Questions.

    def _questions(self, answers: Answers, seen: dict[str, Seen]) -> None:
        tr = self.page.tr
        self.lines.append("")
        self._head(tr("Questions"))
        for number, question in enumerate(self.lesson.questions, 1):
            self._question(number, question, answers, seen)
        every = [
            self.progress.tried.get(question_key(number), Tried())
            for number in range(1, len(self.lesson.questions) + 1)
        ]
        if all(each.right for each in every):
            self.code = COMPLETE
            self.progress.completed_ns = self.progress.completed_ns or time.time_ns()
            self._next(
                tr(
                    "Lesson {number} is complete. The whole story: "
                    "`lwipscope lesson explain {number}`",
                    number=self.lesson.number,
                )
            )
        elif all(each.tries or each.right for each in every):
            self._next(
                tr(
                    "Try once more, or let it be explained: `lwipscope lesson explain {number}`",
                    number=self.lesson.number,
                )
            )
        else:
            self._next(
                tr("Answer what is left in {path}, then type this again.", path=answers.path)
            )

    def _question(
        self, number: int, question: Question, answers: Answers, seen: dict[str, Seen]
    ) -> None:
        tr, key = self.page.tr, question_key(number)
        given = answers.answers.get(key, "")
        known = self.progress.tried.setdefault(key, Tried())
        if not given:
            self._open(f"{key}: " + tr("not answered yet"))
            return
        try:
            readable(given, question.kind, question.choices, tr)
            keys = keys_of(question, seen, self.lesson)
            good = right(given, question.kind, keys, question.within, tr)
        except Unreadable as error:
            self._bad(f"{answers.at(key)}: {key}: {error}")
            return
        if given != known.given:
            known.tries += 1
        known.given, known.right = given, good
        if good:
            self._good(f"{key}: {given}")
            self.lines += self.page.prose(question.because, "      ")
            return
        self._bad(f"{key}: {given}: " + tr("not yet"))
        if known.tries > 1 and question.hint:
            self.lines += self.page.prose(tr("Look here: ") + question.hint, "      ")

    # Lines.

    def _head(self, text: str) -> None:
        self.lines.append(self.page.head(text))

    def _good(self, text: str) -> None:
        self._marked("✓", text, "green")

    def _bad(self, text: str) -> None:
        self._marked("✗", text, "red")

    def _open(self, text: str) -> None:
        self._marked("·", text, "dim")

    def _marked(self, mark: str, text: str, colour: str) -> None:
        dress = self.page.dress
        first, *more = self.page.prose(text.replace("\n", "\n    "), "    ") or [""]
        self.lines.append(f"  {dress.paint(dress.plain(mark), colour)} {first[4:]}")
        self.lines += more

    def _note(self, text: str) -> None:
        self.lines += self.page.prose(text, "      ")

    def _next(self, text: str) -> None:
        self.lines += ["", *self.page.prose(text)]


def keys_of(question: Question, seen: dict[str, Seen], lesson: Lesson) -> list[Value]:
    """The right answers, those from the learner's own run evaluated."""
    first = lesson.experiments[0].name
    return [_value(answer, seen, first) for answer in question.answers]


def _value(answer: str, seen: dict[str, Seen], first: str) -> Value:
    if not answer.startswith(PREFIX):
        return answer
    name, expression = split(answer)
    if (name or first) not in seen:
        raise NotThere(f"there is no run of {name}")
    return evaluate(expression, seen[name or first])
