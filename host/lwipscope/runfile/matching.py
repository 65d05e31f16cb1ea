"""Which frame on the wire is which segment in the board's trace.

The board records segments with connection, direction, numbers, length and flags; so do frames.
Segments that look the same (repetitions) are paired in their order, and where one of them was
lost on its way, by the times: a first pass over those that exist once ties the clocks together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from lwipscope.runfile.model import BoardEvent, WireFrame
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Endpoint, Segment
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.packet import parse_frame

_NOBODY = Endpoint("0.0.0.0", 0)
_Key = tuple[str, Endpoint, Endpoint, int, int, int, frozenset[str]]


def match(frames: Iterable[WireFrame], events: Sequence[BoardEvent]) -> tuple[WireFrame, ...]:
    """The frames, each with the `seq` of the board's record of it."""
    kept = list(frames)
    ends = _ends(events)
    recorded: dict[_Key, list[BoardEvent]] = defaultdict(list)
    for each in events:
        segment = each.event
        if isinstance(segment, Segment):
            pair = ends.get(segment.seq)
            if pair is not None:
                recorded[_key_of_event(segment, *pair)].append(each)
    seen: dict[_Key, list[int]] = defaultdict(list)
    for index, frame in enumerate(kept):
        tcp = parse_frame(frame.data).tcp
        if tcp is not None:
            for key in _keys_of_frame(tcp):
                if key in recorded:
                    seen[key].append(index)
    found: dict[int, int] = {}
    once = [k for k, indices in seen.items() if len(indices) == len(recorded[k]) == 1]
    for key in once:
        found[seen[key][0]] = recorded[key][0].event.seq
    differences = [kept[seen[k][0]].at_s - recorded[k][0].event.clock_us / 1e6 for k in once]
    offset_s = median(differences) if differences else None
    for key, indices in seen.items():
        if len(indices) > 1 or len(recorded[key]) > 1:
            for index, event in _paired(indices, recorded[key], kept, offset_s):
                found[index] = event.event.seq
    _match_the_rest(kept, events, found)
    return tuple(
        replace(frame, event_seq=found[index]) if index in found else frame
        for index, frame in enumerate(kept)
    )


def _match_the_rest(
    frames: Sequence[WireFrame], events: Sequence[BoardEvent], found: dict[int, int]
) -> None:
    """What a listener got that is no SYN tells no endpoints: paired if there is no doubt."""
    taken = set(found.values())
    recorded: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for each in events:
        segment = each.event
        if isinstance(segment, Segment) and segment.seq not in taken and segment.remote is None:
            recorded[_key_of_event(segment, _NOBODY, _NOBODY)].append(segment.seq)
    seen: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        tcp = parse_frame(frame.data).tcp if recorded and index not in found else None
        if tcp is not None:
            for key in _keys_of_frame(tcp):
                seen[(key[0], _NOBODY, _NOBODY, *key[3:])].append(index)
    for wanted, numbers in recorded.items():
        if len(numbers) == len(seen[wanted]) == 1:
            found[seen[wanted][0]] = numbers[0]


def _ends(events: Sequence[BoardEvent]) -> dict[int, tuple[Endpoint, Endpoint]]:
    """Local and remote end of each segment, by its `seq`."""
    plain = [each.event for each in events]
    ends: dict[int, tuple[Endpoint, Endpoint]] = {}
    for connection in connections(plain):
        if connection.local is not None and connection.remote is not None:
            for segment in connection.segments:
                ends[segment.seq] = (connection.local, connection.remote)
    for event in plain:
        if isinstance(event, Segment) and event.local is not None and event.remote is not None:
            ends[event.seq] = (event.local, event.remote)
    return ends


def _key_of_event(segment: Segment, local: Endpoint, remote: Endpoint) -> _Key:
    flags = frozenset() if segment.flags == "none" else frozenset(segment.flags)
    ack = segment.ackno if "." in flags else 0
    return (segment.direction, local, remote, segment.seqno, ack, segment.length, flags)


def _keys_of_frame(tcp: TcpSegment) -> list[_Key]:
    text = tcp.flags_text()
    flags = frozenset() if text == "none" else frozenset(text)
    ack = tcp.ack if "." in flags else 0
    source, destination = Endpoint(tcp.src, tcp.sport), Endpoint(tcp.dst, tcp.dport)
    rest = (tcp.seq, ack, len(tcp.payload), flags)
    return [("rx", destination, source, *rest), ("tx", source, destination, *rest)]


def _paired(
    indices: list[int],
    events: list[BoardEvent],
    frames: Sequence[WireFrame],
    offset_s: float | None,
) -> Iterable[tuple[int, BoardEvent]]:
    """Pairs in order. Of too many frames, or too many records, the ones nearest in time."""
    if len(indices) == len(events) or offset_s is None:
        return list(zip(indices, events, strict=False))
    # The classical alignment of two ordered rows: each of the shorter one gets a partner.
    times = [frames[index].at_s - offset_s for index in indices]
    clocks = [each.event.clock_us / 1e6 for each in events]
    if len(times) > len(clocks):
        chosen = _chosen(clocks, times)
        return [(indices[place], event) for place, event in zip(chosen, events, strict=True)]
    chosen = _chosen(times, clocks)
    return [(index, events[place]) for index, place in zip(indices, chosen, strict=True)]


def _chosen(few: Sequence[float], many: Sequence[float]) -> list[int]:
    """For each of `few` the place in `many`, in order, each the nearest that leaves enough."""
    places = []
    start = 0
    for number, value in enumerate(few):
        last = len(many) - (len(few) - number)
        best = min(range(start, last + 1), key=lambda place: abs(many[place] - value))
        places.append(best)
        start = best + 1
    return places
