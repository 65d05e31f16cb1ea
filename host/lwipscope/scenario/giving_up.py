"""Scenarios of giving up: repetitions and probes that nobody answers, counted to their end.

lwIP gives up after 12 of either, in whatever state the connection then is. The board's clock stands
still while something is done, so the repetitions of all connections come in the same tick. Times
in ms of board time. Sources: RFC 9293 sections 3.8.3 and 3.8.6.1; lwIP 2.2.1 tcp.c (tcp_slowtmr).
"""

from __future__ import annotations

from collections.abc import Sequence

from lwipscope.errors import DeadlineExceeded
from lwipscope.scenario.pair import SERVER, WHO, Pair, half_open
from lwipscope.scenario.scenario import RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.several import Several, nth, standing_clock
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment

_DATA = b"anybody?"
_MOST = 12  # TCP_MAXRTX
_SECOND_MS = 1_000
_STEP_MS = 60_000
_LIMIT_MS = 2_000_000
_ABORT_MS = 9_000  # MicroPython's abort comes 10 s after close()
_CLOSE_BEFORE_MS = 5_000
_QUICK = 3


def _sent_at_us(stage: Stage, conn: int, length: int) -> list[int]:
    """When the board has sent segments of that many bytes."""
    return [
        event.clock_us
        for event in stage.board.trace.events
        if isinstance(event, Segment)
        and (event.conn, event.direction, event.length) == (conn, "tx", length)
    ]


def _until_sent(stage: Stage, pairs: Sequence[Pair], length: int, times: int) -> None:
    """Move board time until each has sent that many segments of that length."""
    moved_ms = 0
    while any(len(_sent_at_us(stage, pair.conn, length)) < times for pair in pairs):
        if moved_ms > _LIMIT_MS:
            raise DeadlineExceeded(
                f"{times} segments of {length} bytes on each connection were expected within "
                f"{_LIMIT_MS / 1000:g} s of board time"
            )
        moved_ms += max(1, stage.board.port.advance(_STEP_MS, forced=True))
        stage.board.port.sync()
    stage.note("host", f"moved the board's clock by {moved_ms / 1000:.0f} s")


def _quick(pair: Pair) -> None:
    """Three round trips within a tick make lwIP's timeout as short as it gets: 1.5 s."""
    for number in range(_QUICK):
        pair.socket.send(_DATA)
        pair.raw.expect(payload=_DATA, seq=1 + number * len(_DATA))
        pair.raw.send(".")
        pair.nothing()


def _repetitions(stage: Stage) -> None:
    several = Several(stage)
    with standing_clock(stage):
        waiting, first, crossing, last = pairs = [several.opened() for _ in range(4)]
        for pair in pairs:
            _quick(pair)
        for pair in (waiting, last):
            pair.raw.send("F.")
            pair.raw.expect(".", ack=2)
        for pair in pairs:
            pair.socket.send(_DATA)
        stage.note(WHO, "acknowledges nothing any more")
        _until_sent(stage, pairs, len(_DATA), _QUICK + _MOST)
        before_us, last_us = _sent_at_us(stage, first.conn, len(_DATA))[-2:]
        stage.elapse((last_us - before_us) // 1000 - _CLOSE_BEFORE_MS)
        stage.note("host", "the board's program closes three of them before the last repetition")
        # LAST_ACK has a timer of its own, which runs from the last segment before close().
        last.raw.send(".")
        for pair in (first, crossing, last):
            pair.socket.close()
        crossing.raw.send("F.")
        several.delivered()
        states = (State.CLOSE_WAIT, State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
        for pair, state in zip(pairs, states, strict=True):
            pair.insist(state)
        stage.run_until(State.CLOSED, waiting.conn, _ABORT_MS)
        for pair in pairs:
            stage.insist_end(pair.conn, "timer retransmit")
            sent = len(_sent_at_us(stage, pair.conn, len(_DATA))) - _QUICK
            stage.insist(sent == 1 + _MOST, f"the data and {_MOST} repetitions, not {sent}")


def _probes(stage: Stage) -> None:
    several = Several(stage)
    with standing_clock(stage):
        pairs = [several.opened(window=0) for _ in range(4)]
        established, waiting, first, last = pairs
        for pair in (waiting, last):
            pair.raw.send("F.")
            pair.raw.expect(".", ack=2)
        for pair in pairs:
            pair.socket.send(_DATA)
            pair.nothing()
        stage.note(WHO, "its window is closed, and it answers no probe")
        _until_sent(stage, pairs, 1, _MOST)
        stage.note("host", "the board's program closes two of them behind the last probe")
        for pair in (first, last):
            pair.socket.close()
        states = (State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT_1, State.LAST_ACK)
        for pair, state in zip(pairs, states, strict=True):
            pair.insist(state)
        stage.run_until(State.CLOSED, established.conn, 2 * _SECOND_MS)
        for pair in pairs:
            stage.insist_end(pair.conn, "timer persist")
            sent = len(_sent_at_us(stage, pair.conn, 1))
            stage.insist(sent == _MOST, f"{_MOST} probes, not {sent}")


def _syn_again_and_again(stage: Stage) -> None:
    raw, conn = half_open(stage)
    for _ in range(_MOST):
        raw.send("S", seq=0)
        raw.expect("S.", seq=0, ack=1)
    stage.note(WHO, f"repeats its SYN {_MOST} times")
    stage.insist_state(conn, State.SYN_RCVD)
    stage.elapse(_SECOND_MS)
    stage.insist_end(conn, "timer retransmit")
    stage.deviation_seen("syn-rcvd-duplicate-syn-counts")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "syn-again-and-again",
        "The same SYN, 12 times",
        "The client repeats its SYN all too often. Each time the board repeats its SYN+ACK and "
        "counts that as a retransmission of its own: at the 12th it gives up, long before the "
        "timeout of SYN_RCVD.",
        "RFC 9293 3.8.3; lwIP's TCP_MAXRTX",
        Expected("LISTEN > SYN_RCVD > CLOSED", "server"),
        _syn_again_and_again,
        RAW_AND_CLOCK,
        "repetitions of the other side count, too",
        deviations=("syn-rcvd-duplicate-syn-counts",),
    ),
    Scenario(
        "peer-vanishes-while-closing",
        "The peer vanishes, and the application closes",
        "Four connections have data under way that nobody acknowledges. The application closes "
        "three of them before the 12th repetition, one peer's FIN still comes: CLOSE_WAIT, "
        "FIN_WAIT_1, CLOSING and LAST_ACK end by the same count, without RST.",
        "RFC 9293 3.8.3; lwIP's TCP_MAXRTX",
        nth(0, f"{SERVER} > CLOSE_WAIT > CLOSED"),
        _repetitions,
        RAW_AND_CLOCK,
        "repetitions are counted before and after close()",
        others=(
            nth(1, f"{SERVER} > FIN_WAIT_1 > CLOSED"),
            nth(2, f"{SERVER} > FIN_WAIT_1 > CLOSING > CLOSED"),
            nth(3, f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED"),
        ),
    ),
    Scenario(
        "zero-window-unanswered",
        "Zero window, and nobody answers the probes",
        "The peer's window is closed and it is silent. After 12 probes, more than seven minutes, "
        "the board gives up, in ESTABLISHED and in CLOSE_WAIT. Who closes behind the last probe "
        "does not live longer: FIN_WAIT_1 and LAST_ACK end in the same tick.",
        "RFC 9293 3.8.6.1; lwIP's persist_probe",
        nth(0, f"{SERVER} > CLOSED"),
        _probes,
        RAW_AND_CLOCK,
        "that probes are counted, too",
        others=(
            nth(1, f"{SERVER} > CLOSE_WAIT > CLOSED"),
            nth(2, f"{SERVER} > FIN_WAIT_1 > CLOSED"),
            nth(3, f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED"),
        ),
    ),
)
