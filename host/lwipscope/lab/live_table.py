"""The board's pcbs as its events tell them, kept up to date: what is there, since when, with whom.

Fed by the trace's reader thread, read by any other. Nothing is asked of the board. Times in board
microseconds; `age_ms` adds the host time that went by since the last event, unless board time
stands still. Sources: events Born, Transition, Died, Call, Return of firmware/README.md.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from lwipscope.report.netstat_text import Row
from lwipscope.tcp.state import State
from lwipscope.trace.event import Born, Call, Died, Endpoint, Event, Return, Segment, Transition

_ANY = Endpoint("0.0.0.0", 0)


@dataclass(frozen=True, slots=True)
class Pcb:
    """One pcb. `unread` bytes have come that the application did not take; `accepted`: the
    application has it. `over` once its memory was given back."""

    conn: int
    state: State
    since_us: int
    local: Endpoint | None = None
    remote: Endpoint | None = None
    listener: int | None = None
    unread: int = 0
    accepted: bool = False
    over: bool = False
    why: str = ""


class LiveTable:
    """The table of one life of the board."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pcbs: dict[int, Pcb] = {}
        self._clock_us = 0
        self._heard_s = time.monotonic()

    def event(self, event: Event) -> None:
        """Take in one event."""
        with self._lock:
            if event.clock_us >= self._clock_us:
                self._clock_us, self._heard_s = event.clock_us, time.monotonic()
            self._take(event)

    def pcb(self, conn: int | None) -> Pcb | None:
        """One pcb, also if it is over."""
        with self._lock:
            return None if conn is None else self._pcbs.get(conn)

    def living(self) -> list[Pcb]:
        """Those that are there now."""
        with self._lock:
            return [pcb for pcb in self._pcbs.values() if not pcb.over]

    def state(self, conn: int | None) -> State:
        """The state of a connection; CLOSED if there is none."""
        found = self.pcb(conn)
        return State.CLOSED if found is None or found.over else found.state

    def rows(self, *, running: bool) -> list[Row]:
        """For netstat's table."""
        with self._lock:
            passed_us = (time.monotonic() - self._heard_s) * 1e6 if running else 0.0
            now_us = self._clock_us + passed_us
            return [
                Row(
                    *("board", p.state, p.local or _ANY, p.remote, p.conn),
                    age_ms=max(0, round((now_us - p.since_us) / 1000)),
                )
                for p in self._pcbs.values()
                if not p.over
            ]

    def _take(self, event: Event) -> None:
        conn = event.conn
        pcb = self._pcbs.get(conn)
        match event:
            case Born():
                self._pcbs[conn] = Pcb(conn, State.CLOSED, event.clock_us)
            case Transition():
                old = pcb or Pcb(conn, event.before, event.clock_us)
                since_us = old.since_us if old.state is event.after else event.clock_us
                self._pcbs[conn] = replace(
                    old,
                    state=event.after,
                    since_us=since_us,
                    local=event.local or old.local,
                    remote=event.remote or old.remote,
                    listener=event.listener or old.listener,
                    accepted=old.accepted or event.after is State.SYN_SENT,
                )
            case Died() if pcb is not None:
                self._pcbs[conn] = replace(
                    pcb, state=State.CLOSED, over=True, why=event.cause.text()
                )
            case Segment(direction="rx") if pcb is not None and event.length:
                self._pcbs[conn] = replace(pcb, unread=pcb.unread + event.length)
            case Call(name="recv") if pcb is not None and event.arg.isdecimal():
                self._pcbs[conn] = replace(pcb, unread=max(0, pcb.unread - int(event.arg)))
            case Call(name="bind") if pcb is not None and event.arg.isdecimal():
                self._pcbs[conn] = replace(pcb, local=Endpoint(_ANY.ip, int(event.arg)))
            case Return() if event.accepted is not None:
                taken = self._pcbs.get(event.accepted)
                if taken is not None:
                    self._pcbs[event.accepted] = replace(taken, accepted=True)
