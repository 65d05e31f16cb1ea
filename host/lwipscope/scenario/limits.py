"""Scenarios of limits: full queues, an empty pool of pcbs, a port that is still in use.

The other end is the raw peer. Sources: lwIP 2.2.1 tcp.c (tcp_kill_timewait, tcp_bind) and tcp_in.c
(tcp_listen_input, tcp_process); MicroPython 1.25.0 extmod/modlwip.c (_lwip_tcp_accept).
"""

from __future__ import annotations

from lwipscope.scenario.pair import PEER_PORT, PORT, SERVER, WHO, Pair, conn_of, knocking, nothing
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_MOST_PCBS = 64
_SENT = 600
_IN_TIME_WAIT = f"{SERVER} > FIN_WAIT_1 > TIME_WAIT"


def _accept_queue_full(stage: Stage) -> None:
    listener = stage.board_listens(PORT, backlog=1)
    first, peer = knocking(stage)
    first.handshake()
    conn = conn_of(stage, first)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    stage.note(WHO, "connects once more; nobody has called accept() yet")
    second, _ = knocking(stage, peer, port=PEER_PORT + 1)
    second.handshake()
    second.expect("R.")
    stage.wait_end(conn_of(stage, second))
    stage.insist_state(conn, State.ESTABLISHED)
    listener.accept()


def _half_open_queue_full(stage: Stage) -> None:
    stage.board_listens(PORT, backlog=1)
    first, peer = knocking(stage)
    first.send("S")
    first.expect("S.", ack=1)
    second, _ = knocking(stage, peer, port=PEER_PORT + 1)
    second.send("S")
    stage.note(WHO, "a second SYN finds the queue full and is dropped in silence")
    nothing(stage, second)
    stage.insist_state(conn_of(stage, first), State.SYN_RCVD)
    first.send(".")
    stage.wait_state(State.ESTABLISHED, conn=conn_of(stage, first))
    second.send("S", seq=0)
    second.expect("S.", ack=1)


def _recycled(stage: Stage) -> None:
    pair = _in_time_wait(stage)
    taken = 0
    while taken < _MOST_PCBS and not _over(pair):
        stage.board.agent.socket()
        taken += 1
        stage.board.port.sync()
    stage.note("host", f"the board's program takes {taken} sockets")
    stage.insist_end(pair.conn, "kill pool-empty")
    pair.nothing()


def _rebind_refused(stage: Stage) -> None:
    pair = _in_time_wait(stage)
    again = stage.board.agent.socket()
    stage.insist_refused(lambda: again.bind(PORT), "bind() during TIME_WAIT", "EADDRINUSE")
    pair.insist(State.TIME_WAIT)
    pair.to_the_end_of_2msl()
    again.bind(PORT)
    again.listen(1)


def _rebind_reuse(stage: Stage) -> None:
    pair = _in_time_wait(stage)
    again = stage.board.agent.socket()
    again.reuse_address()
    again.bind(PORT)
    again.listen(1)
    pair.insist(State.TIME_WAIT)


def _listener_closed(stage: Stage) -> None:
    listener = stage.board_listens(PORT, backlog=2)
    accepted, peer = knocking(stage)
    accepted.handshake()
    first = conn_of(stage, accepted)
    stage.wait_state(State.ESTABLISHED, conn=first)
    connection = listener.accept()
    half, _ = knocking(stage, peer, port=PEER_PORT + 1)
    half.send("S")
    half.expect("S.", ack=1)
    listener.close()
    stage.note("host", "the board's program closes its listener")
    accepted.send("P.", b"alive")
    stage.insist(stage.board_receives(connection, first, 5) == b"alive", "the accepted one to live")
    half.send(".")
    half.expect("R.")
    stage.wait_end(conn_of(stage, half))
    stage.insist_state(first, State.ESTABLISHED)


def _mss(stage: Stage, mss: int | None, longest: int) -> None:
    """The board sends 600 bytes; no segment of them is longer than it may be."""
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.send("S", mss=mss)
    raw.expect("S.", ack=1)
    raw.send(".")
    conn = conn_of(stage, raw)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    stage.board.agent.call("send", listener.accept().name, _SENT, 1)
    came, lengths = 0, []
    while came < _SENT:
        seen = raw.expect(seq=1 + came)
        lengths.append(len(seen.segment.payload))
        came += lengths[-1]
        raw.send(".")
    stage.insist(max(lengths) == longest, f"segments of up to {longest} bytes, not {lengths}")
    stage.insist_state(conn, State.ESTABLISHED)


def _in_time_wait(stage: Stage) -> Pair:
    """The board closed first, and its listener is closed, too."""
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    conn = conn_of(stage, raw)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    connection = listener.accept()
    connection.close()
    raw.expect("F.", seq=1)
    raw.send("F.")
    raw.expect(".", seq=2, ack=2)
    listener.close()
    pair = Pair(stage, raw, connection, conn)
    pair.insist(State.TIME_WAIT)
    return pair


def _over(pair: Pair) -> bool:
    return pair.conn not in {row.conn for row in pair.stage.board.port.snapshot()}


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "accept-queue-full",
        "Backlog overflow: the accept queue is full",
        "listen(1), and two clients before the application calls accept(). The second one "
        "completes its handshake and is reset by its last segment: ESTABLISHED and gone.",
        "RFC 9293 3.10.7.4; MicroPython's _lwip_tcp_accept",
        Expected(f"{SERVER} > CLOSED", "server", PEER_PORT + 1),
        _accept_queue_full,
        RAW,
        "why clients of a busy board are connected and reset",
        others=(Expected(SERVER, "server", PEER_PORT),),
        peer_path="SYN_SENT > ESTABLISHED > CLOSED",
        deviations=("accept-queue-full-resets",),
    ),
    Scenario(
        "half-open-queue-full",
        "Backlog overflow: too many half-open",
        "listen(1), and a second SYN while the first handshake is under way: dropped without an "
        "answer, so that the client tries again, then with success.",
        "RFC 9293 3.10.7.2; lwIP's tcp_listen_input",
        Expected(SERVER, "server", PEER_PORT),
        _half_open_queue_full,
        RAW,
        "the other meaning of the backlog",
        others=(Expected("LISTEN > SYN_RCVD", "server", PEER_PORT + 1),),
        peer_path="SYN_SENT > ESTABLISHED",
    ),
    Scenario(
        "time-wait-recycled",
        "TIME_WAIT recycled when the pool is empty",
        "TIME_WAIT takes a pcb. When the program has taken all others, the next socket() takes "
        "that one, too: TIME_WAIT ends early, and nothing is sent.",
        "RFC 9293 3.6.1 (MUST-13); lwIP's tcp_kill_timewait",
        Expected(f"{_IN_TIME_WAIT} > CLOSED", "server"),
        _recycled,
        RAW,
        "TIME_WAIT does not block a board whose pool is small",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
        deviations=("time-wait-killed-for-memory",),
    ),
    Scenario(
        "rebind-refused",
        "bind() during TIME_WAIT, without SO_REUSEADDR",
        "A server closed first and is started again. Its port has a connection in TIME_WAIT: "
        "bind() fails with EADDRINUSE until 2MSL is over.",
        "RFC 9293 3.6.1",
        Expected(f"{_IN_TIME_WAIT} > CLOSED", "server"),
        _rebind_refused,
        RAW_AND_CLOCK,
        "the two minutes after a restart",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    Scenario(
        "rebind-reuse",
        "bind() during TIME_WAIT, with SO_REUSEADDR",
        "The same with SO_REUSEADDR: bind() and listen() succeed at once, TIME_WAIT goes on.",
        "RFC 9293 3.6.1",
        Expected(_IN_TIME_WAIT, "server"),
        _rebind_reuse,
        RAW,
        "what SO_REUSEADDR is for",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    Scenario(
        "listener-closed",
        "The listener is closed, its connections are not",
        "close() of a listener does nothing to a connection that was accepted. One that is still "
        "half open survives it, too, and is reset when its handshake is complete.",
        "RFC 9293 3.10.4; lwIP tcp_in.c:tcp_process",
        Expected(SERVER, "server", PEER_PORT),
        _listener_closed,
        RAW,
        "what belongs to a listener, and what doesn't",
        others=(Expected(f"{SERVER} > CLOSED", "server", PEER_PORT + 1),),
        peer_path="SYN_SENT > ESTABLISHED",
        deviations=("listener-close-resets-half-open-late",),
    ),
    Scenario(
        "mss-absent",
        "No MSS option in the SYN",
        "The peer's SYN has no MSS option, so the board may send no more than 536 bytes at once.",
        "RFC 9293 3.7.1 (MUST-15)",
        Expected(SERVER, "server"),
        lambda stage: _mss(stage, None, 536),
        RAW,
        "the default MSS",
        peer_path="SYN_SENT > ESTABLISHED",
    ),
    Scenario(
        "mss-small",
        "A small MSS",
        "The peer takes no more than 100 bytes per segment, and the board obeys.",
        "RFC 9293 3.7.1 (MUST-16)",
        Expected(SERVER, "server"),
        lambda stage: _mss(stage, 100, 100),
        RAW,
        "the peer's MSS limits the board's segments",
        peer_path="SYN_SENT > ESTABLISHED",
    ),
)
