"""A played scenario as a run: what its run file holds and its reports show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lwipscope.runfile.collect import life_of, versions
from lwipscope.runfile.fates import with_fates
from lwipscope.runfile.model import About, Judged, Run
from lwipscope.scenario.emulator import emulator_of
from lwipscope.tcp.path import path_text
from lwipscope.trace.verdict import PathCheck, Verdict, evidence_verdict
from lwipscope.wire.wall_clock import WallClock

if TYPE_CHECKING:
    from lwipscope.scenario.played import Played


def run_of_played(played: Played) -> Run:
    """Everything that was recorded and judged."""
    scenario = played.scenario
    frames = [*played.frames, *([()] * (len(played.lives) - len(played.frames)))]
    lives = tuple(
        life_of(
            number,
            played.began_s,
            life.stamped,
            with_fates(frames[number], played.trouble.deeds, played.began_s),
            life.integrity,
            life.notes,
            life.console,
            stopped=life.stopped,
        )
        for number, life in enumerate(played.lives)
    )
    about = About(
        name=scenario.name,
        title=scenario.title,
        story=scenario.story,
        source=scenario.rfc,
        verdict=played.verdict.name,
        judged=tuple(_judged(played)),
        remarks=(*played.endings, *played.trouble.lines(), *played.remarks),
        board=played.board,
        board_title=played.board_title,
        whose_tcp=played.whose_tcp,
        clock=lives[0].fields.get("time", "") if lives else "",
        wall_ns=WallClock.now().wall_ns(played.began_s),
        lasted_s=played.wall_s,
        versions=versions(emulator_of(played.board)),
    )
    return Run(about, lives)


def _judged(played: Played) -> Iterator[Judged]:
    for number in range(len(played.lives)):
        for check in played.checks_in(number):
            yield judged_path(check, "path" if check is played.check else "beside", number)
    peer = played.peer
    if peer.expected or peer.path is not None:
        yield Judged("peer", peer.verdict.name, peer.expected, peer.seen, peer.text)
    for number, life in enumerate(played.lives):
        verdict = evidence_verdict(life.integrity)
        if verdict is not Verdict.PASS:
            text = "; ".join(life.integrity.problems())
            yield Judged("evidence", verdict.name, text=text, life=number)
    for violation in played.violations:
        yield Judged("legality", Verdict.FAIL.name, text=violation.text())
    verdict = Verdict.FAIL if played.deviations.no_longer_seen else Verdict.PASS
    for text in played.deviations.lines():
        yield Judged("deviation", verdict.name, text=text)
    for fault in played.wire_faults:
        yield Judged("wire", Verdict.INCONCLUSIVE.name, text=fault)
    if played.failure:
        yield Judged("step", Verdict.FAIL.name, text=played.failure)


def judged_path(check: PathCheck, subject: str = "path", life: int = 0) -> Judged:
    """A verdict on a path, as a run file has it."""
    found = check.connection
    return Judged(
        subject,
        check.verdict.name,
        str(check.pattern),
        path_text(found.path) if found is not None else "",
        check.text,
        life,
        found.id if found is not None else None,
    )
