"""Where a scenario is played: the network at the board's other end, and what is seen of its wire.

`setting` makes it for one scenario on one board. The wire of an emulated board is a switch of ours:
all frames are seen, and rules can disturb them. Of a board with a network of its own this machine's
interface shows what passes, if this machine may look (`Desk.onlooker`); `blind` says why not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Condition
from typing import Protocol

from lwipscope.board.board import Board, WiredBoard, wired
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.network import Network
from lwipscope.scenario.run_log import FrameSource
from lwipscope.scenario.trouble import WireRecord, recorded
from lwipscope.scenario.wire_watch import WireWatch
from lwipscope.trace.connection import Connection
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.onlooker import BOARD, Onlooker
from lwipscope.wire.rules import Rule

_ON_ITS_WAY_S = 0.5


class Setting(Protocol):
    """For one scenario."""

    @property
    def blind(self) -> str:
        """Why nothing is seen of the wire; empty if all of it is."""

    @property
    def frames(self) -> FrameSource | None:
        """What shows the wire's frames; None if nothing does."""

    def network(self) -> Network:
        """The other end, to be closed by the caller."""

    def recorded(self, rules: Sequence[Rule], seed: int) -> AbstractContextManager[WireRecord]:
        """The rules work, and a record is kept, while the context lasts."""

    def catch_up(self, record: WireRecord, connection: Connection | None) -> None:
        """Wait until the record has what the board sent for this connection."""

    def faults(self) -> list[str]:
        """What is wrong with the wire, in words; empty if it works. Asked after the record."""


def setting(board: Board, beside: Keeper | Desk) -> Setting:
    """For `board`, with the other end at `beside`."""
    if isinstance(beside, Desk):
        return _DeskSetting(beside)
    if wired(board):
        return _WiredSetting(board, beside)
    raise UsageError(
        f"{board.file.name} at {board.link.url} has a network of its own: its other end is a Desk "
        "of this machine, not a keeper's namespace"
    )


class _WiredSetting:
    """The board's wire is a switch in the host."""

    blind = ""

    def __init__(self, board: WiredBoard, keeper: Keeper) -> None:
        self._board = board
        self._keeper = keeper
        self._watch: WireWatch | None = None

    @property
    def frames(self) -> FrameSource:
        return self._board.switch

    def network(self) -> Network:
        board = self._board
        return Network(self._keeper, board.switch, board.ip, board.port.clock_mode)

    @contextmanager
    def recorded(self, rules: Sequence[Rule], seed: int) -> Iterator[WireRecord]:
        self._watch = WireWatch(self._board.switch)
        with recorded(self._board.switch, rules, seed) as record:
            yield record

    def catch_up(self, record: WireRecord, connection: Connection | None) -> None:
        """Nothing is on its way here: the switch has it before the board says that it is sent."""

    def faults(self) -> list[str]:
        return [] if self._watch is None else self._watch.faults()


class _DeskSetting:
    """The board's network is beside this machine."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.frames: Onlooker | None = None
        self.blind = ""
        try:
            self.frames = desk.onlooker
        except LwipscopeError as error:
            self.blind = str(error)

    def network(self) -> Network:
        return DeskNetwork(self._desk)

    @contextmanager
    def recorded(self, rules: Sequence[Rule], seed: int) -> Iterator[WireRecord]:
        if rules:
            raise UsageError(
                "segments can only be disturbed where the board's wire passes through the host, "
                "as that of emulated boards does"
            )
        record = _DeskRecord(seed)
        if self.frames is None:
            yield record
            return
        before = self.frames.dropped
        stop = self.frames.on_frame(record.see)
        try:
            yield record
        finally:
            stop()
            record.missed = self.frames.dropped > before

    def catch_up(self, record: WireRecord, connection: Connection | None) -> None:
        sent = [s for s in connection.segments if s.direction == "tx"] if connection else []
        if self.frames is None or not sent or not isinstance(record, _DeskRecord):
            return
        last = sent[-1]
        record.wait_for((last.seqno, last.length, last.flags), _ON_ITS_WAY_S)
        self.frames.catch_up()

    def faults(self) -> list[str]:
        failure = None if self.frames is None else self.frames.first_failure
        return [] if failure is None else [f"the wire can't be seen any more: {failure!r}"]


class _DeskRecord(WireRecord):
    """Of what an onlooker sees."""

    def __init__(self, seed: int) -> None:
        super().__init__((), seed)
        self.missed = False
        self._came = Condition()

    @property
    def whole(self) -> bool:
        return not self.missed and super().whole

    def see(self, _at_s: float, origin: str, data: bytes) -> None:
        """A watcher of frames."""
        self.frame(origin == BOARD, data, _nothing)
        with self._came:
            self._came.notify_all()

    def wait_for(self, key: tuple[int, int, str], timeout_s: float) -> None:
        """Until the board's segment with these numbers has come. It never does if it was lost on
        its way, or waits in the board for an ARP reply: then the time is over in vain."""
        deadline_s = time.monotonic() + timeout_s
        with self._came:
            self._came.wait_for(lambda: self._has(key), deadline_s - time.monotonic())

    def _has(self, key: tuple[int, int, str]) -> bool:
        return any(
            each.from_board
            and (each.segment.seq, len(each.segment.payload), each.segment.flags_text()) == key
            for each in reversed(self.passed)
        )


def _nothing() -> None:
    """What an onlooker does with a frame: it has passed already."""
