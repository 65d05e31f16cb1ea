"""What a test looks at while the probe samples: what has been seen so far, and what follows.

The counterpart of `Watch` for boards without the tracer. There is no command to close the evidence
with while a program runs: the probe numbers its frames without a hole and sums its walks up once
a second, and its last frame ends it. Timeouts in seconds of host time.
"""

from __future__ import annotations

import time
from dataclasses import replace

from lwipscope.board.probe import Probe
from lwipscope.errors import BoardLost, DeadlineExceeded, Inconclusive
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.sample import Sample, Torn, Walks
from lwipscope.trace.sampled import SampledConnection, how_sampled, sampled_connections
from lwipscope.trace.trace import Trace

_SUMMARY_S = 4.0  # one comes each second


class SampledWatch:
    """Of one probe."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._looked_at = 0

    def now(self) -> tuple[list[Event], Integrity]:
        """See `so_far`."""
        events, integrity = so_far(self.probe.trace)
        self._looked_at = len(events)
        return events, integrity

    def complete(self) -> list[Event]:
        """Everything up to a summary that comes from now on, or to the probe's end.

        Inconclusive if a piece is missing or the newest walk was of no use, BoardLost if the board
        is gone.
        """
        probe = self.probe
        if not probe.finished:
            try:
                probe.wait_closed(probe.trace.mark(), _SUMMARY_S)
            except BoardLost:
                raise
            except DeadlineExceeded as error:
                if not probe.finished:
                    raise Inconclusive(
                        f"sampled: the probe was expected to look each second, and has not for "
                        f"{_SUMMARY_S:g} s; does the program hold interrupts off, or take all "
                        "timers?"
                    ) from error
        events, integrity = self.now()
        if (lost := probe.trace.lost) is not None:
            raise lost
        if not integrity.complete:
            problems = "; ".join(integrity.problems())
            raise Inconclusive(f"sampled: the evidence is incomplete: {problems}")
        summary = next((e for e in reversed(events) if isinstance(e, Walks)), None)
        torn = next((e for e in reversed(events) if isinstance(e, Torn)), None)
        if summary is None or (torn is not None and torn.walk >= summary.walks):
            raise Inconclusive(
                f"sampled: the newest walk over lwIP's lists could not be used; "
                f"{how_sampled(events)}"
            )
        return events

    def more(self, deadline_s: float) -> bool:
        """Wait for something behind what was looked at; False if there can't or won't be any."""
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        since = self._looked_at
        if self.probe.finished:
            return self.probe.trace.mark() > since
        try:
            self.probe.trace.wait_for(
                lambda e: not isinstance(e, Walks | Hello), left_s, "anything new", since
            )
        except (DeadlineExceeded, BoardLost):
            return False
        return True

    def connections(self) -> list[SampledConnection]:
        """All that was sampled so far."""
        return sampled_connections(self.now()[0])

    def wait_state(
        self, state: State, port: int | None, remote_port: int | None, timeout_s: float
    ) -> SampledConnection:
        """The first that is in that state now, or is sampled in it within the time."""
        since = self.probe.trace.mark()

        def fits(one: SampledConnection | Sample) -> bool:
            far = one.remote.port if one.remote is not None else None
            return (port is None or one.local.port == port) and remote_port in (None, far)

        for each in self.connections():
            if fits(each) and not each.ended and each.seen[-1] is state:
                return each
        where = f" at port {port}" if port is not None else ""
        event = self.probe.trace.wait_for(
            lambda e: isinstance(e, Sample) and e.state is state and fits(e),
            timeout_s,
            f"a sample of a connection{where} in {state}",
            since,
        )
        return next(each for each in self.connections() if each.id == event.conn)


def so_far(trace: Trace) -> tuple[list[Event], Integrity]:
    """Everything up to the newest frame, which closes it: holes before it show by its number."""
    events, integrity = trace.evidence()
    if trace.lost is None and events:
        integrity = replace(integrity, unsynced=0, synced_through=events[-1].seq)
    return events, integrity
