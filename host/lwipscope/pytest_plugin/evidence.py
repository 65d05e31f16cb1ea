"""What a failed test leaves: the timeline in its report, and files in the log folder.

The folder has the failure as pytest shows it, the whole timeline, the console, the serial log, the
run file, from which all reports can be made again, and the wire's capture: of a board with a
network of its own if this machine sees its frames (else the run file says why not). Both logs are
written as things happen, and removed again if the test passes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import lwipscope
from lwipscope.board.board import Board
from lwipscope.errors import LwipscopeError
from lwipscope.pytest_plugin.factories import App
from lwipscope.pytest_plugin.options import Settings
from lwipscope.report.run_text import excerpt
from lwipscope.report.style import Style
from lwipscope.runfile.model import About
from lwipscope.scenario.desk_network import Desk
from lwipscope.scenario.leak_claims import LEAK_S, LeakClaims
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.run_log import RunLog
from lwipscope.scenario.run_record import judged_path
from lwipscope.scenario.sampled_watch import so_far
from lwipscope.scenario.watch import Watch
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Beat
from lwipscope.trace.sampled import sampled_connections
from lwipscope.trace.verdict import PathCheck

_SHOWN_LINES = 40
_SYNC_S = 2.0
_MOST_NAME = 120
RECORD: pytest.StashKey[Record] = pytest.StashKey()


@dataclass(slots=True)
class Record:
    """One test's board, where its logs are, and whether it failed."""

    board: Board
    folder: Path | None
    log: RunLog | None = None
    failed: bool = False
    why_blind: str = "the test asked for no peer"
    applications: list[App] = field(default_factory=list)

    def see(self, desk: Desk) -> None:
        """Capture what passes between this machine and a board with a network of its own."""
        if self.log is None or self.log.sees:
            return
        try:
            self.log.see(desk.onlooker)
        except LwipscopeError as error:
            self.why_blind = str(error)

    def about(self, name: str) -> About:
        """For the run file."""
        blind = self.log is None or not self.log.sees
        told = (f"no frames of the wire were seen: {self.why_blind}",) if blind else ()
        checks = [check for app in self.applications for check in app.checks]
        return About(
            name,
            "pytest",
            verdict="FAIL" if self.failed else "PASS",
            judged=tuple(judged_path(c) for c in checks if isinstance(c, PathCheck)),
            remarks=told,
        )

    def close_evidence(self) -> None:
        """End the board's stream with a sync; what comes behind it is no evidence any more."""
        board = self.board
        if board.trace.lost is None and board.capabilities.tracer:
            with suppress(LwipscopeError, OSError):  # what came before is shown all the same
                through = board.port.sync(_SYNC_S)
                if self.log is not None:
                    self.log.evidence_ends(through)


@contextmanager
def recorded(item: pytest.Item, board: Board, settings: Settings) -> Iterator[Record]:
    """Log what happens to the board inside."""
    folder = settings.log_dir / folder_name(item.nodeid)
    shutil.rmtree(folder, ignore_errors=True)
    keeps = settings.keep_logs != "none"
    log = RunLog(board, folder) if keeps else None
    record = Record(board, folder if keeps else None, log)
    item.stash[RECORD] = record
    try:
        yield record
    finally:
        if log is not None:
            if record.failed or settings.keep_logs != "fail":
                if not record.failed:
                    record.close_evidence()
                log.describe(record.about(item.nodeid))
            log.close()
        if settings.keep_logs == "fail" and not record.failed:
            shutil.rmtree(folder, ignore_errors=True)


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the evidence beside a failure."""
    record = item.stash.get(RECORD, None)
    if record is None or not report.failed or record.failed:
        return
    record.failed = True
    board = record.board
    record.close_evidence()
    events, integrity = board.trace.evidence()
    lines = [e.line() for e in Watch(board).timeline() if not isinstance(e.event, Beat)]
    paths = [connection.text() for connection in connections(events)]
    if not board.capabilities.tracer:
        events, integrity = so_far(board.trace)
        paths += [connection.text() for connection in sampled_connections(events)]
    problems = [f"the evidence is incomplete: {each}" for each in integrity.problems()]
    head = "\n".join([*problems, "paths:", *(f"  {path}" for path in paths or ["none"])])
    left_out = len(lines) - _SHOWN_LINES
    more = [f"({left_out} lines before)"] if left_out > 0 else []
    if record.log is not None:
        with suppress(LwipscopeError, OSError):
            ladders = excerpt(record.log.run(), Style(), most=_SHOWN_LINES)
            report.sections.append(("lwip ladder", "\n".join(ladders)))
    report.sections.append(("lwip timeline", "\n".join([head, *more, *lines[-_SHOWN_LINES:]])))
    if record.folder is not None:
        report.sections.append(("lwip logs", str(record.folder)))
        item.user_properties.append(("lwip_logs", str(record.folder)))
        report.user_properties.append(("lwip_logs", str(record.folder)))
        console = b"".join(piece.data for piece in board.trace.console)
        _write(record.folder, "failure.txt", report.longreprtext)
        _write(record.folder, "timeline.txt", "\n".join([head, *lines, ""]))
        _write(record.folder, "console.txt", console.decode("utf-8", "replace"))


def nothing_left(item: pytest.Item, board: Board, other_end: OtherEnd) -> None:
    """End the agent, which closes its sockets, on any board. LeakFound if a pcb stays that nothing
    will end: looked at only if the test has passed, and the board can tell."""
    __tracebackhide__ = True
    record = item.stash.get(RECORD, None)
    failed = record is not None and record.failed
    if failed or board.trace.lost is not None:
        return
    if board.agent.running:  # the test may have ended it
        with suppress(LwipscopeError):
            board.agent.stop()
    if not board.capabilities.tracer:
        return
    claims = LeakClaims(Watch(board), other_end, "the agent", lambda: False)
    claims.no_leaks(LEAK_S, most_time_wait=None, least_free=0)


def hide_our_inside(excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Of what we raise on purpose the message says it all: show the test's own lines."""
    error = excinfo.value
    if not type(error).__module__.startswith("lwipscope."):
        return
    ours = str(Path(lwipscope.__file__).parent)
    if not str(excinfo.traceback[-1].path).startswith(ours):
        return
    kept = excinfo.traceback.filter(lambda entry: not str(entry.path).startswith(ours))
    if kept:
        excinfo.traceback = kept
        error.__cause__, error.__suppress_context__ = None, True


def folder_name(nodeid: str) -> Path:
    """A test's folder: readable, short enough for every filesystem, and its own."""
    plain = re.sub(r"[^\w.,=\[\]-]+", "_", nodeid.replace("::", ".")).strip("_.")
    if plain != nodeid.replace("::", ".").replace("/", "_") or len(plain) > _MOST_NAME:
        # What was left out may be all that tells two tests apart.
        plain = f"{plain[:_MOST_NAME]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"
    return Path(plain)


def _write(folder: Path, name: str, text: str) -> None:
    with suppress(OSError):  # a full disk must not hide why the test failed
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
