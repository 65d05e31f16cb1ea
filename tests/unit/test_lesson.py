"""Lessons without a board: their files, keys from a run, marking, predictions beside paths."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_examples import SERVER_PATH, served_run

from lwipscope.cli.lesson import path_hint
from lwipscope.errors import UsageError
from lwipscope.glossary.library import myth_named
from lwipscope.lesson.answers import question_key, read_answers, template
from lwipscope.lesson.checking import Checking
from lwipscope.lesson.commands import filled, words_for
from lwipscope.lesson.comparing import compared, parting
from lwipscope.lesson.explaining import completed
from lwipscope.lesson.expression import BadExpression, NotThere, evaluate, split
from lwipscope.lesson.library import TEXTS, lesson_named, lesson_names, load, translated
from lwipscope.lesson.marking import Unreadable, path_of, readable, right
from lwipscope.lesson.observing import fits, judge, look_for, program_trouble
from lwipscope.lesson.page import Page, wanted
from lwipscope.lesson.progress import Progress
from lwipscope.lesson.prose import paragraphs
from lwipscope.lesson.runs import Made
from lwipscope.lesson.seen import NotSeen, Seen, seen_in
from lwipscope.lesson.text import BadLesson, Kind, Lesson, read_lesson
from lwipscope.peer.nc import Variant
from lwipscope.report.style import Style
from lwipscope.runfile.model import Run
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Return
from lwipscope.words.catalogue import translator

TR = translator("en")
WORDS = words_for(Path("D"), ("/bin/nc", Variant.OPENBSD), "linux")
PAGE = Page(Style(), TR, WORDS)
TEXT = """
title = "A lesson"
minutes = 10
about = "About {folder}, {nc} and {other}."
[[experiment]]
name = "one"
do = "Do it."
terminals = [{ in = "1", type = "lwipscope run {folder}/served" }]
program = "served"
port = 6666
role = "server"
expect = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
predict = "Which states?"
look = "Look."
otherwise = "Do it as told."
shows = { "segments S" = "2" }
[[question]]
ask = "Flags?"
kind = "flags"
answer = "run:segment 2.flags"
hint = "The second one."
because = "It is both."
[[question]]
ask = "Which?"
kind = "choice"
choices = ["this", "that"]
answer = "b"
because = "That."
[explanation]
text = "So it is."
rfc = ["3.5"]
"""


def lesson_of(text: str = TEXT) -> Lesson:
    return read_lesson("x.toml", 1, "01-x", tomllib.loads(text))


def seen_of(run: Run | None = None) -> Seen:
    return seen_in(run or served_run(), lesson_of().experiments[0])


# Files.


def test_a_lesson_is_read() -> None:
    lesson = lesson_of()
    each = lesson.experiments[0]
    assert (lesson.title, lesson.minutes, each.name, each.port) == ("A lesson", 10, "one", 6666)
    assert each.shows == (("segments S", "2"),)
    assert [q.answers for q in lesson.questions] == [("run:segment 2.flags",), ("b",)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minutes = 10", "", "minutes: is missing"),
        ("minutes = 10", 'minutes = "10"', "minutes: '10'"),
        ('name = "one"', 'name = "One two"', "experiment 1: name"),
        ('program = "served"', "", "either a program or a scenario"),
        ('kind = "flags"', 'kind = "colour"', "question 1: kind: 'colour'"),
        ('answer = "b"', 'answer = "c"', "one of the letters ab"),
        ('choices = ["this", "that"]', "", "choices"),
        ("> LAST_ACK >", "> LST_ACK >", "expect: this is not a path"),
        ('look = "Look."', 'lok = "Look."', "look: is missing"),
        ('rfc = ["3.5"]', "rfc = [3.5]", "rfc: expected a list of texts"),
        ('rfc = ["3.5"]', 'rcf = ["3.5"]', "rcf: no such key"),
    ],
)
def test_a_lesson_with_a_mistake_says_where(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(BadLesson, match=re.escape(said)):
        lesson_of(TEXT.replace(old, new))


def test_the_english_file_decides_and_the_other_one_only_speaks() -> None:
    english = tomllib.loads(TEXT)
    other = copy.deepcopy(english)
    other["title"], other["minutes"] = "一课", 99
    other["question"][1] |= {"ask": "哪个", "choices": ["这个", "那个"], "answer": "a"}
    other["experiment"][0] |= {"do": "做。", "expect": "CLOSED"}
    made = read_lesson("x.toml", 1, "01-x", translated(english, other))
    assert (made.title, made.minutes) == ("一课", 10)
    assert made.questions[1].choices == ("这个", "那个")
    assert made.questions[1].answers == ("b",)
    assert made.experiments[0].do == "做。"
    assert str(made.experiments[0].expect) == SERVER_PATH


def test_lessons_are_numbered_from_one_without_holes() -> None:
    assert [int(name[:2]) for name in lesson_names()] == [*range(1, len(lesson_names()) + 1)]
    assert {path.stem for path in (TEXTS / "zh").glob("*.toml")} <= set(lesson_names())


def test_myths_that_lessons_name_are_there() -> None:
    named = {name for each in lesson_names() for name in load(each).explanation.myths}
    for name in named:
        assert myth_named(name).name == name


def test_a_lesson_by_number_name_and_beginning() -> None:
    wanted_name = "01-three-way-handshake"
    for text in ("1", "01", wanted_name, "three-way-handshake", "Three-way", "01-three"):
        assert lesson_named(text).name == wanted_name
    with pytest.raises(UsageError, match="did you mean three-way-handshake"):
        lesson_named("threeway-handshake")


# Keys from a run.


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("path", SERVER_PATH),
        ("path.2", "SYN_RCVD"),
        ("path.-1", "CLOSED"),
        ("states", 6),
        ("by CLOSE_WAIT", "rx FIN+ACK"),
        ("by CLOSE_WAIT.flags", "F."),
        ("by LAST_ACK", "api close"),
        ("by LAST_ACK.flags", "none"),
        ("end", "rx ACK"),
        ("segments", 9),
        ("segments S", 2),
        ("segments board S", 1),
        ("segments peer len", 1),
        ("segments closing", 4),
        ("segment 2.flags", "S."),
        ("segment 2.from", "board"),
        ("segment first F.flags", "F."),
        ("segment last board F.rseq", 1),
        ("segment last peer F.rack", 1),
        ("segment first S..flags", "S."),
        ("ack.2", 3_000_001),
        ("ack.3 - isn.board", 1),
        ("isn.peer", 3_000_000),
        ("mss.board", 1460),
        ("port.board", 6666),
        ("port.peer", 40000),
        ("bytes.peer", 6),
        ("bytes.board", 0),
        ("calls close", 1),
        ("result accept", "none"),
        ("connections", 1),
        ("connections CLOSE_WAIT", 1),
        ("left", 0),
        ("used", 1),
        ("prints ready", "yes"),
        ("prints a - b", "no"),
        ("peer.path.-1", "TIME_WAIT"),
        ("ms CLOSE_WAIT / 1000", 0.003),
    ],
)
def test_an_expression_is_evaluated_on_the_run(expression: str, value: object) -> None:
    assert evaluate(expression, seen_of()) == value


@pytest.mark.parametrize("expression", ["", "colour", "segment 2", "mss.wire", "path.x", "by TEA"])
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(expression, seen_of())


@pytest.mark.parametrize("expression", ["path.7", "segment 99.ack", "ms TIME_WAIT", "by CLOSING"])
def test_what_this_run_does_not_have(expression: str) -> None:
    with pytest.raises(NotThere):
        evaluate(expression, seen_of())


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_a_value_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(BadExpression, NotThere):
        evaluate(text, seen_of())


def test_an_expression_may_name_its_experiment() -> None:
    assert split("run:mended/segments F / 2") == ("mended", "segments F / 2")
    assert split("run:ms TIME_WAIT / 1000") == ("", "ms TIME_WAIT / 1000")


# Marking.


@pytest.mark.parametrize(
    ("given_text", "kind", "key", "good"),
    [
        ("[S.]", "flags", "S.", True),
        ("SYN, ACK", "flags", "S.", True),
        ("ack+syn", "flags", "S.", True),
        ("S", "flags", "S.", False),
        ("1 460 bytes", "number", 1460, True),
        ("1_460", "number", 1460, True),
        ("0.5 s", "number", 0.5, True),
        ("16 pcbs", "number", 16, True),
        ("SYN-RECEIVED", "state", "SYN_RCVD", True),
        ("estab", "state", "ESTABLISHED", True),
        ("B)", "choice", "b", True),
        ("rx  rst+ack.", "text", "rx RST+ACK", True),
        ("LISTEN -> syn_recv", "path", "LISTEN > SYN_RCVD", True),
        ("CLOSED > SYN_SENT", "path", "SYN_SENT", True),
        ("LISTEN", "path", "LISTEN > SYN_RCVD", False),
    ],
)
def test_answers_in_peoples_spellings(
    given_text: str, kind: Kind, key: str | float, good: bool
) -> None:
    assert right(given_text, kind, [key], 0.0, TR) is good


@pytest.mark.parametrize(
    ("given_text", "kind"),
    [("lots", "number"), ("XYZ", "flags"), ("OPEN", "state"), ("c", "choice"), (">>", "path")],
)
def test_an_answer_of_another_kind_is_told(given_text: str, kind: Kind) -> None:
    with pytest.raises(Unreadable):
        readable(given_text, kind, ("this", "that") if kind == "choice" else (), TR)


def test_no_kind_gives_an_example_that_could_be_the_answer() -> None:
    for kind in ("path", "state", "flags", "text", "number", "choice"):
        assert "SYN" not in wanted(kind, TR)  # type: ignore[arg-type]


# Predictions and runs.


def test_where_a_prediction_parts_is_told_with_its_cause() -> None:
    told = path_of("CLOSED > LISTEN > SYN_RCVD > ESTABLISHED > CLOSED", TR)
    lines = compared(told, seen_of().connection, PAGE)
    (row,) = [line for line in lines if "≠" in line]
    assert re.match(r"CLOSED +≠ CLOSE_WAIT +segment 6 came in, FIN\+ACK from 192\.0\.2\.1", row)
    assert "After ESTABLISHED you expected CLOSED. The board went to" in " ".join(lines)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (SERVER_PATH, "As you predicted: every state"),
        ("LISTEN > SYN_RCVD", "You stopped at SYN_RCVD. The board went on to ESTABLISHED"),
        ("SYN_SENT", "The board's path begins with LISTEN"),
        (f"{SERVER_PATH} > TIME_WAIT", "was still in CLOSED when the run ended"),
    ],
)
def test_a_comparison_in_words(told: str, words: str) -> None:
    text = " ".join(compared(path_of(told, TR), seen_of().connection, PAGE))
    assert words in text


def test_parting() -> None:
    one, two = [State.LISTEN], [State.LISTEN, State.SYN_RCVD]
    assert (parting(one, one), parting(one, two), parting(two, one)) == (None, 1, 1)


def test_a_run_that_is_meant_and_one_that_is_not() -> None:
    each, made = lesson_of().experiments[0], Made(Path("x"), served_run())
    assert judge(each, made, None, TR).seen is not None
    other = lesson_of(TEXT.replace("CLOSE_WAIT > LAST_ACK", "FIN_WAIT_1")).experiments[0]
    why = "\n".join(judge(other, made, None, TR).why)
    assert "up to ESTABLISHED it is the one meant; then the board went to CLOSE_WAIT" in why
    assert "FIN+ACK from 192.0.2.1" in why
    assert "Do it as told." in why
    assert "FIN_WAIT_1" not in why, "what was meant is for the learner to find out"
    lacking = lesson_of(TEXT.replace('"segments S" = "2"', '"segments S" = ">= 3"'))
    assert judge(lacking.experiments[0], made, None, TR).seen is None
    absent = TEXT.replace("shows =", 'absent = ["CLOSE_WAIT > LAST_ACK"]\nshows =')
    why = "\n".join(judge(lesson_of(absent).experiments[0], made, None, TR).why)
    assert "took the edge CLOSE_WAIT > LAST_ACK" in why


def test_two_connections_and_none() -> None:
    each = lesson_of().experiments[0]
    with pytest.raises(NotSeen) as two:
        seen_in(served_run(2), each)
    assert len(two.value.fitting) == 2
    assert seen_in(served_run(2), each, 4).connection.id == 4
    last = lesson_of(TEXT.replace("shows =", 'pick = "last"\nshows =')).experiments[0]
    assert seen_in(served_run(2), last).connection.id == 4
    client = lesson_of(TEXT.replace('"server"', '"client"')).experiments[0]
    with pytest.raises(NotSeen):
        seen_in(served_run(), client)


@pytest.mark.parametrize(
    ("value", "said", "good"),
    [(2, "2", True), (2, ">= 2", True), (2, "> 2", False), (1.5, "1.5", True), ("a", "> 1", False)],
)
def test_what_a_run_has_to_show(value: object, said: str, good: bool) -> None:
    assert fits(value, said) is good


def test_gaps_and_grammar_of_a_program(tmp_path: Path) -> None:
    path = tmp_path / "p.py"
    path.write_text("import x\nif x:\n    # ... do it\n    pass\n")
    assert program_trouble(path, TR) == ["p.py:3: still to be completed: # ... do it"]
    path.write_text("import x\nfor\n")
    assert program_trouble(path, TR) == ["p.py:2: invalid syntax: for"]


def test_what_was_to_be_completed_is_told_and_no_more() -> None:
    gaps = "# Title\n#\nx = 1\nclose()\nif x:\n    # ... close it\ny = 2\n"
    solved = "# Title, solved\nx = 1\nclose()\nif x:\n    close()\ny = 2\n"
    assert completed(gaps, solved) == ["    close()"]


# The learner's files.


def written(folder: Path, **values: str) -> None:
    """answers.toml with these values, and the time of a minute ago."""
    text = template(lesson_of(), WORDS, TR)
    for key, value in values.items():
        text = re.sub(rf"^{key} = .*$", f'{key} = "{value}"', text, flags=re.M)
    path = folder / "answers.toml"
    path.write_text(text)
    os.utime(path, (time.time() - 60, time.time() - 60))


def test_the_template_is_read_back(tmp_path: Path) -> None:
    written(tmp_path, one="LISTEN", q2="b")
    answers = read_answers(tmp_path, lesson_of(), TR)
    assert (answers.predictions, answers.answers) == ({"one": "LISTEN"}, {"q2": "b"})
    text = (tmp_path / "answers.toml").read_text()
    assert text.split("\n")[answers.lines["q2"] - 1] == 'q2 = "b"'


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_answers_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "answers.toml").write_bytes(data)
    with pytest.raises(UsageError):
        read_answers(folder, lesson_of(), TR)


def checked(folder: Path, run: Run | None, progress: Progress) -> Checking:
    made = None if run is None else Made(folder / "x.lwiprun", run)
    checking = Checking(lesson_of(), folder, progress, PAGE, made)
    checking.check()
    return checking


def test_marks_give_nothing_away_and_attempts_are_counted(tmp_path: Path) -> None:
    run = served_run()
    progress = Progress("01-x", 0)
    written(tmp_path, one=SERVER_PATH, q1="F", q2="a")
    os.utime(tmp_path / "answers.toml", ns=(run.about.wall_ns - 1, run.about.wall_ns - 1))
    first = checked(tmp_path, run, progress)
    text = "\n".join(first.lines)
    assert first.code == 1
    assert text.count("not yet") == 2
    for secret in ("S.", "SYN+ACK", "It is both.", "That.", "The second one."):
        assert secret not in text.partition("Questions")[2], secret
    assert checked(tmp_path, run, progress).progress.tried["q1"].tries == 1, "the same answer again"
    written(tmp_path, one=SERVER_PATH, q1="R", q2="b")
    second = "\n".join(checked(tmp_path, run, progress).lines)
    assert "Look here: The second one." in second
    assert "That." in second
    written(tmp_path, one=SERVER_PATH, q1="S.", q2="b")
    assert checked(tmp_path, run, progress).code == 0
    again = Progress.load(tmp_path)
    assert again is not None
    assert again.completed_ns
    assert {key: each.tries for key, each in again.tried.items()} == {"q1": 3, "q2": 2}


def test_a_run_of_before_the_prediction_counts_and_that_is_said(tmp_path: Path) -> None:
    progress = Progress("01-x", 0)
    written(tmp_path, one=SERVER_PATH)  # a minute ago; the run is of 2023
    for _ in range(2):
        checking = checked(tmp_path, served_run(), progress)
        assert checking.code == 1
        text = " ".join(" ".join(checking.lines).split())
        assert "it is taken on your word that you predicted first" in text
        assert "As you predicted" in text
    assert progress.observed


def test_a_recv_that_only_returned_is_a_call_of_recv() -> None:
    seen = seen_of()
    first = seen.connection.calls[0]
    calls = (
        Call(first.seq, first.clock_us, 3, "recv", "6"),
        Return(first.seq, first.clock_us, 3, "recv", "EOF"),
    )
    talked = replace(seen, connection=replace(seen.connection, calls=calls))
    assert evaluate("calls recv", talked) == 2


def later(run: Run) -> Run:
    """The same run, a minute later."""
    return replace(run, about=replace(run.about, wall_ns=run.about.wall_ns + 60 * 10**9))


def test_a_run_of_after_the_prediction_is_preferred(tmp_path: Path) -> None:
    run = served_run()
    early, late = Made(tmp_path / "a", run), Made(tmp_path / "b", later(run))
    experiment = lesson_of().experiments[0]
    seen = look_for(experiment, [early, late], early.wall_ns + 1, None, TR)
    assert (seen.made, seen.before) == (late, False)
    seen = look_for(experiment, [late, early], late.wall_ns + 1, None, TR)
    assert (seen.made, seen.before) == (late, True)


# Words and lines.


@pytest.mark.parametrize(
    ("nc", "platform", "listen", "half"),
    [
        (("/usr/bin/nc.openbsd", Variant.OPENBSD), "linux", "nc -l -p", "nc -N"),
        (("/usr/bin/nc", Variant.OPENBSD), "darwin", "nc -l", "lwipscope nc -N"),
        (("/usr/bin/ncat", Variant.NCAT), "linux", "ncat -l", "lwipscope nc -N"),
        (("/bin/nc", Variant.TRADITIONAL), "linux", "nc -l -p", "lwipscope nc -N"),
        (None, "win32", "lwipscope nc -l -p", "lwipscope nc -N"),
    ],
)
def test_the_commands_of_this_machine(
    nc: tuple[str, Variant] | None, platform: str, listen: str, half: str
) -> None:
    words = words_for(Path("D"), nc, platform)
    assert (words["nc_listen"], words["nc_half"]) == (listen, half)
    find = 'find "6666"' if platform == "win32" else "grep 6666"
    assert words["netstat_here"].endswith(f" | {find}")


def test_a_shell_that_does_not_know_the_command(tmp_path: Path) -> None:
    scripts = tmp_path / "with blank"
    scripts.mkdir()
    assert path_hint("/nowhere", scripts) == "", "there is none to point at"
    command = scripts / "lwipscope"
    command.touch(0o755)
    assert path_hint("/nowhere", scripts) == f"export PATH='{scripts}':$PATH"
    assert path_hint(f"/nowhere:{scripts}", scripts) == ""


def test_placeholders_and_other_braces() -> None:
    assert filled("{nc} {x} {folder}", WORDS) == "nc {x} D"
    assert question_key(3) == "q3"


def test_prose_keeps_code_and_wraps_the_rest() -> None:
    text = "A long\nline of words.\n\n  code  stays\n\n* one item that is long\n* two"
    assert paragraphs(text, Style(), 20) == [
        *("A long line of", "words.", "", "  code  stays", "", "- one item that is", "  long"),
        "- two",
    ]
    painted = paragraphs("say `a b` and *c*", Style(colour=True), 80)
    assert painted == ["say \x1b[36ma b\x1b[0m and \x1b[1mc\x1b[0m"]
