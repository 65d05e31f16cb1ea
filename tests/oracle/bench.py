"""A board with a stub at its side, and one situation watched from its beginning to its end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import LwipscopeError
from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.life import Life
from lwipscope.scenario.network import Network
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Born, Died, Event, Hello, Transition
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
            with RawPeer(self.board.switch, name="raw") as peer:
                field = Field(stage, peer, step_s)
                play(field)
                field.settle()

        return self.stage(with_peer)

    def stage(self, play: Callable[[Stage], None]) -> Watched:
        """Play on a fresh board, in one life. Oracle and tracer begin before the first pcb."""
        (life,) = self.lives(play)
        return life

    def lives(self, play: Callable[[Stage], None]) -> list[Watched]:
        """The same; each reboot begins another life, which is watched on its own."""
        board, failure = self.board, ""
        board.reset()
        with Network(self._keeper, board.switch, board.ip) as network:
            stage = _WatchedStage(board, network, lambda: Watcher(self.stub, self.layout))
            try:
                play(stage)
            except LwipscopeError as error:
                failure = str(error)
            finally:
                stage.watch_no_longer()
        lives = stage.close()
        assert len(lives) == len(stage.watched)
        return [
            _judged(life, synced, watcher, failure)
            for life, (synced, watcher) in zip(lives, stage.watched, strict=True)
        ]


class _WatchedStage(Stage):
    """Each life of the board has a watcher of its own: a reset goes through all memory."""

    def __init__(
        self, board: EmulatedBoard, network: Network, watch: Callable[[], Watcher]
    ) -> None:
        self.watched: list[tuple[int, Watcher]] = []
        self._watch = watch
        self._watcher = watch()
        super().__init__(board, network)

    def reboot(self) -> Hello:
        self.watch_no_longer()
        hello = super().reboot()
        self._watcher = self._watch()
        return hello

    def watch_no_longer(self) -> None:
        """End the present life's watch; the board has told all that it did until then."""
        try:
            synced = self.board.port.sync().seq
        finally:
            self._watcher.close()
        self.watched.append((synced, self._watcher))


def _judged(life: Life, synced: int, watcher: Watcher, failure: str) -> Watched:
    assert life.integrity.complete, life.integrity.problems()
    return Watched(
        watcher.seen,
        _until(life.events, synced, len(watcher.seen)),
        *(watcher.cleared, watcher.stops, watcher.problems, failure),
    )


def _until(events: Sequence[Event], synced: int, count: int) -> list[Event]:
    """What both have seen. The board ran a moment longer than the oracle watched: what the tracer
    tells beyond the oracle's `count` is left out if it is newer than the last sync before."""
    found: list[Event] = [event for event in events if isinstance(event, Born | Transition | Died)]
    while len(found) > count and found[-1].seq > synced:
        found.pop()
    return found
