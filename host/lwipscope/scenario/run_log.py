"""What a run leaves on disk, written as it happens: a kill loses nothing already captured.

`wire.pcap` has every frame of the wire, `serial.log` every event and console line of the board in
the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.trace.event import Beat, Event
from lwipscope.wire.capture import Capture


class RunLog:
    """Logs one life of one board into a folder, with an optional prefix for the files' names."""

    def __init__(self, board: EmulatedBoard, folder: Path, name: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        prefix = f"{name}." if name else ""
        self._stack = ExitStack()
        self._capture = self._stack.enter_context(Capture(folder / f"{prefix}wire.pcap"))
        # Line buffered: each line is with the operating system when the next one is read.
        path = folder / f"{prefix}serial.log"
        self._file = self._stack.enter_context(path.open("w", buffering=1, encoding="utf-8"))
        for event in board.trace.events:
            self._event(event, 0.0)
        stops: list[Callable[[], None]] = [
            board.trace.on_event(self._event),
            board.trace.on_console(self._console),
        ]
        for stop in stops:
            self._stack.callback(stop)
        board.switch.on_frame(self._capture.on_frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def note(self, who: str, text: str) -> None:
        """Something that a peer or the host did."""
        self._file.write(f"{'':>14}  {who:<7} {text}\n")

    def close(self) -> None:
        """Idempotent."""
        self._stack.close()

    def _event(self, event: Event, _at_s: float) -> None:
        if not isinstance(event, Beat):
            self._file.write(f"{event.clock_us / 1e6:>14.6f}  board   {event.text()}\n")

    def _console(self, data: bytes, _at_s: float) -> None:
        self._file.write(f"{'':>14}  console {data!r}\n")
