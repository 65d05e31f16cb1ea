"""A board with a stub at its side, and one situation watched from its beginning to its end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import LwipscopeError
from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.network import Network
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Born, Died, Event, Transition
from lwipscope.wire.keeper import Keeper
from oracle.comparison import difference, told, watched
from oracle.elf import Layout
from oracle.situations import STEP_S, Field
from oracle.watcher import Seen, Watcher


@dataclass(frozen=True, slots=True)
class Watched:
    """Both stories of the same life. `failure`: a step of the situation that could not be made."""

    seen: list[Seen]
    events: list[Event]
    cleared: int
    stops: int
    problems: list[str]
    failure: str

    def difference(self) -> str:
        """Between oracle and tracer; empty if they are equal."""
        return difference(watched(self.seen), told(self.events))


class Bench:
    """One emulated board after the other's lives. The keeper stays the caller's."""

    def __init__(self, elf: Path, keeper: Keeper) -> None:
        self.layout = Layout.read(elf)
        self._keeper = keeper
        # Short: a unix socket's path has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="lwipscope-oracle-"))
        self.stub = self._folder / "stub"
        chardev = f"socket,id=oracle,path={self.stub},server=on,wait=off"
        options = StartOptions(extra_qemu_args=("-chardev", chardev, "-gdb", "chardev:oracle"))
        try:
            file = BoardFile.load(DEFAULT_BOARD)
            self.board = EmulatedBoard(file, elf, keeper, options)
        except BaseException:
            shutil.rmtree(self._folder)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the board. Idempotent."""
        self.board.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def situation(self, play: Callable[[Field], None], step_s: float = STEP_S) -> Watched:
        """One of the situations, against a raw peer."""

        def with_peer(stage: Stage) -> None:
            with RawPeer(stage.board.switch, name="raw") as peer:
                field = Field(stage, peer, step_s)
                play(field)
                field.settle()

        return self.stage(with_peer)

    def stage(self, play: Callable[[Stage], None]) -> Watched:
        """Play on a fresh board. Oracle and tracer begin before the first pcb."""
        board = self.board
        board.reset()
        failure = ""
        with Watcher(self.stub, self.layout) as watcher:
            try:
                with Network(self._keeper, board.switch, board.ip) as network:
                    play(Stage(board, network))
            except LwipscopeError as error:
                failure = str(error)
            before = board.port.sync()
        events, integrity = board.trace.evidence(board.port.sync())
        assert integrity.complete, integrity.problems()
        return Watched(
            watcher.seen,
            _until(events, before.seq, len(watcher.seen)),
            *(watcher.cleared, watcher.stops, watcher.problems, failure),
        )


def _until(events: list[Event], synced: int, count: int) -> list[Event]:
    """What both have seen. The board ran a moment longer than the oracle watched: what the tracer
    tells beyond the oracle's `count` is left out if it is newer than the last sync before."""
    found: list[Event] = [event for event in events if isinstance(event, Born | Transition | Died)]
    while len(found) > count and found[-1].seq > synced:
        found.pop()
    return found
