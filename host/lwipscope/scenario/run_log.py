"""What a run leaves on disk, written as it happens: a kill loses nothing already captured.

`wire.pcapng` has every frame of the wire, `serial.log` every event and console line of the board
in the order in which they came. When the log is closed, the board's transitions are put into the
capture as comments, and `NAME.lwiprun` is written, from which all reports are made. There is no
capture where nobody sees the frames: a board with a network of its own needs a source (`see`). If
the run is judged later, `RunLogs.save` writes both again, with the verdict.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from lwipscope.board.board import Board, wired
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.runfile.collect import life_of, versions
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import SUFFIX, About, Run, RunLife, WireFrame
from lwipscope.scenario.emulator import emulator_of
from lwipscope.trace.event import Beat, Event, Reply
from lwipscope.trace.timeline import Note
from lwipscope.wire.packet_socket import FrameWatcher
from lwipscope.wire.pcapng import Capture, read_pcapng
from lwipscope.wire.wall_clock import WallClock


class FrameSource(Protocol):
    """What shows the wire's frames: the switch of an emulated board, or an `Onlooker`."""

    def on_frame(self, watcher: FrameWatcher) -> Callable[[], None]:
        """Call `watcher(at_s, origin, data)` for each frame; returns how to stop."""


class RunLog:
    """Logs one life of one board into a folder, with an optional prefix for the files' names.

    `about` tells what is run, for the run file; without it, whoever made the log writes that file.
    `frames` shows the wire; without it that is the switch of a board that has one.
    """

    def __init__(
        self,
        board: Board,
        folder: Path,
        name: str = "",
        about: About | None = None,
        frames: FrameSource | None = None,
    ) -> None:
        prefix = f"{name}." if name else ""
        self._capture_path = folder / f"{prefix}wire.pcapng"
        self._clock = WallClock.now()
        self._capture: Capture | None = None
        self._path = folder / f"{prefix}serial.log"
        self._run_path = folder / f"{name or 'run'}{SUFFIX}"
        self._board = board
        self._trace = board.trace
        self._about = about
        self._through: Reply | None = None
        self._notes: list[Note] = []
        self._ended = ""
        self.saved: Run | None = None
        self.start_s = next((s.at_s for s in self._trace.stamped), time.monotonic())
        self._failure = ""
        self._closed = False
        self._lock = threading.Lock()
        self._stack = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: each line is with the operating system when the next one is read.
            self._file = self._stack.enter_context(self._path.open("wb", buffering=0))
            for event in board.trace.events:
                self._event(event, 0.0)
            if self._failure:
                raise UsageError(self._failure)
        except OSError as error:
            self._stack.close()
            raise UsageError(f"{self._path}: can't be written: {error.strerror}") from error
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(board.trace.on_event(self._event))
        self._stack.callback(board.trace.on_console(self._console))
        source = frames or (board.switch if wired(board) else None)
        if source is not None:
            try:
                self.see(source)
            except BaseException:
                self._stack.close()
                raise

    def see(self, source: FrameSource) -> None:
        """Capture what this source shows, from now on."""
        if self._capture is None:
            capture = Capture(self._capture_path, self._clock)
            self._capture = self._stack.enter_context(capture)
        self._stack.callback(source.on_frame(self._frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._ended = self._ended or why(error)
        self.close()

    @property
    def problems(self) -> list[str]:
        """Why a file is incomplete, if it is."""
        return [self._failure] if self._failure else []

    @property
    def capture(self) -> Path:
        """The capture of the wire; not there if nobody sees its frames."""
        return self._capture_path

    @property
    def sees(self) -> bool:
        """Whether there is a capture."""
        return self._capture is not None

    @property
    def wall_ns(self) -> int:
        """When the run began, in nanoseconds since 1970."""
        return self._clock.wall_ns(self.start_s)

    def note(self, who: str, text: str) -> None:
        """Something that a peer or the host did."""
        self._notes.append(Note(time.monotonic(), who, text))
        self._write(f"{'':>14}  {who:<7} {text}\n")

    def evidence_ends(self, through: Reply) -> None:
        """With this answer to a sync: what the board did after it is not looked at."""
        self._through = through

    def describe(self, about: About) -> None:
        """What is run, told before the log is closed: the run file will say so."""
        self._about = about

    def ended(self, why: str) -> None:
        """The run ends before its time."""
        self._ended = why

    def frames(self, start_s: float) -> tuple[WireFrame, ...]:
        """What was captured; times from `start_s` on (`time.monotonic()`)."""
        if self._capture is None:
            return ()
        start_ns = self._clock.wall_ns(start_s)
        return tuple(
            WireFrame((packet.wall_ns - start_ns) / 1e9, packet.interface, packet.data)
            for packet in read_pcapng(self._capture.path)
        )

    def life(self) -> RunLife:
        """All that is known of this life now."""
        events, integrity = self._trace.evidence(self._through)
        return life_of(
            0,
            self.start_s,
            self._trace.stamped[: len(events)],
            self.frames(self.start_s),
            integrity,
            self._notes,
            self._trace.console,
        )

    def run(self) -> Run:
        """The run so far."""
        life, about, file = self.life(), self._about or About("run"), self._board.file
        about = replace(
            about,
            board=about.board or file.name,
            board_title=about.board_title or file.title,
            clock=about.clock or life.fields.get("time", ""),
            wall_ns=self.wall_ns,
            lasted_s=time.monotonic() - self.start_s,
            ended=self._ended,
            versions=versions(emulator_of(file.name)),
        )
        return Run(about, (life,))

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._stack.close()
        if self._about is not None:
            try:
                run = self.run()
                run.save(self._run_path)
                if self.sees:
                    write_pcapng(run, self.capture)
                self.saved = run
            except (OSError, LwipscopeError) as error:
                # A full disk must not hide what the run itself has to say.
                self._failure = self._failure or str(error)

    def _event(self, event: Event, _at_s: float) -> None:
        if not isinstance(event, Beat):
            self._write(f"{event.clock_us / 1e6:>14.6f}  board   {event.text()}\n")

    def _console(self, data: bytes, _at_s: float) -> None:
        self._write(f"{'':>14}  console {data!r}\n")

    def _write(self, line: str) -> None:
        # The reader thread may have something to tell while the log is being closed.
        with self._lock:
            if self._failure or self._closed:
                return
            try:
                self._file.write(line.encode())
            except OSError as error:
                self._failure = f"{self._path} is cut off: {error.strerror}"

    def _frame(self, at_s: float, origin: str, data: bytes) -> None:
        """The wire's thread: what it can't write must not disturb the wire."""
        if self._capture is None:
            return
        try:
            self._capture.on_frame(at_s, origin, data)
        except (OSError, LwipscopeError) as error:
            self._failure = self._failure or f"{self._capture.path} is cut off: {error}"
            self._capture.close()


def why(error: BaseException | None) -> str:
    """Why a run ended early, in one line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error).partition("\n")[0] or type(error).__name__
