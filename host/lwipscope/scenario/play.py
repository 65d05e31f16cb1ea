"""Plays scenarios and judges them: a fresh board for each, evidence closed by a sync.

Called by the command line and the tests. The wire is captured as pcap and the serial line is
logged, if a folder is given.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.scenario.network import Network
from lwipscope.scenario.run_log import RunLog
from lwipscope.scenario.scenario import Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import graph_of, profile_of
from lwipscope.trace.event import Event, Hello
from lwipscope.trace.legality import Violation, check_legality
from lwipscope.trace.timeline import Note, Timeline
from lwipscope.trace.trace import Stamped
from lwipscope.trace.verdict import PathCheck, Verdict, check_path
from lwipscope.wire.keeper import Keeper

RAW_TCP = "none but the scenario's own: single segments of the raw peer"
_GRAVITY = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario, played. `failure` is the step that could not be made, or empty."""

    scenario: Scenario
    check: PathCheck
    others: tuple[PathCheck, ...]
    violations: tuple[Violation, ...]
    events: Sequence[Event]
    stamped: Sequence[Stamped]
    notes: Sequence[Note]
    endings: Sequence[str]
    failure: str
    whose_tcp: str
    hello: Hello | None
    wall_s: float

    @property
    def verdict(self) -> Verdict:
        """The worst of all paths; a step that failed or an illegal edge makes a PASS a FAIL."""
        verdicts = [check.verdict for check in (self.check, *self.others)]
        worst = max(verdicts, key=_GRAVITY.index)
        if worst is Verdict.PASS and (self.failure or self.violations):
            return Verdict.FAIL
        return worst


def play(
    scenario: Scenario, board: EmulatedBoard, keeper: Keeper, folder: Path | None = None
) -> Played:
    """Reset the board, play, close the evidence, judge."""
    started_s = time.monotonic()
    hello = board.reset()
    log = None if folder is None else RunLog(board, folder, scenario.name)
    failure = ""
    notes: list[Note] = []
    endings: list[str] = []
    try:
        with Network(keeper, board.switch, board.ip) as network:
            whose_tcp = network.whose_tcp
            stage = Stage(board, network)
            notes, endings = stage.notes, stage.endings
            try:
                scenario.play(stage)
            except LwipscopeError as error:
                failure = str(error)
            through = None if board.trace.integrity.board_lost else board.port.sync()
            events, integrity = board.trace.evidence(through)
    finally:
        if log is not None:
            log.close()
    stamped = board.trace.stamped[: len(events)]
    timeline = Timeline(stamped, notes=notes, console=board.trace.console)
    profile = profile_of(hello.fields.get("lwip", ""), hello.fields.get("mp", ""))
    check, *others = (
        check_path(
            events,
            integrity,
            expected.path,
            name=scenario.name,
            role=expected.role,
            remote_port=expected.remote_port,
            timeline=timeline,
        )
        for expected in (scenario.expected, *scenario.others)
    )
    return Played(
        scenario=scenario,
        check=check,
        others=tuple(others),
        violations=tuple(check_legality(events, graph_of(profile))),
        events=events,
        stamped=stamped,
        notes=notes,
        endings=endings,
        failure=failure,
        whose_tcp=whose_tcp if "raw" not in scenario.needs else RAW_TCP,
        hello=hello,
        wall_s=time.monotonic() - started_s,
    )
