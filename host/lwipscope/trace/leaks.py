"""Leaks: pcbs that the application should have closed, with the evidence for each.

lwIP frees a pcb when its connection is over; what stays is somebody's fault or somebody's wait.
Some states end by themselves (a timer or the peer ends them), some only by the application:
CLOSE_WAIT for ever, a listener and an unused socket until close(), ESTABLISHED for ever if the
other end is gone (MicroPython's lwIP sockets send no keepalives). RFC 9293 section 3.3.2 says who
waits for whom in which state. Called by the application harness and reports with the events of a
life that a sync has closed. Times in microseconds of board time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, connections
from lwipscope.trace.event import Born, Died, Endpoint, Event, Transition

# Ended by a timer or by the peer, whatever the application does.
_ENDS_BY_ITSELF = frozenset(
    {
        State.SYN_SENT,
        State.SYN_RCVD,
        State.FIN_WAIT_1,
        State.FIN_WAIT_2,
        State.CLOSING,
        State.LAST_ACK,
        State.TIME_WAIT,
    }
)


@dataclass(frozen=True, slots=True)
class LivingPcb:
    """A pcb that is taken. `event` led to its state: its birth, or its last transition."""

    conn: int
    state: State
    event: Event
    connection: Connection | None

    @property
    def since_us(self) -> int:
        """Since when it is in this state."""
        return self.event.clock_us

    def text(self) -> str:
        """`c3 CLOSE_WAIT 192.0.2.10:6666 - 192.0.2.1:40312`."""
        one = self.connection
        if one is None:
            return f"c{self.conn} {self.state}, a socket that was never used"
        ends = f"{one.local or '?'}" + (f" - {one.remote}" if one.remote else "")
        return f"c{self.conn} {self.state} {ends}"


@dataclass(frozen=True, slots=True)
class Leak:
    """A pcb that the application should have closed, and why that is so."""

    pcb: LivingPcb
    why: str

    def text(self) -> str:
        """Two lines: who, and the event that made it one."""
        at_s = self.pcb.since_us / 1e6
        return f"{self.pcb.text()}: {self.why}\n    since {at_s:.6f} s: {self.pcb.event.text()}"


@dataclass(frozen=True, slots=True)
class PcbTable:
    """All pcbs that are taken at the end of the events."""

    living: tuple[LivingPcb, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> PcbTable:
        """The table, from births, transitions and deaths."""
        kept = list(events)
        states: dict[int, tuple[State, Event]] = {}
        for event in kept:
            match event:
                case Born():
                    states[event.conn] = (State.CLOSED, event)
                case Transition():
                    if states.get(event.conn, (None,))[0] is not event.after:
                        states[event.conn] = (event.after, event)
                case Died():
                    states.pop(event.conn, None)
        known = {connection.id: connection for connection in connections(kept)}
        return cls(
            tuple(
                LivingPcb(conn, state, event, known.get(conn))
                for conn, (state, event) in states.items()
            )
        )

    @property
    def counts(self) -> Counter[State]:
        """How many are in each state."""
        return Counter(pcb.state for pcb in self.living)

    def growth(self, before: PcbTable, *, ignoring: frozenset[State] = frozenset()) -> str:
        """What there is more of than before, `ESTABLISHED +1, CLOSE_WAIT +2`; empty if nothing."""
        more = self.counts - before.counts
        return ", ".join(f"{s} +{n}" for s, n in more.items() if s not in ignoring)

    def text(self) -> str:
        """A line for each pcb."""
        return "\n".join(f"  {pcb.text()}" for pcb in self.living) or "  no pcb is taken"


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How much of lwIP's pool of pcbs is taken, and was at most; listeners have a pool apart.

    TIME_WAIT counts: its pcbs are in the pool until 2MSL is over or a new connection needs one.
    """

    used: int
    peak: int
    size: int

    @classmethod
    def of(cls, events: Iterable[Event], size: int) -> PoolUse:
        """By the numbers that births and deaths tell."""
        used = peak = 0
        listeners: set[int] = set()
        for event in events:
            if isinstance(event, Born) and event.pool != "pcb":
                listeners.add(event.conn)
            elif isinstance(event, Born):
                used = event.used
                peak = max(peak, used)
            elif isinstance(event, Died) and event.conn not in listeners:
                used = event.used
        return cls(used, peak, size)

    def text(self) -> str:
        """`3 of 5 pcbs taken, at most 4 so far`."""
        return f"{self.used} of {self.size} pcbs taken, at most {self.peak} so far"


def find_leaks(
    events: Iterable[Event],
    *,
    program_ended: bool,
    peer_is_there: Callable[[Endpoint], bool | None] = lambda _remote: None,
) -> tuple[Leak, ...]:
    """The leaks at the end of the events, oldest first.

    `program_ended`: then nothing may be left but what ends by itself. `peer_is_there` tells of an
    address of the other end whether it still has that connection; None if it can't be known.
    """
    found = []
    for pcb in PcbTable.of(events).living:
        why = _why(pcb, program_ended, peer_is_there)
        if why:
            found.append(Leak(pcb, why))
    return tuple(found)


def _why(
    pcb: LivingPcb, program_ended: bool, peer_is_there: Callable[[Endpoint], bool | None]
) -> str:
    remote = pcb.connection.remote if pcb.connection is not None else None
    return leak_reason(pcb.state, remote, program_ended, peer_is_there)


def leak_reason(
    state: State,
    remote: Endpoint | None,
    program_ended: bool,
    peer_is_there: Callable[[Endpoint], bool | None],
) -> str:
    """Why a pcb in that state is a leak; empty if it is none."""
    if state is State.CLOSE_WAIT:
        return "the peer has closed, the application has not; no timer ends this"
    if state in _ENDS_BY_ITSELF:
        return ""
    if program_ended:
        what = {
            State.LISTEN: "a listener",
            State.ESTABLISHED: "a connection",
            State.CLOSED: "a socket",
        }[state]
        return f"{what} is left though the program has ended"
    if state is State.ESTABLISHED and remote is not None and peer_is_there(remote) is False:
        return "the other end is gone; nothing but the application's close() will end this"
    return ""
