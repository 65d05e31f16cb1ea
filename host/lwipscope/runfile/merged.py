"""Everything that happened in one life, in one order: what reports walk through.

Board events keep the board's order, and stand with the frame on the wire that they are the record
of: between those the order is exact. What the board did not record (ARP, segments that were lost,
deeds of peers, console text) is placed by the host's clock, and `give_or_take_s` says how far off
a board event may be on that clock. Frames that never arrived over the serial line are an entry of
their own: nothing is joined over a gap.
"""

from __future__ import annotations

import codecs
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.runfile.model import RunLife, WireFrame
from lwipscope.trace.event import Beat, Event, Lost
from lwipscope.trace.frame import SEQ_MODULUS
from lwipscope.trace.timeline import Note

Kind: TypeAlias = Literal["event", "frame", "note", "console", "gap"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry. `at_s` is host time since the run began.

    event: `event` is there, and `frame` if it is a segment whose frame was seen.
    frame: a frame of which the board recorded nothing. note: `note`. console: a whole line in
    `text`. gap: `text` says what is missing.
    """

    kind: Kind
    at_s: float
    give_or_take_s: float = 0.0
    event: Event | None = None
    frame: WireFrame | None = None
    note: Note | None = None
    text: str = ""

    @property
    def clock_us(self) -> int | None:
        """The board's own time, for its events."""
        return None if self.event is None else self.event.clock_us


def merged(life: RunLife) -> list[Moment]:
    """All moments in order. Heartbeats are left out."""
    return list(life.moments)


def in_order(life: RunLife) -> tuple[Moment, ...]:
    """The same, worked out: `RunLife.moments` keeps it."""
    return tuple(
        heapq.merge(
            sorted((Moment("note", n.at_s, note=n) for n in life.notes), key=_at_s),
            (Moment("frame", f.at_s, frame=f) for f in life.wire if f.event_seq is None),
            _events(life),
            _console(life),
            key=_at_s,
        )
    )


def _at_s(moment: Moment) -> float:
    return moment.at_s


def _events(life: RunLife) -> Iterator[Moment]:
    """Host times never fall: merging needs it, and pictures to scale do."""
    gaps = {(gap.last + 1) % SEQ_MODULUS: gap for gap in life.integrity.gaps}
    clock = life.clock_map
    latest_s = float("-inf")
    for number, each in enumerate(life.events):
        event = each.event
        placed = clock.of_event(number, event.clock_us)
        latest_s = max(latest_s, placed.at_s)
        gap = gaps.get(event.seq)
        if gap is not None:
            records = "1 record" if gap.count == 1 else f"{gap.count} records"
            yield Moment("gap", latest_s, text=f"{records} of the board never arrived ({gap})")
        if isinstance(event, Lost):
            yield Moment("gap", latest_s, text=event.text())
        elif not isinstance(event, Beat):
            frame = life.frame_of.get(event.seq)
            yield Moment("event", latest_s, placed.give_or_take_s, event, frame)
    if life.integrity.synced_through is None:
        lost = life.integrity.fault or life.integrity.board_lost or ""
        why = f": {lost}" if lost else ""
        yield Moment("gap", latest_s, text=f"the end of the board's records is not proven{why}")


def _console(life: RunLife) -> Iterator[Moment]:
    """Whole lines, when their last piece came."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, at_s = "", 0.0
    for piece in life.console:
        at_s = max(at_s, piece.at_s)
        *lines, text = (text + decoder.decode(piece.data)).split("\n")
        for line in lines:
            if line.strip("\r"):
                yield Moment("console", at_s, text=line.strip("\r"))
    text += decoder.decode(b"", True)
    if text.strip("\r"):
        yield Moment("console", at_s, text=text.strip("\r"))
