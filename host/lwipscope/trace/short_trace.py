"""A trace that keeps the newest events only: for watching a board for days.

Used by `lwipscope watch`. Places (`mark`, `since`) count all events that ever came, so they stay
right when old ones go. The newest hello stays, as it says which board this is. Integrity counts
everything; `dropped` says how many events have been let go.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lwipscope.errors import DeadlineExceeded
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.frame import BadFrame, Console, Frame
from lwipscope.trace.trace import Trace

MOST_EVENTS = 50_000
MOST_CONSOLE = 10_000


class ShortTrace(Trace):
    """As `Trace` of a board that has been running; keeps `most` events, or up to a quarter more."""

    def __init__(self, most: int = MOST_EVENTS, most_console: int = MOST_CONSOLE) -> None:
        super().__init__(first_seq=None)
        self._most, self._most_console = most, most_console
        self._gone = 0

    @property
    def dropped(self) -> int:
        """How many events have been let go."""
        with self._changed:
            return self._gone

    def feed(self, item: Frame | Console | BadFrame, at_s: float) -> None:
        super().feed(item, at_s)
        with self._changed:
            if len(self._events) > self._most + self._most // 4:
                self._forget()
            if len(self._console) > self._most_console + self._most_console // 4:
                del self._console[: -self._most_console]

    def mark(self) -> int:
        with self._changed:
            return self._gone + len(self._events)

    def after(self, event: Event) -> int:
        with self._changed:
            place = super().after(event)
            return self._gone + place if place else 0

    def wait_for(
        self, predicate: Callable[[Event], bool], timeout_s: float, what: str, since: int = 0
    ) -> Event:
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for stamped in self._events[max(0, since - self._gone) :]:
                    if predicate(stamped.event):
                        return stamped.event
                # By its count, as meanwhile old events may go.
                since = self._gone + len(self._events)
                if self._failure is not None:
                    kind, message = self._failure
                    raise kind(f"{message}, while waiting for {what}")
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise DeadlineExceeded(f"{what} did not happen within {timeout_s:g} s")
                self._changed.wait(left_s)

    def _forget(self) -> None:
        """The oldest go, in one step for many: it costs as much as all that stay."""
        before, kept = self._events[: -self._most], self._events[-self._most :]
        hello = [each for each in before if isinstance(each.event, Hello)][-1:]
        self._events = [*hello, *kept]
        self._gone += len(before) - len(hello)
