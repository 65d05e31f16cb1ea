"""The verbs of board time: move it by so much, until a state is reached, stop it, let it run.

Raw peers that behave have no clock of their own: theirs moves along. The kernel's clock does not,
so the board refuses to move time while the kernel has something to acknowledge. Times in ms of
board time; timeouts in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lwipscope.board.board_time import STEP_MS, UNACKNOWLEDGED, leads_to, step
from lwipscope.board.command_port import CommandRefused
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.site import RAW_IP, Site, Told
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event

_Args = dict[str, str]
_LIMIT_MS = 1_800_000
_HOST_S = 4.5
_PATIENCE_S = 0.3


def move(site: Site, args: _Args, told: Told) -> None:
    """By so much."""
    site.need_board()
    ms = int(args["MS"])
    moved, _ = _move(site, ms, args.get("HOW") == "forced", lambda _e: False)
    if moved < ms:
        told.said.append(
            site.tr(
                "board time moved by {moved} ms of {ms} in the time that a verb has; say `time` "
                "again for the rest",
                moved=moved,
                ms=ms,
            )
        )
    else:
        told.said.append(site.tr("board time moved by {moved} ms", moved=moved))


def until(site: Site, args: _Args, told: Told) -> None:
    """Until some connection, or that of S, is in a state."""
    site.need_board()
    state = State.parse(args["STATE"])
    conn = None
    if "S" in args:
        socket = site.socket(args["S"])
        conn = socket.conn
        if site.record.live.state(conn) is state:
            told.said.append(site.tr("{name} is in {state} already", name=socket.name, state=state))
            return
    elif not any(pcb.state is not State.LISTEN for pcb in site.record.live.living()):
        raise Mistake(site.tr("the board has no connection, so time brings nothing"))
    moved, event = _move(
        site,
        _LIMIT_MS,
        False,
        lambda e: leads_to(e, state) and (conn is None or e.conn == conn),
    )
    if event is None:
        raise Mistake(
            site.tr(
                "no connection came to {state} in {seconds} s of board time: does its way lead "
                "there without a segment of the peer or a call of the board?",
                state=state,
                seconds=f"{moved / 1000:g}",
            )
        )
    told.said.append(
        site.tr(
            "c{conn} is in {state} after {seconds} s of board time",
            conn=event.conn,
            state=state,
            seconds=f"{moved / 1000:.3f}",
        )
    )


def manual(site: Site, _args: _Args, told: Told) -> None:
    """Stop."""
    site.need_board()
    site.board.port.clock("manual")
    site.clock = "manual"
    site.record.note("host", "stops the board's clock")
    told.said.append(
        site.tr(
            "the board's time stands still; `time MS` moves it. nc and your own terminals have "
            "clocks of their own, so new ones are refused meanwhile: take raw peers"
        )
    )


def running(site: Site, _args: _Args, told: Told) -> None:
    """Go."""
    site.need_board()
    site.board.port.clock("running")
    site.clock = "running"
    site.gates.open_all()
    site.record.note("host", "lets the board's clock run")
    told.said.append(site.tr("the board's time runs"))


def _move(
    site: Site, ms: int, forced: bool, reached: Callable[[Event], bool]
) -> tuple[int, Event | None]:
    """How far time moved, at most `ms`, and the event that ended it."""
    port, trace = site.board.port, site.board.trace
    start_us = port.sync().clock_us
    mark, moved = trace.mark(), 0
    end_s = time.monotonic() + _HOST_S
    site.record.note("host", f"moves the board's clock, by {ms} ms at most")
    while moved < ms and time.monotonic() < end_s:
        try:
            passed = step(port, min(STEP_MS, ms - moved), forced or _only_raw(site), _PATIENCE_S)
        except CommandRefused as refusal:
            if refusal.reason != UNACKNOWLEDGED:
                raise
            raise Mistake(
                site.tr(
                    "the board does not move its time now: a peer has not acknowledged data or a "
                    "FIN, and its clock would not move along. `time MS forced` does it all the same"
                )
            ) from refusal
        moved += max(1, passed)
        site.elapse_peers(passed)
        port.sync()
        for event in trace.events[mark:]:
            if reached(event):
                return max(0, (event.clock_us - start_us) // 1000), event
        mark = trace.mark()
    return moved, None


def _only_raw(site: Site) -> bool:
    """Whether no connection is with a TCP that has a clock of its own."""
    return all(
        pcb.remote is None or pcb.remote.ip == RAW_IP or pcb.remote.port == 0
        for pcb in site.record.live.living()
    )
