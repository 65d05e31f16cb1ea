"""All that happens in a lab, life by life, and its version: what pages and run files are made of.

Events, frames and console lines come from the link's and the switch's threads; notes from whoever
does something. Capture and serial log of each life are on disk as it happens (`RunLog`); the run
file is written by `save`. Host times are `time.monotonic()` seconds.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lwipscope.board.board_file import BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.lab.live_table import LiveTable
from lwipscope.runfile.collect import life_of, versions
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import SUFFIX, About, BoardEvent, Run, RunLife, WireFrame
from lwipscope.scenario.emulator import emulator_of
from lwipscope.scenario.run_log import RunLog
from lwipscope.trace.event import Beat, Event, PcbRow, Reply
from lwipscope.trace.timeline import Note

NAME = "lab"
_SYNC_S = 3.0
_SILENT = (Beat, PcbRow, Reply)  # what the board says because it was asked, or to say nothing


class Record:
    """One lab's. `begin` and `end_life` enclose each life of the board."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live = LiveTable()
        self.problems: list[str] = []
        self.whose_tcp = ""
        self._changed = threading.Condition()
        self._version = 1
        self._lives: list[RunLife] = []
        self._logs: list[RunLog] = []
        self._board: EmulatedBoard | None = None
        self._file: BoardFile | None = None
        self._stops = ExitStack()
        self._frames: list[WireFrame] = []
        self._notes: list[Note] = []
        self._cached: tuple[int, Run] | None = None
        self._events: list[BoardEvent] = []
        self._start_s = 0.0
        self._wall_ns = 0
        self._event_tellers: list[Callable[[Event], None]] = []
        self._note_tellers: list[Callable[[Note], None]] = []
        self._making = threading.Lock()

    # Lives.

    def begin(self, board: EmulatedBoard) -> None:
        """The board has said hello: its life is recorded from here on."""
        number = len(self._logs) + 1
        log = RunLog(board, self.folder, NAME if number == 1 else f"{NAME}.life-{number}")
        if not self._logs:
            self._start_s, self._wall_ns = log.start_s, log.wall_ns
        self._logs.append(log)
        table = LiveTable()
        for event in board.trace.events:
            table.event(event)
        with self._changed:
            self._board, self._file, self.live = board, board.file, table
            self._frames, self._notes, self._events = [], [], []
        for stop in (
            board.trace.on_event(self._event),
            board.trace.on_console(lambda _data, _at_s: self.bump()),
            board.switch.on_frame(self._frame),
        ):
            self._stops.callback(stop)
        self.bump()

    def end_life(self) -> None:
        """Close this life's evidence with a sync, if the board still answers. Idempotent."""
        board = self._board
        if board is None:
            return
        through = None
        if board.trace.lost is None:
            with contextlib.suppress(LwipscopeError):
                through = board.port.sync(_SYNC_S)
        self._stops.close()
        log = self._logs[-1]
        if through is not None:
            log.evidence_ends(through)
        log.close()
        self.problems += log.problems
        with self._making, self._changed:
            self._lives.append(self._life(board))
            self._board, self.live = None, LiveTable()
            self._cached = None
        self.bump()

    # What happens.

    def note(self, who: str, text: str) -> None:
        """A peer, a program or the host does something."""
        note = Note(time.monotonic(), who, text)
        with self._changed:
            self._notes.append(note)
            if self._board is not None:
                self._logs[-1].note(who, text)
        self.bump()
        for tell in self._note_tellers:
            tell(note)

    def bump(self) -> None:
        """Something has changed."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def changed(self, since: int, timeout_s: float) -> int:
        """Wait for a version greater than `since`."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > since, timeout_s)
            return max(self._version, since)

    def on_event(self, tell: Callable[[Event], None]) -> None:
        """Call with each event of each life."""
        self._event_tellers.append(tell)

    def on_note(self, tell: Callable[[Note], None]) -> None:
        """Call with each note."""
        self._note_tellers.append(tell)

    # The run.

    def run(self) -> Run:
        """The run so far; the same object until something has happened."""
        with self._making:
            with self._changed:
                version, board = self._version, self._board
                lives = list(self._lives)
            if self._cached is not None and self._cached[0] == version:
                return self._cached[1]
            if board is not None:
                lives.append(self._life(board))
            run = Run(self._about(lives), tuple(lives))
            self._cached = version, run
            return run

    def lives(self) -> list[RunLife]:
        """All lives as `run` has them, but that the frames of the one that goes on are not matched
        with events yet: this costs little, however much has happened."""
        with self._making:
            with self._changed:
                board, lives = self._board, list(self._lives)
                frames = tuple(self._frames)
                notes = [replace(n, at_s=n.at_s - self._start_s) for n in self._notes]
            if board is not None:
                _, integrity = board.trace.evidence()
                self._events += [
                    BoardEvent(s.at_s - self._start_s, s.event, s.said or "?")
                    for s in board.trace.stamped[len(self._events) :]
                ]
                console = [replace(c, at_s=c.at_s - self._start_s) for c in board.trace.console]
                lives.append(
                    RunLife(
                        *(len(lives), tuple(self._events), frames, tuple(notes), tuple(console)),
                        integrity,
                    )
                )
            return lives

    def wall_ns(self, at_s: float) -> int:
        """A host time of lives in nanoseconds since 1970."""
        return self._wall_ns + round(at_s * 1e9)

    def save(self, path: Path | None = None) -> Path:
        """Write the run file."""
        where = path or self.folder / f"{NAME}{SUFFIX}"
        try:
            self.run().save(where)
        except OSError as error:
            raise UsageError(f"{where}: can't be written: {error.strerror}") from error
        return where

    def finish(self) -> None:
        """The lab is over: the run file, and the captures with what the board made of them."""
        self.end_life()
        try:
            run = self.run()
            self.save()
            for number, log in enumerate(self._logs):
                write_pcapng(run, log.capture, lives=[number])
        except (OSError, LwipscopeError) as error:
            self.problems.append(str(error))

    def _life(self, board: EmulatedBoard) -> RunLife:
        events, integrity = board.trace.evidence()
        with self._changed:
            frames, notes = list(self._frames), list(self._notes)
        return life_of(
            len(self._lives),
            self._start_s,
            board.trace.stamped[: len(events)],
            frames,
            integrity,
            notes,
            board.trace.console,
        )

    def _about(self, lives: list[RunLife]) -> About:
        file = self._file
        return About(
            NAME,
            "lab",
            "a lab bench",
            board=file.name if file else "",
            board_title=file.title if file else "",
            whose_tcp=self.whose_tcp,
            clock=lives[-1].fields.get("time", "") if lives else "",
            wall_ns=self._wall_ns,
            lasted_s=time.monotonic() - self._start_s,
            versions=versions(emulator_of(file.name)) if file else versions(),
        )

    # Other threads.

    def _event(self, event: Event, _at_s: float) -> None:
        self.live.event(event)
        if not isinstance(event, _SILENT):
            self.bump()
            for tell in self._event_tellers:
                tell(event)

    def _frame(self, at_s: float, origin: str, data: bytes) -> None:
        with self._changed:
            self._frames.append(WireFrame(at_s - self._start_s, origin, bytes(data)))
            self._version += 1
            self._changed.notify_all()
