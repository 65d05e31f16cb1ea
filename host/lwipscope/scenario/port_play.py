"""Plays and judges a scenario on a board that has a network of its own (see `play` for the rest).

No wire passes through the host: the board's trace and its graph of edges are judged, what the
other end sent is not. `Judged` is what a table, JUnit and logs need, of either way of playing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.board import Board
from lwipscope.errors import LwipscopeError
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.life import need_tracer
from lwipscope.scenario.play import Played
from lwipscope.scenario.scenario import Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import graph_of
from lwipscope.trace.legality import check_legality
from lwipscope.trace.verdict import Verdict, check_path, evidence_verdict

_GRAVITY = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Judged:
    """One scenario's outcome. `why`: what speaks against it; empty if nothing does."""

    name: str
    verdict: Verdict
    path: str
    why: str
    wall_s: float

    @classmethod
    def of(cls, played: Played) -> Judged:
        """The same, of a scenario that was played on a wire."""
        why = [played.failure, *(v.text() for v in played.violations), *played.wire_faults]
        checks = (played.check, *played.others)
        why += [check.text for check in checks if check.verdict is not Verdict.PASS]
        if played.peer.verdict is not Verdict.PASS:
            why.append(f"the peer's path: {played.peer}")
        seen = played.check.connection
        return cls(
            played.scenario.name,
            played.verdict,
            seen.text() if seen is not None else "",
            "\n".join(filter(None, why)) if played.verdict is not Verdict.PASS else "",
            played.wall_s,
        )


def play_on_port(
    scenario: Scenario, board: Board, desk: Desk, folder: Path | None = None
) -> Judged:
    """Reset the board, play, close the evidence, judge."""
    started_s = time.monotonic()
    need_tracer(board.reset() or board.port.hello())
    failure = ""
    with DeskNetwork(desk) as network:
        stage = Stage(board, network)
        try:
            scenario.play(stage)
        except LwipscopeError as error:
            failure = str(error)
        lives = stage.close()
    verdicts, why = [], [failure]
    path = ""
    for expected in (scenario.expected, *scenario.others):
        life = lives[max(-len(lives), min(expected.life, len(lives) - 1))]
        check = check_path(
            life.events,
            life.integrity,
            expected.path,
            name=scenario.name,
            role=expected.role,
            remote_port=expected.remote_port,
            timeline=life.timeline(),
        )
        verdicts.append(check.verdict)
        why.append(check.text if check.verdict is not Verdict.PASS else "")
        if not path and check.connection is not None:
            path = check.connection.text()
    for life in lives:
        verdicts.append(evidence_verdict(life.integrity))
        violations = [each.text() for each in check_legality(life.events, graph_of(life.profile))]
        why += violations
        if violations:
            verdicts.append(Verdict.FAIL)
    if failure:
        verdicts.append(Verdict.FAIL)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        lines = [entry.line() for life in lives for entry in life.timeline()]
        log = folder / f"{scenario.name}.timeline.txt"
        log.write_text("\n".join([*filter(None, why), *lines, ""]), encoding="utf-8")
    return Judged(
        scenario.name,
        max(verdicts, key=_GRAVITY.index),
        path,
        "\n".join(filter(None, why)),
        time.monotonic() - started_s,
    )
