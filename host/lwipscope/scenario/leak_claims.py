"""What a test claims about pcbs: none leaked, the table as before, the pool large enough.

lwIP's pool is small (5 pcbs on a Pico W) and everything that a program forgets to close stays in
it. A claim that does not hold is `LeakFound`: each pcb with the event that made it a leak, and
how full the pool is. Timeouts in seconds of host time: a program may still be about to close.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.watch import Watch
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.leaks import Leak, PcbTable, PoolUse, find_leaks

LEAK_S = 2.0
BASELINE_S = 5.0


class LeakFound(AssertionError):
    """A pcb is left that the application should have closed, or more than was allowed."""


class LeakClaims:
    """About the pcbs of one board. `running` tells whether the program still runs."""

    def __init__(
        self, watch: Watch, other_end: OtherEnd, name: str, running: Callable[[], bool]
    ) -> None:
        self._watch = watch
        self._other_end = other_end
        self._name = name
        self._running = running

    def leaks(self) -> tuple[Leak, ...]:
        """What is leaked at this moment."""
        return self._leaks(self._watch.complete())

    def table(self) -> PcbTable:
        """All pcbs that are taken now."""
        return PcbTable.of(self._watch.complete())

    def pool(self) -> PoolUse:
        """How full lwIP's pool of pcbs is, and was."""
        return PoolUse.of(self._watch.complete(), self._size())

    def no_leaks(self, timeout_s: float, *, most_time_wait: int | None, least_free: int) -> None:
        """Raise LeakFound unless nothing is leaked, within the time."""
        __tracebackhide__ = True

        def complaint(events: list[Event]) -> str:
            return self._complaint(events, most_time_wait, least_free)

        self._must_end(complaint, timeout_s)

    @contextmanager
    def returns_to_baseline(self, timeout_s: float, most_time_wait: int | None) -> Iterator[None]:
        """Afterwards no more pcbs are taken than before."""
        __tracebackhide__ = True
        before = self.table()
        yield

        def complaint(events: list[Event]) -> str:
            growth = _growth(before, PcbTable.of(events), most_time_wait)
            if not growth:
                return ""
            said = [f"{self._name}: the table of pcbs did not return to where it was: {growth}"]
            return "\n".join([*said, *(f"  {leak.text()}" for leak in self._leaks(events))])

        self._must_end(complaint, timeout_s)

    def _must_end(self, complaint: Callable[[list[Event]], str], timeout_s: float) -> None:
        __tracebackhide__ = True
        deadline_s = time.monotonic() + timeout_s
        # One look for everything: what comes after it is what is waited for.
        while said := complaint(events := self._watch.complete()):
            if not self._watch.more(deadline_s):
                raise LeakFound(f"{said}\n{self._taken(events)}")

    def _leaks(self, events: list[Event]) -> tuple[Leak, ...]:
        return find_leaks(
            events, program_ended=not self._running(), peer_is_there=self._other_end.has
        )

    def _complaint(self, events: list[Event], most_time_wait: int | None, least_free: int) -> str:
        said = []
        if found := self._leaks(events):
            said.append(f"{len(found)} pcb(s) left that {self._name} should have closed:")
            said += [f"  {leak.text()}" for leak in found]
        waiting = PcbTable.of(events).counts[State.TIME_WAIT]
        if most_time_wait is not None and waiting > most_time_wait:
            said.append(
                f"{waiting} pcbs in TIME_WAIT, {most_time_wait} expected at most: {self._name} "
                "closes first, and each waits for 2MSL (120 s)"
            )
        if least_free:
            pool = PoolUse.of(events, self._size())
            if pool.size - pool.used < least_free:
                said.append(f"{pool.size - pool.used} pcbs free, {least_free} expected at least")
        return "\n".join(said)

    def _taken(self, events: list[Event]) -> str:
        table = PcbTable.of(events)
        counted = ", ".join(f"{count} {state}" for state, count in table.counts.items()) or "none"
        pool = PoolUse.of(events, self._size())
        return f"the board's pcbs: {counted}; {pool.text()}\n{table.text()}"

    def _size(self) -> int:
        hellos = (e for e in self._watch.board.trace.events if isinstance(e, Hello))
        hello = next(hellos, None) or self._watch.board.port.hello()
        return int(hello.fields.get("pcb", "0"))


def _growth(before: PcbTable, now: PcbTable, most_time_wait: int | None) -> str:
    growth = now.growth(before, ignoring=frozenset({State.TIME_WAIT}))
    more = now.counts[State.TIME_WAIT] - before.counts[State.TIME_WAIT]
    if most_time_wait is not None and more > most_time_wait:
        growth = ", ".join(filter(None, (growth, f"TIME_WAIT +{more}")))
    return growth
