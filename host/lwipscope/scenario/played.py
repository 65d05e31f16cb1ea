"""What came of a scenario that was played: all that was recorded, and each thing that was judged.

Made by `play`; read by reports, by run files and by the commands that play scenarios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lwipscope.runfile.model import WireFrame
from lwipscope.scenario.deviations import DeviationCheck
from lwipscope.scenario.life import Life
from lwipscope.scenario.peer_check import PeerCheck
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.scenario.trouble import Trouble
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.legality import Violation
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import Stamped
from lwipscope.trace.verdict import PathCheck, Verdict, evidence_verdict

GRAVITY = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario, played. `failure` is the step that could not be made, or empty."""

    scenario: Scenario
    check: PathCheck
    others: tuple[PathCheck, ...]
    peer: PeerCheck
    deviations: DeviationCheck
    violations: tuple[Violation, ...]
    lives: Sequence[Life]
    notes: Sequence[Note]
    endings: Sequence[str]
    failure: str
    wire_faults: tuple[str, ...]
    """Why the wire itself can't be trusted; empty if nothing speaks against it."""
    trouble: Trouble
    whose_tcp: str
    wall_s: float
    began_s: float = 0.0
    """Host time, as of `time.monotonic()`."""
    frames: Sequence[Sequence[WireFrame]] = ()
    """What was on the wire in each life, if that was recorded: times from `began_s` on."""
    board: str = ""
    board_title: str = ""
    remarks: tuple[str, ...] = ()
    """What could not be seen, and so was not judged."""

    @property
    def life(self) -> Life:
        """The life in which the connection was, that the scenario is about."""
        return self.lives[number_of(self.scenario.expected, self.lives)]

    @property
    def events(self) -> Sequence[Event]:
        """Those of that life."""
        return self.life.events

    @property
    def stamped(self) -> Sequence[Stamped]:
        """The same, with the host times at which they came."""
        return self.life.stamped

    @property
    def hello(self) -> Hello | None:
        """How the board introduced itself."""
        return self.life.hello

    def checks_in(self, number: int) -> list[PathCheck]:
        """The paths that were judged in one life, counted from 0."""
        expected = (self.scenario.expected, *self.scenario.others)
        checks = (self.check, *self.others)
        return [
            check
            for each, check in zip(expected, checks, strict=True)
            if number_of(each, self.lives) == number
        ]

    @property
    def verdict(self) -> Verdict:
        """The worst of all that was judged. Evidence with a hole is neither PASS nor FAIL."""
        verdicts = [check.verdict for check in (self.check, *self.others)]
        verdicts += [evidence_verdict(life.integrity) for life in self.lives]
        verdicts.append(self.peer.verdict)
        if self.failure or self.violations or self.deviations.no_longer_seen:
            verdicts.append(Verdict.FAIL)
        if self.wire_faults:
            verdicts.append(Verdict.INCONCLUSIVE)
        return max(verdicts, key=GRAVITY.index)

    def objections(self) -> list[str]:
        """What speaks against it; empty if it has passed."""
        if self.verdict is Verdict.PASS:
            return []
        told = [self.failure, *(violation.text() for violation in self.violations)]
        told += [*self.wire_faults, *self.deviations.lines()]
        checks = (self.check, *self.others)
        told += [check.text for check in checks if check.verdict is not Verdict.PASS]
        for life in self.lives:
            if evidence_verdict(life.integrity) is not Verdict.PASS:
                told += [
                    f"the evidence is incomplete: {each}" for each in life.integrity.problems()
                ]
        if self.peer.verdict is not Verdict.PASS:
            told.append(self.peer.text)
        return [text for text in told if text]


def number_of(expected: Expected, lives: Sequence[Life]) -> int:
    """The life meant, counted from 0; the nearest if there was none such."""
    number = expected.life if expected.life >= 0 else len(lives) + expected.life
    return max(0, min(number, len(lives) - 1))
