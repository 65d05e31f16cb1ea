"""Frames become typed events; what can't be understood becomes Unknown and says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.tcp.state import State
from lwipscope.trace.event import (
    Beat,
    Born,
    Call,
    Cause,
    Died,
    Endpoint,
    Event,
    Fault,
    Hello,
    Lost,
    PcbRow,
    Reply,
    Return,
    Segment,
    Transition,
    Unknown,
    flag_names,
    parse_event,
)
from lwipscope.trace.frame import Frame

BOARD = Endpoint("192.0.2.10", 6666)
PEER = Endpoint("192.0.2.1", 40312)


def event(line: str) -> Event:
    kind, _, tail = line.partition(" ")
    return parse_event(Frame(9, 1234, kind, tail, b""))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("born c=1 pool=pcb used=1", Born(9, 1234, 1, "pcb", 1)),
        (
            "state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 l=192.0.2.10:6666 "
            "r=192.0.2.1:40312 p=2",
            Transition(
                9,
                1234,
                3,
                State.CLOSED,
                State.SYN_RCVD,
                Cause("rx", "S"),
                "tcp_in.c:680",
                BOARD,
                PEER,
                2,
            ),
        ),
        (
            "died c=3 in=TIME_WAIT by=timer:2MSL used=0",
            Died(9, 1234, 3, State.TIME_WAIT, Cause("timer", "2MSL"), 0),
        ),
        (
            "rx c=2 S seq=4294967295 ack=0 win=64240 len=0 mss=1460 l=192.0.2.10:6666 "
            "r=192.0.2.1:40312",
            Segment(9, 1234, 2, "rx", "S", 4294967295, 0, 64240, 0, 1460, BOARD, PEER),
        ),
        (
            "tx c=3 P. seq=1 ack=2 win=8760 len=5",
            Segment(9, 1234, 3, "tx", "P.", 1, 2, 8760, 5, None, None, None),
        ),
        ("call c=1 bind 6666", Call(9, 1234, 1, "bind", "6666")),
        ("call c=2 accept", Call(9, 1234, 2, "accept", "")),
        ("ret c=2 accept c3", Return(9, 1234, 2, "accept", "c3")),
        ("lost n=17", Lost(9, 1234, 0, 17)),
        ("beat ring=128", Beat(9, 1234, 0, 128)),
        (
            "pcb re=4 c=2 LISTEN l=192.0.2.10:6666 age_ms=5",
            PcbRow(9, 1234, 2, 4, State.LISTEN, BOARD, None, 5),
        ),
        ("reply re=4 ok n=2", Reply(9, 1234, 0, 4, True, (), {"n": "2"})),
        ("reply re=4 err no-agent", Reply(9, 1234, 0, 4, False, ("no-agent",), {})),
        (
            "hello re=1 proto=1 boot=5.0 board=mps2-an385",
            Hello(
                9,
                1234,
                0,
                1,
                1,
                "5.0",
                {"re": "1", "proto": "1", "boot": "5.0", "board": "mps2-an385"},
            ),
        ),
        ("fault assert pcb != NULL a=b", Fault(9, 1234, 0, "assert pcb != NULL a=b")),
        ("state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=x:1 new=1 extra", None),
    ],
)
def test_events_of_each_kind(line: str, expected: Event | None) -> None:
    seen = event(line)
    if expected is not None:
        assert seen == expected
    assert not isinstance(seen, Unknown)
    assert seen.text()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("born pool=pcb used=1", "c= is missing"),
        ("born c=x pool=pcb used=1", "'x' is not a number"),
        ("state c=3 by=rx:.", "a word is missing"),
        ("state c=3 ESTABLISHED by=rx:.", "FROM>TO"),
        ("state c=3 SYN_RCVD>ESTAB by=rx:.", "'ESTAB' is not a state"),
        ("state c=3 SYN_RCVD>ESTABLISHED", "by= is missing"),
        ("state c=3 CLOSED>SYN_SENT by=api:connect l=192.0.2.999:1", "ADDRESS:PORT"),
        ("rx c=3 SX seq=1 ack=1 win=1 len=0", "not flags"),
        ("reply re=1 maybe", "neither ok nor err"),
        ("ret c=2 accept", "a word is missing"),
    ],
)
def test_a_malformed_frame_says_why(line: str, reason: str) -> None:
    seen = event(line)
    assert isinstance(seen, Unknown)
    assert seen.malformed
    assert reason in seen.reason
    assert (seen.seq, seen.clock_us) == (9, 1234)


def test_a_kind_of_the_future_is_unknown_but_not_malformed() -> None:
    seen = event("colour red")
    assert isinstance(seen, Unknown)
    assert not seen.malformed


@pytest.mark.parametrize(
    ("wire", "cause", "text"),
    [
        ("rx:S.", Cause("rx", "S."), "rx SYN+ACK"),
        ("rx:.,abort", Cause("rx", ".", aborted=True), "rx ACK, then abort"),
        ("api:close", Cause("api", "close"), "api close"),
        ("gc:close", Cause("gc", "close"), "gc close"),
        ("timer:2MSL", Cause("timer", "2MSL"), "timer 2MSL"),
        ("kill:pool-empty", Cause("kill", "pool-empty"), "kill pool-empty"),
        ("-", Cause("-"), "unknown cause"),
        ("moon:full", Cause("moon", "full"), "moon full"),
        ("rx:??", Cause("rx", "??"), "rx ??"),
    ],
)
def test_causes(wire: str, cause: Cause, text: str) -> None:
    assert Cause.parse(wire) == cause
    assert str(cause) == wire
    assert cause.text() == text


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("S", "SYN"),
        ("S.", "SYN+ACK"),
        (".", "ACK"),
        ("FP.", "FIN+PSH+ACK"),
        ("R.", "RST+ACK"),
        ("none", "no flags"),
        ("SEW", "SYN+ECE+CWR"),
    ],
)
def test_flag_names(flags: str, names: str) -> None:
    assert flag_names(flags) == names


@pytest.mark.parametrize("flags", ["", "X", "SS", "ACK"])
def test_what_are_no_flags_is_refused(flags: str) -> None:
    with pytest.raises(UsageError):
        flag_names(flags)


@pytest.mark.parametrize("text", ["192.0.2.1:80", "0.0.0.0:0", "[2001:db8::1]:443"])
def test_endpoints_are_read_and_written(text: str) -> None:
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "80", ":80", "192.0.2.1", "192.0.2.1:65536", "a:1", "1.2.3.4:x"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Endpoint.parse(text)


def test_what_a_return_means() -> None:
    accepted = event("ret c=2 accept c12")
    failed = event("ret c=2 bind EADDRINUSE")
    assert isinstance(accepted, Return)
    assert isinstance(failed, Return)
    assert (accepted.accepted, accepted.errno) == (12, None)
    assert (failed.accepted, failed.errno) == (None, "EADDRINUSE")


KINDS = st.sampled_from(
    [
        "hello",
        "born",
        "state",
        "died",
        "rx",
        "tx",
        "call",
        "ret",
        "lost",
        "beat",
        "pcb",
        "reply",
        "fault",
        "other",
    ]
)
WORDS = st.sampled_from(
    [
        "c=1",
        "c=",
        "re=1",
        "used=1",
        "by=rx:S",
        "in=CLOSED",
        "CLOSED>LISTEN",
        ">",
        "S.",
        "ok",
        "l=:",
        "r=192.0.2.1:1",
        "p=x",
        "n=9",
        "=",
        "a=b",
        "seq=1",
        "ack=1",
        "win=1",
        "len=1",
    ]
) | st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@given(KINDS, st.lists(WORDS, max_size=8))
def test_any_frame_is_an_event(kind: str, words: list[str]) -> None:
    seen = parse_event(Frame(1, 2, kind, " ".join(words), b""))
    assert (seen.seq, seen.clock_us) == (1, 2)
    assert isinstance(seen.text(), str)
