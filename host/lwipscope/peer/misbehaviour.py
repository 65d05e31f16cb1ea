"""What a polite connection can be told to do badly: the part that concerns single segments.

The base of `PoliteConnection`. `Manners` decide what an outgoing segment acknowledges, `Rules` what
becomes of segments in either direction; a rule made here counts from now on. The peer's lock is
taken by every method, and held around `_send`.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Protocol

from lwipscope.peer.manners import Manners
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.rules import Direction, Rule, Rules, delay, drop, duplicate, reorder


class PoliteHost(Protocol):
    """What it needs of its peer."""

    @property
    def changed(self) -> threading.Condition: ...
    def vanish(self) -> None: ...
    def come_back(self, *, rebooted: bool = False) -> None: ...


class Misbehaviour:
    """`rules` may be added to directly for trouble that has no method here."""

    def __init__(self, host: PoliteHost, connection: RawConnection) -> None:
        self.raw = connection
        self.rules = Rules()
        self._host = host
        self._manners = Manners()

    def withhold_acks(self) -> None:
        """Acknowledge nothing more; what else is sent carries the old number."""
        with self._host.changed:
            self._manners.withhold()

    def resume_acks(self) -> None:
        """Acknowledge again, at once if there is anything."""
        with self._host.changed:
            segment = self._manners.resume()
            if segment is not None:
                self._send(segment)

    def drop_nth(self, nth: int, direction: Direction = "to-board") -> None:
        """Lose the `nth` segment from now on."""
        self._rule(drop(nth, direction=direction))

    def duplicate_nth(
        self, nth: int, direction: Direction = "to-board", *, copies: int = 1
    ) -> None:
        """Let the `nth` segment from now on arrive `copies` times more."""
        self._rule(duplicate(nth, direction=direction, copies=copies))

    def delay_nth(
        self, nth: int, direction: Direction = "to-board", *, by: int | None = None
    ) -> None:
        """Hold the `nth` segment from now on until `by` further ones passed, or `release`."""
        self._rule(delay(nth, direction=direction, by=by))

    def delay_all(self, direction: Direction = "to-board") -> None:
        """Hold every segment until `release`."""
        self._rule(delay(direction=direction))

    def reorder_nth(self, nth: int, direction: Direction = "to-board") -> None:
        """Swap the `nth` segment from now on with the one behind it."""
        self._rule(reorder(nth, direction=direction))

    def release(self) -> int:
        """End the rules and let go what they hold back; how many segments."""
        with self._host.changed:
            self.rules.clear()
            return self.rules.release()

    def vanish(self) -> None:
        """The whole host is gone, with all its connections."""
        self._host.vanish()

    def come_back(self, *, rebooted: bool = False) -> None:
        """End `vanish`; `rebooted`: it knows no connection any more."""
        self._host.come_back(rebooted=rebooted)

    def _send(self, segment: TcpSegment) -> None:
        self.rules.segment("to-board", segment, partial(self.raw.transmit, segment))

    def _rule(self, rule: Rule) -> None:
        with self._host.changed:
            self.rules.add(rule)
