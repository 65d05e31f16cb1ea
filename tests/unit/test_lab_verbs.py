"""The lab's grammar, completion and words: what a line means before any board hears of it."""

from __future__ import annotations

import pytest

from lwipscope.errors import LwipscopeError
from lwipscope.lab.completion import completions
from lwipscope.lab.lab import _DO
from lwipscope.lab.live_table import LiveTable
from lwipscope.lab.mistakes import Mistake, errno_words
from lwipscope.lab.text import typed
from lwipscope.lab.verbs import VERBS, parse
from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Call, Cause, Died, Endpoint, Return, Segment, Transition
from lwipscope.words.catalogue import translator

EN = translator("en")
NAMES = {"board-socket": ["s1", "s2"], "board-listener": ["s1"], "nc": ["n1"], "raw": ["r1"]}
HERE, THERE = Endpoint("192.0.2.10", 6666), Endpoint("192.0.2.1", 40000)


@pytest.mark.parametrize(
    ("line", "words", "arguments"),
    [
        ("board listen 6666", "board listen", {"PORT": "6666"}),
        ("  board   listen 6666   3 ", "board listen", {"PORT": "6666", "BACKLOG": "3"}),
        ("board send s2 a  b", "board send", {"S": "s2", "TEXT": "a  b"}),
        ("board reuse", "board reuse", {}),
        ("board reuse off", "board reuse", {"ON": "off"}),
        ("nc connect 6666 -N -q 1", "nc connect", {"PORT": "6666", "FLAGS": "-N -q 1"}),
        ("raw connect 6666 withhold-ack", "raw connect", {"PORT": "6666", "HOW": "withhold-ack"}),
        ("raw close-crossing r1 s2", "raw close-crossing", {"R": "r1", "S": "s2"}),
        ("raw fin-ack r1", "raw fin-ack", {"R": "r1"}),
        ("time 500", "time", {"MS": "500"}),
        ("time 500 forced", "time", {"MS": "500", "HOW": "forced"}),
        ("time until TIMED_WAIT s2", "time until", {"STATE": "TIMED_WAIT", "S": "s2"}),
        ("time manual", "time manual", {}),
        ("save", "save", {}),
        ("script my app.py", "script", {"FILE": "my app.py"}),
    ],
)
def test_a_line_is_a_verb_and_its_arguments(
    line: str, words: str, arguments: dict[str, str]
) -> None:
    verb, found = parse(line, EN)
    assert (verb.words, found) == (words, arguments)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "lines begin with board, nc, raw, time"),
        ("bord listen 1", "no verb begins with 'bord listen'"),
        ("board lisen 1", "board listen PORT [BACKLOG]"),
        ("board listen", "PORT is missing: board listen PORT [BACKLOG]"),
        ("board listen 0", "'0' is no port"),
        ("board listen 65536", "no port"),
        ("board listen \uff16\uff16", "no port"),
        ("board listen 66 x", "'x' is no number"),
        ("board accept s1 s2", "'s2' is too much"),
        ("board reuse maybe", "where ON is on | off"),
        ("time -1", "no number"),
        ("time 99999999999", "no number"),
        ("time until NEVER", "NEVER"),
        ("board send s1", "TEXT is missing"),
    ],
)
def test_a_wrong_line_is_told_with_what_was_expected(line: str, said: str) -> None:
    with pytest.raises(LwipscopeError) as caught:
        parse(line, EN)
    assert said in str(caught.value)


def test_every_verb_is_done_by_something_and_can_be_typed_as_its_usage_says() -> None:
    assert {verb.words for verb in VERBS} == set(_DO)
    values = {"port": "80", "number": "5", "state": "LISTEN", "word": "", "text": "x", "file": "f"}
    for verb in VERBS:
        given = [values.get(a.takes) or (a.choices or ("s1",))[0] for a in verb.arguments]
        found, arguments = parse(" ".join((verb.words, *given)), EN)
        assert found is verb
        assert list(arguments.values()) == given


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("boa", ["board"]),
        ("board l", ["listen"]),
        ("board listen ", ["6666"]),
        ("board accept ", ["s1"]),
        ("board close s", ["s1", "s2"]),
        ("nc end ", ["n1"]),
        ("raw close-crossing r1 s", ["s1", "s2"]),
        ("raw connect 80 ", ["withhold-ack"]),
        ("time u", ["until"]),
        ("time until TIME", ["TIME_WAIT"]),
        ("time until TIME_WAIT ", ["s1", "s2"]),
        ("board close s1 ", []),
        ("nonsense ", []),
    ],
)
def test_completion_offers_what_may_stand_there(line: str, expected: list[str]) -> None:
    assert completions(line, NAMES) == expected


def test_at_the_beginning_every_group_is_offered() -> None:
    assert {"board", "nc", "raw", "time", "help"} <= set(completions("", NAMES))


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("hello", b"hello"),
        (r"a\r\n", b"a\r\n"),
        (r"\x00\xff\\n", b"\x00\xff\\n"),
        ("\u4e2d", "\u4e2d".encode()),
        (r"\q", rb"\q"),
        ("a\udcff", b"a\xff"),
        ("\ud800\\n", b"?\n"),
    ],
)
def test_text_is_sent_as_it_is_typed(text: str, data: bytes) -> None:
    assert typed(text) == data


def test_an_errno_has_its_name_and_what_it_means_at_that_call() -> None:
    told = errno_words("accept", "EAGAIN", EN)
    assert told.startswith("accept: OSError EAGAIN: ")
    assert "no finished connection waits" in told
    assert "no finished connection" not in errno_words("recv", "EAGAIN", EN)
    assert errno_words("send", "EXYZ", EN) == "send: OSError EXYZ"


def test_a_mistake_is_an_error_of_ours() -> None:
    assert issubclass(Mistake, LwipscopeError)


def test_the_live_table_follows_a_connection_to_its_end() -> None:
    table = LiveTable()
    rx = Cause.parse("rx:S")
    table.event(Born(1, 1000, 3, "pcb", 1))
    table.event(Transition(2, 1000, 3, State.CLOSED, State.SYN_RCVD, rx, "", HERE, THERE, 2))
    table.event(Segment(3, 2000, 3, "rx", "P.", 1, 1, 100, 5, None, None, None))
    (row,) = table.rows(running=False)
    assert (row.state, row.local, row.remote, row.age_ms) == (State.SYN_RCVD, HERE, THERE, 1)
    pcb = table.pcb(3)
    assert pcb is not None
    assert (pcb.unread, pcb.accepted, pcb.listener) == (5, False, 2)
    table.event(Return(4, 2000, 2, "accept", "c3"))
    table.event(Call(5, 2000, 3, "recv", "5"))
    pcb = table.pcb(3)
    assert pcb is not None
    assert (pcb.unread, pcb.accepted) == (0, True)
    table.event(Died(6, 3000, 3, State.SYN_RCVD, rx, 0))
    assert table.rows(running=False) == []
    assert table.state(3) is State.CLOSED
