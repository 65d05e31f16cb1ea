"""Looks for the run of one experiment, and says what keeps a run from being it.

A run counts if its evidence is complete, and if it shows what the experiment is about: the path,
and what the lesson says besides. Otherwise the learner is told what was seen on the board instead.
One that was begun after the prediction was recorded is preferred; another is taken as well, for an
honest learner may have saved the file late, and `before` says that it was.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lwipscope.lesson.comparing import caused_by
from lwipscope.lesson.expression import NotThere, evaluate
from lwipscope.lesson.runs import Made, of_experiment
from lwipscope.lesson.seen import NotSeen, Seen, console_of, edges_taken, seen_in
from lwipscope.lesson.text import Experiment
from lwipscope.report.style import safe
from lwipscope.tcp.path import path_text
from lwipscope.words.catalogue import Translator

GAP = "# ..."
_RAISED = re.compile(r"^Traceback \(most recent call last\):\n((?:  .*\n)+)(\w.*)", re.M)
_LINE = re.compile(r'File "<stdin>", line (\d+)')


@dataclass(frozen=True)
class Sighting:
    """What is known of one experiment. `seen` is there if a run counts; `why` says why none does.
    `incomplete`: the newest run can't count because its evidence has a hole. `before`: the run was
    begun before the prediction was recorded, so that the prediction is taken on the learner's word.
    """

    experiment: Experiment
    made: Made | None = None
    seen: Seen | None = None
    why: Sequence[str] = field(default=())
    incomplete: bool = False
    before: bool = False


def look_for(
    experiment: Experiment,
    runs: Sequence[Made],
    since_ns: int,
    program: Path | None,
    tr: Translator,
    conn: int | None = None,
) -> Sighting:
    """The newest run that counts, best one begun since then; else the newest is told about."""
    fitting = [*of_experiment(experiment, runs)]
    told: Sighting | None = None
    for made in sorted(fitting, key=lambda made: made.wall_ns < since_ns):
        sighting = judge(experiment, made, program, tr, conn)
        if sighting.seen is not None:
            return replace(sighting, before=made.wall_ns < since_ns)
        told = told or sighting
    if told is not None:
        return told
    return Sighting(experiment, why=_no_run(experiment, runs, program, tr))


def judge(
    experiment: Experiment,
    made: Made,
    program: Path | None,
    tr: Translator,
    conn: int | None = None,
) -> Sighting:
    """Whether one run is what the experiment means."""
    run = made.run
    problems = run.problems()
    if problems:
        why = [
            tr("the evidence is incomplete, so this run counts neither way; run it again:"),
            *(f"  {safe(problem)}" for problem in problems),
        ]
        return Sighting(experiment, made, why=why, incomplete=True)
    try:
        seen = seen_in(run, experiment, conn)
    except NotSeen as missing:
        return Sighting(experiment, made, why=_not_one(missing, made, experiment, program, tr))
    why = _differs(experiment, seen, tr)
    if why:
        if raised := _raised(made, program, tr):
            why = [*raised, *why]
        elif experiment.otherwise:
            why.append(" ".join(experiment.otherwise.split()))
        return Sighting(experiment, made, why=why)
    return Sighting(experiment, made, seen)


def program_trouble(path: Path, tr: Translator) -> list[str]:
    """Gaps that are left in the learner's program, and what Python's grammar says of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return [tr("{path}: can't be read", path=path)]
    lines = text.split("\n")
    gaps = [
        tr("{place}: still to be completed: {line}", place=f"{path.name}:{number}", line=line)
        for number, line in enumerate((line.strip() for line in lines), 1)
        if line.startswith(GAP)
    ]
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        number = getattr(error, "lineno", None) or 1
        shown = lines[number - 1].strip() if number <= len(lines) else ""
        what = getattr(error, "msg", None) or str(error)
        gaps.append(f"{path.name}:{number}: {what}: {safe(shown)}")
    return gaps


def clock_time(at_ns: int) -> str:
    """The time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at_ns // 1_000_000_000))


def _no_run(
    experiment: Experiment, runs: Sequence[Made], program: Path | None, tr: Translator
) -> list[str]:
    what = experiment.program or experiment.scenario
    why = [tr("there is no run of {what} yet", what=what)]
    if runs:
        newest = runs[0]
        why[0] += " " + tr(
            "(the newest run is of {name}, {time})",
            name=safe(newest.run.about.name),
            time=clock_time(newest.wall_ns),
        )
    return [*why, *(program_trouble(program, tr) if program is not None else [])]


def _not_one(
    missing: NotSeen, made: Made, experiment: Experiment, program: Path | None, tr: Translator
) -> list[str]:
    if len(missing.fitting) > 1:
        several = tr(
            "{count} connections of this run could be meant. Run it again with one only, or say "
            "which by --connection:",
            count=len(missing.fitting),
        )
        return [several, *(f"  {safe(c.text())}" for c in missing.fitting)]
    wanted = {
        "server": tr("a connection that the board accepted"),
        "client": tr("a connection that the board opened"),
        "listener": tr("a listener on the board"),
        "any": tr("a connection of the board"),
    }[experiment.role]
    port = tr(" on port {port}", port=experiment.port) if experiment.port else ""
    why = [tr("expected {wanted}, and this run has none", wanted=f"{wanted}{port}")]
    if missing.found:
        why[0] += tr("; it has:")
        why += [f"  {safe(each.text())}" for each in missing.found]
    return [*_raised(made, program, tr), *why]


def _differs(experiment: Experiment, seen: Seen, tr: Translator) -> list[str]:
    """Where the run is not what is meant; what was meant is not told."""
    connection = seen.connection
    why = []
    match = experiment.expect.match(connection.path)
    if not match.ok:
        why.append(tr("this is another exchange than the one meant. Seen on the board:"))
        why.append(f"  {path_text(connection.path)}")
        at = min(match.matched_prefix, len(connection.path) - 1)
        if match.matched_prefix < len(connection.path):
            told = tr(
                "up to {before} it is the one meant; then the board went to {went}: {cause}",
                before=connection.path[at - 1].name if at else "CLOSED",
                went=connection.path[at].name,
                cause=caused_by(connection, at, tr),
            )
        else:
            told = tr("the run ended too early, in {state}", state=connection.path[-1].name)
        why.append(f"  {told}")
    taken = edges_taken(seen.run) & set(experiment.absent)
    for before, after in sorted(taken, key=str):
        why.append(
            tr(
                "the board took the edge {edge}, which this lesson says it never takes: keep this "
                "run file, it is a finding",
                edge=f"{before} > {after}",
            )
        )
    if why:
        return why
    for expression, wanted in experiment.shows:
        try:
            value = evaluate(expression, seen)
        except NotThere as error:
            why.append(f"{error}")
            continue
        if not fits(value, wanted):
            why.append(
                tr(
                    "the path is the one meant, but something else is not ({what}: {value})",
                    what=expression,
                    value=value,
                )
            )
    return why


def fits(value: object, wanted: str) -> bool:
    """A value against what a lesson says: `2`, `>= 2`, `< 100`, or a text."""
    found = re.fullmatch(r"(>=|<=|>|<)\s*([\d.]+)", wanted.strip())
    if found is None:
        same = str(value) == wanted.strip()
        return same or (isinstance(value, float) and wanted == f"{value:g}")
    if isinstance(value, str):
        return False
    limit = float(found[2])
    number = float(str(value))
    return {
        ">=": number >= limit,
        "<=": number <= limit,
        ">": number > limit,
        "<": number < limit,
    }[found[1]]


def _raised(made: Made, program: Path | None, tr: Translator) -> list[str]:
    """An exception that ended the program, with the learner's line."""
    text = console_of(made.run).replace("\x04", "\n")
    found = [m for m in _RAISED.finditer(text) if not m[2].startswith("KeyboardInterrupt")]
    if not found:
        return program_trouble(program, tr) if program is not None else []
    last = found[-1]
    numbers = _LINE.findall(last[1])
    name = program.name if program is not None else made.run.about.name
    place = f"{name}:{numbers[-1]}" if numbers else name
    why = [tr("the program was ended by {error} at {place}", error=safe(last[2]), place=place)]
    if program is not None and numbers:
        lines = program.read_text(encoding="utf-8", errors="replace").split("\n")
        number = int(numbers[-1])
        if 0 < number <= len(lines):
            why.append(f"  {safe(lines[number - 1].strip())}")
    return why + (program_trouble(program, tr) if program is not None else [])
