"""A board on a port is proven to be clean after a reset: the emulated one behind its terminal.

What is left is real: a program's sockets at the prompt, and a connection whose peer went silent,
which no soft reset takes away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.board import cleanness, quarantine
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.cleanness import NotClean
from lwipscope.board.device_file import ANY, DeviceFile, ResetWays
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.ladder import LadderFailed
from lwipscope.board.opening import open_board
from lwipscope.board.quarantine import InQuarantine
from lwipscope.board.rack import Instance, Rack
from lwipscope.board.serial_board import Place, SerialBoard
from lwipscope.board.untraced import UntracedBoard
from lwipscope.errors import UsageError
from lwipscope.firmware import build, elf_layout
from lwipscope.firmware.firmware import Firmware
from lwipscope.peer.raw import RawPeer
from lwipscope.wire.keeper import Keeper

FILE = DeviceFile.load(ANY)
LISTENS = "import socket\nheld = socket.socket()\nheld.bind(('', 6666))\nheld.listen(1)\n"
BOOT_S = 5.0

pytestmark = pytest.mark.evidence_spoiled("the line belongs to others")
needs_compiler = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is remembered about boards, and for locks."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(quarantine, "cache_dir", lambda: tmp_path)


class Desk:
    """A board on a port, and a peer beside it."""

    def __init__(self, emulated: EmulatedBoard) -> None:
        emulated.port.stream("off")
        self.url = emulated.release_line()
        self.peer = RawPeer(emulated.switch)

    def board(self, *ladder: str) -> SerialBoard:
        ways = ResetWays(ladder, boot_s=BOOT_S)  # type: ignore[arg-type]
        return SerialBoard(replace(FILE, reset=ways), Place("left", lambda: self.url))

    def leave_a_connection(self, board: SerialBoard) -> None:
        """The program closes, and the peer says nothing more: FIN_WAIT_1 for minutes."""
        board.repl.run(LISTENS)
        self.peer.connection(40000, "192.0.2.10", 6666).handshake()
        board.repl.run("taken, _ = held.accept()\ntaken.close()\nheld.close()")


@pytest.fixture
def desk(gate_keeper: Keeper, firmware: Firmware) -> Iterator[Desk]:
    with ExitStack() as stack:
        file = BoardFile.load(DEFAULT_BOARD)
        made = Desk(stack.enter_context(EmulatedBoard(file, firmware.elf, gate_keeper)))
        stack.callback(made.peer.close)
        yield made


def test_a_fresh_board_is_proven_clean(desk: Desk) -> None:
    with desk.board("machine") as board:
        assert board.cleanness is None
        board.reset()
        assert board.cleanness is not None
        assert board.cleanness.text() == "no pcb is left (by the tracer's snapshot)"


def test_what_a_main_py_has_opened_is_taken_away(desk: Desk) -> None:
    """A listener whose program is at the prompt again, as after a reset with a main.py."""
    with desk.board("machine") as board:
        board.repl.run(LISTENS)
        (left,) = cleanness.look(board, None).left
        assert "LISTEN" in left
        found = cleanness.prove(board, None, BOOT_S)
        assert found.left == () and cleanness.look(board, None).left == ()
        assert board.repl.run("print('held' in globals())") == b"False\r\n"


def test_a_rung_that_leaves_a_connection_is_not_enough(desk: Desk) -> None:
    with desk.board("soft", "machine") as board:
        desk.leave_a_connection(board)
        with pytest.raises(NotClean, match=r"1 pcb.* FIN_WAIT_1 192.0.2.10:6666"):
            cleanness.prove(board, None, BOOT_S)
        soft, machine = board._climb(("soft", "machine"), board._prove_clean)
        assert "not clean: 1 pcb(s) left" in soft.failure and "FIN_WAIT_1" in soft.failure
        assert machine.failure == ""
        assert board.cleanness is not None and not board.cleanness.left


def test_a_board_that_does_not_get_clean_is_quarantined(desk: Desk) -> None:
    with desk.board("soft") as board:
        desk.leave_a_connection(board)
        with pytest.raises(LadderFailed, match="soft: not clean: 1 pcb"):
            board.reset()
    entry = quarantine.of("left")
    assert entry is not None and "FIN_WAIT_1" in entry.reason
    with pytest.raises(InQuarantine, match="FIN_WAIT_1"):
        open_board("left", rack=Rack((Instance("left", ANY, port=desk.url),)))


@needs_compiler
def test_without_the_tracer_the_probe_is_asked(gate_keeper: Keeper, firmware: Firmware) -> None:
    stock = build.build("roomy", tracer=False)
    file = BoardFile.load(DEFAULT_BOARD)
    with (
        UntracedBoard(file, stock.elf, gate_keeper) as emulated,
        open_board(emulated.release_line()) as board,
    ):
        assert isinstance(board, SerialBoard)
        board.reset()
        assert board.cleanness is not None
        assert board.cleanness.text() == "it restarted; nobody there can be asked"
        board.layout = elf_layout.read(stock.elf)
        board.reset()
        assert board.cleanness.text() == "no pcb is left (by a walk of the memory probe)"
        board.repl.run(LISTENS)
        (left,) = cleanness.look(board, board.layout).left
        assert "LISTEN" in left
        assert cleanness.prove(board, board.layout, BOOT_S).left == ()
        board.layout = elf_layout.read(firmware.elf)
        with pytest.raises(UsageError):  # another image's
            board.reset()
        assert quarantine.everything() == [], "a wrong layout is not the board's fault"
