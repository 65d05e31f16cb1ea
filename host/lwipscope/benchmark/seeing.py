"""How long the reports of a run take: text, HTML, pcapng. Of real runs, made on the board before.

Timed from the run file to the finished text, Python's start not included. The picture's first
paint and the steps of its scrubber need a browser: tests/browser measures them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lwipscope.benchmark.cycle_client import CycleClient
from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.starting import temporary_folder
from lwipscope.benchmark.workshop import SERVER_PORT, Workshop, start_server
from lwipscope.errors import LwipscopeError
from lwipscope.report.html import page
from lwipscope.report.run_text import run_text
from lwipscope.report.style import Style
from lwipscope.runfile.export import pcapng
from lwipscope.runfile.model import About, Run
from lwipscope.scenario.run_log import RunLog
from lwipscope.trace.event import Segment

TEXT_CONNECTIONS = 10
PAGE_SEGMENTS = 1_000
EXPORT_SEGMENTS = 10_000
_A_CONNECTION = 7  # segments: no connection of the cycle client has fewer
_TIMEOUT_S = 60.0


def text(shop: Workshop, times: int) -> Rows:
    """Seconds for the ladders, paths and verdicts of ten connections."""
    yield from _timed(
        _run_with(shop, TEXT_CONNECTIONS), times, lambda run: run_text(run, Style(False))
    )


def html(shop: Workshop, times: int) -> Rows:
    """Seconds and megabytes of the page of at least a thousand segments."""
    run = _run_with(shop, -(-PAGE_SEGMENTS // _A_CONNECTION))
    _need_segments(run, PAGE_SEGMENTS)
    for (took_s,) in _timed(run, times, page):
        yield took_s, len(page(run).encode()) / 1e6


def export(shop: Workshop, times: int) -> Rows:
    """Seconds for the capture, with comments, of at least ten thousand segments."""
    run = _run_with(shop, -(-EXPORT_SEGMENTS // _A_CONNECTION))
    _need_segments(run, EXPORT_SEGMENTS)
    yield from _timed(run, times, pcapng)


def _timed(run: Run, times: int, report: Callable[[Run], object]) -> Rows:
    with temporary_folder() as folder:
        file = folder / "bench.lwiprun"
        run.save(file)
        for _ in range(times):
            started_s = time.monotonic()
            report(Run.load(file))
            yield (time.monotonic() - started_s,)


def _run_with(shop: Workshop, connections: int) -> Run:
    with shop.board() as (board, _keeper), temporary_folder() as folder:
        start_server(board, backlog=2)
        about = About("bench", "bench", f"{connections} connections")
        with RunLog(board, Path(folder), about=about) as log:
            board.port.stream("all")
            with CycleClient(board.switch, board.ip, SERVER_PORT) as client:
                client.meet()
                client.run(connections, at_once=1, timeout_s=_TIMEOUT_S)
            log.evidence_ends(board.port.sync())
        if log.saved is None:
            raise LwipscopeError(f"no run file was written: {'; '.join(log.problems)}")
        return log.saved


def _need_segments(run: Run, least: int) -> None:
    found = sum(isinstance(e, Segment) for life in run.lives for e in life.plain_events)
    if found < least:
        raise LwipscopeError(f"the run has {found} segments, {least} are needed")
