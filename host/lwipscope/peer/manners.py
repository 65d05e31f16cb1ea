"""What a polite peer leaves out of the segments that its TCP wants to send.

Stands between `tcp_core.Connection` and the wire; the TCP itself never knows. Withholding
acknowledgements: a segment that says nothing else is not sent, any other carries the last number
that was let through, so that a FIN goes out without acknowledging the board's (RFC 9293 figure 5:
CLOSING). Numbers are absolute.
"""

from __future__ import annotations

from dataclasses import replace

from lwipscope.peer.tcp_core import diff
from lwipscope.wire.layers import ACK, FIN, RST, SYN, TcpSegment


class Manners:
    """`acked` is the newest acknowledgement that was sent, None before the first."""

    def __init__(self) -> None:
        self.acked: int | None = None
        self.withheld: TcpSegment | None = None
        self._withholding = False

    @property
    def withholding(self) -> bool:
        return self._withholding

    def withhold(self) -> None:
        """From now on no acknowledgement goes beyond the last one."""
        self._withholding = True

    def resume(self) -> TcpSegment | None:
        """Acknowledge again; a segment to send now if one was withheld."""
        self._withholding = False
        withheld, self.withheld = self.withheld, None
        if withheld is not None:
            self.acked = withheld.ack
        return withheld

    def outgoing(self, segment: TcpSegment) -> TcpSegment | None:
        """The segment as it is to be sent, or None."""
        if not segment.flags & ACK or segment.flags & RST:
            return segment
        if not self._withholding:
            self.acked = segment.ack
            return segment
        if self.acked is None and segment.flags & SYN:
            return segment  # a SYN+ACK can't be sent without its number
        news = self.acked is None or diff(segment.ack, self.acked) > 0
        if news:
            # One without payload and FIN, to be sent by resume(): acknowledgements add up.
            bare = replace(segment, flags=ACK, payload=b"")
            self.withheld = replace(bare, seq=segment.seq + segment.seq_len & 0xFFFFFFFF)
        if self.acked is None or not (segment.payload or segment.flags & FIN):
            return None
        return replace(segment, ack=self.acked)
