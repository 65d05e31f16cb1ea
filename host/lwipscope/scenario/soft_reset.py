"""Scenarios of the soft reset: what a program left open is closed by the garbage collector.

The program on the board ends without close(), then Ctrl-D. The other end is the raw peer. Sources:
MicroPython 1.25.0 py/gc.c (gc_sweep_all) and extmod/modlwip.c (lwip_socket_close).
"""

from __future__ import annotations

from lwipscope.scenario.careless_agent import careless, program_ends, soft_reset
from lwipscope.scenario.pair import SERVER, delivered
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.several import DIALLED_PORT, Several, nth
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State


def _closes(stage: Stage) -> None:
    careless(stage)
    several = Several(stage)
    established, waiting = several.opened(), several.opened(State.CLOSE_WAIT)
    unread, unread_at_end = several.opened(), several.opened()
    delivered(stage, unread.raw.send("P.", b"unread"))
    delivered(stage, unread_at_end.raw.send("FP.", b"unread"))
    several.delivered()
    for pair in (unread, unread_at_end):
        pair.raw.skip()
    unused = stage.board.agent.socket()
    stage.note("host", f"the board's program ends and leaves socket {unused.name} unused")
    program_ends(stage)
    established.insist(State.ESTABLISHED)
    soft_reset(stage)
    established.raw.expect("F.", seq=1)
    established.insist(State.FIN_WAIT_1)
    waiting.raw.expect("F.", seq=1)
    waiting.insist(State.LAST_ACK)
    for pair in (unread, unread_at_end):
        pair.raw.expect("R.")
        stage.insist_end(pair.conn, "gc close")
    left = len(stage.board.port.snapshot())
    stage.insist(left == 2, f"nothing but the two that are closing to be left, not {left} pcbs")
    stage.deviation_seen("soft-reset-keeps-connections")


def _drops(stage: Stage) -> None:
    careless(stage)
    several = Several(stage)
    pair = several.dialled()
    # Every second one of the queue is forgotten (listener-close-orphans), so three are needed.
    (first, conn), orphan, (last, last_conn) = (several.waiting() for _ in range(3))
    last.send("F.")
    last.expect(".", ack=2)
    program_ends(stage)
    soft_reset(stage)
    stage.insist_end(pair.conn, "gc close")
    pair.nothing()
    for raw, number in ((first, conn), (last, last_conn)):
        raw.expect("R.")
        stage.insist_end(number, "gc abort")
    stage.insist_state(orphan[1], State.ESTABLISHED)
    stage.deviation_seen("listener-close-orphans")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "soft-reset-closes",
        "Soft reset: sockets are closed for the program",
        "A program ends and forgets its sockets. Nothing happens, until Ctrl-D throws its "
        "objects away: FIN for who has read everything, RST where data were unread, and the "
        "listener and an unused socket are gone.",
        "RFC 9293 3.10.4; MicroPython's gc_sweep_all",
        nth(0, f"{SERVER} > FIN_WAIT_1"),
        _closes,
        RAW,
        "Ctrl-D is a close() of everything",
        others=(
            nth(1, f"{SERVER} > CLOSE_WAIT > LAST_ACK"),
            nth(2, f"{SERVER} > CLOSED"),
            nth(3, f"{SERVER} > CLOSE_WAIT > CLOSED"),
        ),
        deviations=("soft-reset-keeps-connections",),
    ),
    Scenario(
        "soft-reset-drops",
        "Soft reset: what was on its way is dropped",
        "Ctrl-D while connect() is under way and while connections wait for accept(). The first "
        "is given up in silence, those that wait are aborted with RST; every second one of them "
        "is forgotten and stays for ever.",
        "RFC 9293 3.10.4; MicroPython's lwip_socket_free_incoming",
        Expected("SYN_SENT > CLOSED", "client", DIALLED_PORT),
        _drops,
        RAW,
        "connections that no program ever had",
        others=(
            nth(0, f"{SERVER} > CLOSED"),
            nth(1, SERVER),
            nth(2, f"{SERVER} > CLOSE_WAIT > CLOSED"),
        ),
        deviations=("listener-close-orphans",),
    ),
)
