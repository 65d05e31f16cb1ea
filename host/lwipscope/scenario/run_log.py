"""What a run leaves on disk, written as it happens: a kill loses nothing already captured.

`wire.pcap` has every frame of the wire, `serial.log` every event and console line of the board in
the order in which they came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.trace.event import Beat, Event
from lwipscope.wire.capture import Capture


class RunLog:
    """Logs one life of one board into a folder, with an optional prefix for the files' names."""

    def __init__(self, board: EmulatedBoard, folder: Path, name: str = "") -> None:
        prefix = f"{name}." if name else ""
        self._path = folder / f"{prefix}serial.log"
        self._failure = ""
        self._closed = False
        self._lock = threading.Lock()
        self._stack = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._capture = self._stack.enter_context(Capture(folder / f"{prefix}wire.pcap"))
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
        stops: list[Callable[[], None]] = [
            board.trace.on_event(self._event),
            board.trace.on_console(self._console),
            board.switch.on_frame(self._frame),
        ]
        for stop in stops:
            self._stack.callback(stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def problems(self) -> list[str]:
        """Why a file is incomplete, if it is."""
        return [self._failure] if self._failure else []

    def note(self, who: str, text: str) -> None:
        """Something that a peer or the host did."""
        self._write(f"{'':>14}  {who:<7} {text}\n")

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._closed = True
        self._stack.close()

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
        """The switch's thread: what it can't write must not disturb the wire."""
        try:
            self._capture.on_frame(at_s, origin, data)
        except (OSError, LwipscopeError) as error:
            self._failure = self._failure or f"{self._capture.path} is cut off: {error}"
            self._capture.close()
