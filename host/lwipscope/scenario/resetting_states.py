"""The matrix of RST: in each state of a connection, outside the window, inside it, and exactly.

One scenario for each state, with the three in that order on one connection: only the last one
counts. In SYN_SENT there is no window yet, in TIME_WAIT no RST counts. The other end is the raw
peer. Sources: RFC 9293 3.10.7.3 and 3.10.7.4, second; RFC 5961 3.2 (challenge ACK); RFC 1337
(TIME_WAIT); lwIP 2.2.1 tcp_in.c (tcp_process, tcp_timewait_input).
"""

from __future__ import annotations

from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.pair import SERVER, WHO, dialled, half_open, nothing, opened
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.several import go_to
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_RFC = "RFC 9293 3.10.7.4, second"


def _in_syn_sent(stage: Stage) -> None:
    pair, peer = dialled(stage)
    for ack in (0, 2, 0x40000000):
        pair.raw.send("R.", seq=0, ack=ack)
        pair.nothing()
    stage.note(WHO, "three RSTs that do not acknowledge the SYN: ignored")
    pair.insist(State.SYN_SENT)
    pair.raw.send("R", seq=0, ack=1)
    stage.note(WHO, "RST without the ACK flag, and the right number where it would count")
    stage.insist_end(pair.conn, "rx RST")
    peer.fence(stage.board.ip)
    stage.insist(not pair.raw.waiting(), "no answer to the RST")
    stage.deviation_seen("rst-without-ack-in-syn-sent")


def _in_syn_rcvd(stage: Stage) -> None:
    raw, conn = half_open(stage)
    _three(stage, raw, conn, State.SYN_RCVD)


def _three_in(stage: Stage, state: State) -> None:
    pair = opened(stage)
    go_to(pair, state)
    _three(stage, pair.raw, pair.conn, state)


def _three(stage: Stage, raw: RawConnection, conn: int, state: State) -> None:
    """RSTs outside the window, inside it, and with the next number: only the last one counts."""
    stage.insist_state(conn, state)
    _outside(stage, raw)
    challenged = _next(raw)
    raw.send("R", seq=challenged + 1)
    stage.note(WHO, "RST in the window, but not with the next number: challenged")
    raw.expect(".", ack=challenged, length=0)
    nothing(stage, raw)
    stage.insist_state(conn, state)
    raw.send("R")
    stage.note(WHO, "RST with the next number")
    nothing(stage, raw)
    stage.insist_end(conn, "rx RST")


def _outside(stage: Stage, raw: RawConnection) -> None:
    """Below the window, above it and far away; nothing answers them."""
    # One more behind a FIN, for which lwIP takes nothing off the window that it checks.
    above = _next(raw) + raw.board_window + 2
    for seq in (_next(raw) - 1, above, above + 0x40000000):
        raw.send("R", seq=seq)
        nothing(stage, raw)
    stage.note(WHO, "three RSTs outside the window: dropped in silence")


def _next(raw: RawConnection) -> int:
    """The number that the board expects next."""
    return raw.numbers[0] - raw.isn & 0xFFFFFFFF


def _in_time_wait(stage: Stage) -> None:
    pair = opened(stage)
    go_to(pair, State.TIME_WAIT)
    _outside(stage, pair.raw)
    for seq in (_next(pair.raw) + 1, _next(pair.raw)):
        pair.raw.send("R", seq=seq)
        pair.nothing()
    stage.note(WHO, "RST inside the window and with the next number: ignored (RFC 1337)")
    pair.insist(State.TIME_WAIT)
    stage.deviation_seen("rst-ignored-in-time-wait")
    pair.to_the_end_of_2msl()


def _one(state: State, way: str) -> Scenario:
    name = state.name.lower().replace("_", "-")
    path = " > ".join((SERVER, *way.split(), "CLOSED"))
    return Scenario(
        f"rst-in-{name}",
        f"RST in {state}",
        f"RSTs outside the window are dropped in {state}, one inside it is challenged with an "
        "ACK (RFC 5961), and nothing changes. The one with exactly the next number ends the "
        "connection at once, and nothing answers it.",
        f"{_RFC}; RFC 5961 3.2",
        Expected(path, "server"),
        lambda stage: _three_in(stage, state),
        RAW,
        f"{state} > CLOSED by the peer",
    )


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "rst-in-syn-sent",
        "RST in SYN_SENT",
        "Before there is a window, an RST counts if it acknowledges the SYN: others are ignored. "
        "lwIP does not look whether the ACK flag is set, so the right number without it ends the "
        "attempt, too.",
        "RFC 9293 3.10.7.3, first and second",
        Expected("SYN_SENT > CLOSED", "client"),
        _in_syn_sent,
        RAW,
        "the one state in which RST is judged by what it acknowledges",
        deviations=("rst-without-ack-in-syn-sent",),
    ),
    Scenario(
        "rst-in-syn-rcvd",
        "RST in SYN_RCVD",
        "The peer gives up the handshake with RST. Outside the window it is dropped, inside it is "
        "challenged with an ACK (RFC 5961); the one with the next number ends the attempt. The "
        "listener goes on.",
        f"{_RFC}; RFC 5961 3.2",
        Expected("LISTEN > SYN_RCVD > CLOSED", "server"),
        _in_syn_rcvd,
        RAW,
        "SYN_RCVD back to LISTEN, which for lwIP is the end of the child",
    ),
    _one(State.ESTABLISHED, ""),
    _one(State.CLOSE_WAIT, "CLOSE_WAIT"),
    _one(State.LAST_ACK, "CLOSE_WAIT LAST_ACK"),
    _one(State.FIN_WAIT_1, "FIN_WAIT_1"),
    _one(State.FIN_WAIT_2, "FIN_WAIT_1 FIN_WAIT_2"),
    _one(State.CLOSING, "FIN_WAIT_1 CLOSING"),
    Scenario(
        "rst-in-time-wait",
        "RST in TIME_WAIT",
        "Wherever its number lies, RST is ignored in TIME_WAIT: it would make the state useless. "
        "2MSL runs to its end.",
        "RFC 1337; RFC 9293 3.10.7.4, second",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server"),
        _in_time_wait,
        RAW_AND_CLOCK,
        "the one state that RST does not end",
        deviations=("rst-ignored-in-time-wait",),
    ),
)
