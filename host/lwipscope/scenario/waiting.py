"""Scenarios of waiting: how long a connection lasts that nobody closes, if nothing comes.

Board time is moved; the timers are lwIP's own code. Times in ms of board time. Sources: RFC 9293
sections 3.6, 3.8.3 and 3.8.6.1; lwIP 2.2.1 tcp.c (tcp_slowtmr), tcp_priv.h.
"""

from __future__ import annotations

from lwipscope.scenario.pair import SERVER, WHO, dialled, half_open, opened, told
from lwipscope.scenario.scenario import RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_SECOND_MS = 1_000
_HOUR_MS = 3_600_000


def _syn_rcvd_timeout(stage: Stage) -> None:
    raw, conn = half_open(stage)
    stage.note(WHO, "keeps the handshake's last ACK back")
    moved_ms = stage.run_until(State.CLOSED, conn, 22 * _SECOND_MS)
    told(stage, moved_ms, "the board forgets it")
    stage.insist_end(conn, "timer SYN_RCVD")
    repeated = [seen.flags for seen in raw.skip_all_sent()]
    stage.insist(repeated == ["S.", "S."], f"two repetitions of SYN+ACK, not {repeated}")


def _syn_sent_timeout(stage: Stage) -> None:
    pair, _ = dialled(stage)
    stage.note(WHO, "does not answer")
    moved_ms = stage.run_until(State.CLOSED, pair.conn, 25 * _SECOND_MS)
    told(stage, moved_ms, "the board gives up")
    stage.insist_end(pair.conn, "timer SYN-retries")
    stage.insist_refused(pair.socket.recv, "recv() after connect() timed out", "ECONNABORTED")
    stage.deviation_seen("connect-timeout-is-econnaborted")
    repeated = [(seen.flags, seen.seq) for seen in pair.raw.skip_all_sent()]
    stage.insist(repeated == [("S", 0)] * 6, f"six repetitions of the SYN, not {repeated}")


def _close_wait_for_ever(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("F.")
    pair.raw.expect(".", ack=2)
    stage.note("host", "moves the board's clock by an hour; the application does not close")
    stage.elapse(_HOUR_MS)
    pair.nothing()
    pair.insist(State.CLOSE_WAIT)


def _zero_window(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.send(b"fills it")
    pair.raw.expect("P.", payload=b"fills it")
    pair.raw.send(".", window=0)
    stage.note(WHO, "its window is full")
    pair.nothing()
    pair.socket.send(b"waits")
    pair.nothing()
    for _ in range(3):
        stage.elapse(8 * _SECOND_MS)
        pair.raw.expect(".", seq=9, payload=b"w")
        pair.raw.skip()
        pair.raw.send(".", ack=9)
    stage.note("host", "moved the board's clock: it probes with one byte, again and again")
    pair.insist(State.ESTABLISHED)
    pair.raw.send(".", ack=9, window=8000)
    pair.raw.expect("P.", seq=9, payload=b"waits")


def _peer_vanishes(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.send(b"anybody?")
    stage.note(WHO, "hears it, and never answers again")
    moved_ms = stage.run_until(State.CLOSED, pair.conn, _HOUR_MS)
    told(stage, moved_ms, "the board gives up")
    stage.insist_end(pair.conn, "timer retransmit")
    sent = pair.raw.skip_all_sent()
    tries = [seen for seen in sent if seen.seq == 1 and seen.segment.payload]
    stage.insist(len(tries) == 13, f"the data and 12 repetitions, not {len(tries)}")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "syn-rcvd-timeout",
        "SYN_RCVD to its timeout",
        "The last ACK of the handshake never comes. The board repeats its SYN+ACK twice and "
        "forgets the attempt 20 s after the SYN.",
        "RFC 9293 3.8.3; lwIP's TCP_SYN_RCVD_TIMEOUT",
        Expected("LISTEN > SYN_RCVD > CLOSED", "server"),
        _syn_rcvd_timeout,
        RAW_AND_CLOCK,
        "how long a half-open connection holds a pcb",
    ),
    Scenario(
        "syn-sent-timeout",
        "SYN_SENT to its timeout",
        "Nobody answers the board's SYN. It sends it seven times in all and gives up.",
        "RFC 9293 3.8.3; lwIP's TCP_SYNMAXRTX",
        Expected("SYN_SENT > CLOSED", "client"),
        _syn_sent_timeout,
        RAW_AND_CLOCK,
        "how long connect() waits for a host that is not there",
        deviations=("connect-timeout-is-econnaborted",),
    ),
    Scenario(
        "close-wait-for-ever",
        "CLOSE_WAIT for ever",
        "The peer has closed, the application has not. No timer ends CLOSE_WAIT: an hour later "
        "the pcb is still taken. A leak of these is an application that forgets close().",
        "RFC 9293 3.6, case 2",
        Expected(f"{SERVER} > CLOSE_WAIT", "server"),
        _close_wait_for_ever,
        RAW_AND_CLOCK,
        "CLOSE_WAIT waits for the application and nobody else",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2",
    ),
    Scenario(
        "zero-window",
        "Zero window and persist",
        "The peer's window is full. The board keeps its data and probes with one byte, at growing "
        "intervals, until the window opens. The state stays ESTABLISHED all the time.",
        "RFC 9293 3.8.6.1",
        Expected(SERVER, "server"),
        _zero_window,
        RAW_AND_CLOCK,
        "a connection that stands still and lives",
        peer_path="SYN_SENT > ESTABLISHED",
    ),
    Scenario(
        "peer-vanishes",
        "The peer vanishes",
        "The board sends, and nobody acknowledges. It repeats 12 times, ever slower, and gives "
        "up after minutes of board time.",
        "RFC 9293 3.8.3; lwIP's TCP_MAXRTX",
        Expected(f"{SERVER} > CLOSED", "server"),
        _peer_vanishes,
        RAW_AND_CLOCK,
        "how long a board believes in a peer that has lost its power",
    ),
)
