"""A verdict is PASS only with whole evidence, and a failure explains itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.trace.connection import Role
from lwipscope.trace.event import Event, parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.integrity import Gap, Integrity
from lwipscope.trace.verdict import PathCheck, Verdict, check_path

COMPLETE = Integrity(synced_through=99)
PATH = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSED"
LISTENER = "state c=2 CLOSED>LISTEN by=api:listen at=tcp.c:890 l=0.0.0.0:6666"


def child(conn: int, port: int) -> list[str]:
    ends = f"l=192.0.2.10:6666 r=192.0.2.1:{port}"
    return [
        f"state c={conn} CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 {ends} p=2",
        f"state c={conn} SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942",
        f"state c={conn} ESTABLISHED>CLOSED by=rx:R at=tcp.c:2212",
    ]


def events(lines: list[str]) -> list[Event]:
    made = []
    for seq, line in enumerate(lines):
        kind, _, tail = line.partition(" ")
        made.append(parse_event(Frame(seq, seq * 1000, kind, tail, b"")))
    return made


ONE = events([LISTENER, *child(3, 40312)])
TWO = events([LISTENER, *child(3, 40312), *child(4, 40313)])


def check(
    seen: list[Event], integrity: Integrity, pattern: str = PATH, role: Role | None = None
) -> PathCheck:
    return check_path(seen, integrity, pattern, port=6666, role=role, name="demo")


def test_pass() -> None:
    result = check(ONE, COMPLETE)
    assert result.verdict is Verdict.PASS
    assert result.name == "demo"
    assert result.connection is not None
    assert result.connection.id == 3
    assert str(result.pattern) == PATH


def test_fail_shows_expected_seen_the_difference_and_the_timeline() -> None:
    result = check(ONE, COMPLETE, "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT")
    assert result.verdict is Verdict.FAIL
    assert "expected  LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT" in result.text
    assert "seen      LISTEN > SYN_RCVD > ESTABLISHED > CLOSED" in result.text
    assert "^ here CLOSE_WAIT was expected" in result.text
    (marked,) = [line for line in result.text.splitlines() if line.startswith("> ")]
    assert "c3 ESTABLISHED > CLOSED (rx RST)" in marked


def test_fail_shows_eight_lines_around_the_difference_at_most() -> None:
    calls = [f"call c=2 noise {n}" for n in range(40)]
    many = events([LISTENER, *calls, *child(3, 40312), *calls])
    text = check(many, COMPLETE, "LISTEN > SYN_RCVD").text
    lines = text.partition("the timeline around it:\n")[2].splitlines()
    assert len(lines) == 8 + 1 + 8
    assert lines[8].startswith("> ")


def test_no_connection_is_a_failure_that_lists_what_was_seen() -> None:
    result = check_path(ONE, COMPLETE, PATH, port=7777)
    assert result.verdict is Verdict.FAIL
    assert "port=7777" in result.text
    assert "c3 server" in result.text
    nothing = check_path([], COMPLETE, PATH)
    assert nothing.verdict is Verdict.FAIL
    assert "no connections were seen" in nothing.text


def test_several_connections_are_an_error_that_lists_them() -> None:
    result = check(TWO, COMPLETE)
    assert result.verdict is Verdict.ERROR
    assert result.connection is None
    assert "c3 server" in result.text
    assert "c4 server" in result.text
    one = check_path(TWO, COMPLETE, PATH, port=6666, remote_port=40313)
    assert one.verdict is Verdict.PASS


def test_a_listener_is_looked_at_only_when_asked_for() -> None:
    assert check(ONE, COMPLETE, "LISTEN", role="listener").verdict is Verdict.PASS
    assert check(events([LISTENER]), COMPLETE, "LISTEN").verdict is Verdict.FAIL


INCOMPLETE = [
    Integrity(synced_through=None),
    Integrity(synced_through=99, gaps=(Gap(3, 3),)),
    Integrity(synced_through=99, repeats=1),
    Integrity(synced_through=99, reordered=1),
    Integrity(synced_through=99, bad_frames=1),
    Integrity(synced_through=99, malformed=1),
    Integrity(synced_through=99, lost_records=1),
    Integrity(synced_through=99, unsynced=1),
    Integrity(synced_through=99, started=False),
]


@pytest.mark.parametrize("integrity", INCOMPLETE)
@pytest.mark.parametrize("pattern", [PATH, "LISTEN > CLOSED"])
@pytest.mark.parametrize("seen", [ONE, []])
def test_incomplete_evidence_is_inconclusive(
    integrity: Integrity, pattern: str, seen: list[Event]
) -> None:
    result = check(seen, integrity, pattern)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert integrity.problems()[0] in result.text


@pytest.mark.parametrize(
    "integrity",
    [
        Integrity(synced_through=99, reset=True),
        Integrity(synced_through=99, fault="assert x"),
        Integrity(board_lost="QEMU ended"),
    ],
)
def test_a_board_that_stopped_is_an_error(integrity: Integrity) -> None:
    assert check(ONE, integrity).verdict is Verdict.ERROR


def test_a_board_lost_after_the_sync_changes_nothing() -> None:
    ended = Integrity(synced_through=99, board_lost="closed")
    assert check(ONE, ended).verdict is Verdict.PASS


def test_records_that_contradict_each_other_are_inconclusive() -> None:
    lines = [LISTENER, *child(3, 40312)]
    del lines[2]
    result = check(events(lines), COMPLETE)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "contradict" in result.text


def test_a_connection_without_a_beginning_is_inconclusive() -> None:
    lines = ["state c=7 ESTABLISHED>CLOSED by=rx:R at=tcp.c:2212 l=192.0.2.10:6666"]
    result = check(events(lines), COMPLETE, "... > CLOSED")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the beginning of c7 was not seen" in result.text


def test_exit_codes_are_those_of_the_readme() -> None:
    codes = {verdict.name: verdict.exit_code for verdict in Verdict}
    assert codes == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 4, "ERROR": 4}


def test_a_bad_pattern_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean"):
        check(ONE, COMPLETE, "LISTEM")


@given(
    st.builds(
        Integrity,
        gaps=st.just(()) | st.just((Gap(1, 2),)),
        repeats=st.integers(0, 1),
        bad_frames=st.integers(0, 1),
        lost_records=st.integers(0, 1),
        reset=st.booleans(),
        fault=st.none() | st.just("x"),
        synced_through=st.none() | st.just(99),
        unsynced=st.integers(0, 1),
        noise_bytes=st.integers(0, 9),
    )
)
def test_pass_needs_complete_evidence(integrity: Integrity) -> None:
    verdict = check(ONE, integrity).verdict
    assert (verdict is Verdict.PASS) == integrity.complete
    assert verdict is not Verdict.FAIL
