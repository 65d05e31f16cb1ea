"""The states of the other end of a connection, each with the moment from which it is shown.

Deduced from the segments by RFC 9293's rules (`trace.peer_states`): from the frames on the wire
where they were recorded, otherwise from the board's own trace. What the wire dropped on its way
from the board changes nothing. Timers of the other end (2MSL) are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lwipscope.runfile.model import DROPPED, RunLife, WireFrame
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Endpoint, Segment
from lwipscope.trace.peer_states import observe
from lwipscope.wire.layers import TcpSegment, flags_from_text


@dataclass(frozen=True, slots=True)
class PeerStep:
    """The other end went into `state`, by the segment of the board's event `event_seq` or, if the
    board has no record of it, of `frame`."""

    state: State
    event_seq: int | None
    frame: WireFrame | None


def peer_track(life: RunLife, connection: Connection) -> list[PeerStep]:
    """Its states in order; empty if nothing was seen of it."""
    if connection.local is None or connection.remote is None:
        return []
    own = {segment.seqno for segment in connection.segments if "S" in segment.flags}
    between = [*_between(life, connection.local, connection.remote)]
    # What the other end has sent it has sent, whether or not it came to the board.
    passed = [each for each in between if not each[1] or each[0].fate != DROPPED]
    frames = [frame for frame, _, _ in passed]
    for observed in observe((from_board, tcp) for _, from_board, tcp in passed):
        if observed.isns & own:
            return [
                PeerStep(state, frames[place].event_seq, frames[place])
                for state, place in zip(observed.path, observed.caused_by, strict=True)
            ]
    if between:
        return []
    for observed in observe((s.direction == "tx", _rebuilt(s)) for s in connection.segments):
        return [
            PeerStep(state, connection.segments[place].seq, None)
            for state, place in zip(observed.path, observed.caused_by, strict=True)
        ]
    return []


def _between(
    life: RunLife, local: Endpoint, remote: Endpoint
) -> Iterator[tuple[WireFrame, bool, TcpSegment]]:
    """Each frame, whether the board sent it, and its segment."""
    for frame in life.segments_between(local, remote):
        tcp = frame.tcp
        if tcp is not None:
            yield frame, (tcp.src, tcp.sport) == (local.ip, local.port), tcp


def _rebuilt(event: Segment) -> TcpSegment:
    """A segment as the board recorded it; which addresses it had does not matter here."""
    return TcpSegment(
        "",
        "",
        0,
        0,
        seq=event.seqno,
        ack=event.ackno,
        flags=flags_from_text(event.flags),
        window=event.win,
        payload=bytes(event.length),
    )
