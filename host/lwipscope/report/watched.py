"""What a board is doing now, folded from its events: pcbs, last transitions, counters.

Fed by `lwipscope watch` with a snapshot and then with every event as it comes; knows no terminal
and no clock of its own. Board times in microseconds since boot. Not thread-safe: who feeds and
draws from different threads holds a lock.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lwipscope.tcp.state import State
from lwipscope.trace.event import (
    Born,
    Call,
    Died,
    Endpoint,
    Event,
    Fault,
    Hello,
    Lost,
    PcbRow,
    Reply,
    Segment,
    Transition,
    Unknown,
)
from lwipscope.trace.frame import SEQ_MODULUS

MOST_MOVES = 500
"""So many transitions are kept: more than fit on a screen, also with a filter."""


@dataclass(slots=True)
class Pcb:
    """One living pcb; `since_us`: when it came to its state."""

    conn: int
    state: State
    since_us: int
    local: Endpoint | None = None
    remote: Endpoint | None = None

    def has_port(self, port: int | None) -> bool:
        """Whether one of its ends has this port; None is any."""
        return _has_port(port, self.local, self.remote)


@dataclass(frozen=True, slots=True)
class Move:
    """A transition that changed a state; a freed pcb went to CLOSED."""

    clock_us: int
    conn: int
    before: State
    after: State
    cause: str
    local: Endpoint | None = None
    remote: Endpoint | None = None

    def has_port(self, port: int | None) -> bool:
        """As of a pcb."""
        return _has_port(port, self.local, self.remote)


def _has_port(port: int | None, *ends: Endpoint | None) -> bool:
    return port is None or any(end is not None and end.port == port for end in ends)


@dataclass
class Watched:
    """One board, over all of its lives."""

    fields: dict[str, str] = field(default_factory=dict)
    pcbs: dict[int, Pcb] = field(default_factory=dict)
    moves: deque[Move] = field(default_factory=lambda: deque(maxlen=MOST_MOVES))
    left_us: dict[State, int] = field(default_factory=dict)
    """When a pcb last left this state: it glows for a while."""
    used: dict[str, int] = field(default_factory=dict)
    """Pcbs in use by pool (pcb, lpcb), where that is known."""
    counts: Counter[str] = field(default_factory=Counter)
    """events, segments, calls, transitions, resets, frames_lost, records_lost, malformed."""
    boot: str = ""
    fault: str = ""
    clock_us: int = 0
    doubtful: bool = False
    """Something was lost, so the table may be wrong until the next snapshot."""
    _seq: int | None = None

    def event(self, event: Event) -> None:
        """Take in what the board told; any kind, in its order."""
        if self._seq is not None:
            missing = (event.seq - self._seq - 1) % SEQ_MODULUS
            self._lost("frames_lost", missing)
        self._seq = event.seq
        self.clock_us = max(self.clock_us, event.clock_us)
        match event:
            case Hello():
                self._hello(event)
                return
            case Transition():
                self._transition(event)
            case Born():
                self.used[event.pool] = event.used
                self.pcbs[event.conn] = Pcb(event.conn, State.CLOSED, event.clock_us)
            case Died():
                self._died(event)
            case Segment():
                self.counts["segments"] += 1
            case Call():
                self.counts["calls"] += 1
            case Lost():
                self._lost("records_lost", event.n)
            case Unknown(malformed=True):
                self._lost("malformed", 1)
            case Fault():
                self.fault = event.said
            case PcbRow() | Reply():
                return
        self.counts["events"] += 1

    def snapshot(self, rows: Iterable[PcbRow], seen_us: int) -> None:
        """The table as the board's `snapshot` told it. What happened after it was told, at
        `seen_us`, is right already and stays."""
        rows = list(rows)
        told = {row.conn for row in rows}
        for conn in [c for c, pcb in self.pcbs.items() if c not in told]:
            if self.pcbs[conn].since_us <= seen_us:
                del self.pcbs[conn]
        for row in rows:
            known = self.pcbs.get(row.conn)
            if known is not None and known.since_us > seen_us:
                continue
            since_us = max(0, row.clock_us - row.age_ms * 1000)
            if known is not None and known.state is row.state:
                since_us = known.since_us  # to the microsecond
            self.pcbs[row.conn] = Pcb(row.conn, row.state, since_us, row.local, row.remote)
        if "pcb" not in self.used or self.doubtful:
            listening = sum(row.state is State.LISTEN for row in rows)
            self.used = {"pcb": len(rows) - listening, "lpcb": listening}
        self.doubtful = False

    def begin(self) -> None:
        """The board or its line has begun anew: the table is empty and the numbers are others;
        counters and transitions stay. The next hello tells whether it was a reset."""
        self._seq = None
        self.clock_us = 0
        self.fault = ""
        self.pcbs.clear()
        self.left_us.clear()
        self.used.clear()

    def copy(self) -> Watched:
        """As it is now: what a paused screen shows."""
        return replace(
            self,
            fields=dict(self.fields),
            pcbs={conn: copy.copy(pcb) for conn, pcb in self.pcbs.items()},
            moves=self.moves.copy(),
            left_us=dict(self.left_us),
            used=dict(self.used),
            counts=self.counts.copy(),
        )

    def _hello(self, event: Hello) -> None:
        if self.boot and event.boot != self.boot:
            self.counts["resets"] += 1
        self.fields, self.boot = dict(event.fields), event.boot

    def _transition(self, event: Transition) -> None:
        pcb = self.pcbs.get(event.conn)
        if pcb is None:
            pcb = self.pcbs[event.conn] = Pcb(event.conn, event.before, event.clock_us)
        pcb.local, pcb.remote = event.local or pcb.local, event.remote or pcb.remote
        if event.before is event.after:
            return
        pcb.state, pcb.since_us = event.after, event.clock_us
        self._moved(event.clock_us, pcb, event.before, event.cause.text())

    def _died(self, event: Died) -> None:
        pcb = self.pcbs.pop(event.conn, None)
        self.used["lpcb" if event.state is State.LISTEN else "pcb"] = event.used
        if event.state is not State.CLOSED:
            ends = (None, None) if pcb is None else (pcb.local, pcb.remote)
            gone = Pcb(event.conn, State.CLOSED, event.clock_us, *ends)
            self._moved(event.clock_us, gone, event.state, f"{event.cause.text()}, freed")

    def _moved(self, clock_us: int, pcb: Pcb, before: State, cause: str) -> None:
        self.counts["transitions"] += 1
        self.left_us[before] = clock_us
        if pcb.state is State.CLOSED:
            self.left_us[State.CLOSED] = clock_us
        self.moves.append(Move(clock_us, pcb.conn, before, pcb.state, cause, pcb.local, pcb.remote))

    def _lost(self, what: str, count: int) -> None:
        if count:
            self.counts[what] += count
            self.doubtful = True
