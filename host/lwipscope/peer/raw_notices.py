"""What a raw peer noticed beside its connections, for the messages of failed expectations.

Used by `RawPeer`, under its lock. The last few of each kind are kept, as text.
"""

from __future__ import annotations

from collections import deque

from lwipscope.wire.packet import Frame, TcpSegment

_KEPT = 16


class Notices:
    """Segments for no connection of the peer, and frames that no receiver would take."""

    def __init__(self) -> None:
        self._strays: deque[str] = deque(maxlen=_KEPT)
        self._defects: deque[str] = deque(maxlen=_KEPT)

    @property
    def strays(self) -> tuple[str, ...]:
        return tuple(self._strays)

    def stray(self, segment: TcpSegment) -> None:
        """A segment belongs to no connection."""
        where = f"{segment.src}:{segment.sport} to port {segment.dport}"
        numbers = f"seq={segment.seq} ack={segment.ack} len={len(segment.payload)} (absolute)"
        self._strays.append(f"{segment.flags_text()} {numbers} from {where}")

    def defect(self, frame: Frame) -> None:
        """A segment is spoiled: a wrong checksum, a length that can't be."""
        layer = frame.layer
        said = ""
        if isinstance(layer, TcpSegment):
            said = f"{layer.flags_text()} from {layer.src}:{layer.sport} to port {layer.dport}: "
        self._defects.append(f"{said}{frame.problem}")

    def lines(self) -> list[str]:
        """All of it, one line each."""
        strays = [f"for no connection of this peer: {text}" for text in self._strays]
        return strays + [f"a frame that no receiver would take: {text}" for text in self._defects]
