"""Scenarios of close() outside the textbook: data come after it, or nothing was open.

The other end is the raw peer. Sources: RFC 9293 sections 3.6.1 and 3.10.4; lwIP 2.2.1 tcp_in.c
(tcp_input) and tcp.c (tcp_close_shutdown); MicroPython 1.25.0 extmod/modlwip.c (socket_close).
"""

from __future__ import annotations

from lwipscope.scenario.pair import SERVER, WHO, delivered, dialled, nothing, opened
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.several import Several, nth
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_CLOSED = f"{SERVER} > FIN_WAIT_1"


def _data_in_fin_wait_1(stage: Stage) -> None:
    several = Several(stage)
    pairs = [several.opened(State.FIN_WAIT_1) for _ in range(2)]
    stage.note(WHO, "sends data, without and with the ACK of the board's FIN")
    for ack, pair in enumerate(pairs, start=1):
        pair.raw.send("P.", b"too late", ack=ack)
        pair.raw.expect("R.")
        stage.insist_end(pair.conn, "rx PSH+ACK, then abort")
    stage.deviation_seen("no-half-close")


def _data_and_fin(stage: Stage) -> None:
    several = Several(stage)
    crossing, answering = (several.opened(State.FIN_WAIT_1) for _ in range(2))
    late = several.opened(State.FIN_WAIT_2)
    stage.note(WHO, "sends data and FIN in one segment, three times")
    crossing.raw.send("FP.", b"too late", ack=1)
    crossing.raw.expect("R.")
    for pair in (answering, late):
        delivered(stage, pair.raw.send("FP.", b"too late", ack=2))
        nothing(stage, pair.raw)
    for pair in (crossing, answering, late):
        stage.insist_end(pair.conn, "rx FIN+PSH+ACK, then abort")
    stage.deviation_seen("no-half-close")
    stage.deviation_seen("data-and-fin-after-close-silent")


def _close_while_connecting(stage: Stage) -> None:
    pair, _ = dialled(stage)
    pair.socket.close()
    stage.insist_end(pair.conn, "api close")
    stage.note(WHO, "answers the SYN, too late")
    pair.raw.send("S.", seq=0)
    pair.raw.expect("R.")


def _unread_data_in_close_wait(stage: Stage) -> None:
    pair = opened(stage)
    delivered(stage, pair.raw.send("FP.", b"unread"))
    pair.insist(State.CLOSE_WAIT)
    pair.socket.close()
    pair.raw.expect("R.")
    stage.insist_end(pair.conn, "api close")


def _never_used(stage: Stage) -> None:
    several = Several(stage)
    unused, bound = stage.board.agent.socket(), stage.board.agent.socket()
    bound.bind(4444)
    before = {row.conn for row in stage.board.port.snapshot()}
    unused.close()
    bound.close()
    after = {row.conn for row in stage.board.port.snapshot()}
    gone = sorted(before - after)
    stage.insist(len(gone) == 2, f"two pcbs to be given back, not {len(gone)}")
    for conn in gone:
        stage.insist_end(conn, "api close")
    several.opened()


def _waiting_and_closed_by_the_peer(stage: Stage) -> None:
    several = Several(stage)
    raw, conn = several.waiting()
    raw.send("F.")
    raw.expect(".", ack=2)
    stage.insist_state(conn, State.CLOSE_WAIT)
    several.listener.close()
    raw.expect("R.")
    stage.insist_end(conn, "api abort")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "data-in-fin-wait-1",
        "Data in FIN_WAIT_1",
        "The board has closed, the peer sends data. They are answered with RST in FIN_WAIT_1; if "
        "they acknowledge the board's FIN, the same segment leads to FIN_WAIT_2 first.",
        "RFC 9293 3.6.1 (SHLD-3)",
        nth(0, f"{_CLOSED} > CLOSED"),
        _data_in_fin_wait_1,
        RAW,
        "close() on a peer that still has something to say",
        others=(nth(1, f"{_CLOSED} > FIN_WAIT_2 > CLOSED"),),
        deviations=("no-half-close",),
    ),
    Scenario(
        "data-and-fin-after-close",
        "Data and FIN for a board that has closed",
        "One segment has the peer's last data and its FIN. The FIN counts first and leads to "
        "CLOSING or TIME_WAIT, then the data end the connection. From CLOSING the peer is told "
        "by RST, from TIME_WAIT it is not.",
        "RFC 9293 3.6.1 (SHLD-3)",
        nth(0, f"{_CLOSED} > CLOSING > CLOSED"),
        _data_and_fin,
        RAW,
        "data that are lost, and a peer that is not told",
        others=(
            nth(1, f"{_CLOSED} > TIME_WAIT > CLOSED"),
            nth(2, f"{_CLOSED} > FIN_WAIT_2 > TIME_WAIT > CLOSED"),
        ),
        deviations=("no-half-close", "data-and-fin-after-close-silent"),
    ),
    Scenario(
        "close-while-connecting",
        "close() in SYN_SENT",
        "The application gives up before its SYN is answered. The attempt ends at once and in "
        "silence; a SYN+ACK that comes later is answered with RST.",
        "RFC 9293 3.10.4: SYN-SENT",
        Expected("SYN_SENT > CLOSED", "client"),
        _close_while_connecting,
        RAW,
        "a connection that nobody wants any more",
    ),
    Scenario(
        "close-with-unread-data-in-close-wait",
        "close() with unread data, in CLOSE_WAIT",
        "The peer has sent data and closed; the application closes without reading. RST instead "
        "of FIN, and no LAST_ACK.",
        "RFC 9293 3.6.1 (SHLD-3); RFC 2525 2.17",
        Expected(f"{SERVER} > CLOSE_WAIT > CLOSED", "server"),
        _unread_data_in_close_wait,
        RAW,
        "that RST also comes after the peer's FIN",
    ),
    Scenario(
        "close-of-unused-sockets",
        "close() of sockets that were never used",
        "A socket holds a pcb from its first moment. close() of one that was never connected, "
        "bound or not, gives it back; other connections notice nothing.",
        "RFC 9293 3.10.4: CLOSED; lwIP's tcp_close_shutdown",
        nth(0, SERVER),
        _never_used,
        RAW,
        "CLOSED is a state that takes memory, too",
    ),
    Scenario(
        "listener-closed-peer-closed",
        "The listener is closed, and a peer that waits has closed",
        "A peer has connected, sent FIN, and nobody has called accept(): the board is in "
        "CLOSE_WAIT. close() of the listener aborts what waits, with RST.",
        "RFC 9293 3.10.5: CLOSE-WAIT; MicroPython's lwip_socket_free_incoming",
        Expected(f"{SERVER} > CLOSE_WAIT > CLOSED", "server"),
        _waiting_and_closed_by_the_peer,
        RAW,
        "the end of a connection that no program ever had",
    ),
)
