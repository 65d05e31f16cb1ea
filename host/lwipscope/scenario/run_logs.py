"""The logs of a scenario: each life of the board has a capture (where its frames are seen) and a
serial log of its own, and all of them are in one run file.

Used by `play`. If the scenario is interrupted, the run file has what came until then.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lwipscope.board.board import Board
from lwipscope.errors import LwipscopeError
from lwipscope.runfile.collect import versions
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import SUFFIX, About, Run, WireFrame
from lwipscope.scenario.emulator import emulator_of
from lwipscope.scenario.run_log import FrameSource, RunLog, why


class RunLogs:
    """One scenario's. A context: left by an exception, it writes a run file without a verdict."""

    def __init__(
        self, board: Board, folder: Path, name: str, frames: FrameSource | None = None
    ) -> None:
        self._board, self._folder, self._name = board, folder, name
        self._source = frames
        self._logs: list[RunLog] = []
        self._log(name)

    def next(self) -> None:
        """The board has begun its next life."""
        self._logs[-1].close()
        self._log(f"{self._name}.life-{len(self._logs) + 1}")

    def frames(self, start_s: float) -> tuple[tuple[WireFrame, ...], ...]:
        """What was on the wire in each life; times from `start_s` on (`time.monotonic()`)."""
        return tuple(log.frames(start_s) for log in self._logs)

    def save(self, run: Run) -> None:
        """The run file, and the captures with what the board made of each frame."""
        run.save(self._folder / f"{self._name}{SUFFIX}")
        for number, log in enumerate(self._logs):
            if log.sees:
                write_pcapng(run, log.capture, lives=[number])

    def __enter__(self) -> RunLogs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._logs[-1].close()
        if kind is not None:
            with contextlib.suppress(LwipscopeError, OSError):  # the error itself is worth more
                self.save(self._unjudged(why(error)))

    def _log(self, name: str) -> None:
        self._logs.append(RunLog(self._board, self._folder, name, frames=self._source))

    def _unjudged(self, ended: str) -> Run:
        lives = tuple(replace(log.life(), number=n) for n, log in enumerate(self._logs))
        first, file = self._logs[0], self._board.file
        about = About(
            self._name,
            board=file.name,
            board_title=file.title,
            clock=lives[0].fields.get("time", ""),
            wall_ns=first.wall_ns,
            lasted_s=time.monotonic() - first.start_s,
            ended=ended,
            versions=versions(emulator_of(file.name)),
        )
        return Run(about, lives)
