"""`lwipscope probe` as a user types it: a board without the tracer behind its pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.harness import Desk, one_message
from lwipscope import toolchain
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.untraced import UntracedBoard
from lwipscope.firmware import build, elf_layout
from lwipscope.firmware.firmware import Firmware
from lwipscope.firmware.selection import choose
from lwipscope.wire.keeper import Keeper

pytestmark = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)
LISTENS = "import socket, time\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\n"


@pytest.fixture(scope="module")
def stock() -> Firmware:
    """Firmware without the tracer."""
    return build.build("roomy", tracer=False)


@pytest.fixture
def port(stock: Firmware) -> Iterator[str]:
    """A board's serial port."""
    with (
        Keeper.start("none") as keeper,
        UntracedBoard(BoardFile.load(DEFAULT_BOARD), stock.elf, keeper) as emulated,
    ):
        yield emulated.release_line()


def test_states_are_shown_as_they_are_sampled(
    desk: Desk, port: str, stock: Firmware, tmp_path: Path
) -> None:
    layout = tmp_path / "layout.json"
    done = desk.run("layout", stock.elf, "-o", layout)
    assert done.code == 0, done
    app = desk.script(LISTENS + "print('serving')\nwhile True:\n    time.sleep(0.1)\n")
    done = desk.run("probe", port, app, "--layout", layout, "--seconds", "1.5")
    assert (done.code, done.err) == (0, ""), done
    assert "\nserving\n" in done.out and "at 192.0.2.10" in done.out
    assert "c1 sampled in LISTEN (0.0.0.0:6666)" in done.out
    told = done.out.partition("sampled paths:\n")[2]
    assert told.startswith("  c1 listener 0.0.0.0:6666: sampled LISTEN\nsampled by the memory")
    # Ctrl-C; and it was left usable.
    program = desk.start("probe", port, app, "--elf", stock.elf)
    program.expect("sampled in LISTEN")
    program.interrupt()
    done = program.finish()
    assert done.code == 0 and "sampled paths:" in done.out, done
    # What a program leaves is there if the board is not reset.
    done = desk.run("probe", port, app, "--layout", layout, "--no-reset")
    assert done.code == 1 and "EADDRINUSE" in done.err, done
    raising = desk.script("print('before')\nraise ValueError(7)\n", "raising_app.py")
    done = desk.run("probe", port, raising, "--layout", layout)
    assert done.code == 1 and "before\n" in done.out, done
    assert f'File "{raising}", line 2' in done.err and "ValueError: 7" in done.err
    assert "<string>" not in done.err


def test_mistakes(desk: Desk, port: str, tmp_path: Path) -> None:
    app = desk.script(LISTENS)
    other = tmp_path / "other.json"
    other.write_text(elf_layout.read(choose("rp2").elf).as_json())
    done = desk.run("probe", port, app, "--layout", other)
    assert done.code == 2 and "does not belong to the image" in done.err, done
    assert "Traceback" not in done.err
    done = desk.run("probe", port, app, "--layout", tmp_path / "none.json")
    assert done.code == 2 and "can't be read" in one_message(done)
    done = desk.run("probe", "qemu", app, "--layout", other)
    assert done.code == 2 and "emulated" in one_message(done)
    assert desk.run("probe", port, app).code == 2


def test_a_board_with_the_tracer_need_not_be_sampled(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(elf_layout.read(choose("roomy").elf).as_json())
    program = desk.start("start", "--log-dir", desk.logs)
    program.expect("^Ctrl-C ends it")
    serial = program.expect(r"^serial: +(\S+)")[1]
    done = desk.run("probe", serial, desk.script("print(1)\n"), "--layout", other)
    assert done.code == 2 and "has the tracer" in one_message(done)
    program.interrupt()
    assert program.finish().code == 0
