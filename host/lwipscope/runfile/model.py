"""What a run file holds: a run of one board, its lives, and all that was recorded in each.

Host times are seconds since the run began (`About.wall_ns` is that moment in nanoseconds since
1970); board times are in the events, in microseconds since boot. Everything is frozen: reports
read a run, nothing changes it. How it lies in a file: `store`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lwipscope.runfile.clock_map import ClockMap
from lwipscope.tcp.edge import Profile
from lwipscope.tcp.graph import profile_of
from lwipscope.trace.connection import Connection, connections
from lwipscope.trace.event import Endpoint, Event, Hello, Segment
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import ConsoleText
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.packet import parse_frame

if TYPE_CHECKING:
    from lwipscope.runfile.merged import Moment

SUFFIX = ".lwiprun"


@dataclass(frozen=True, slots=True)
class Judged:
    """One thing that was judged. `verdict` is PASS, FAIL, INCONCLUSIVE or ERROR.

    `subject`: path, beside (the path of another connection), peer, evidence, legality, deviation,
    wire or step. `life` counts from 0; `conn` is the connection's id, None if it has none.
    """

    subject: str
    verdict: str
    expected: str = ""
    seen: str = ""
    text: str = ""
    life: int = 0
    conn: int | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What was run, on what, when, and what was found. Empty texts: not known, or not judged."""

    name: str
    command: str = ""
    title: str = ""
    story: str = ""
    source: str = ""
    """What the scenario stands on: a section of an RFC."""
    verdict: str = ""
    judged: tuple[Judged, ...] = ()
    remarks: tuple[str, ...] = ()
    board: str = ""
    board_title: str = ""
    whose_tcp: str = ""
    clock: str = ""
    wall_ns: int = 0
    lasted_s: float = 0.0
    ended: str = ""
    """Why the run ended early: `interrupted`, or what went wrong; empty if it did not."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """An event, when the host read it, and the protocol's text for it: `KIND FIELDS`."""

    at_s: float
    event: Event
    said: str


DROPPED = "dropped"
"""A frame's fate: it was sent, and never delivered."""


@dataclass(frozen=True, slots=True)
class WireFrame:
    """An Ethernet frame as the switch saw it, before any rule. `origin`: board, tap or a peer's
    name. `event_seq` is the `seq` of the board's own record of this segment, None if it has none:
    another protocol, or a segment that never came to lwIP's TCP, or that the trace missed. `fate`:
    what a rule of the wire did to it on its way, `DROPPED`, or empty."""

    at_s: float
    origin: str
    data: bytes
    event_seq: int | None = None
    fate: str = ""

    @property
    def tcp(self) -> TcpSegment | None:
        """The segment, if the frame is an intact one."""
        return parse_frame(self.data).tcp


@dataclass(frozen=True)
class RunLife:
    """One life of the board, from its reset to the next."""

    number: int
    events: tuple[BoardEvent, ...] = ()
    wire: tuple[WireFrame, ...] = ()
    notes: tuple[Note, ...] = ()
    console: tuple[ConsoleText, ...] = ()
    integrity: Integrity = field(default_factory=Integrity)
    stopped: bool = False

    @cached_property
    def plain_events(self) -> tuple[Event, ...]:
        """The events alone."""
        return tuple(each.event for each in self.events)

    @cached_property
    def hello(self) -> Hello | None:
        """How the board introduced itself."""
        return next((e for e in self.plain_events if isinstance(e, Hello)), None)

    @property
    def fields(self) -> Mapping[str, str]:
        """What it said of itself: board, mp, lwip, profile, build, mss and others."""
        return self.hello.fields if self.hello is not None else {}

    @property
    def profile(self) -> Profile:
        """Whose state machine its stack is, for `tcp.graph.graph_of`."""
        return profile_of(self.fields.get("lwip", ""), self.fields.get("mp", ""))

    @cached_property
    def connections(self) -> tuple[Connection, ...]:
        """Listeners and connections, oldest first."""
        return tuple(connections(self.plain_events))

    def connection(self, conn: int) -> Connection | None:
        """The one with that id."""
        return next((each for each in self.connections if each.id == conn), None)

    @cached_property
    def frame_of(self) -> Mapping[int, WireFrame]:
        """Wire frames by the `seq` of the board's record of them."""
        return {f.event_seq: f for f in self.wire if f.event_seq is not None}

    @cached_property
    def clock_map(self) -> ClockMap:
        """Board time as host time and back, with how far off that may be."""
        ends = []
        for each in self.events:
            frame = self.frame_of.get(each.event.seq)
            rx = isinstance(each.event, Segment) and each.event.direction == "rx"
            tx = isinstance(each.event, Segment) and not rx
            ends.append(
                (
                    each.event.clock_us,
                    frame.at_s if frame is not None and rx else None,
                    min(each.at_s, frame.at_s) if frame is not None and tx else each.at_s,
                )
            )
        return ClockMap.of(ends)

    def segments_between(self, local: Endpoint, remote: Endpoint) -> Iterator[WireFrame]:
        """The wire's segments of one pair of endpoints, `local` being the board's."""
        yield from self._by_ends.get(frozenset((local, remote)), ())

    @cached_property
    def _by_ends(self) -> Mapping[frozenset[Endpoint], list[WireFrame]]:
        """Each frame is taken apart once, however many connections there are."""
        found: dict[frozenset[Endpoint], list[WireFrame]] = {}
        for frame in self.wire:
            if (tcp := frame.tcp) is not None:
                ends = frozenset((Endpoint(tcp.src, tcp.sport), Endpoint(tcp.dst, tcp.dport)))
                found.setdefault(ends, []).append(frame)
        return found

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Everything that happened, in one order: what `merged.merged` gives."""
        from lwipscope.runfile.merged import in_order

        return in_order(self)


@dataclass(frozen=True)
class Run:
    """A run. `cut` says what is missing of a file that was cut off; empty if nothing is."""

    about: About
    lives: tuple[RunLife, ...] = ()
    cut: str = ""

    def save(self, path: Path) -> None:
        """Write the file; it is there as a whole or not at all."""
        from lwipscope.runfile.store import save

        save(self, path)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read it back; UsageError if it is no run file, or of a newer version."""
        from lwipscope.runfile.store import load

        return load(path)

    def wall_ns(self, at_s: float) -> int:
        """A host time of this run in nanoseconds since 1970."""
        return self.about.wall_ns + round(at_s * 1e9)

    def connection(self, conn: int, life: int | None = None) -> tuple[RunLife, Connection] | None:
        """A connection by its id, in one life or in the newest that has it."""
        for each in reversed(self.lives):
            if life is None or each.number == life:
                found = each.connection(conn)
                if found is not None:
                    return each, found
        return None

    def problems(self) -> list[str]:
        """Why the evidence is incomplete, in words; empty if it is complete."""
        found = [self.cut] if self.cut else []
        for life in self.lives:
            prefix = f"life {life.number + 1}: " if len(self.lives) > 1 else ""
            if not life.stopped:
                found += [prefix + problem for problem in life.integrity.problems()]
        return found
