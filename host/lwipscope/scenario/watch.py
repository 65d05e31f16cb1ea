"""What a test looks at while a board runs: its events so far, closed by a sync, and what follows.

A claim looks (`now`), and if it does not hold yet, waits for the board to tell something new
(`more`) and looks again: never for time alone. Timeouts in seconds of host time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from lwipscope.board.board import Board
from lwipscope.errors import BoardLost, DeadlineExceeded, Inconclusive
from lwipscope.scenario.spoken import spoken
from lwipscope.trace.event import Beat, Event, Hello, PcbRow, Reply
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Timeline

T = TypeVar("T")
_SAYS_NOTHING = (Beat, Hello, Reply, PcbRow)


class Watch:
    """The present life of one board."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._looked_at = 0

    def now(self) -> tuple[list[Event], Integrity]:
        """Everything so far; of a board that is lost, what came before."""
        trace = self.board.trace
        through = None
        if trace.lost is None:
            with suppress(BoardLost):  # the integrity tells, and what came before is there
                through = self.board.port.sync()
        events, integrity = trace.evidence(through)
        self._looked_at = len(events)
        return events, integrity

    def complete(self) -> list[Event]:
        """Everything so far; Inconclusive if a piece is missing, BoardLost if the board is."""
        events, integrity = self.now()
        if (lost := self.board.trace.lost) is not None:
            raise lost
        if not integrity.complete:
            raise Inconclusive("the evidence is incomplete: " + "; ".join(integrity.problems()))
        return events

    def more(self, deadline_s: float) -> bool:
        """Wait for something behind what was looked at; False once there is no time left."""
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        try:
            self.board.trace.wait_for(
                lambda e: not isinstance(e, _SAYS_NOTHING), left_s, "anything new", self._looked_at
            )
        except DeadlineExceeded:
            return False
        return True

    def until(self, look: Callable[[list[Event]], T | None], what: str, timeout_s: float) -> T:
        """What `look` finds, now or later; DeadlineExceeded with the last of the timeline."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            events = self.now()[0]
            found = look(events)
            if found is not None:
                return found
            if not self.more(deadline_s):
                shown = self.timeline(len(events)).around(None)
                raise DeadlineExceeded(f"{what} was expected within {timeout_s:g} s\n{shown}")

    def timeline(self, count: int | None = None) -> Timeline:
        """The first `count` events, or all, with the program's words among them."""
        trace = self.board.trace
        return Timeline(trace.stamped[:count], console=spoken(trace.console))
