"""Reads a run for the checks of myths: finds events, and writes them as lines of evidence.

`need` turns what is not there into `NotSettled`. Numbers of TCP are compared modulo 2^32 (RFC 9293
3.4). A line has the board's clock in seconds and the event's own text, as in timelines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from lwipscope.glossary.myth import NotSettled
from lwipscope.runfile.model import Run, RunLife, WireFrame
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Died, Event, Return, Segment, Transition
from lwipscope.trace.timeline import Note
from lwipscope.wire.layers import TcpSegment, mac_text

T = TypeVar("T")
E = TypeVar("E", bound=Event)
_MASK = 0xFFFFFFFF


def need(found: T | None, what: str, **fields: object) -> T:
    """`found`, or NotSettled: the run does not show `what`."""
    if found is None:
        raise NotSettled(what, **fields)
    return found


def insist(holds: bool, what: str, **fields: object) -> None:
    """NotSettled unless it is so."""
    if not holds:
        raise NotSettled(what, **fields)


def life_of(run: Run, number: int = -1) -> RunLife:
    """One life of the board in this run."""
    if not -len(run.lives) <= number < len(run.lives):
        raise NotSettled("the run has no such life of the board")
    return run.lives[number]


def events(
    life: RunLife, kind: type[E], conn: int | None = None, *, after: Event | None = None
) -> Iterator[E]:
    """The events of one kind, of one connection, behind another event."""
    seen = after is None
    for event in life.plain_events:
        if seen and isinstance(event, kind) and (conn is None or event.conn == conn):
            yield event
        seen = seen or event is after


def first(found: Iterator[E], fits: Callable[[E], bool] = lambda _event: True) -> E | None:
    """The first one that fits."""
    return next((event for event in found if fits(event)), None)


def step(
    life: RunLife,
    before: State | None,
    after: State,
    conn: int | None = None,
    *,
    behind: Event | None = None,
) -> Transition | None:
    """A transition; `before` None: from any other state."""
    return first(
        events(life, Transition, conn, after=behind),
        lambda e: e.after is after and (e.before is before if before else e.before is not after),
    )


def death(life: RunLife, conn: int) -> Died | None:
    """The end of a connection."""
    return first(events(life, Died, conn))


def segment(
    life: RunLife,
    direction: str,
    conn: int | None = None,
    *,
    has: str = "",
    lacks: str = "",
    behind: Event | None = None,
    fits: Callable[[Segment], bool] = lambda _segment: True,
) -> Segment | None:
    """The first segment with these flags (tcpdump's letters) and without those."""
    return first(
        events(life, Segment, conn, after=behind),
        lambda e: (
            e.direction == direction
            and set(has) <= set(flags_of(e))
            and not set(lacks) & set(flags_of(e))
            and fits(e)
        ),
    )


def syn_of(life: RunLife, conn: int) -> Segment | None:
    """The SYN that an accepted connection began with; the board records it for the listener."""
    began = step(life, None, State.SYN_RCVD, conn)
    return (
        None
        if began is None
        else segment(life, "rx", has="S", lacks=".", fits=lambda s: s.remote == began.remote)
    )


def segments(
    life: RunLife, direction: str, conn: int, *, behind: Event | None = None
) -> list[Segment]:
    """All segments of a connection in one direction."""
    return [e for e in events(life, Segment, conn, after=behind) if e.direction == direction]


def flags_of(event: Segment) -> str:
    """Its flags; none of `none`."""
    return "" if event.flags == "none" else event.flags


def places(event: Segment) -> int:
    """How many sequence numbers it takes."""
    return event.length + ("S" in flags_of(event)) + ("F" in flags_of(event))


def end_of(event: Segment) -> int:
    """The number behind it: what acknowledges all of it."""
    return event.seqno + places(event) & _MASK


def reaches(ackno: int, number: int) -> bool:
    """Whether an acknowledgment number covers all before `number`."""
    return (ackno - number) & _MASK < 1 << 31


def call(life: RunLife, name: str, conn: int | None = None) -> Call | None:
    """A call of the application."""
    return first(events(life, Call, conn), lambda e: e.name == name)


def returned(life: RunLife, name: str, result: str, conn: int | None = None) -> Return | None:
    """What a call gave back."""
    return first(events(life, Return, conn), lambda e: e.name == name and e.result == result)


def note(life: RunLife, *words: str) -> Note | None:
    """What a peer or the host told, if it has all these words."""
    return next((n for n in life.notes if all(word in n.text for word in words)), None)


def console(life: RunLife, words: str) -> str | None:
    """A line that the board printed."""
    text = b"".join(piece.data for piece in life.console).decode("utf-8", "replace")
    return next((line.strip() for line in text.splitlines() if words in line), None)


def frames(life: RunLife, fits: Callable[[TcpSegment], bool]) -> list[tuple[WireFrame, TcpSegment]]:
    """The wire's segments that fit, with their frames."""
    found = []
    for frame in life.wire:
        tcp = frame.tcp
        if tcp is not None and fits(tcp):
            found.append((frame, tcp))
    return found


# Lines.


def line(event: Event) -> str:
    """An event with the board's clock."""
    return f"{event.clock_us / 1e6:>14.6f}  board   {event.text()}"


def lines(*found: Event) -> tuple[str, ...]:
    """Events in the board's order, each once."""
    return tuple(line(event) for event in sorted(set(found), key=lambda e: e.seq))


def note_line(found: Note) -> str:
    """What somebody told."""
    return f"{'':>14}  {found.who:<7} {found.text}"


def frame_line(frame: WireFrame, tcp: TcpSegment, *, mac: bool = False) -> str:
    """A segment on the wire; with the address of the card that sent it."""
    source = f"{mac_text(frame.data[6:12])} " if mac else ""
    options = f" options {tcp.options.hex()}" if tcp.options else ""
    return (
        f"{'':>14}  {frame.origin:<7} {source}{tcp.src}:{tcp.sport} > {tcp.dst}:{tcp.dport} "
        f"[{tcp.flags_text()}] seq {tcp.seq} ack {tcp.ack} win {tcp.window} "
        f"len {len(tcp.payload)}{options}"
    )
