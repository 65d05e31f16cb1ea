"""Every lesson is true: its experiments, played, show what it claims, and its questions have keys.

A learner's own commands are tried in tests/cli. Lessons are found, not listed: a new one is tested
as soon as it is there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from board.lesson_player import Player
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.cli.main import COMMANDS
from lwipscope.cli.run_scenario import add as add_run_scenario
from lwipscope.lesson.checking import keys_of
from lwipscope.lesson.comparing import compared
from lwipscope.lesson.explaining import completed
from lwipscope.lesson.expression import PREFIX, evaluate, split
from lwipscope.lesson.library import PROGRAMS, SOLVED, lesson_names, load, program_text
from lwipscope.lesson.marking import path_of, readable, right
from lwipscope.lesson.observing import GAP, fits, judge
from lwipscope.lesson.page import Page, lesson_page
from lwipscope.lesson.runs import Made
from lwipscope.lesson.seen import Seen
from lwipscope.lesson.text import Experiment, Lesson
from lwipscope.report.style import Style
from lwipscope.runfile.model import Run
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import play
from lwipscope.scenario.run_record import run_of_played
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.path import path_text
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rule_text import parse_rule
from lwipscope.words.catalogue import translator

NAMES = lesson_names()
TR = translator("en")
PAGE = Page(Style(), TR, {name: name for name in ("folder", "nc", "nc_listen", "nc_half")})
WORDS = {"folder": "D", "nc": "nc", "nc_listen": "nc -l -p", "nc_half": "nc -N"}
WORDS |= {"netstat": "lwipscope netstat --find", "tcpdump": "lwipscope show --tcpdump -n -S"}
WORDS |= {"netstat_here": "netstat -ant | grep 6666"}
EXPERIMENTS = [(name, each.name) for name in NAMES for each in load(name).experiments]
TYPES = {"number": (int, float), "path": str, "state": str, "flags": str, "text": (str, int)}


@cache
def _runs() -> dict[tuple[str, str], Seen]:
    """What was seen of each experiment in this session."""
    return {}


@pytest.mark.parametrize(
    ("name", "experiment"), EXPERIMENTS, ids=["/".join(pair) for pair in EXPERIMENTS]
)
def test_an_experiment_shows_what_the_lesson_claims(
    name: str,
    experiment: str,
    board: EmulatedBoard,
    wire_keeper: Keeper,
    tmp_path: Path,
) -> None:
    each = load(name).experiment(experiment)
    if each.scenario and _options(each).profile is not None:
        pytest.skip("another profile than the board of this test; tests/cli types this command")
    made = Made(tmp_path / "run.lwiprun", _played(each, board, wire_keeper, tmp_path))
    sighting = judge(each, made, None, TR)
    assert sighting.seen is not None, "\n".join(sighting.why)
    _check_absent(each, sighting.seen)
    _check_prediction(each, sighting.seen)
    _runs()[name, experiment] = sighting.seen
    lesson = load(name)
    _check_questions(lesson, {e.name: _runs().get((name, e.name)) for e in lesson.experiments})


def _played(each: Experiment, board: EmulatedBoard, keeper: Keeper, folder: Path) -> Run:
    if each.program:
        with Network(keeper, board.switch, board.ip) as network:
            return Player(each, board, network, keeper).play(folder)
    options = _options(each)
    rules = [parse_rule(text) for text in options.trouble]
    scenario, seed = scenario_named(each.scenario), options.seed or 0
    return run_of_played(play(scenario, board, keeper, folder, rules=rules, seed=seed))


def _options(each: Experiment) -> argparse.Namespace:
    """Of the `lwipscope run-scenario` line that the lesson has the learner type."""
    lines = [t.line for t in each.terminals if t.line.startswith("lwipscope run-scenario ")]
    assert len(lines) == 1, f"{each.name}: one line has to be lwipscope run-scenario"
    parser = argparse.ArgumentParser()
    add_run_scenario(parser.add_subparsers())
    options = parser.parse_args(shlex.split(lines[0])[1:])
    assert options.name == each.scenario
    return options


def _check_absent(each: Experiment, seen: Seen) -> None:
    """What is said to be absent is absent from the stack's graph, too, or proven unreachable."""
    graph = graph_of(seen.life.profile)
    for before, after in each.absent:
        there = [edge for edge in graph.between(before, after) if not edge.unreachable]
        assert not there, f"{before} > {after} is an edge of {graph.profile}: {there}"


def _check_prediction(each: Experiment, seen: Seen) -> None:
    asked = each.prediction
    if asked.kind == "path":
        lines = compared(path_of(path_text(seen.connection.path), TR), seen.connection, PAGE)
        assert lines[-1] == "As you predicted: every state, in this order."
        return
    key = asked.answer
    value = evaluate(split(key)[1], seen) if key.startswith(PREFIX) else key
    readable(str(value), asked.kind, asked.choices, TR)


def _check_questions(lesson: Lesson, seen: dict[str, Seen | None]) -> None:
    """Those whose experiments have been played by now."""
    there = {name: each for name, each in seen.items() if each is not None}
    first = lesson.experiments[0].name
    for question in lesson.questions:
        needed = {split(a)[0] or first for a in question.answers if a.startswith(PREFIX)}
        if not needed <= set(there):
            continue
        for expression, wanted in question.holds:
            where, what = split(expression)
            if (where or first) in there:
                value = evaluate(what, there[where or first])
                assert fits(value, wanted), f"{question.ask}: {expression} is {value}"
        for key in keys_of(question, there, lesson):
            readable(str(key), question.kind, question.choices, TR)
            assert right(str(key), question.kind, [key], 0.0, TR), (question.ask, key)
            if any(answer.startswith(PREFIX) for answer in question.answers):
                wanted = TYPES.get(question.kind, str)
                assert isinstance(key, wanted), (question.ask, key)
                # An answer of nothing is no question.
                assert key not in ("none", ""), (question.ask, key)


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_keeps_to_the_form(name: str) -> None:
    lesson = load(name)
    assert 10 <= lesson.minutes <= 15
    assert lesson.questions, "a lesson asks"
    assert lesson.explanation.rfc or lesson.explanation.lwip
    names = {each.name for each in lesson.experiments}
    for question in lesson.questions:
        for answer in question.answers:
            if answer.startswith(PREFIX):
                assert split(answer)[0] in ("", *names), answer
    for each in lesson.experiments:
        for terminal in each.terminals:
            _check_command(terminal.line)
        if each.program:
            assert each.play, "the test has to know what the learner does"
            assert any(each.program in t.line for t in each.terminals)
            _check_program(each.program)
        else:
            scenario_named(each.scenario)
        for extra in each.files:
            assert (PROGRAMS / extra).exists()
    for section in lesson.explanation.rfc:
        assert re.fullmatch(r"\d+(\.\d+)*", section), section


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_given_away_before_the_attempt(name: str) -> None:
    """No expected path, and no reason of an answer, is on the page that comes first."""
    lesson = load(name)
    text = " ".join(" ".join(lesson_page(lesson, PAGE_WITH_WORDS)).split())
    for each in lesson.experiments:
        assert str(each.expect) not in text, each.name
    for question in lesson.questions:
        because = " ".join(question.because.split())
        assert because not in text
        assert not question.hint or " ".join(question.hint.split()) not in text
    assert " ".join(lesson.explanation.text.split()) not in text


PAGE_WITH_WORDS = Page(Style(), TR, WORDS, 100)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_width(name: str, width: int) -> None:
    for line in _prose_lines(load(name), width):
        assert len(line) <= width, line


def _prose_lines(lesson: Lesson, width: int) -> Iterator[str]:
    """All lines but commands, which are not broken: they are copied."""
    for line in lesson_page(lesson, Page(Style(), TR, WORDS, width)):
        if not line.startswith("    "):
            yield line


def _check_command(line: str) -> None:
    if not line.startswith("lwipscope "):
        assert line.startswith(("{nc", "{netstat}", "{tcpdump}", "lwipscope ")) or line, line
        return
    words = shlex.split(line)
    assert words[1] in COMMANDS, f"no such command: {line}"
    if words[1] == "run-scenario":
        parser = argparse.ArgumentParser()
        add_run_scenario(parser.add_subparsers())
        with contextlib.redirect_stderr(io.StringIO()):
            parser.parse_args(words[1:])


def _check_program(name: str) -> None:
    """A gap has to be solved, and the solved program must be the same but for the gaps."""
    text, solved = program_text(name).decode(), program_text(name, solved=True).decode()
    gaps = [line for line in text.split("\n") if line.strip().startswith(GAP)]
    assert bool(gaps) is (SOLVED / name).exists(), "a gap needs a solved program, and only a gap"
    assert GAP not in solved
    compile(solved, name, "exec")
    kept = [line for line in text.split("\n") if line not in gaps and not line.startswith("#")]
    remaining = iter(solved.split("\n"))
    lost = [line for line in kept if line and not any(line == other for other in remaining)]
    assert not lost, f"the solved {name} lacks: {lost}"
    assert bool(completed(text, solved)) is bool(gaps)
