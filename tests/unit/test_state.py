"""States are read in everybody's spelling, and written in any of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.tcp.state import State

STYLES = ("lwip", "rfc", "linux", "ss", "windows", "bsd")

SPELLINGS = {
    State.CLOSED: "CLOSED close UNCONN TCP_CLOSE TCPS_CLOSED TCPSTATE_CLOSED DELETE_TCB",
    State.LISTEN: "LISTEN LISTENING listen TCP_LISTEN MIB_TCP_STATE_LISTEN state-listen",
    State.SYN_SENT: "SYN_SENT SYN-SENT SYN_SEND synsent TCPS_SYN_SENT TCP_SYN_SENT",
    State.SYN_RCVD: "SYN_RCVD SYN_RECV SYN-RECV SYN-RECEIVED SYN_RECEIVED TCPSTATE_SYN_RCVD "
    "NEW_SYN_RECV TCP_NEW_SYN_RECV TCPS_SYN_RECEIVED",
    State.ESTABLISHED: "ESTABLISHED ESTAB Established state-established MIB_TCP_STATE_ESTAB",
    State.FIN_WAIT_1: "FIN_WAIT_1 FIN_WAIT1 FIN-WAIT-1 finwait1 TCP_FIN_WAIT1 "
    "MIB_TCP_STATE_FIN_WAIT1",
    State.FIN_WAIT_2: "FIN_WAIT_2 FIN_WAIT2 FIN-WAIT-2 TCPS_FIN_WAIT_2 TCPSTATE_FIN_WAIT_2",
    State.CLOSE_WAIT: "CLOSE_WAIT CLOSE-WAIT closewait TCP_CLOSE_WAIT TCPS_CLOSE_WAIT",
    State.CLOSING: "CLOSING closing TCP_CLOSING",
    State.LAST_ACK: "LAST_ACK LAST-ACK lastack TCP_LAST_ACK",
    State.TIME_WAIT: "TIME_WAIT TIME-WAIT TIMED_WAIT timewait TCP_TIME_WAIT TCPS_TIME_WAIT",
}


@pytest.mark.parametrize(
    ("text", "state"), [(text, state) for state, all_ in SPELLINGS.items() for text in all_.split()]
)
def test_usual_spellings_are_accepted(text: str, state: State) -> None:
    assert State.parse(text) is state


def test_spaces_count_as_separators() -> None:
    assert State.parse("  fin wait 2 ") is State.FIN_WAIT_2


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_read_back_and_tells_all_states_apart(style: str) -> None:
    written = [state.spelled(style) for state in State]
    assert [State.parse(text) for text in written] == list(State)
    assert len(set(written)) == 11


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("lwip", "CLOSED SYN_RCVD ESTABLISHED FIN_WAIT_1 LISTEN"),
        ("bsd", "CLOSED SYN_RCVD ESTABLISHED FIN_WAIT_1 LISTEN"),
        ("rfc", "CLOSED SYN-RECEIVED ESTABLISHED FIN-WAIT-1 LISTEN"),
        ("linux", "CLOSE SYN_RECV ESTABLISHED FIN_WAIT1 LISTEN"),
        ("ss", "UNCONN SYN-RECV ESTAB FIN-WAIT-1 LISTEN"),
        ("windows", "CLOSED SYN_RECEIVED ESTABLISHED FIN_WAIT_1 LISTENING"),
    ],
)
def test_styles_are_those_of_the_tools(style: str, expected: str) -> None:
    states = (State.CLOSED, State.SYN_RCVD, State.ESTABLISHED, State.FIN_WAIT_1, State.LISTEN)
    assert " ".join(state.spelled(style) for state in states) == expected


def test_values_are_those_of_lwips_enum() -> None:
    assert [state.value for state in State] == list(range(11))
    assert (State(4), State(10)) == (State.ESTABLISHED, State.TIME_WAIT)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ESTABLSHED", "did you mean ESTABLISHED?"),
        ("LISTNE", "did you mean LISTEN?"),
        ("FIN_WAIT_3", "did you mean FIN_WAIT_"),
        ("FIN_WAIT", "FIN_WAIT_1, FIN_WAIT_2"),
        ("SYN", "SYN_SENT, SYN_RCVD"),
        ("", "the states are: CLOSED, LISTEN"),
        ("q", "the states are: CLOSED, LISTEN"),
    ],
)
def test_a_wrong_name_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        State.parse(text)
    assert hint in str(caught.value)


def test_an_unknown_style_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"bsd, linux, lwip, rfc, ss, windows"):
        State.LISTEN.spelled("cisco")


@given(st.text(max_size=30))
def test_any_text_is_a_state_or_a_usage_error(text: str) -> None:
    try:
        assert State.parse(text) in State
    except UsageError as error:
        assert str(error)
