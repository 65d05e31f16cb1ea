"""The first exchanges: who closes, and what becomes of it. Against real `nc` but for the last.

With `nc` the order of the peer's ACK and FIN is its kernel's choice, so the active close may pass
through FIN_WAIT_2, CLOSING or neither. Sources: RFC 9293 section 3.6 and figure 5; lwIP 2.2.1
tcp_in.c (tcp_process) and tcp.c (tcp_close_shutdown_fin, tcp_slowtmr); MicroPython 1.25.0
extmod/modlwip.c (_lwip_tcp_close_poll, the abort 10 s after close()).
"""

from __future__ import annotations

from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.scenario import Expected, Need, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

PORT = 6666
TWO_MSL_LIMIT_MS = 130_000  # 2 x TCP_MSL (60 s), and a tick
CLOSE_ABORT_LIMIT_MS = 12_000
_NC_AND_CLOCK: frozenset[Need] = frozenset({"nc", "clock"})
_ACTIVE_CLOSE = "FIN_WAIT_1 > ([FIN_WAIT_2 >] TIME_WAIT | CLOSING > TIME_WAIT) > CLOSED"
_CLOSES_AFTER_THE_BOARD = "(CLOSE_WAIT > LAST_ACK > CLOSED | FIN_WAIT_1 > CLOSING > TIME_WAIT)"


def _server_peer_closes_first(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    nc = stage.nc_connects(PORT, "-N")
    connection, conn = stage.board_accepts(listener)
    stage.nc_types(nc, b"hello\n")
    connection.send(stage.board_receives(connection, conn, 6))
    nc.read_exactly(6)
    stage.nc_input_ends(nc)
    stage.wait_state(State.CLOSE_WAIT, conn=conn)
    connection.close()
    stage.wait_end(conn)
    nc.wait()


def _server_closes_first_nc_released(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    nc = stage.nc_connects(PORT)
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, State.CLOSING, State.TIME_WAIT, conn=conn)
    stage.nc_input_ends(nc)
    stage.wait_state(State.TIME_WAIT, conn=conn)
    nc.wait()
    moved_ms = stage.advance_until_end(conn, TWO_MSL_LIMIT_MS)
    stage.note("host", f"moved the board's clock: after {moved_ms / 1000:.1f} s 2MSL is over")


def _server_closes_first_nc_left_open(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    nc = stage.nc_connects(PORT)
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    stage.note("nc", "has seen the FIN and stays, as its input is open")
    moved_ms = stage.advance_until_end(conn, CLOSE_ABORT_LIMIT_MS)
    stage.note("host", f"moved the board's clock: after {moved_ms / 1000:.1f} s the board aborts")
    nc.kill()


def _client_closes_first(stage: Stage) -> None:
    nc = stage.nc_listens(PORT)
    connection, conn = stage.board_connects(HOST_IP, PORT)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    connection.send(b"hello\n")
    nc.read_exactly(6)
    connection.close()
    stage.wait_state(State.TIME_WAIT, conn=conn)
    nc.wait()
    moved_ms = stage.advance_until_end(conn, TWO_MSL_LIMIT_MS)
    stage.note("host", f"moved the board's clock: after {moved_ms / 1000:.1f} s 2MSL is over")


def _client_peer_closes_first(stage: Stage) -> None:
    nc = stage.nc_listens(PORT, "-N")
    connection, conn = stage.board_connects(HOST_IP, PORT)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    stage.nc_types(nc, b"bye\n")
    stage.board_receives(connection, conn, 4)
    stage.nc_input_ends(nc)
    stage.wait_state(State.CLOSE_WAIT, conn=conn)
    connection.close()
    stage.wait_end(conn)
    nc.wait()


def _client_refused(stage: Stage) -> None:
    _, conn = stage.board_connects(HOST_IP, PORT)
    stage.wait_end(conn)


def _server_closes_first_textbook(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    peer = stage.network.connect(PORT)
    stage.note("socket", "connect()")
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    stage.note("socket", "close(), since the trace says FIN_WAIT_2")
    peer.close()
    stage.wait_state(State.TIME_WAIT, conn=conn)
    moved_ms = stage.advance_until_end(conn, TWO_MSL_LIMIT_MS)
    stage.note("host", f"moved the board's clock: after {moved_ms / 1000:.1f} s 2MSL is over")


EXCHANGES: tuple[Scenario, ...] = (
    Scenario(
        "server-peer-closes-first",
        "Board as server, nc closes first",
        "nc connects and says hello, the board answers. At the end of its input nc sends FIN (that "
        "is what -N is for). The board's application reads the end of the stream and closes too. "
        "It closed second, so it does not have to wait: no TIME_WAIT.",
        "RFC 9293 3.6, case 2",
        Expected("LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _server_peer_closes_first,
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT",
    ),
    Scenario(
        "server-closes-first-nc-released",
        "Board as server closes first, nc is released",
        "The board closes while nc's input is still open: nc acknowledges the FIN and stays. When "
        "its input ends, nc ends and sends its FIN. Who closed first waits 2MSL in TIME_WAIT; "
        "moving the board's clock makes that milliseconds.",
        "RFC 9293 3.6, case 1",
        Expected(f"LISTEN > SYN_RCVD > ESTABLISHED > {_ACTIVE_CLOSE}", "server"),
        _server_closes_first_nc_released,
        _NC_AND_CLOCK,
        peer_path=f"SYN_SENT > ESTABLISHED > {_CLOSES_AFTER_THE_BOARD}",
    ),
    Scenario(
        "server-closes-first-nc-left-open",
        "Board as server closes first, nc is left open",
        "As before, but nobody ends nc. Its side stays open, so the board waits in FIN_WAIT_2 for "
        "a FIN that does not come. RFC 9293 would let it wait for ever; MicroPython gives up 10 s "
        "after close() and sends RST.",
        "RFC 9293 3.6, case 1; MicroPython's _lwip_tcp_close_poll",
        Expected(
            "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED",
            "server",
        ),
        _server_closes_first_nc_left_open,
        _NC_AND_CLOCK,
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > CLOSED",
    ),
    Scenario(
        "client-closes-first",
        "Board as client closes first",
        "nc listens, the board connects, says hello and closes. A listening nc closes as soon as "
        "the other side has: its FIN may come with the ACK of the board's FIN, after it, or cross "
        "it, so the way to TIME_WAIT is the kernel's choice.",
        "RFC 9293 3.6, case 1 or 3",
        Expected(f"CLOSED > SYN_SENT > ESTABLISHED > {_ACTIVE_CLOSE}", "client"),
        _client_closes_first,
        _NC_AND_CLOCK,
        peer_path=f"LISTEN > SYN_RCVD > ESTABLISHED > {_CLOSES_AFTER_THE_BOARD}",
    ),
    Scenario(
        "client-peer-closes-first",
        "Board as client, nc closes first",
        "nc listens and sends FIN at the end of its input (-N). The board, which opened the "
        "connection, closes second: CLOSE_WAIT and LAST_ACK are not states of servers, but of "
        "whoever closes second.",
        "RFC 9293 3.6, case 2",
        Expected("CLOSED > SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED", "client"),
        _client_peer_closes_first,
        peer_path="LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT",
    ),
    Scenario(
        "client-refused",
        "Board as client, connection refused",
        "Nobody listens. The SYN is answered with RST, and the connection is over before it "
        "began. MicroPython calls this ECONNRESET.",
        "RFC 9293 3.10.7.1 and 3.10.7.3",
        Expected("CLOSED > SYN_SENT > CLOSED", "client"),
        _client_refused,
        frozenset({"kernel"}),
    ),
    Scenario(
        "server-closes-first-textbook",
        "Board as server closes first, every state of the textbook",
        "A kernel socket instead of nc: it holds its FIN until the board's trace says FIN_WAIT_2. "
        "So the path of figure 5 is seen whole, every time.",
        "RFC 9293 3.6, case 1, and figure 5",
        Expected(
            "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT > CLOSED",
            "server",
        ),
        _server_closes_first_textbook,
        frozenset({"kernel", "clock"}),
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
)
