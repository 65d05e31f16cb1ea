"""Do the board's own record and the wire's say the same? Both tell of each segment.

The trace comes over the board's serial line, where the program under test lives; the wire's record
is made by the switch in the host, which that program can't reach. A program that stops the trace,
loses records, forges them or sends segments behind lwIP's back makes them differ.

What the board recorded must have been on the wire, both ways. What the board sent must have been
recorded; what was sent to it need not, since a network card may lose frames. Segments that the
board sent to itself never come to the wire.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from lwipscope.trace.connection import connections
from lwipscope.trace.event import Endpoint, Event, Segment
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.packet import parse_frame

_Key = tuple[str, int, int, int, frozenset[str]]
_SHOWN = 3
# As firmware/README.md has them: number, clock, kind, fields, check sum.
_LIKE_A_FRAME = re.compile(
    rb"\d+ \d+ (?:hello|born|state|died|rx|tx|call|ret|lost|beat|pcb|reply|fault) "
    rb"[ -~]*\*[0-9a-f]{8}"
)


def disagreements(
    events: Sequence[Event],
    frames: Sequence[tuple[float, str, bytes]],
    board_ip: str,
    between_s: tuple[float, float],
) -> list[str]:
    """How the two differ, in words; empty if they don't.

    `frames` (host time, origin, data) is all that was on the wire when the last sync had been
    answered. What the board sent between the two moments, its hello and the question for that
    sync, must be recorded. (Of a repeated segment once is enough on the wire: lwIP keeps only the
    newest one for an address that ARP has not found yet.)
    """
    recorded: Counter[_Key] = Counter()
    inside = _to_itself(events, board_ip)
    for event in events:
        if isinstance(event, Segment) and event.seq not in inside:
            flags = frozenset() if event.flags == "none" else frozenset(event.flags)
            recorded[_key(event.direction, event.seqno, event.ackno, event.length, flags)] += 1
    seen: Counter[_Key] = Counter()
    must: Counter[_Key] = Counter()
    for at_s, origin, data in frames:
        tcp = parse_frame(data).tcp
        if tcp is None:
            continue
        key = _of_frame("tx" if origin == "board" else "rx", tcp)
        seen[key] += 1
        if origin == "board" and between_s[0] <= at_s < between_s[1]:
            must[key] += 1
    forged = Counter({key: count for key, count in recorded.items() if not seen[key]})
    hidden = must - recorded
    return [
        *_told(forged, "the board recorded", "that never was on the wire"),
        *_told(hidden, "the board sent", "that it has not recorded"),
    ]


def imitations(console: Iterable[bytes]) -> int:
    """How many lines the program printed that look like the tracer's."""
    return len(_LIKE_A_FRAME.findall(b"".join(console)))


def _key(direction: str, seq: int, ack: int, length: int, flags: frozenset[str]) -> _Key:
    return direction, seq, ack if "." in flags else 0, length, flags


def _of_frame(direction: str, tcp: TcpSegment) -> _Key:
    text = tcp.flags_text()
    flags = frozenset() if text == "none" else frozenset(text)
    return _key(direction, tcp.seq, tcp.ack, len(tcp.payload), flags)


def _to_itself(events: Sequence[Event], board_ip: str) -> set[int]:
    """Numbers of the events that tell of segments between two ends of this board."""

    def is_own(end: Endpoint | None) -> bool:
        return end is not None and (end.ip == board_ip or end.ip.startswith("127."))

    numbers = {e.seq for e in events if isinstance(e, Segment) and is_own(e.remote)}
    for connection in connections(events):
        if is_own(connection.remote):
            numbers |= {segment.seq for segment in connection.segments}
    return numbers


def _told(keys: Counter[_Key], before: str, behind: str) -> list[str]:
    count = keys.total()
    if not count:
        return []
    shown = [
        f"{'sent' if way == 'tx' else 'received'} {''.join(sorted(flags)) or 'none'} seq={seq} "
        f"len={length}"
        for way, seq, _, length, flags in list(keys)[:_SHOWN]
    ]
    more = ", ..." if len(keys) > _SHOWN else ""
    return [f"{before} {count} segment(s) {behind}: {', '.join(shown)}{more}"]
