"""Scenarios of SYN floods: many hosts begin a handshake, none of them goes on with it.

What is full first, the listener's backlog or the pool of pcbs, decides who is locked out. Sources:
RFC 4987 2; lwIP 2.2.1 tcp_in.c (tcp_listen_input), tcp.c (tcp_alloc, tcp_slowtmr).
"""

from __future__ import annotations

from contextlib import ExitStack

from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    accepted,
    knocking,
    nothing,
    size_of,
    still_alive,
)
from lwipscope.scenario.scenario import RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment

_FLOOD_PORT = 41000
_FLOOD_IPS = ("192.0.2.104", "192.0.2.105", "192.0.2.106", "192.0.2.107")
_EACH = 16
_AT_ONCE = 4  # few enough for the board's Ethernet to lose none
_FLOOD = _EACH * len(_FLOOD_IPS)
_SYN_RCVD_MS = 22_000
_LATE_PORT = PEER_PORT + 100


def _syn_flood(stage: Stage, backlog: int) -> None:
    """`backlog` SYNs are kept, or as many as there are pcbs. A client that is connected goes on."""
    room = min(backlog, size_of(stage, "pcb") - 1)
    listener = stage.board_listens(PORT, backlog)
    peer = stage.network.raw()
    early, _ = knocking(stage, peer)
    early.handshake()
    before = accepted(stage, early, listener)
    with ExitStack() as stack:
        syns = _flooded(stage, stack)
        stage.note("flood", f"{_FLOOD} SYNs from {len(_FLOOD_IPS)} hosts, and never an ACK")
        halves = [r for r in stage.board.port.snapshot() if r.state is State.SYN_RCVD]
        answered = [raw for raw in syns if raw.waiting()]
        stage.insist(
            len(halves) == room and answered == syns[:room],
            f"{room} half-open connections, the first ones, not {len(halves)}",
        )
        if room < backlog:
            stage.insist_refused(stage.board.agent.socket, "socket() without a pcb", "ENOMEM")
        still_alive(before)
        client, _ = knocking(stage, peer, port=_LATE_PORT)
        client.send("S")
        stage.note(WHO, "an honest client finds no place")
        nothing(stage, client)
        stage.elapse(_SYN_RCVD_MS)
        for row in halves:
            stage.insist_end(row.conn, "timer SYN_RCVD")
        stage.deviation_seen("syn-gives-up-early")
        stage.note("host", "moved the board's clock: after 20 s the board forgets the flood")
    client.send("S", seq=0)
    client.expect("S.", seq=0, ack=1)
    client.send(".")
    accepted(stage, client, listener)
    still_alive(before)


def _flooded(stage: Stage, stack: ExitStack) -> list[RawConnection]:
    """SYNs of several hosts, from ports that all differ. Each has come and been processed."""
    begin = stage.board.trace.mark()
    ports = iter(range(_FLOOD_PORT, _FLOOD_PORT + _FLOOD))
    syns = []
    for ip in _FLOOD_IPS:
        host = stack.enter_context(stage.network.raw(ip, "flood"))
        for number in range(_EACH):
            raw = host.connection(next(ports), stage.board.ip, PORT)
            raw.send("S")
            syns.append(raw)
            if number % _AT_ONCE == _AT_ONCE - 1:
                host.fence(stage.board.ip)
    stage.board.port.sync()
    came = [e for e in stage.board.trace.events[begin:] if isinstance(e, Segment) and _is_syn(e)]
    stage.insist(len(came) == _FLOOD, f"{_FLOOD} SYNs to have come to the board, not {len(came)}")
    return syns


def _is_syn(event: Segment) -> bool:
    return event.direction == "rx" and event.flags == "S"


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "syn-flood",
        "A SYN flood against a small backlog",
        "Four hosts send 64 SYNs and answer nothing, as attackers with false addresses do. Two "
        "are kept half open, for that is the backlog; the rest is dropped, and so is an honest "
        "client. Who was connected before notices nothing. 20 s later the board has forgotten "
        "the two, and the client gets in.",
        "RFC 4987 2; RFC 9293 3.10.7.2; lwIP's tcp_listen_input",
        Expected(SERVER, "server", _LATE_PORT),
        lambda stage: _syn_flood(stage, 2),
        RAW_AND_CLOCK,
        "the backlog protects the pool, and locks clients out",
        others=(
            Expected(SERVER, "server", PEER_PORT),
            Expected("LISTEN > SYN_RCVD > CLOSED", "server", _FLOOD_PORT),
            Expected("LISTEN > SYN_RCVD > CLOSED", "server", _FLOOD_PORT + 1),
        ),
        deviations=("syn-gives-up-early",),
    ),
    Scenario(
        "syn-flood-pool",
        "A SYN flood against the pool",
        "The same with listen(64): now the flood takes every pcb that there is. The program itself "
        "gets no socket any more, socket() raises ENOMEM. Who was connected goes on all the same, "
        "and after 20 s all is well again.",
        "RFC 4987 2; lwIP's tcp_alloc",
        Expected(SERVER, "server", _LATE_PORT),
        lambda stage: _syn_flood(stage, _FLOOD),
        RAW_AND_CLOCK,
        "why a large backlog is no gift to a small board",
        others=(
            Expected(SERVER, "server", PEER_PORT),
            Expected("LISTEN > SYN_RCVD > CLOSED", "server", _FLOOD_PORT),
        ),
        deviations=("syn-gives-up-early",),
    ),
)
