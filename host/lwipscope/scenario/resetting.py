"""Scenarios of RST: in each state, exactly at the expected number, inside the window, outside it.

The other end is the raw peer. Sources: RFC 9293 3.10.7.4, second; RFC 5961 3.2 (challenge ACK);
RFC 1337 (TIME_WAIT); lwIP 2.2.1 tcp_in.c (tcp_process, tcp_timewait_input).
"""

from __future__ import annotations

from lwipscope.errors import UsageError
from lwipscope.scenario.pair import (
    PORT,
    SERVER,
    WHO,
    Pair,
    conn_of,
    delivered,
    half_open,
    knocking,
    nothing,
    opened,
)
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_RFC = "RFC 9293 3.10.7.4, second"


def _in_syn_rcvd(stage: Stage) -> None:
    raw, conn = half_open(stage)
    raw.send("R", seq=2)
    stage.note(WHO, "RST in the window, but not the next number: challenged")
    raw.expect(".", seq=1, ack=1)
    stage.insist_state(conn, State.SYN_RCVD)
    raw.send("R", seq=1)
    nothing(stage, raw)
    stage.insist_end(conn, "rx RST")


def _inside_the_window(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("R", seq=2)
    stage.note(WHO, "RST in the window, but not the next number")
    pair.raw.expect(".", seq=1, ack=1, length=0)
    pair.nothing()
    pair.insist(State.ESTABLISHED)


def _outside_the_window(stage: Stage) -> None:
    pair = opened(stage)
    for seq in (0, 1 + pair.raw.board_window + 1, 0x40000000):
        pair.raw.send("R", seq=seq)
        pair.nothing()
    stage.note(WHO, "three RSTs outside the window: below, above, and far away")
    pair.insist(State.ESTABLISHED)


def _exact(stage: Stage, state: State) -> None:
    """Go to the state, send RST with the next number: the end, without an answer."""
    pair = opened(stage)
    _go_to(pair, state)
    pair.insist(state)
    pair.raw.send("R")
    pair.nothing()
    stage.insist_end(pair.conn, "rx RST")


def _in_time_wait(stage: Stage) -> None:
    pair = opened(stage)
    _go_to(pair, State.TIME_WAIT)
    pair.raw.send("R")
    stage.note(WHO, "RST in TIME_WAIT: ignored, as RFC 1337 proposes")
    pair.nothing()
    pair.insist(State.TIME_WAIT)
    pair.to_the_end_of_2msl()


def _syn_in_time_wait(stage: Stage) -> None:
    pair = opened(stage)
    _go_to(pair, State.TIME_WAIT)
    pair.raw.send("S", seq=100)
    stage.note(WHO, "a new SYN from the same port")
    pair.raw.expect("R.")
    pair.insist(State.TIME_WAIT)


def _before_accept(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    conn = conn_of(stage, raw)
    raw.send("R")
    nothing(stage, raw)
    stage.insist_end(conn, "rx RST")
    stage.insist_refused(listener.accept, "accept() of what was reset", "EAGAIN")


def _after_data(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("P.", b"last words")
    delivered(stage, pair.raw.send("R"))
    stage.insist_end(pair.conn, "rx RST")
    stage.insist_refused(pair.socket.recv, "recv() of data before an RST", "ECONNRESET")


def _go_to(pair: Pair, state: State) -> None:
    """From ESTABLISHED to a later state, the shortest way. UsageError if there is none."""
    raw = pair.raw
    match state:
        case State.ESTABLISHED:
            return
        case State.CLOSE_WAIT | State.LAST_ACK:
            raw.send("F.")
            raw.expect(".", ack=2)
            if state is State.LAST_ACK:
                pair.socket.close()
                raw.expect("F.", seq=1)
        case State.FIN_WAIT_1 | State.FIN_WAIT_2 | State.CLOSING | State.TIME_WAIT:
            pair.socket.close()
            raw.expect("F.", seq=1)
            if state is State.FIN_WAIT_2:
                raw.send(".")
                pair.nothing()
            elif state is not State.FIN_WAIT_1:
                raw.send("F.", ack=1 if state is State.CLOSING else 2)
                raw.expect(".", seq=2, ack=2)
        case _:
            raise UsageError(f"{state} does not come after ESTABLISHED")


def _exact_in(state: State, way: str) -> Scenario:
    name = state.name.lower().replace("_", "-")
    path = " > ".join((SERVER, *way.split(), "CLOSED"))
    return Scenario(
        f"rst-in-{name}",
        f"RST in {state}",
        f"An RST with exactly the next sequence number ends the connection in {state} at once. "
        "Nothing answers it.",
        _RFC,
        Expected(path, "server"),
        lambda stage: _exact(stage, state),
        RAW,
        f"{state} > CLOSED by the peer",
    )


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "rst-in-syn-rcvd",
        "RST in SYN_RCVD",
        "The peer gives up the handshake with RST. One that is in the window without being the "
        "next number is challenged with an ACK (RFC 5961); the exact one ends the attempt. The "
        "listener goes on.",
        f"{_RFC}; RFC 5961 3.2",
        Expected("LISTEN > SYN_RCVD > CLOSED", "server"),
        _in_syn_rcvd,
        RAW,
        "SYN_RCVD back to LISTEN, which for lwIP is the end of the child",
    ),
    _exact_in(State.ESTABLISHED, ""),
    Scenario(
        "rst-inside-window",
        "RST inside the window",
        "An RST in the window, but not with the next number, might be an attacker's guess. The "
        "board answers with a challenge ACK and stays ESTABLISHED.",
        "RFC 5961 3.2; RFC 9293 3.10.7.4, first (MAY-12)",
        Expected(SERVER, "server"),
        _inside_the_window,
        RAW,
        "blind resets don't work",
    ),
    Scenario(
        "rst-outside-window",
        "RST outside the window",
        "RSTs below, above and far from the window are dropped in silence.",
        _RFC,
        Expected(SERVER, "server"),
        _outside_the_window,
        RAW,
        "which RSTs don't count",
    ),
    _exact_in(State.CLOSE_WAIT, "CLOSE_WAIT"),
    _exact_in(State.LAST_ACK, "CLOSE_WAIT LAST_ACK"),
    _exact_in(State.FIN_WAIT_1, "FIN_WAIT_1"),
    _exact_in(State.FIN_WAIT_2, "FIN_WAIT_1 FIN_WAIT_2"),
    _exact_in(State.CLOSING, "FIN_WAIT_1 CLOSING"),
    Scenario(
        "rst-in-time-wait",
        "RST in TIME_WAIT",
        "RST is ignored in TIME_WAIT: it would make the state useless. 2MSL runs to its end.",
        "RFC 1337; RFC 9293 3.10.7.4, second",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server"),
        _in_time_wait,
        RAW_AND_CLOCK,
        "the one state that RST does not end",
        deviations=("rst-ignored-in-time-wait",),
    ),
    Scenario(
        "syn-in-time-wait",
        "A new SYN in TIME_WAIT",
        "The peer connects again from the same port. RFC 9293 would permit a new connection; lwIP "
        "answers with RST and stays in TIME_WAIT.",
        "RFC 9293 3.6.1 (MAY-2)",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server"),
        _syn_in_time_wait,
        RAW,
        "why a client that reuses its port is refused for two minutes",
        deviations=("time-wait-refuses-syn",),
    ),
    Scenario(
        "rst-before-accept",
        "RST before accept()",
        "The peer connects and resets before the application calls accept(). The connection "
        "leaves the queue; accept() goes on waiting as if there had been none.",
        f"{_RFC}; MicroPython's _lwip_tcp_err_unaccepted",
        Expected(f"{SERVER} > CLOSED", "server"),
        _before_accept,
        RAW,
        "a client that nobody ever hears of",
        deviations=("rst-before-accept-forgotten",),
    ),
    Scenario(
        "data-then-rst",
        "Data, then RST",
        "The peer sends data and then RST, before the application reads. The RST throws the data "
        "away: recv() raises ECONNRESET.",
        f"{_RFC}; MicroPython's _lwip_tcp_error",
        Expected(f"{SERVER} > CLOSED", "server"),
        _after_data,
        RAW,
        "why a peer ought not to end with RST",
        deviations=("rst-discards-unread-data",),
    ),
)
