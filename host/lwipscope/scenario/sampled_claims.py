"""What a test claims about paths and pcbs on a board without the tracer: by samples.

As `path_claim` and `leak_claims` do by the tracer. Each text says that it is sampled. What samples
can't decide is `Inconclusive`, never PASS. Timeouts in seconds of host time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lwipscope.errors import BoardLost, Inconclusive, UsageError
from lwipscope.scenario.leak_claims import LeakFound
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.path_claim import CLAIM_S, PathMismatch
from lwipscope.scenario.sampled_watch import SampledWatch
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.leaks import leak_reason
from lwipscope.trace.sample import Sample
from lwipscope.trace.sampled import (
    SampledCheck,
    SampledConnection,
    SampledRole,
    check_sampled,
    how_sampled,
    sampled_connections,
)
from lwipscope.trace.verdict import Verdict


class SampledPathClaim:
    """About the one sampled connection that fits; `port` is the board's."""

    def __init__(
        self,
        watch: SampledWatch,
        keep: Callable[[SampledCheck], None],
        profile: str,
        *,
        port: int | None,
        remote_port: int | None,
        peer: str | None,
        role: SampledRole | None,
    ) -> None:
        self._watch = watch
        self._keep = keep
        self._profile = profile
        self._port, self._remote_port, self._peer, self._role = port, remote_port, peer, role

    def check(self, pattern: str) -> SampledCheck:
        """The verdict at this moment."""
        return check_sampled(
            *self._watch.now(),
            pattern,
            port=self._port,
            remote_port=self._remote_port,
            peer=self._peer,
            role=self._role,
            profile=self._profile,
        )

    def must_be(self, pattern: str, timeout_s: float = CLAIM_S) -> SampledConnection:
        """The path is this, whatever the samples have missed, now or within the time.

        Raises PathMismatch if no path that explains the samples is as expected, Inconclusive if
        some are and some are not or frames were lost, BoardLost if the board went away.
        """
        __tracebackhide__ = True
        try:  # a wrong pattern is told before anything is waited for
            PathPattern.parse(pattern)
        except UsageError as error:
            raise UsageError(str(error)) from None
        deadline_s = time.monotonic() + timeout_s
        while True:
            check = self.check(pattern)
            if check.verdict in (Verdict.PASS, Verdict.ERROR):
                break
            if check.connection is not None and check.connection.ended:
                break
            if not self._watch.more(deadline_s):
                break
        self._keep(check)
        if check.verdict is Verdict.PASS:
            assert check.connection is not None
            return check.connection
        if (lost := self._watch.probe.trace.lost) is not None:
            raise BoardLost(f"{lost}\n{check.text}")
        if check.verdict is Verdict.ERROR:  # more than one connection fits
            raise UsageError(check.text)
        if check.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(check.text)
        raise PathMismatch(check.text)


class SampledPcbClaims:
    """About the pcbs that the probe saw last."""

    def __init__(self, watch: SampledWatch, other_end: OtherEnd, name: str) -> None:
        self._watch = watch
        self._other_end = other_end
        self._name = name

    def table(self) -> list[SampledConnection]:
        """All of them."""
        return _living(self._watch.complete())

    def counts(self) -> Counter[State]:
        """How many are in each state."""
        return Counter(each.seen[-1] for each in self.table())

    def leaks(self) -> list[str]:
        """What is leaked, a line each."""
        return self._leaks(self._watch.complete())

    def no_leaks(self, timeout_s: float, most_time_wait: int | None) -> None:
        """Raise LeakFound unless nothing is leaked, within the time."""
        __tracebackhide__ = True

        def complaint(events: list[Event]) -> list[str]:
            said = []
            if found := self._leaks(events):
                said.append(f"{len(found)} pcb(s) left that {self._name} should have closed:")
                said += [f"  {line}" for line in found]
            waiting = sum(each.seen[-1] is State.TIME_WAIT for each in _living(events))
            if most_time_wait is not None and waiting > most_time_wait:
                said.append(f"{waiting} pcbs in TIME_WAIT, {most_time_wait} expected at most")
            return said

        self._must_end(complaint, timeout_s)

    def no_growth(
        self, before: Counter[State], timeout_s: float, most_time_wait: int | None
    ) -> None:
        """Raise LeakFound unless there are no more than before, within the time."""
        __tracebackhide__ = True

        def complaint(events: list[Event]) -> list[str]:
            more = Counter(each.seen[-1] for each in _living(events)) - before
            if most_time_wait is None or more[State.TIME_WAIT] <= most_time_wait:
                del more[State.TIME_WAIT]
            growth = ", ".join(f"{state} +{count}" for state, count in more.items())
            return [f"{self._name}: more pcbs than before: {growth}"] if growth else []

        self._must_end(complaint, timeout_s)

    def _must_end(self, complaint: Callable[[list[Event]], list[str]], timeout_s: float) -> None:
        __tracebackhide__ = True
        deadline_s = time.monotonic() + timeout_s
        while said := complaint(events := self._watch.complete()):
            if not self._watch.more(deadline_s):
                seen = [f"  {each.text()}" for each in _living(events)] or ["  no pcb in any list"]
                raise LeakFound(
                    "\n".join(["sampled: " + said[0], *said[1:], "the last sampled table:", *seen])
                    + f"\n{how_sampled(events)}"
                )

    def _leaks(self, events: list[Event]) -> list[str]:
        ended = self._watch.probe.finished
        foreign = _foreign(events)
        found = []
        for each in _living(events):
            why = leak_reason(each.seen[-1], each.remote, ended, self._other_end.has)
            if why and each.id not in foreign:
                found.append(f"{each.text()}: {why}")
        return found


def _since_start(events: list[Event]) -> list[Event]:
    """What the probe has said since it was started last: then it tells all that is there."""
    starts = [index for index, event in enumerate(events) if isinstance(event, Hello)]
    return events[starts[-1] :] if starts else events


def _living(events: list[Event]) -> list[SampledConnection]:
    return [each for each in sampled_connections(_since_start(events)) if not each.ended]


def _foreign(events: list[Event]) -> set[int]:
    """What the first walk found: it was there before the program (WebREPL's listener, say)."""
    now = _since_start(events)
    return {event.conn for event in now if isinstance(event, Sample) and event.walk == 1}
