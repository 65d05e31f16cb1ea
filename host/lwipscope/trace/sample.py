"""Events of the memory probe: what a walk over the board's lists of pcbs saw.

The probe (firmware/agent/lwip_probe.py) runs where the firmware has no tracer. It says what it saw
when it looked, not what happened: `sampled` makes paths of that. `conn` is the probe's own number
for a pcb with a pair of endpoints, as long as each walk finds it. Read by `event`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lwipscope.tcp.state import State
from lwipscope.trace.frame import Frame
from lwipscope.trace.kinds import Event
from lwipscope.trace.values import Endpoint


@dataclass(frozen=True, slots=True)
class Sample(Event):
    """A pcb was found in `state`, and not in that state by the walk before (number `walk`)."""

    state: State
    local: Endpoint
    remote: Endpoint | None
    walk: int

    def text(self) -> str:
        remote = f" - {self.remote}" if self.remote else ""
        return f"c{self.conn} sampled in {self.state} ({self.local}{remote})"


@dataclass(frozen=True, slots=True)
class Unseen(Event):
    """A pcb is in no list any more."""

    walk: int

    def text(self) -> str:
        return f"c{self.conn} not seen any more"


@dataclass(frozen=True, slots=True)
class Walks(Event):
    """How closely the probe looks: `gap_us` is the longest time between two walks since the last
    such frame, `torn` counts walks that could not be used."""

    walks: int
    torn: int
    gap_us: int

    def text(self) -> str:
        return (
            f"{self.walks} walks, the longest pause {self.gap_us / 1000:.1f} ms, {self.torn} torn"
        )


@dataclass(frozen=True, slots=True)
class Torn(Event):
    """No usable walk in several tries: for this moment nothing is known."""

    walk: int
    why: int

    def text(self) -> str:
        return f"walk {self.walk} could not be used (reason {self.why})"


_Words = tuple[str, ...]
_Fields = dict[str, str]


def _sample(frame: Frame, words: _Words, fields: _Fields) -> Event:
    if words[0] not in State.__members__:
        raise ValueError(f"{words[0]!r} is not a state")
    remote = Endpoint.parse(fields["r"]) if "r" in fields else None
    return Sample(
        *_head(frame, fields),
        State[words[0]],
        Endpoint.parse(fields["l"]),
        remote,
        int(fields["n"]),
    )


def _unseen(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    return Unseen(*_head(frame, fields), int(fields["n"]))


def _walks(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    torn, gap_us = int(fields["torn"]), int(fields["gap_us"])
    return Walks(frame.seq, frame.clock_us, 0, int(fields["n"]), torn, gap_us)


def _torn(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    return Torn(frame.seq, frame.clock_us, 0, int(fields["n"]), int(fields["why"]))


def _head(frame: Frame, fields: _Fields) -> tuple[int, int, int]:
    return frame.seq, frame.clock_us, int(fields["c"])


SAMPLE_READERS: Mapping[str, Callable[[Frame, _Words, _Fields], Event]] = {
    "sample": _sample,
    "unseen": _unseen,
    "walks": _walks,
    "torn": _torn,
}
