"""Scenarios of short connections: data and FIN in a row, before accept(), and many of them.

The other end is the raw peer. Sources: RFC 9293 3.6 and 3.10.7.4; lwIP 2.2.1 tcp_in.c (tcp_input),
tcp.c (tcp_kill_timewait); MicroPython 1.25.0 modlwip.c (_lwip_tcp_recv_unaccepted).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardSocket
from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.pair import (
    CLIENT,
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    accepted,
    conn_of,
    knocking,
    opened,
    size_of,
)
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_BRIEF = b"brief"
_END = 1 + len(_BRIEF)
_BEYOND = 3
_LAST_PORT = PEER_PORT + 100


def _board_sends_and_closes(stage: Stage) -> None:
    pair = opened(stage, "client")
    pair.socket.send(_BRIEF)
    pair.socket.close()
    stage.note(WHO, "has said nothing yet, and the board's program has forgotten it already")
    pair.raw.expect("P.", seq=1, ack=1, payload=_BRIEF)
    pair.raw.expect("F.", seq=_END, ack=1, length=0)
    pair.insist(State.FIN_WAIT_1)
    pair.raw.send(".", ack=_END)
    pair.nothing()
    pair.insist(State.FIN_WAIT_1)
    pair.raw.send(".", ack=_END + 1)
    pair.nothing()
    pair.insist(State.FIN_WAIT_2)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=_END + 1, ack=2)
    pair.insist(State.TIME_WAIT)


def _peer_sends_and_closes(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("P.", _BRIEF)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=1, ack=_END + 1)
    pair.insist(State.CLOSE_WAIT)
    _reads_all(stage, pair.socket)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=_END + 1)
    pair.raw.send(".")
    pair.nothing()
    stage.insist_end(pair.conn, "rx ACK")


def _fin_with_data_before_accept(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    conn = conn_of(stage, raw)
    raw.send("FP.", _BRIEF)
    raw.expect(".", seq=1, ack=_END + 1, length=0)
    stage.insist_state(conn, State.CLOSE_WAIT)
    connection = listener.accept()
    stage.elapse(1_000)
    stage.note("host", "moved the board's clock: lwIP offers again what was not taken")
    _reads_all(stage, connection)
    connection.close()
    raw.expect("F.", seq=1)
    raw.send(".")
    stage.wait_end(conn)


def _time_wait_fills_pool(stage: Stage) -> None:
    pool = size_of(stage, "pcb")
    listener = stage.board_listens(PORT)
    peer = stage.network.raw()
    ports = [PEER_PORT + n for n in range(pool + _BEYOND - 1)]
    conns = [_short(stage, peer, listener, port) for port in (*ports, _LAST_PORT)]
    stage.note(WHO, f"{len(conns)} connections, and {pool} pcbs")
    for conn in conns[:_BEYOND]:
        stage.insist_end(conn, "kill pool-empty")
    stage.deviation_seen("time-wait-killed-for-memory")
    waiting = {row.conn for row in stage.board.port.snapshot() if row.state is State.TIME_WAIT}
    stage.insist(waiting == set(conns[_BEYOND:]), f"the {pool} newest in TIME_WAIT, not {waiting}")


def _short(stage: Stage, peer: RawPeer, listener: BoardSocket, port: int) -> int:
    """A connection that the board closes first, up to TIME_WAIT: its id."""
    raw, _ = knocking(stage, peer, port=port)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    pair.socket.close()
    raw.expect("F.", seq=1)
    raw.send("F.")
    raw.expect(".", seq=2, ack=2)
    return pair.conn


def _reads_all(stage: Stage, socket: BoardSocket) -> None:
    stage.insist(socket.recv() == _BRIEF, "recv() to give what the peer said")
    stage.insist(socket.recv() == b"", "recv() to tell the end of the stream")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "connect-send-close",
        "Connect, send, close: the board does it",
        "A sensor's day: connect, say one thing, close, all before the peer has answered. close() "
        "returns at once and takes nothing back: FIN goes behind the data, FIN_WAIT_1 lasts until "
        "both are acknowledged, and the peer reads every byte and then the end.",
        "RFC 9293 3.6, case 1, and 3.10.4",
        Expected(f"{CLIENT} > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT", "client"),
        _board_sends_and_closes,
        RAW,
        "close() is not the end of what was sent before it",
        peer_path="LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    Scenario(
        "connect-send-close-by-peer",
        "Connect, send, close: the peer does it",
        "The same the other way round. Data and FIN arrive in a row, before the application has "
        "read a byte. CLOSE_WAIT has come, and the data are still there: first they are read, "
        "then the end of the stream.",
        "RFC 9293 3.6, case 2",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _peer_sends_and_closes,
        RAW,
        "a FIN does not overtake the data before it",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
    Scenario(
        "fin-with-data-before-accept",
        "Data and FIN in one segment, before accept()",
        "All that the peer has to say, and its FIN, in one segment, before the application calls "
        "accept(). lwIP keeps the data with the FIN on them: after accept() both arrive, a moment "
        "late. Only a FIN that comes alone is lost or late.",
        "RFC 9293 3.10.7.4, eighth; lwIP's tcp_process_refused_data",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _fin_with_data_before_accept,
        RAW_AND_CLOCK,
        "the one order of data, FIN and accept() in which nothing goes wrong",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
    Scenario(
        "time-wait-fills-pool",
        "TIME_WAIT fills the pool",
        "Client after client is served, and each time the board closes first. Each leaves a pcb in "
        "TIME_WAIT, until there are no others. The next SYN takes the oldest one, and so on: no "
        "client is refused, but TIME_WAIT is as short as the clients are many.",
        "RFC 9293 3.6.1 (MUST-13); lwIP's tcp_kill_timewait",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server", PEER_PORT),
        _time_wait_fills_pool,
        RAW,
        "a pool of pcbs under load, and why it does not run dry",
        others=(Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server", _LAST_PORT),),
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
        deviations=("time-wait-killed-for-memory",),
    ),
)
