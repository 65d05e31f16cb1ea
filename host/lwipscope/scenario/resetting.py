"""Scenarios of RST: guesses at its number, and what it does to data and to the accept queue.

The other end is the raw peer. RST in every state is in `resetting_states`. Sources: RFC 9293
3.6.1 and 3.10.7.4, second; RFC 5961 3.2 (challenge ACK); lwIP 2.2.1 tcp_in.c (tcp_process,
tcp_timewait_input).
"""

from __future__ import annotations

from lwipscope.scenario.pair import (
    PORT,
    SERVER,
    WHO,
    conn_of,
    delivered,
    knocking,
    nothing,
    opened,
)
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.several import go_to
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_RFC = "RFC 9293 3.10.7.4, second"


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


def _syn_in_time_wait(stage: Stage) -> None:
    pair = opened(stage)
    go_to(pair, State.TIME_WAIT)
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
    stage.deviation_seen("rst-before-accept-forgotten")


def _after_data(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("P.", b"last words")
    delivered(stage, pair.raw.send("R"))
    stage.insist_end(pair.conn, "rx RST")
    stage.insist_refused(pair.socket.recv, "recv() of data before an RST", "ECONNRESET")
    stage.deviation_seen("rst-discards-unread-data")


SCENARIOS: tuple[Scenario, ...] = (
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
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
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
        peer_path="SYN_SENT > ESTABLISHED > CLOSED",
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
        peer_path="SYN_SENT > ESTABLISHED > CLOSED",
        deviations=("rst-discards-unread-data",),
    ),
)
