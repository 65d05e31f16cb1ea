"""A raw peer of the lab: one connection that sends what it is told, or a port that waits.

At first it does nothing by itself after the handshake: what comes is acknowledged only when told
so. Made polite it behaves as a TCP does. Sequence numbers are the peer's own business.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwipscope.peer.polite import PoliteConnection
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.wire.layers import FIN


@dataclass(slots=True)
class RawListener:
    """A port of the raw host that takes the board's SYNs; `answers` them with SYN+ACK."""

    name: str
    port: int
    answers: bool = True


@dataclass(slots=True)
class RawEnd:
    """A raw peer's end of a connection. `port` is the board's, or its own if the board came;
    `state` is the last that is known from before the board was reset. `syn_waits`: the board's SYN
    has not been answered; `ack_waits`: its SYN+ACK has not."""

    name: str
    raw: RawConnection
    port: int
    polite: PoliteConnection | None = None
    syn_waits: bool = False
    ack_waits: bool = False
    ended: str = ""
    conn: int | None = None
    state: str = ""

    @property
    def fin_sent(self) -> bool:
        return self.raw.fins[0]

    @property
    def fin_waits(self) -> bool:
        """The board's FIN has come and was not acknowledged."""
        return any(seen.segment.flags & FIN for seen in self.raw.waiting())
