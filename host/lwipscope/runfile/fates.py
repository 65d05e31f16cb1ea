"""What became of frames on their way: those that a rule of the wire dropped.

A capture shows frames as they were sent. What the rules did, they tell themselves (`wire.rules`):
the segment, and when. Of several frames alike, as repetitions are, it is the last one before that
moment. Called when a run is made; host times in seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lwipscope.runfile.model import DROPPED, WireFrame
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.rules import Deed

_ROUNDING_S = 1e-6
_BOARD = "board"


def with_fates(
    frames: Sequence[WireFrame], deeds: Iterable[Deed], start_s: float
) -> tuple[WireFrame, ...]:
    """The frames of one life, whose times are counted from `start_s` on, with their fates."""
    drops = [deed for deed in deeds if deed.rule.action == "drop"]
    if not drops:
        return tuple(frames)
    alike: dict[tuple[bool, TcpSegment], list[int]] = defaultdict(list)
    for place, frame in enumerate(frames):
        if (tcp := frame.tcp) is not None:
            alike[(frame.origin == _BOARD, tcp)].append(place)
    dropped: set[int] = set()
    for deed in drops:
        before_s = deed.at_s - start_s + _ROUNDING_S
        places = alike.get((deed.direction == "from-board", deed.segment), ())
        earlier = [n for n in places if n not in dropped and frames[n].at_s <= before_s]
        # A drop in another life of the board is not this frame's.
        if earlier and _same_time(frames[earlier[-1]].at_s, before_s):
            dropped.add(earlier[-1])
    return tuple(
        replace(frame, fate=DROPPED) if place in dropped else frame
        for place, frame in enumerate(frames)
    )


def _same_time(frame_s: float, deed_s: float) -> bool:
    """The rule decides in the same turn of the wire's loop; a busy host may take its time."""
    return deed_s - frame_s < 1.0
