"""Plays scenarios and judges them: a fresh board for each, evidence closed by a sync.

Called by the command line and the tests, for boards of any kind: `setting` says where the other
end is and what is seen of the wire. The wire is captured as pcapng, the serial line is logged, and
a run file is written, if a folder is given.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lwipscope.board.board import Board
from lwipscope.errors import LwipscopeError
from lwipscope.scenario.desk_network import Desk
from lwipscope.scenario.deviations import judge_deviations
from lwipscope.scenario.life import Life, need_tracer
from lwipscope.scenario.peer_check import PeerCheck, judge_peer
from lwipscope.scenario.played import GRAVITY, Played, number_of
from lwipscope.scenario.run_logs import RunLogs
from lwipscope.scenario.run_record import run_of_played
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.scenario.setting import setting
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import graph_of
from lwipscope.trace.legality import check_legality
from lwipscope.trace.verdict import PathCheck, Verdict, check_path, evidence_verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rules import Rule

RAW_TCP = "none but the scenario's own: single segments of the raw peer"


def play(
    scenario: Scenario,
    board: Board,
    beside: Keeper | Desk,
    folder: Path | None = None,
    *,
    rules: Sequence[Rule] = (),
    seed: int = 0,
) -> Played:
    """Reset the board, play, close the evidence, judge.

    `beside` is the place of the other end: the keeper of an emulated board's network, or the desk
    of a board with a network of its own. `rules` disturb the segments while the scenario is played,
    which needs the board's wire in the host; `seed` is for those with a chance.
    """
    started_s = time.monotonic()
    here = setting(board, beside)
    need_tracer(board.reset() or board.port.hello())
    failure = ""
    with here.network() as network:
        whose_tcp = network.whose_tcp
        with ExitStack() as stack:
            record = stack.enter_context(here.recorded(rules, seed))
            logs = RunLogs(board, folder, scenario.name, here.frames) if folder else None
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
            check, *others = (
                _judged(scenario, expected, lives)
                for expected in (scenario.expected, *scenario.others)
            )
            here.catch_up(record, check.connection)
        # A board that stopped took its end of the wire with it.
        wire_faults = [] if lives[-1].stopped else here.faults()
    frames = logs.frames(started_s) if logs is not None else ()
    played = Played(
        scenario=scenario,
        check=check,
        others=tuple(others),
        peer=(
            PeerCheck("", None, Verdict.PASS)
            if here.blind
            else judge_peer(scenario.peer_path, check.connection, board.ip, record)
        ),
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
        remarks=_unseen(scenario, here.blind),
    )
    if logs is not None:
        logs.save(run_of_played(played))
    return played


def _unseen(scenario: Scenario, blind: str) -> tuple[str, ...]:
    """What a verdict without the wire does not say."""
    if not blind:
        return ()
    told = f"no frames of the wire were seen: {blind}"
    if not scenario.peer_path:
        return (told,)
    return (told, f"so the other end's path was not judged; expected of it: {scenario.peer_path}")


def _judged(scenario: Scenario, expected: Expected, lives: Sequence[Life]) -> PathCheck:
    """One path, in its life."""
    life = lives[number_of(expected, lives)]
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
    verdict = max(Verdict.FAIL, evidence_verdict(life.integrity), key=GRAVITY.index)
    return replace(check, connection=None, verdict=verdict, text=text)


__all__ = ["RAW_TCP", "Played", "play"]
