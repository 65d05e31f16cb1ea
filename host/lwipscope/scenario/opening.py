"""Scenarios of opening: handshakes that are held, refused, crossed, or closed while they last.

The other end is the raw peer. Sources: RFC 9293 sections 3.5, 3.10.7.3 and 3.10.7.4; lwIP 2.2.1
tcp_in.c (tcp_listen_input, tcp_process); MicroPython 1.25.0 extmod/modlwip.c.
"""

from __future__ import annotations

from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.pair import (
    PORT,
    SERVER,
    WHO,
    conn_of,
    delivered,
    dialled,
    half_open,
    knocking,
    nothing,
)
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State


def _syn_rcvd_held(stage: Stage) -> None:
    raw, conn = half_open(stage)
    stage.note(WHO, "keeps the handshake's last ACK back")
    nothing(stage, raw)
    stage.insist_state(conn, State.SYN_RCVD)
    raw.send("S", seq=0)
    raw.expect("S.", seq=0, ack=1)
    stage.insist_state(conn, State.SYN_RCVD)


def _fin_on_handshake_ack(stage: Stage) -> None:
    raw, conn = half_open(stage)
    raw.send("F.")
    raw.expect(".", seq=1, ack=2, length=0)
    stage.insist_state(conn, State.CLOSE_WAIT)


def _syn_sent_refused(stage: Stage) -> None:
    pair, _ = dialled(stage)
    pair.raw.send("R.", seq=0, ack=5)
    stage.note(WHO, "its RST does not acknowledge the SYN: ignored")
    pair.nothing()
    pair.insist(State.SYN_SENT)
    pair.raw.send("R.", seq=0, ack=1)
    stage.insist_end(pair.conn, "rx RST+ACK")
    stage.insist_refused(pair.socket.recv, "recv() after the refusal", "ECONNRESET")
    stage.deviation_seen("refused-is-econnreset")


def _syn_sent_bad_ack(stage: Stage) -> None:
    pair, _ = dialled(stage)
    pair.raw.send("S.", seq=0, ack=7)
    stage.note(WHO, "its SYN+ACK acknowledges what was not sent")
    pair.raw.expect("R.")
    pair.raw.expect("S", seq=0)
    pair.insist(State.SYN_SENT)
    pair.raw.send("S.", seq=0)
    pair.raw.expect(".", seq=1, ack=1)
    pair.insist(State.ESTABLISHED)


def _simultaneous_open_absent(stage: Stage) -> None:
    pair, _ = dialled(stage)
    pair.raw.send("S")
    stage.note(WHO, "its SYN crosses the board's: RFC 9293 wants SYN_RCVD and SYN+ACK")
    pair.nothing()
    pair.insist(State.SYN_SENT)
    pair.raw.send("S.", seq=0)
    pair.raw.expect(".", seq=1, ack=1)
    pair.insist(State.ESTABLISHED)


def _fin_before_accept(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    conn = conn_of(stage, raw)
    raw.send("F.")
    raw.expect(".", seq=1, ack=2, length=0)
    stage.insist_state(conn, State.CLOSE_WAIT)
    connection = listener.accept()
    stage.insist_refused(connection.recv, "recv(), though the peer has closed,", "EAGAIN")
    stage.deviation_seen("fin-before-accept-lost")
    connection.close()
    raw.expect("F.", seq=1, ack=2)
    raw.send(".")
    stage.wait_end(conn)


def _data_and_fin_before_accept(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.handshake()
    conn = conn_of(stage, raw)
    raw.send("P.", b"abc")
    delivered(stage, raw.send("F."))
    stage.note(WHO, "its data are kept for accept(), its FIN is dropped")
    stage.insist_state(conn, State.ESTABLISHED)
    connection = listener.accept()
    stage.elapse(1_000)
    stage.insist(connection.recv() == b"abc", "recv() to give what came before accept()")
    raw.skip()
    raw.send("F.", seq=4)
    stage.note(WHO, "sends its FIN again")
    raw.expect(".", ack=5)
    stage.insist_state(conn, State.CLOSE_WAIT)
    stage.insist(connection.recv() == b"", "recv() to tell the end of the stream")


def _listen_to_syn_sent_absent(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    stage.insist_refused(
        lambda: listener.connect(HOST_IP, PORT), "connect() on a listener", "EALREADY"
    )
    # Which of the two depends on memory behind the listener, where a connection has its buffer.
    stage.insist_refused(lambda: listener.send(b"x"), "send() on a listener", "ENOTCONN", "EAGAIN")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "syn-rcvd-held",
        "SYN_RCVD, held",
        "The peer sends SYN and keeps the last ACK of the handshake back. The board has answered "
        "with SYN+ACK and waits in SYN_RCVD. The same SYN once more is answered once more.",
        "RFC 9293 3.5 and figure 5",
        Expected("LISTEN > SYN_RCVD", "server"),
        _syn_rcvd_held,
        RAW,
        "the state between SYN and ACK, which nc passes through in a millisecond",
    ),
    Scenario(
        "fin-on-handshake-ack",
        "FIN on the handshake's ACK",
        "The last segment of the handshake is the peer's FIN, too. One segment, two transitions: "
        "the board is ESTABLISHED and in CLOSE_WAIT at once.",
        "RFC 9293 3.10.7.4, fifth and eighth",
        Expected(f"{SERVER} > CLOSE_WAIT", "server"),
        _fin_on_handshake_ack,
        RAW,
        "two transitions by one segment",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2",
    ),
    Scenario(
        "syn-sent-refused",
        "SYN_SENT, refused by RST",
        "The board connects. An RST that does not acknowledge its SYN is ignored, the one that "
        "does ends the attempt.",
        "RFC 9293 3.10.7.3, first and second",
        Expected("SYN_SENT > CLOSED", "client"),
        _syn_sent_refused,
        RAW,
        "which RST counts in SYN_SENT",
        deviations=("refused-is-econnreset",),
    ),
    Scenario(
        "syn-sent-bad-ack",
        "SYN_SENT, a SYN+ACK with a wrong number",
        "The SYN+ACK acknowledges something that the board never sent. It answers with RST, stays "
        "in SYN_SENT and sends its SYN again at once; the right SYN+ACK then connects.",
        "RFC 9293 3.10.7.3, first",
        Expected("SYN_SENT > ESTABLISHED", "client"),
        _syn_sent_bad_ack,
        RAW,
        "an old connection's segment does no harm",
        deviations=("bad-ack-in-syn-sent-burns-retries",),
    ),
    Scenario(
        "simultaneous-open-absent",
        "Simultaneous open: lwIP has none",
        "Both ends send SYN. In RFC 9293 the board would go from SYN_SENT to SYN_RCVD. lwIP "
        "ignores the SYN and stays; only a SYN+ACK takes it on.",
        "RFC 9293 3.5, figure 7 (MUST-10)",
        Expected("SYN_SENT > ESTABLISHED", "client"),
        _simultaneous_open_absent,
        RAW,
        "why a client is never in SYN_RCVD",
        peer_path="SYN_SENT > SYN_RCVD > ESTABLISHED",
        deviations=("simultaneous-open-absent",),
    ),
    Scenario(
        "listen-to-syn-sent-absent",
        "LISTEN to SYN_SENT: lwIP has no such way",
        "In RFC 9293 a listener may send and so become the one that connects. On the board "
        "connect() and send() on a listener fail, and it stays in LISTEN.",
        "RFC 9293 3.10.1, 3.10.2 and figure 5",
        Expected("LISTEN", "listener"),
        _listen_to_syn_sent_absent,
        frozenset(),
        "why a server is never in SYN_SENT, nor a client in LISTEN",
        deviations=("listen-to-syn-sent-absent",),
    ),
    Scenario(
        "fin-before-accept",
        "FIN before accept()",
        "The peer connects and closes before the application calls accept(). TCP goes to "
        "CLOSE_WAIT as it should. But MicroPython forgets the FIN: recv() of the accepted socket "
        "is never told. The application has to close by itself.",
        "RFC 9293 3.10.7.4, eighth: signal the user",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _fin_before_accept,
        RAW,
        "a server that waits for ever for a client that has gone",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
        deviations=("fin-before-accept-lost",),
    ),
    Scenario(
        "data-and-fin-before-accept",
        "Data and FIN before accept()",
        "Data that come before accept() are kept, but what follows them is dropped, the FIN too: "
        "the board stays ESTABLISHED until the peer repeats its FIN behind accept().",
        "RFC 9293 3.10.7.4, eighth",
        Expected(f"{SERVER} > CLOSE_WAIT", "server"),
        _data_and_fin_before_accept,
        RAW | {"clock"},
        "why a slow accept() delays the end of a short connection",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2",
        deviations=("fin-after-data-before-accept-dropped",),
    ),
)
