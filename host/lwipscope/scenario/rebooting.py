"""Scenarios of an end that has forgotten: one end loses its memory, the other does not.

RFC 9293 3.5.1 calls what remains a half-open connection. Sources: RFC 9293 3.4.3, 3.5.1 (figure 9),
3.8.4 and 3.10.7; lwIP 2.2.1 tcp.c (tcp_init, tcp_next_iss), tcp_in.c (tcp_input, tcp_process);
MicroPython 1.25.0 modlwip.c (lwip_socket_setsockopt).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardSocket
from lwipscope.peer.raw_match import Absolute
from lwipscope.scenario.pair import (
    CLIENT,
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    Pair,
    accepted,
    dialled,
    knocking,
    nothing,
    opened,
)
from lwipscope.scenario.scenario import RAW_AND_CLOCK, RAW_AND_POWER, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment

_LONGER_THAN_KEEPALIVE_MS = 8_000_000  # lwIP's would take 7200 s, and 9 times 75 s
_CLIENT_PORT = 50000
FIRST_SYN = 6509  # lwIP begins at 6510 and gives the SYN of a connect the number before
_ANEW = 0x1000  # the peer's next initial number, seen from its last one


def _keepalive_absent(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    connection, conn = pair.socket, pair.conn
    peer.vanish()
    stage.note(WHO, "loses its power")
    stage.board.port.sync()
    since = stage.board.trace.mark()
    stage.elapse(_LONGER_THAN_KEEPALIVE_MS)
    stage.note("host", "moved the board's clock: two hours and a quarter")
    stage.board.port.sync()
    probes = [e.text() for e in stage.board.trace.events[since:] if isinstance(e, Segment)]
    stage.insist(not probes, f"no segment in more than two hours, not {probes}")
    stage.insist_refused(connection.recv, "recv()", "EAGAIN")
    stage.insist_state(conn, State.ESTABLISHED)
    stage.deviation_seen("keepalive-absent")
    peer.come_back(rebooted=True)
    stage.note(WHO, "is switched on again and knows of no connection")
    connection.send(b"anybody?")
    stage.wait_end(conn)
    stage.insist_end(conn, "rx RST")
    stage.insist_refused(connection.recv, "recv()", "ECONNRESET")


def _peer_speaks(stage: Stage) -> None:
    pair = opened(stage)
    _said_hello(pair)
    stage.reboot()
    pair.raw.send("P.", b"still there?")
    stage.note(WHO, "knows nothing of it and goes on")
    pair.raw.expect("R.", seq=6, ack=1 + 12)
    stage.deviation_seen("rst-always-with-ack")
    stage.insist(not stage.board.port.snapshot(), "a board without any connection")


def _serves_again(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    old, peer = knocking(stage)
    old.handshake()
    _said_hello(accepted(stage, old, listener))
    stage.reboot()
    again = stage.board_listens(PORT)
    old.send("P.", b"still there?")
    old.expect("R.", seq=6)
    stage.deviation_seen("rst-always-with-ack")
    stage.note(WHO, "understands, and connects anew")
    new, _ = knocking(stage, peer, port=PEER_PORT + 1)
    new.handshake()
    _said_hello(accepted(stage, new, again))


def _forgets_time_wait(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=2, ack=2)
    pair.insist(State.TIME_WAIT)
    stage.reboot()
    pair.raw.send("F.", seq=1)
    stage.note(WHO, "sends its FIN again, as if the last ACK had been lost")
    pair.raw.expect("R.", seq=2)
    stage.deviation_seen("rst-always-with-ack")


def _connects_from_the_same_port(stage: Stage) -> None:
    peer = stage.network.raw()
    peer.listen(PEER_PORT)
    client, conn = _calls(stage, peer.ip)
    raw = peer.expect_syn(PEER_PORT)
    raw.accept_handshake()
    stage.wait_state(State.ESTABLISHED, conn=conn)
    _said_hello(Pair(stage, raw, client, conn))
    number = Absolute(raw.board_isn or 0)
    stage.reboot()
    _, conn = _calls(stage, peer.ip)
    raw.expect("S", seq=number)
    stage.note(WHO, "a SYN on a connection that it believes to be open: who is there?")
    raw.send(".")
    raw.expect("R.", seq=6)
    raw.expect("S", seq=number)
    stage.insist_state(conn, State.SYN_SENT)
    stage.deviation_seen("predictable-isn")
    stage.deviation_seen("quiet-time-absent")
    stage.deviation_seen("bad-ack-in-syn-sent-burns-retries")
    stage.note(WHO, "has been told by RST, and takes the SYN that follows")
    raw.send("S.", seq=_ANEW, ack=1)
    raw.expect(".", seq=1, ack=_ANEW + 1)
    stage.insist_state(conn, State.ESTABLISHED)


def _numbers(stage: Stage) -> None:
    first, peer = dialled(stage)
    first.raw.accept_handshake()
    first.insist(State.ESTABLISHED)
    stage.elapse(60_000)
    stage.note("host", "moved the board's clock by a minute, with which its numbers grow")
    stage.reboot()
    peer.listen(PEER_PORT + 1)
    _, conn = stage.board_connects(peer.ip, PEER_PORT + 1)
    second = peer.expect_syn(PEER_PORT + 1)
    second.accept_handshake()
    stage.insist_state(conn, State.ESTABLISHED)
    ends = [(raw.board_isn, raw.remote[1]) for raw in (first.raw, second)]
    isns = [isn for isn, _ in ends]
    stage.insist(isns == [FIRST_SYN] * 2, f"{FIRST_SYN} in both lives, not {isns}")
    stage.deviation_seen("predictable-isn")
    stage.note(WHO, "; ".join(f"a SYN with number {isn} from port {port}" for isn, port in ends))


def _calls(stage: Stage, ip: str) -> tuple[BoardSocket, int]:
    """The board connects from a port of its choice: the socket, and its connection id."""
    client = stage.board.agent.socket()
    client.bind(_CLIENT_PORT)
    client.connect(ip, PEER_PORT)
    return client, stage.wait_state(State.SYN_SENT).conn


def _said_hello(pair: Pair) -> None:
    """The board says hello, and is heard."""
    pair.socket.send(b"hello")
    pair.raw.expect("P.", seq=1, payload=b"hello")
    pair.raw.send(".")
    nothing(pair.stage, pair.raw)
    pair.insist(State.ESTABLISHED)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "keepalive-absent",
        "The peer is switched off in silence: no keepalive",
        "Nothing is under way when the peer loses its power, so nothing is missed. Elsewhere "
        "SO_KEEPALIVE would ask after two hours; MicroPython does not have it, and long after "
        "that the board still believes in its peer. It finds out when it has something to say "
        "and the peer, back again, knows nothing of it.",
        "RFC 9293 3.8.4 (MAY-5) and 3.5.1; MicroPython's lwip_socket_setsockopt",
        Expected(f"{SERVER} > CLOSED", "server"),
        _keepalive_absent,
        RAW_AND_CLOCK,
        "only who speaks finds out; applications need a heartbeat of their own",
        deviations=("keepalive-absent",),
    ),
    Scenario(
        "board-reboots",
        "The board reboots, the peer speaks",
        "A reset takes a microsecond and tells nobody. The peer is still connected, in its own "
        "view: a half-open connection. Its next segment finds no pcb and is answered with RST.",
        "RFC 9293 3.5.1 and figure 10; 3.10.7.1",
        Expected(SERVER, "server", life=0),
        _peer_speaks,
        RAW_AND_POWER,
        "how a peer learns that the board has started again",
        deviations=("rst-always-with-ack",),
    ),
    Scenario(
        "board-reboots-and-listens",
        "The board reboots and serves again",
        "The board's program starts by itself and listens at the same port as before. What comes "
        "from the old connection is no SYN, so the listener answers with RST; the peer connects "
        "anew and is served.",
        "RFC 9293 3.5.1 and 3.10.7.2, second",
        Expected(SERVER, "server", PEER_PORT + 1),
        _serves_again,
        RAW_AND_POWER,
        "a client that sees ECONNRESET ought to connect again, nothing else",
        others=(Expected(SERVER, "server", PEER_PORT, life=0),),
        deviations=("rst-always-with-ack",),
    ),
    Scenario(
        "board-reboots-in-time-wait",
        "The board reboots in TIME_WAIT",
        "TIME_WAIT is there to repeat the last ACK if it was lost. A reset forgets it: the peer's "
        "second FIN is answered with RST, and a connection that was closed in all order ends with "
        "an error at the peer.",
        "RFC 9293 3.4.3 and 3.10.7.1",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server", life=0),
        _forgets_time_wait,
        RAW_AND_POWER,
        "what TIME_WAIT is for, by its absence",
        deviations=("rst-always-with-ack",),
    ),
    Scenario(
        "board-reboots-and-connects",
        "The board reboots and connects from the same port",
        "The peer is silent and believes in the old connection, when the rebooted board connects "
        "from the same port. The peer answers the SYN with an ACK of the old connection; the board "
        "has never sent such a thing, answers with RST, and sends its SYN again. Now the peer has "
        "forgotten too, and takes it. The board's number is the very same as in its last life.",
        "RFC 9293 3.5.1 and figure 9; 3.4.3",
        Expected(CLIENT, "client", PEER_PORT),
        _connects_from_the_same_port,
        RAW_AND_POWER,
        "two ends with different memories agree without anybody's help",
        others=(Expected(CLIENT, "client", PEER_PORT, life=0),),
        deviations=("predictable-isn", "quiet-time-absent", "bad-ack-in-syn-sent-burns-retries"),
    ),
    Scenario(
        "board-reboots-numbers",
        "Ports and initial numbers, life by life",
        "Twice the board starts and connects. Its port is taken by chance, so that the new life "
        "does not meet the old one's connections; but its initial sequence number, which grows "
        "while TCP is busy, is 6509 again: what ought to be hard to guess is in lwIP's source.",
        "RFC 9293 3.4.1 (MUST-8); lwIP's tcp_next_iss and tcp_init",
        Expected(CLIENT, "client", PEER_PORT + 1),
        _numbers,
        RAW_AND_CLOCK | RAW_AND_POWER,
        "what a reboot changes, and what it does not",
        peer_path="LISTEN > SYN_RCVD > ESTABLISHED",
        others=(Expected(CLIENT, "client", PEER_PORT, life=0),),
        deviations=("predictable-isn",),
    ),
)
