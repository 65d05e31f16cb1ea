"""One worker's board and its network: started when the first test asks, ended with the run.

A test gets the board after a reset (about 10 ms on an emulated one); a board that was lost or does
not come back is opened again. If there is none, each test that needs one says so in a line, and the
summary in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import pytest

from lwipscope.board.board import Board
from lwipscope.board.board_file import BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.board.opening import Emulation, open_board, resolve
from lwipscope.board.probe import Probe
from lwipscope.board.serial_board import SerialBoard
from lwipscope.doctor.needs import why_not as why_no_right
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError, UsageError
from lwipscope.firmware import elf_layout
from lwipscope.firmware.firmware import PROFILES, Firmware
from lwipscope.firmware.layout import Layout
from lwipscope.firmware.progress import Progress, quiet
from lwipscope.firmware.selection import choose
from lwipscope.peer.nc import Variant, find_nc
from lwipscope.pytest_plugin import evidence, markers
from lwipscope.pytest_plugin.options import Settings
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.network import Network
from lwipscope.trace.event import Hello
from lwipscope.wire.keeper import Keeper

BENCH: pytest.StashKey[Bench] = pytest.StashKey()
MISSING = "lwip_missing"
_NETWORK: dict[str, Literal["auto", "require", "none"]] = {
    "auto": "auto",
    "tap": "require",
    "gate": "none",
}
_MANUAL_NUMBER = 1
_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Missing:
    """Why there is no board. `is_mistake`: what was asked for can't be; never a skip."""

    text: str
    is_mistake: bool

    @property
    def line(self) -> str:
        """What each test says; remedies are in the summary."""
        return f"no board: {self.text.splitlines()[0].split('; ')[0]}"


class Bench:
    """Keeper, firmware and board."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._keeper: Keeper | None = None
        self._firmware: Firmware | None = None
        self._board: Board | None = None
        self._missing: _Missing | None = None
        self._layout: Layout | None = None
        self._desk: Desk | None = None
        self._record: evidence.Record | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave_desk()
        self.dismiss()
        self._stack.close()
        for folder in (self.settings.log_dir, self.settings.log_dir.parent):
            with suppress(OSError):  # not empty: somebody's logs
                folder.rmdir()

    @property
    def keeper(self) -> Keeper:
        """Namespace and TAP, where the machine gives them; a real board's peers need none."""
        if self._keeper is None:
            real = self._board is not None and not isinstance(self._board, EmulatedBoard)
            started = Keeper.start("none" if real else _NETWORK[self.settings.wire])
            self._keeper = self._stack.enter_context(started)
        return self._keeper

    @property
    def firmware(self) -> Firmware:
        """What the emulated board runs; built if there is none."""
        return self._choose(BoardFile.load(resolve(self.settings.board).type), quiet)

    def probe_of(self, board: Board) -> Probe | None:
        """For a board without the tracer; None for one with it, UsageError without a layout."""
        if board.capabilities.tracer:
            return None
        if self._layout is None:
            self._layout = self._named_layout()
            if self._layout is None:
                raise UsageError(
                    f"{board.file.name} at {board.link.url} has firmware without the tracer, so "
                    "what a program does there is not seen. It can be sampled: lwipscope layout "
                    "FIRMWARE.elf -o layout.json (lwipscope identify says where that file is to be "
                    "had), then --lwip-layout layout.json"
                )
        return Probe(board.link, board.repl, self._layout)

    def _named_layout(self) -> Layout | None:
        named = self.settings.layout
        return elf_layout.load(named) if named is not None else None

    def prepare(self, progress: Progress) -> None:
        """Have the firmware before the first test's clock ticks; what fails, that test tells."""
        with suppress(LwipscopeError, OSError):
            target = resolve(self.settings.board)
            if target.kind == "emulated":
                self._choose(BoardFile.load(target.type), progress)

    def fresh(self) -> Board:
        """The board at the beginning of a life; a new one if there is none, or it was lost."""
        if self._board is not None:
            with suppress(LwipscopeError):
                if self._board.alive() and self._board.trace.integrity.board_lost is None:
                    self._board.reset()
                    return self._board
            self.dismiss()
        self._board = self._open()
        if not isinstance(self._board, EmulatedBoard):
            if isinstance(self._board, SerialBoard) and not self._board.capabilities.tracer:
                self._board.layout = self._named_layout()
            self._board.reset()  # who knows what has run on it before
        return self._board

    def dismiss(self) -> None:
        """End the board, if there is one."""
        if self._board is not None:
            self._board.close()
            self._board = None

    @contextmanager
    def test(self, item: pytest.Item) -> Iterator[Board]:
        """A fresh board for one test, logged; the log stays if the settings say so."""
        board = self._fresh_or_skip(item)
        self._check_needs(item, board)
        item.user_properties += self._properties(board)
        with evidence.recorded(item, board, self.settings) as self._record:
            try:
                yield board
            finally:
                self._record = None

    @contextmanager
    def network(self, board: Board) -> Iterator[Network]:
        """Peers for one test. Nothing is sent to a board whose network is not beside us."""
        if isinstance(board, EmulatedBoard):
            made = Network(self.keeper, board.switch, board.ip, board.port.clock_mode)
        else:
            desk = self._desk_for(board)
            if desk.way.why_not:
                end = pytest.fail if self.settings.require_board else pytest.skip
                end(f"no peers: {desk.way.why_not}")
            if self._record is not None:
                self._record.see(desk)
            made = DeskNetwork(desk)
        with made:
            yield made

    def _desk_for(self, board: Board) -> Desk:
        """The place beside a real board, kept as long as its address."""
        ip = board.ip
        if self._desk is None or self._desk.way.board_ip != ip:
            self._leave_desk()
            host_ip, interface = self.settings.host_ip, self.settings.interface
            way = DeskWay.find(ip, host_ip=host_ip, interface=interface)
            self._desk = Desk(self.keeper, way)
        return self._desk

    def _leave_desk(self) -> None:
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    def _open(self) -> Board:
        """The one place where a board is opened."""
        manual = self.settings.clock == "manual"
        start = StartOptions(
            number=_MANUAL_NUMBER if manual else None,
            clock="manual" if manual else "running",
            random_seed=_MANUAL_NUMBER if manual else 0,
        )
        emulation = Emulation(
            keeper=lambda: self.keeper,
            elf=lambda file: self._choose(file, quiet).elf,
            options=start,
        )
        return open_board(
            self.settings.board, emulation=emulation, may_take_over=self.settings.take_over
        )

    def _fresh_or_skip(self, item: pytest.Item) -> Board:
        for remaining in reversed(range(_TRIES)):
            if self._missing is not None:
                break
            try:
                return self.fresh()
            except (BoardLost, DeadlineExceeded) as error:
                if not remaining:
                    self._missing = _Missing(str(error), is_mistake=False)
            except (LwipscopeError, OSError) as error:
                self._missing = _Missing(str(error), isinstance(error, UsageError))
        assert self._missing is not None
        missing = self._missing
        item.user_properties.append((MISSING, missing.text))
        if missing.is_mistake:
            pytest.fail(missing.line, pytrace=False)
        if self.settings.require_board:
            pytest.fail(f"{missing.line} (a failure by --lwip-require-board)", pytrace=False)
        pytest.skip(missing.line)

    def _choose(self, file: BoardFile, progress: Progress) -> Firmware:
        if self._firmware is None:
            profile = self.settings.profile or file.lwip.option_profile
            if profile not in PROFILES:
                raise UsageError(f"{file.name}: no firmware of profile {profile!r} exists")
            self._firmware = choose(profile, file=self.settings.firmware, progress=progress)
        return self._firmware

    def _check_needs(self, item: pytest.Item, board: Board) -> None:
        for need in markers.needs_of(item):
            why = self._why_not(need, board)
            if why:
                pytest.skip(f"needs {markers.NEEDS[need]}: {why}")

    def _why_not(self, need: str, board: Board) -> str:
        """Empty if this machine and this board have it."""
        can = board.capabilities
        if need == "raw" and not can.wire:
            return why_no_right("raw", self.keeper) or self._desk_for(board).why_no_raw()
        there = {"clock": can.clock, "tracer": can.tracer, "tap": can.wire}
        if not there.get(need, True):
            return f"{board.file.name} has {can.text()}"
        if need == "tap" and self.keeper.tap is None:
            if self.settings.wire == "gate":
                return "--lwip-wire gate was asked for"
            return "; ".join(self.keeper.notes)
        if need == "nc":
            found = find_nc()
            if found is None or found[1] is not Variant.OPENBSD:
                return f"{found[0] if found else 'none'} is here; install netcat-openbsd"
        return ""

    def _properties(self, board: Board) -> list[tuple[str, object]]:
        if not isinstance(board, EmulatedBoard):
            told = [("lwip_board", board.file.name), ("lwip_port", board.link.url)]
            if isinstance(board, SerialBoard) and board.cleanness is not None:
                told.append(("lwip_clean", board.cleanness.text()))
            return [*told]
        hellos = (event for event in board.trace.events if isinstance(event, Hello))
        fields = (next(hellos, None) or board.port.hello()).fields
        return [
            ("lwip_board", board.file.name),
            ("lwip_profile", fields.get("profile", "")),
            ("lwip_firmware", self.firmware.build_id),
            ("lwip_clock", fields.get("time", "")),
            ("lwip_boot", fields.get("boot", "")),
            ("lwip_wire", "tap" if self.keeper.tap is not None else "gate"),
        ]
