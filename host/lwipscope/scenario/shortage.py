"""Scenarios of shortage: no memory for a FIN or a SYN+ACK, and no pcb for a new connection.

Who takes all of lwIP's TCP segments is a peer with a small MSS that acknowledges nothing. Sources:
RFC 9293 sections 3.6.1 and 3.10.4; lwIP 2.2.1 tcp.c (tcp_close_shutdown_fin, tcp_handle_closepend,
tcp_kill_state), tcp_in.c (tcp_listen_input, tcp_input); MicroPython 1.25.0 extmod/modlwip.c
(_lwip_tcp_close_poll).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardOSError
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.pair import PORT, SERVER, WHO, conn_of, told
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.several import Several, nth, standing_clock
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

# Two writes of 16 segments: no connection may queue more (TCP_SND_QUEUELEN), and who asks for
# more than there is blocks for 10 s (nonblocking-send-blocks).
_MSS = 64
_WRITE = 16 * _MSS
_HOLDERS = {"roomy": 2, "rp2": 1}  # times 32 is MEMP_NUM_TCP_SEG
_MOST_PCBS = 64
_CLIENT_PORT = 50000
_ABORT_MS = (9_000, 12_000)


def _take_segments(several: Several) -> list[RawConnection]:
    """Connections opened last, whose unacknowledged data are all the segments that lwIP has."""
    stage = several.stage
    holders = []
    for _ in range(_HOLDERS[stage.board.port.hello().fields["profile"]]):
        pair = several.opened(mss=_MSS)
        for _ in range(2):
            stage.board.agent.call("send", pair.socket.name, _WRITE, 1)
        holders.append(pair.raw)
    several.delivered()
    stage.note(WHO, "acknowledges nothing of what the board sends: its memory is full")
    return holders


def _acknowledge(several: Several, holder: RawConnection) -> None:
    """Some segments are free again."""
    holder.skip()
    holder.send(".")
    several.delivered()
    several.stage.note(WHO, "acknowledges: there is memory again")


def _take_pcbs(stage: Stage) -> None:
    """Sockets until there are no more."""
    for taken in range(_MOST_PCBS):
        try:
            stage.board.agent.socket()
        except BoardOSError as error:
            stage.insist(error.errno_name == "ENOMEM", f"ENOMEM, not {error.errno_name}")
            stage.note("host", f"the board's program takes {taken} sockets")
            return
    stage.insist(False, "the pool to be empty")


def _late_fin(stage: Stage) -> None:
    several = Several(stage)
    pairs = [several.opened(), several.opened(State.CLOSE_WAIT)]
    (holder, *_) = _take_segments(several)
    for pair in pairs:
        before = _state(stage, pair.conn)
        pair.socket.close()
        pair.nothing()
        pair.insist(before)
    _acknowledge(several, holder)
    stage.elapse(500)
    for pair, after in zip(pairs, (State.FIN_WAIT_1, State.LAST_ACK), strict=True):
        pair.raw.expect("F.", seq=1)
        pair.insist(after)


def _never_any_fin(stage: Stage) -> None:
    several = Several(stage)
    pairs = [several.opened(), several.opened(State.CLOSE_WAIT)]
    _take_segments(several)
    for pair in pairs:
        pair.socket.close()
    moved_ms = stage.run_until(State.CLOSED, pairs[-1].conn, _ABORT_MS[1])
    told(stage, moved_ms, "MicroPython aborts what it could not close")
    stage.insist(moved_ms >= _ABORT_MS[0], f"10 s to the abort, not {moved_ms} ms")
    for pair in pairs:
        stage.insist_end(pair.conn, "timer close-abort")
        pair.raw.expect("R.")
    stage.deviation_seen("close-abort-10s")


def _data_for_a_late_fin(stage: Stage) -> None:
    several = Several(stage)
    pairs = [several.opened(), several.opened()]
    _take_segments(several)
    for pair, flags in zip(pairs, ("P.", "FP."), strict=True):
        pair.socket.close()
        pair.insist(State.ESTABLISHED)
        pair.raw.send(flags, b"too late")
        pair.raw.expect("R.")
    stage.insist_end(pairs[0].conn, "rx PSH+ACK, then abort")
    stage.insist_end(pairs[1].conn, "rx FIN+PSH+ACK, then abort")


def _fin_for_a_new_socket(stage: Stage) -> None:
    several = Several(stage)
    first, second = several.opened(), several.opened(State.CLOSE_WAIT)
    (holder, *_) = _take_segments(several)
    _take_pcbs(stage)
    with standing_clock(stage):
        first.socket.close()
        second.socket.close()
        _acknowledge(several, holder)
        first.insist(State.ESTABLISHED)
        stage.board.agent.socket()
        first.insist(State.FIN_WAIT_1)
    stage.insist_end(second.conn, "kill pool-empty")
    stage.deviation_seen("closing-killed-for-memory")
    first.raw.expect("F.", seq=1)


def _no_syn_ack(stage: Stage) -> None:
    several = Several(stage)
    (holder, *_) = _take_segments(several)
    raw = several.peer.connection(_CLIENT_PORT, stage.board.ip, PORT)
    raw.send("S")
    several.delivered()
    stage.insist_end(conn_of(stage, raw), "rx SYN")
    stage.insist(not raw.waiting(), "no answer to the SYN")
    _acknowledge(several, holder)
    stage.note(WHO, "tries once more, from another port")
    again = several.peer.connection(_CLIENT_PORT + 1, stage.board.ip, PORT)
    again.handshake()
    stage.wait_state(State.ESTABLISHED, conn=conn_of(stage, again))


def _killed(stage: Stage) -> None:
    several = Several(stage)
    closing, last = several.opened(State.CLOSING), several.opened(State.LAST_ACK)
    left = {closing.conn, last.conn}
    order = []
    for _ in range(_MOST_PCBS):
        stage.board.agent.socket()
        alive = {row.conn for row in stage.board.port.snapshot()}
        order += sorted(left - alive)
        left &= alive
        if not left:
            break
    stage.note("host", "the board's program takes one socket after the other")
    stage.insist(order == [last.conn, closing.conn], "LAST_ACK to end first, then CLOSING")
    for pair in (last, closing):
        stage.insist_end(pair.conn, "kill pool-empty")
        stage.insist(not pair.raw.waiting(), "nothing to be sent")
    stage.deviation_seen("closing-killed-for-memory")


def _state(stage: Stage, conn: int) -> State:
    return {row.conn: row.state for row in stage.board.port.snapshot()}[conn]


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "no-memory-for-fin",
        "close() without memory for the FIN",
        "All of lwIP's segments are under way to a peer that acknowledges nothing. close() of "
        "other connections finds no memory for a FIN: they stay in ESTABLISHED and CLOSE_WAIT, "
        "and a timer sends the FIN as soon as there is room.",
        "RFC 9293 3.10.4; lwIP's TF_CLOSEPEND",
        nth(0, f"{SERVER} > FIN_WAIT_1"),
        _late_fin,
        RAW_AND_CLOCK,
        "a close() that is carried out later",
        others=(nth(1, f"{SERVER} > CLOSE_WAIT > LAST_ACK"),),
    ),
    Scenario(
        "no-memory-for-fin-abort",
        "close() without memory, until the abort",
        "As before, but there is no memory for 10 s. Then MicroPython aborts what it could not "
        "close: straight from ESTABLISHED and CLOSE_WAIT, with RST.",
        "RFC 9293 3.10.5; MicroPython's _lwip_tcp_close_poll",
        nth(0, f"{SERVER} > CLOSED"),
        _never_any_fin,
        RAW_AND_CLOCK,
        "RST needs no memory that lasts, FIN does",
        others=(nth(1, f"{SERVER} > CLOSE_WAIT > CLOSED"),),
        deviations=("close-abort-10s",),
    ),
    Scenario(
        "no-memory-for-fin-data",
        "Data for a close() that waits for memory",
        "close() has found no memory for its FIN, and data come. Nobody can read them any more: "
        "RST, from ESTABLISHED or, if the peer's FIN came with them, from CLOSE_WAIT.",
        "RFC 9293 3.6.1 (SHLD-3)",
        nth(0, f"{SERVER} > CLOSED"),
        _data_for_a_late_fin,
        RAW,
        "a connection that is closed and does not look like it",
        others=(nth(1, f"{SERVER} > CLOSE_WAIT > CLOSED"),),
    ),
    Scenario(
        "no-memory-for-fin-new-socket",
        "A new socket sends the FINs that wait",
        "Two close() wait for memory, and no pcb is left. A new socket() looks whether the FINs "
        "can go out now. They can; one connection is thereby in LAST_ACK and is ended at once to "
        "make room.",
        "RFC 9293 3.10.4; lwIP's tcp_handle_closepend, tcp_kill_state",
        nth(1, f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED"),
        _fin_for_a_new_socket,
        RAW_AND_CLOCK,
        "socket() changes the state of other connections",
        others=(nth(0, f"{SERVER} > FIN_WAIT_1"),),
        deviations=("closing-killed-for-memory",),
    ),
    Scenario(
        "no-memory-for-syn-ack",
        "A SYN, and no memory for the SYN+ACK",
        "lwIP has a pcb for the SYN, but no segment for its answer. It forgets the SYN in "
        "silence. When there is memory, the next SYN is answered as always.",
        "RFC 9293 3.10.7.2; lwIP's tcp_listen_input",
        Expected("LISTEN > SYN_RCVD > CLOSED", "server", _CLIENT_PORT),
        _no_syn_ack,
        RAW,
        "SYN_RCVD for no time at all",
        others=(Expected(SERVER, "server", _CLIENT_PORT + 1),),
    ),
    Scenario(
        "closing-recycled",
        "CLOSING and LAST_ACK recycled",
        "When the pool of pcbs is empty and nobody is in TIME_WAIT, the next socket() ends the "
        "oldest connection in LAST_ACK, and the one after it the oldest in CLOSING. The peers "
        "are not told.",
        "RFC 9293 3.10.7.4, fifth; lwIP's tcp_kill_state",
        nth(0, f"{SERVER} > FIN_WAIT_1 > CLOSING > CLOSED"),
        _killed,
        RAW,
        "who is sacrificed for a new socket, and in which order",
        others=(nth(1, f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED"),),
        deviations=("closing-killed-for-memory",),
    ),
)
