"""Scenarios of segments in the wrong order: a FIN that comes before the data it follows.

The board keeps what is early until the hole is filled; then one segment without a FIN of its own
brings the transition. The other end is the raw peer. Sources: RFC 9293 3.10.7.4, fourth and
eighth (SHLD-31); lwIP 2.2.1 tcp_in.c (tcp_receive, tcp_process).
"""

from __future__ import annotations

from lwipscope.scenario.pair import SERVER, WHO, delivered, opened
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.several import Several, nth
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_CLOSED = f"{SERVER} > FIN_WAIT_1"


def _fin_before_data(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("F.", seq=4)
    stage.note(WHO, "its FIN overtakes three bytes of data")
    pair.raw.expect(".", ack=1)
    pair.insist(State.ESTABLISHED)
    pair.raw.send("P.", b"abc", seq=1)
    pair.raw.expect(".", ack=5)
    pair.insist(State.CLOSE_WAIT)
    stage.insist(pair.socket.recv() == b"abc", "recv() to give the data first")
    stage.insist(pair.socket.recv() == b"", "recv() to tell the end of the stream then")


def _data_and_fin_before_data(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("FP.", b"def", seq=4)
    stage.note(WHO, "its last data and FIN overtake what comes before them")
    pair.raw.expect(".", ack=1)
    pair.insist(State.ESTABLISHED)
    pair.raw.send("P.", b"abc", seq=1)
    pair.raw.expect(".", ack=8)
    pair.insist(State.CLOSE_WAIT)
    received = b"".join(pair.socket.recv() for _ in range(2))
    stage.insist(received == b"abcdef", "recv() to give all data in order")
    stage.insist(pair.socket.recv() == b"", "recv() to tell the end of the stream then")


def _after_close(stage: Stage) -> None:
    several = Several(stage)
    crossing = several.opened(State.FIN_WAIT_1)
    crossing.raw.send("F.", seq=4, ack=1)
    crossing.insist(State.FIN_WAIT_1)
    crossing.raw.send("P.", b"abc", seq=1, ack=1)
    crossing.raw.expect("R.")
    answering = several.opened(State.FIN_WAIT_1)
    answering.raw.send("F.", seq=4, ack=1)
    answering.raw.expect(".", ack=1)
    delivered(stage, answering.raw.send("P.", b"abc", seq=1, ack=2))
    late = several.opened(State.FIN_WAIT_2)
    late.raw.send("F.", seq=4)
    late.raw.expect(".", ack=1)
    late.insist(State.FIN_WAIT_2)
    delivered(stage, late.raw.send("P.", b"abc", seq=1))
    stage.note(WHO, "three times: an early FIN, then the data before it, for a board that closed")
    for pair in (crossing, answering, late):
        stage.insist_end(pair.conn, "rx PSH+ACK, then abort")
        pair.nothing()
    stage.deviation_seen("no-half-close")
    stage.deviation_seen("data-and-fin-after-close-silent")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "fin-before-data",
        "FIN overtakes data",
        "The FIN arrives before the last data. The board answers that something is missing and "
        "stays ESTABLISHED; the data, when they come, bring the FIN with them: CLOSE_WAIT by a "
        "segment that has no FIN.",
        "RFC 9293 3.10.7.4, fourth and eighth (SHLD-31)",
        Expected(f"{SERVER} > CLOSE_WAIT", "server"),
        _fin_before_data,
        RAW,
        "a transition whose cause is not the segment that one would think of",
    ),
    Scenario(
        "data-and-fin-before-data",
        "Data with FIN overtake data",
        "The last segment has data and FIN and arrives before the one in front of it. lwIP keeps "
        "it, and stores CLOSE_WAIT twice when the hole is filled.",
        "RFC 9293 3.10.7.4, fourth and eighth (SHLD-31)",
        Expected(f"{SERVER} > CLOSE_WAIT", "server"),
        _data_and_fin_before_data,
        RAW,
        "the queue of early segments, with a FIN in it",
    ),
    Scenario(
        "fin-before-data-after-close",
        "FIN overtakes data, after close()",
        "The board has closed, the peer's FIN comes too early. What fills the hole takes "
        "FIN_WAIT_1 to CLOSING or TIME_WAIT, and FIN_WAIT_2 to TIME_WAIT; but it is data for a "
        "board that has closed, so the same segment ends the connection. Only CLOSING sends RST.",
        "RFC 9293 3.6.1 (SHLD-3) and 3.10.7.4, eighth",
        nth(0, f"{_CLOSED} > CLOSING > CLOSED"),
        _after_close,
        RAW,
        "two transitions by a segment that has no FIN",
        others=(
            nth(1, f"{_CLOSED} > TIME_WAIT > CLOSED"),
            nth(2, f"{_CLOSED} > FIN_WAIT_2 > TIME_WAIT > CLOSED"),
        ),
        deviations=("no-half-close", "data-and-fin-after-close-silent"),
    ),
)
