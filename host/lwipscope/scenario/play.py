"""Plays scenarios and judges them: a fresh board for each, evidence closed by a sync.

Called by the command line and the tests. The wire is captured as pcap and the serial line is
logged, if a folder is given.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.runfile.model import WireFrame
from lwipscope.scenario.deviations import DeviationCheck, judge_deviations
from lwipscope.scenario.life import Life, need_tracer
from lwipscope.scenario.network import Network
from lwipscope.scenario.peer_check import PeerCheck, judge_peer
from lwipscope.scenario.run_logs import RunLogs
from lwipscope.scenario.run_record import run_of_played
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.scenario.trouble import Trouble, recorded
from lwipscope.scenario.wire_watch import WireWatch
from lwipscope.tcp.graph import graph_of
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.legality import Violation, check_legality
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import Stamped
from lwipscope.trace.verdict import PathCheck, Verdict, check_path, evidence_verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rules import Rule

RAW_TCP = "none but the scenario's own: single segments of the raw peer"
_GRAVITY = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


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

    @property
    def life(self) -> Life:
        """The life in which the connection was, that the scenario is about."""
        return self.lives[_number(self.scenario.expected, self.lives)]

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
            if _number(each, self.lives) == number
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
        return max(verdicts, key=_GRAVITY.index)


def play(
    scenario: Scenario,
    board: EmulatedBoard,
    keeper: Keeper,
    folder: Path | None = None,
    *,
    rules: Sequence[Rule] = (),
    seed: int = 0,
) -> Played:
    """Reset the board, play, close the evidence, judge.

    `rules` disturb the segments while the scenario is played; `seed` is for those with a chance.
    """
    started_s = time.monotonic()
    need_tracer(board.reset())
    failure = ""
    with Network(keeper, board.switch, board.ip, board.port.clock_mode) as network:
        whose_tcp = network.whose_tcp
        watch = WireWatch(board.switch)
        with ExitStack() as stack:
            record = stack.enter_context(recorded(board.switch, rules, seed))
            logs = RunLogs(board, folder, scenario.name) if folder is not None else None
            if logs is not None:
                stack.enter_context(logs)
            stage = Stage(board, network)
            if logs is not None:
                stage.on_new_life(logs.next)
            try:
                scenario.play(stage)
            except LwipscopeError as error:
                failure = str(error)
            lives = stage.close()
        # A board that stopped took its end of the wire with it.
        wire_faults = [] if lives[-1].stopped else watch.faults()
    frames = logs.frames(started_s) if logs is not None else ()
    check, *others = (
        _judged(scenario, expected, lives) for expected in (scenario.expected, *scenario.others)
    )
    played = Played(
        scenario=scenario,
        check=check,
        others=tuple(others),
        peer=judge_peer(scenario.peer_path, check.connection, board.ip, record),
        deviations=judge_deviations(scenario.deviations, stage.deviations, lives),
        violations=tuple(
            violation
            for life in lives
            for violation in check_legality(life.events, graph_of(life.profile))
        ),
        lives=lives,
        notes=stage.notes,
        endings=stage.endings,
        failure=failure,
        wire_faults=tuple(wire_faults),
        trouble=record.trouble(),
        whose_tcp=whose_tcp if "raw" not in scenario.needs else RAW_TCP,
        wall_s=time.monotonic() - started_s,
        began_s=started_s,
        frames=frames,
        board=board.file.name,
        board_title=board.file.title,
    )
    if logs is not None:
        logs.save(run_of_played(played))
    return played


def _judged(scenario: Scenario, expected: Expected, lives: Sequence[Life]) -> PathCheck:
    """One path, in its life."""
    life = lives[_number(expected, lives)]
    check = check_path(
        life.events,
        life.integrity,
        expected.path,
        name=scenario.name,
        role=expected.role,
        remote_port=expected.remote_port,
        timeline=life.timeline(),
    )
    if -len(lives) <= expected.life < len(lives):
        return check
    text = f"the board's life number {expected.life} was not reached, it had {len(lives)}"
    verdict = max(Verdict.FAIL, evidence_verdict(life.integrity), key=_GRAVITY.index)
    return replace(check, connection=None, verdict=verdict, text=text)


def _number(expected: Expected, lives: Sequence[Life]) -> int:
    """The life meant, counted from 0; the nearest if there was none such."""
    number = expected.life if expected.life >= 0 else len(lives) + expected.life
    return max(0, min(number, len(lives) - 1))
