"""What the board's trace says of a raw peer's segments: processed, and answered or not.

Used by `RawConnection.expect_nothing`. The board records a segment as `rx` before lwIP looks at
it, also one with a wrong checksum, and every segment that it sends as `tx`; so the record decides
what waiting could only suggest (firmware/README.md, kinds rx and tx).
"""

from __future__ import annotations

from collections import Counter

from lwipscope.peer.tcp_core import Address
from lwipscope.trace.event import Event, Segment
from lwipscope.trace.trace import Trace
from lwipscope.wire.layers import TcpSegment

SegmentKey = tuple[str, int, int, int]
"""Flags, sequence number, acknowledgement number, bytes of payload."""


def key_of(segment: TcpSegment) -> SegmentKey:
    return (segment.flags_text(), segment.seq, segment.ack, len(segment.payload))


def _key_of_event(event: Segment) -> SegmentKey:
    return (event.flags, event.seqno, event.ackno, event.length)


def wait_processed(trace: Trace, segment: TcpSegment, timeout_s: float) -> Segment:
    """The board's newest record of having received `segment`, waiting if there is none yet."""
    key = key_of(segment)

    def is_it(event: Event) -> bool:
        return (
            isinstance(event, Segment) and event.direction == "rx" and _key_of_event(event) == key
        )

    for event in reversed(trace.events):
        if isinstance(event, Segment) and is_it(event):
            return event
    what = f"the board's record of having received {key[0]} seq={key[1]} ack={key[2]} len={key[3]}"
    found = trace.wait_for(is_it, timeout_s, what)
    assert isinstance(found, Segment)
    return found


def board_sent_after(
    trace: Trace, received: Segment, peer: Address, came: Counter[SegmentKey]
) -> list[Segment]:
    """Segments that the board sent to this peer after `received` and that did not come."""
    missed = []
    for event in trace.events[trace.after(received) :]:
        if not isinstance(event, Segment) or event.direction != "tx":
            continue
        remote = event.remote
        to_peer = remote is not None and (remote.ip, remote.port) == peer
        same_pcb = event.conn != 0 and event.conn == received.conn
        if (to_peer or same_pcb) and not came[_key_of_event(event)]:
            missed.append(event)
    return missed
