"""Scenarios of an address that goes: lwIP aborts every connection that uses it.

The board asks a DHCP server for an address and is refused, which takes the one that it has. The
other end is the raw peer. Sources: RFC 2131 section 3.2; lwIP 2.2.1 tcp.c
(tcp_netif_ip_addr_changed), dhcp.c (dhcp_handle_nak).
"""

from __future__ import annotations

from typing import cast

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.peer.dhcp_refusal import DhcpRefusal
from lwipscope.scenario.careless_agent import careless
from lwipscope.scenario.pair import SERVER
from lwipscope.scenario.scenario import RAW_AND_SWITCH, Expected, Scenario
from lwipscope.scenario.several import DIALLED_PORT, Several, nth
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_RFC = "RFC 9293 3.10.5; RFC 2131 3.2; lwIP's tcp_netif_ip_addr_changed"
_CAUSE = "netif address"


def _lose_address(stage: Stage, conn: int) -> None:
    """When this returns, this connection has ended and so have the others."""
    # Who needs the switch has an emulated board (`Scenario.needs`).
    with DhcpRefusal(cast(EmulatedBoard, stage.board).switch):
        stage.board.agent.call("dhcp")
        stage.wait_end(conn)
    stage.note("dhcp", "has offered an address, and then refused it (DHCPNAK)")
    stage.board.port.sync()
    ip = stage.board.port.hello().fields["ip"]
    stage.insist(ip == "0.0.0.0", f"the board to have no address, not {ip}")


def _while_open(stage: Stage) -> None:
    careless(stage)
    several = Several(stage)
    established, waiting = several.opened(), several.opened(State.CLOSE_WAIT)
    half, half_conn = several.half_open()
    dialled = several.dialled()
    connected = {row.conn for row in stage.board.port.snapshot()}
    bound = stage.board.agent.socket()
    stage.board.agent.call("bindto", bound.name, stage.board.ip, 4444)
    (bound_conn,) = {row.conn for row in stage.board.port.snapshot()} - connected
    _lose_address(stage, established.conn)
    for raw in (established.raw, waiting.raw, half, dialled.raw):
        raw.expect("R.")
    for conn in (established.conn, waiting.conn, half_conn, dialled.conn, bound_conn):
        stage.insist_end(conn, _CAUSE)
    (row,) = stage.board.port.snapshot()
    stage.insist(row.state is State.LISTEN, f"the listener to be left, not {row.state}")
    stage.deviation_seen("address-change-aborts")


def _while_closing(stage: Stage) -> None:
    careless(stage)
    several = Several(stage)
    states = (State.FIN_WAIT_1, State.FIN_WAIT_2, State.CLOSING, State.LAST_ACK)
    pairs = [several.opened(state) for state in states]
    done = several.opened(State.TIME_WAIT)
    _lose_address(stage, pairs[0].conn)
    for pair in pairs:
        pair.raw.expect("R.")
        stage.insist_end(pair.conn, _CAUSE)
    done.insist(State.TIME_WAIT)
    stage.insist(not done.raw.waiting(), "nothing to be sent in TIME_WAIT")
    stage.deviation_seen("address-change-aborts")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "address-lost-while-open",
        "The address goes, connections are open",
        "A DHCP server refuses the board: its address is gone. lwIP aborts what uses it, with "
        "RST: a handshake in either direction, open connections, and a socket that is bound to "
        "the address. The listener, which is bound to none, stays.",
        _RFC,
        nth(0, f"{SERVER} > CLOSED"),
        _while_open,
        RAW_AND_SWITCH,
        "what a lost lease costs",
        others=(
            nth(1, f"{SERVER} > CLOSE_WAIT > CLOSED"),
            nth(2, "LISTEN > SYN_RCVD > CLOSED"),
            Expected("SYN_SENT > CLOSED", "client", DIALLED_PORT),
        ),
        deviations=("address-change-aborts",),
    ),
    Scenario(
        "address-lost-while-closing",
        "The address goes, connections are closing",
        "As before, but the application has closed already. In FIN_WAIT_1, FIN_WAIT_2, CLOSING "
        "and LAST_ACK the connection is aborted, too; TIME_WAIT stays, without an address.",
        _RFC,
        nth(0, f"{SERVER} > FIN_WAIT_1 > CLOSED"),
        _while_closing,
        RAW_AND_SWITCH,
        "the one state that outlives its address",
        others=(
            nth(1, f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED"),
            nth(2, f"{SERVER} > FIN_WAIT_1 > CLOSING > CLOSED"),
            nth(3, f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED"),
            nth(4, f"{SERVER} > FIN_WAIT_1 > TIME_WAIT"),
        ),
        deviations=("address-change-aborts",),
    ),
)
