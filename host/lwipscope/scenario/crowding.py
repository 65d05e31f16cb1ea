"""Scenarios of crowds: a pool of pcbs without a free one, and a listener that is closed too early.

Pools differ (16 pcbs in the roomy profile, 5 on a Pico W), so each scenario reads its size from the
board's hello. Sources: lwIP 2.2.1 tcp.c (tcp_alloc, tcp_kill_timewait, tcp_kill_state,
tcp_kill_prio), tcp_in.c (tcp_listen_input); MicroPython 1.25.0 modlwip.c (lwip_socket_socket,
lwip_socket_free_incoming).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardSocket
from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    Pair,
    accepted,
    conn_of,
    knocking,
    nothing,
    size_of,
    still_alive,
)
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_LATE_PORT = PEER_PORT + 100
_HOUR_MS = 3_600_000


def _pool_taken_by_sockets(stage: Stage) -> None:
    pool = size_of(stage, "pcb")
    listener = stage.board_listens(PORT)
    sockets = [stage.board.agent.socket() for _ in range(pool)]
    stage.insist_refused(stage.board.agent.socket, f"socket() number {pool + 1}", "ENOMEM")
    stage.note("host", f"the board's program has {pool} sockets, and uses none of them")
    client, _ = knocking(stage)
    client.send("S")
    stage.note(WHO, "its SYN is dropped in silence, so that it tries again later")
    nothing(stage, client)
    stage.insist_refused(listener.accept, "accept()", "EAGAIN")
    sockets[0].close()
    client.send("S", seq=0)
    client.expect("S.", seq=0, ack=1)
    client.send(".")
    accepted(stage, client, listener)


def _pool_full_of_connections(stage: Stage) -> None:
    pool = size_of(stage, "pcb")
    listener = stage.board_listens(PORT)
    peer = stage.network.raw()
    served = [_served(stage, peer, listener, PEER_PORT + number) for number in range(pool)]
    late, _ = knocking(stage, peer, port=_LATE_PORT)
    late.send("S")
    stage.note(WHO, f"{pool} clients are connected, and one more finds no pcb")
    nothing(stage, late)
    for pair in served:
        pair.insist(State.ESTABLISHED)
    first = served[0]
    first.raw.send("F.")
    first.raw.expect(".", ack=2)
    first.socket.close()
    first.raw.expect("F.", seq=1)
    first.raw.send(".")
    first.nothing()
    stage.insist_end(first.conn, "rx ACK")
    late.send("S", seq=0)
    late.expect("S.", seq=0, ack=1)
    late.send(".")
    accepted(stage, late, listener)


def _kill_order(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    peer = stage.network.raw()
    order = (State.TIME_WAIT, State.LAST_ACK, State.CLOSING, State.ESTABLISHED)
    pairs = [_served(stage, peer, listener, PEER_PORT + n) for n in range(len(order))]
    waits, last, closing, lives = pairs
    last.raw.send("F.")
    last.raw.expect(".", ack=2)
    for pair in (waits, last, closing):
        pair.socket.close()
        pair.raw.expect("F.", seq=1)
    for pair, acknowledged in ((waits, 2), (closing, 1)):
        pair.raw.send("F.", ack=acknowledged)
        pair.raw.expect(".", seq=2, ack=2)
    for _ in range(size_of(stage, "pcb") - len(pairs)):
        stage.board.agent.socket()
    for pair, state in zip(pairs, order, strict=True):
        pair.insist(state)
    for pair, after in zip(pairs[:-1], (pairs[1:], pairs[2:], pairs[3:]), strict=True):
        stage.board.agent.socket()
        stage.insist_end(pair.conn, "kill pool-empty")
        living = {row.conn for row in stage.board.port.snapshot()}
        stage.insist({each.conn for each in after} <= living, "one end at a time")
        pair.nothing()
    stage.deviation_seen("time-wait-killed-for-memory")
    stage.deviation_seen("closing-killed-for-memory")
    stage.insist_refused(stage.board.agent.socket, "socket()", "ENOMEM")
    still_alive(lives)


def _closed_with_waiting(stage: Stage) -> None:
    listener = stage.board_listens(PORT, backlog=3)
    peer = stage.network.raw()
    waiting = []
    for number in range(3):
        raw, _ = knocking(stage, peer, port=PEER_PORT + number)
        raw.handshake()
        conn = conn_of(stage, raw)
        stage.wait_state(State.ESTABLISHED, conn=conn)
        waiting.append((raw, conn))
    listener.close()
    stage.note("host", "the board's program closes its listener; nobody had called accept()")
    for raw, conn in (waiting[0], waiting[2]):
        raw.expect("R.")
        stage.insist_end(conn, "api abort")
    orphan, conn = waiting[1]
    nothing(stage, orphan)
    stage.insist_state(conn, State.ESTABLISHED)
    orphan.send("F.")
    orphan.expect(".", seq=1, ack=2)
    stage.elapse(_HOUR_MS)
    stage.note("host", "moved the board's clock by an hour: nobody can close what nobody has")
    nothing(stage, orphan)
    stage.insist_state(conn, State.CLOSE_WAIT)
    stage.deviation_seen("listener-close-orphans")


def _served(stage: Stage, peer: RawPeer, listener: BoardSocket, port: int) -> Pair:
    """A client that the board's program has accepted."""
    raw, _ = knocking(stage, peer, port=port)
    raw.handshake()
    return accepted(stage, raw, listener)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "pool-taken-by-sockets",
        "The pool is empty: sockets that nobody uses",
        "A socket costs a pcb from its first moment. The program takes all of them: the next "
        "socket() raises ENOMEM, and a client's SYN is dropped in silence, so the client takes the "
        "board for dead. One close() later both work again.",
        "RFC 9293 3.10.1; lwIP's tcp_alloc and tcp_listen_input",
        Expected(SERVER, "server"),
        _pool_taken_by_sockets,
        RAW,
        "what a leak of sockets looks like from both ends",
        peer_path="SYN_SENT > ESTABLISHED",
    ),
    Scenario(
        "pool-full-of-connections",
        "The pool is empty: all clients are connected",
        "As many clients are connected as there are pcbs. The next SYN is dropped in silence: "
        "connections of the same priority don't push each other out. When a client closes, "
        "the late one's next SYN finds a place.",
        "RFC 9293 3.10.7.2; lwIP's tcp_kill_prio",
        Expected(SERVER, "server", _LATE_PORT),
        _pool_full_of_connections,
        RAW,
        "how many clients a board can serve at a time",
        others=(
            Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server", PEER_PORT),
            Expected(SERVER, "server", PEER_PORT + 1),
        ),
        peer_path="SYN_SENT > ESTABLISHED",
    ),
    Scenario(
        "pool-kill-order",
        "The pool is empty: who has to go first",
        "One connection in TIME_WAIT, one in LAST_ACK, one in CLOSING, one in ESTABLISHED, and no "
        "free pcb. With each socket() that the program asks for one of them ends in silence, in "
        "this order. ESTABLISHED is spared: there ENOMEM comes first.",
        "RFC 9293 3.6; lwIP's tcp_alloc, tcp_kill_timewait and tcp_kill_state",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server", PEER_PORT),
        _kill_order,
        RAW,
        "lwIP gives up first what can do the least harm",
        others=(
            Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server", PEER_PORT + 1),
            Expected(f"{SERVER} > FIN_WAIT_1 > CLOSING > CLOSED", "server", PEER_PORT + 2),
            Expected(SERVER, "server", PEER_PORT + 3),
        ),
        deviations=("time-wait-killed-for-memory", "closing-killed-for-memory"),
    ),
    Scenario(
        "listener-closed-with-waiting",
        "The listener is closed, its queue is not empty",
        "Three clients have completed their handshakes and wait for accept(), when the program "
        "closes its listener. MicroPython resets the first and the third and loses its place at "
        "the second, which stays: an orphan that answers its peer, and that nobody can ever close.",
        "RFC 9293 3.10.4; MicroPython's lwip_socket_free_incoming",
        Expected(f"{SERVER} > CLOSE_WAIT", "server", PEER_PORT + 1),
        _closed_with_waiting,
        RAW_AND_CLOCK,
        "a pcb that is lost until the board starts again",
        others=(
            Expected(f"{SERVER} > CLOSED", "server", PEER_PORT),
            Expected(f"{SERVER} > CLOSED", "server", PEER_PORT + 2),
        ),
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2",
        deviations=("listener-close-orphans",),
    ),
)
