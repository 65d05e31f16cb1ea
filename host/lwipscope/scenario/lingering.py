"""Scenarios of waiting after close(): which timer ends each of the closing states, and when.

Board time is moved; the timers are lwIP's own code, and MicroPython's abort. Times in ms of board
time. Sources: RFC 9293 sections 3.3.2, 3.6.1 and 3.8.3; lwIP 2.2.1 tcp.c (tcp_slowtmr);
MicroPython 1.25.0 extmod/modlwip.c (_lwip_tcp_close_poll).
"""

from __future__ import annotations

from lwipscope.scenario.pair import SERVER, WHO, Pair, opened, told
from lwipscope.scenario.scenario import RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_SECOND_MS = 1_000
_ABORT_MS = (9_000, 12_000)


def _aborted(pair: Pair) -> None:
    """MicroPython's abort 10 s after close(), which sends RST."""
    moved_ms = pair.stage.run_until(State.CLOSED, pair.conn, _ABORT_MS[1])
    told(pair.stage, moved_ms, "MicroPython aborts what it closed")
    pair.stage.insist(moved_ms >= _ABORT_MS[0], f"10 s to the abort, not {moved_ms} ms")
    pair.stage.insist_end(pair.conn, "timer close-abort")
    pair.raw.expect("R.")


def _fin_wait_1_held(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    stage.note(WHO, "does not acknowledge the FIN")
    pair.nothing()
    pair.insist(State.FIN_WAIT_1)
    _aborted(pair)


def _closing_held(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send("F.", ack=1)
    pair.raw.expect(".", ack=2)
    stage.note(WHO, "its FIN crosses; it does not acknowledge the board's")
    pair.insist(State.CLOSING)
    _aborted(pair)


def _fin_wait_2_never_closed(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send(".")
    pair.nothing()
    stage.note(WHO, "never closes its side")
    pair.insist(State.FIN_WAIT_2)
    _aborted(pair)


def _fin_wait_2_idle(stage: Stage) -> None:
    pair = opened(stage)
    stage.elapse(13 * _SECOND_MS)
    stage.note("host", "moved the board's clock: 13 s of silence")
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send(".")
    pair.nothing()
    pair.insist(State.FIN_WAIT_2)
    moved_ms = stage.run_until(State.CLOSED, pair.conn, _ABORT_MS[0])
    told(stage, moved_ms, "FIN_WAIT_2 is over, without RST")
    stage.insist_end(pair.conn, "timer FIN_WAIT_2")
    pair.nothing()


def _last_ack_held(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("F.")
    pair.raw.expect(".", ack=2)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=2)
    stage.note(WHO, "does not acknowledge the FIN")
    pair.raw.send(".", ack=1)
    pair.nothing()
    pair.insist(State.LAST_ACK)
    _aborted(pair)


def _last_ack_timeout(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("F.")
    pair.raw.expect(".", ack=2)
    stage.elapse(115 * _SECOND_MS)
    stage.note("host", "moved the board's clock: 115 s of silence")
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=2)
    pair.insist(State.LAST_ACK)
    moved_ms = stage.run_until(State.CLOSED, pair.conn, _ABORT_MS[0])
    told(stage, moved_ms, "LAST_ACK is over, without RST")
    stage.insist_end(pair.conn, "timer LAST_ACK")
    again = [seen.flags for seen in pair.raw.skip_all_sent()]
    stage.insist(set(again) <= {"F."}, f"nothing but the FIN again, not {again}")


def _last_ack_lost(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=2, ack=2)
    stage.elapse(60 * _SECOND_MS)
    pair.raw.send("F.", seq=1)
    stage.note(WHO, "a minute later its FIN again, as if the last ACK had been lost")
    pair.raw.expect(".", seq=2, ack=2)
    pair.insist(State.TIME_WAIT)
    moved_ms = pair.to_the_end_of_2msl()
    stage.insist(moved_ms >= 119 * _SECOND_MS, f"2MSL from the second FIN, not {moved_ms} ms")


def _time_wait_cut_short(stage: Stage) -> None:
    pair = opened(stage)
    stage.elapse(60 * _SECOND_MS)
    stage.note("host", "moved the board's clock: a minute of silence")
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=2, ack=2)
    moved_ms = pair.to_the_end_of_2msl()
    stage.insist(moved_ms <= 62 * _SECOND_MS, f"half of 2MSL, not {moved_ms} ms")
    stage.insist_end(pair.conn, "timer 2MSL")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "fin-wait-1-held",
        "FIN_WAIT_1, held until the abort",
        "The peer does not acknowledge the board's FIN. The board repeats it, and 10 s after "
        "close() MicroPython aborts with RST.",
        "RFC 9293 figure 5; MicroPython's _lwip_tcp_close_poll",
        Expected(f"{SERVER} > FIN_WAIT_1 > CLOSED", "server"),
        _fin_wait_1_held,
        RAW_AND_CLOCK,
        "a state that lasts one round trip, for as long as one likes",
        deviations=("close-abort-10s",),
    ),
    Scenario(
        "closing-held",
        "CLOSING, held until the abort",
        "The FINs have crossed, and the peer never acknowledges the board's.",
        "RFC 9293 figure 5; MicroPython's _lwip_tcp_close_poll",
        Expected(f"{SERVER} > FIN_WAIT_1 > CLOSING > CLOSED", "server"),
        _closing_held,
        RAW_AND_CLOCK,
        "CLOSING without the ACK that ends it",
        deviations=("close-abort-10s",),
    ),
    Scenario(
        "fin-wait-2-never-closed",
        "FIN_WAIT_2, the peer never closes",
        "The peer acknowledges the FIN and keeps its side open. RFC 9293 lets the board wait for "
        "ever; MicroPython aborts with RST 10 s after close().",
        "RFC 9293 3.6, case 1; MicroPython's _lwip_tcp_close_poll",
        Expected(f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED", "server"),
        _fin_wait_2_never_closed,
        RAW_AND_CLOCK,
        "who decides how long FIN_WAIT_2 lasts",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > CLOSED",
        deviations=("close-abort-10s",),
    ),
    Scenario(
        "fin-wait-2-idle",
        "FIN_WAIT_2 after silence",
        "As before, but 13 s of silence went before close(). lwIP counts its 20 s for FIN_WAIT_2 "
        "from the last segment before close(), so its timer is first, and it sends no RST.",
        "RFC 9293 3.3.2; lwIP's TCP_FIN_WAIT_TIMEOUT",
        Expected(f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED", "server"),
        _fin_wait_2_idle,
        RAW_AND_CLOCK,
        "the same path for another reason: the cause tells them apart",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT",
        deviations=(
            "fin-wait-2-times-out",
            "pcb-timer-frozen-at-close",
        ),
    ),
    Scenario(
        "last-ack-held",
        "LAST_ACK, held until the abort",
        "Both have closed, but the peer acknowledges everything except the board's FIN. 10 s "
        "after close() MicroPython aborts with RST.",
        "RFC 9293 figure 5; MicroPython's _lwip_tcp_close_poll",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _last_ack_held,
        RAW_AND_CLOCK,
        "LAST_ACK without the last ACK",
        deviations=("close-abort-10s",),
    ),
    Scenario(
        "last-ack-timeout",
        "LAST_ACK to its timeout",
        "115 s of silence went before close(). lwIP ends LAST_ACK 2MSL after the last segment "
        "before close(), so seconds are left of it, and it sends no RST.",
        "RFC 9293 3.8.3 (SHLD-11); lwIP tcp_slowtmr",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _last_ack_timeout,
        RAW_AND_CLOCK,
        "lwIP's own end of LAST_ACK",
        deviations=(
            "last-ack-times-out-silently",
            "pcb-timer-frozen-at-close",
        ),
    ),
    Scenario(
        "last-ack-lost",
        "The last ACK is lost: FIN again in TIME_WAIT",
        "The peer did not get the ACK of its FIN and sends the FIN again, a minute later. The "
        "board acknowledges again and begins 2MSL anew. For this TIME_WAIT exists.",
        "RFC 9293 3.10.7.4, eighth: TIME-WAIT",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server"),
        _last_ack_lost,
        RAW_AND_CLOCK,
        "what TIME_WAIT is good for",
    ),
    Scenario(
        "time-wait-cut-short",
        "TIME_WAIT cut short after silence",
        "A minute of silence before close(). lwIP measures 2MSL from the last segment before "
        "close(), so TIME_WAIT lasts one minute instead of two.",
        "RFC 9293 3.6.1 (MUST-13)",
        Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT > CLOSED", "server"),
        _time_wait_cut_short,
        RAW_AND_CLOCK,
        "a TIME_WAIT that is shorter than it ought to be",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
        deviations=("pcb-timer-frozen-at-close",),
    ),
)
