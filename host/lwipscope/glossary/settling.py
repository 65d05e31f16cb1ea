"""Settles a myth: plays its run on the board then and there, and lets its check read the record.

Called by `lwipscope myth` and by tests. A run that is not PASS, or whose evidence has a hole,
settles nothing, and a check that does not find what it needs does not either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.glossary.myth import Finding, Myth, NotSettled
from lwipscope.runfile.model import Run
from lwipscope.scenario.play import play
from lwipscope.scenario.run_record import run_of_played
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator, mark

_PLAYED_WRONG = mark("the run is {verdict}: {why}")
_HOLES = mark("the evidence is incomplete: {why}")
_OUTCOMES = {"wrong": mark("DISPROVED"), "half": mark("HALF TRUE")}
_OPEN = mark("NOT SETTLED")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one myth. `finding` is None if it is not settled, and `why` says why not."""

    myth: Myth
    run: Run
    finding: Finding | None
    why: NotSettled | None
    file: Path | None = None

    @property
    def settled(self) -> bool:
        return self.finding is not None

    def outcome(self, tr: Translator) -> str:
        """DISPROVED, HALF TRUE or NOT SETTLED, in a language."""
        return tr(_OUTCOMES[self.myth.kind] if self.settled else _OPEN)

    def reason(self, tr: Translator) -> str:
        """Why it is not settled, in a language."""
        return "" if self.why is None else tr(self.why.text, **self.why.fields)


def settle(myth: Myth, board: EmulatedBoard, keeper: Keeper, folder: Path) -> Settled:
    """Play and judge. Captures, logs and the run file go to `folder`."""
    played = play(myth.scenario, board, keeper, folder)
    return judged(myth, run_of_played(played), played.failure)


def judged(myth: Myth, run: Run, failure: str = "") -> Settled:
    """What a run says about a myth. `failure` is the step that could not be made, or empty."""
    try:
        if problems := run.problems():
            raise NotSettled(_HOLES, why="; ".join(problems))
        if run.about.verdict != "PASS":
            why = failure or "; ".join(j.text for j in run.about.judged if j.verdict != "PASS")
            raise NotSettled(_PLAYED_WRONG, verdict=run.about.verdict or "?", why=why)
        return Settled(myth, run, myth.check(run), None)
    except NotSettled as error:
        return Settled(myth, run, None, error)
    except LwipscopeError as error:
        return Settled(myth, run, None, NotSettled(_PLAYED_WRONG, verdict="ERROR", why=str(error)))
