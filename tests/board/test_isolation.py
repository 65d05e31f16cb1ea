"""Code on the board can't reach the host: not by semihosting, not by a network.

The escapes are those of the Arm semihosting specification (SYS_SYSTEM, SYS_OPEN, SYS_REMOVE). That
the tests would notice one is shown by a QEMU without seals, which carries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from board.helpers import run
from lwipscope.board import qemu
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError

NewBoard = Callable[..., EmulatedBoard]
SEMIHOSTING = """
import array, uctypes
@micropython.asm_thumb
def semihosting(r0, r1):
    data(2, 0xbeab)          # bkpt 0xab
def call(number, *words):
    block = array.array("I", [uctypes.addressof(w) if isinstance(w, bytes) else w for w in words])
    return semihosting(number, uctypes.addressof(block))
def text(value):
    return value.encode() + b"\\0"
"""
SYS_OPEN, SYS_REMOVE, SYS_SYSTEM = 0x01, 0x0E, 0x12


def escapes(folder: Path) -> dict[str, str]:
    """Programs that try to change `folder`."""
    command = f"touch {folder / 'by-system'}"
    created, victim = folder / "by-open", folder / "victim"
    return {
        "system": f"c = text({command!r})\nprint(call({SYS_SYSTEM}, c, {len(command)}))",
        "open": f"c = text({str(created)!r})\nprint(call({SYS_OPEN}, c, 4, {len(str(created))}))",
        "remove": f"c = text({str(victim)!r})\nprint(call({SYS_REMOVE}, c, {len(str(victim))}))",
    }


def touched(folder: Path) -> set[str]:
    """Which of the escapes changed something."""
    files = {path.name for path in folder.iterdir()}
    found = {name for name, file in (("system", "by-system"), ("open", "by-open")) if file in files}
    return found | ({"remove"} if "victim" not in files else set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "victim").write_text("still here")
    return tmp_path


@pytest.mark.parametrize("name", ["system", "open", "remove"])
def test_semihosting_does_nothing(new_board: NewBoard, folder: Path, name: str) -> None:
    board = new_board()
    try:
        board.repl.run(SEMIHOSTING + escapes(folder)[name])
        # Had it been carried out behind our back, QEMU would have done so before the next answer.
        board.port.sync()
    except LwipscopeError:
        assert not board.alive(5.0), "refused, but QEMU lives and does not answer"
    assert touched(folder) == set()


@pytest.mark.parametrize("name", ["system", "open", "remove"])
def test_the_escape_works_where_qemu_is_not_sealed(
    new_board: NewBoard, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the test above would prove nothing."""
    plain = ("-semihosting-config", "enable=on,target=native")
    monkeypatch.setattr(qemu, "sealed", lambda: plain)
    new_board().repl.run(SEMIHOSTING + escapes(folder)[name])
    assert touched(folder) == {name}


def test_the_sandbox_alone_stops_a_command(
    new_board: NewBoard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second seal holds where the first is broken: QEMU ends rather than start a program."""
    plain = ("-semihosting-config", "enable=on,target=native")
    sandbox = (
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    )
    monkeypatch.setattr(qemu, "sealed", lambda: (*plain, *sandbox))
    board = new_board()
    with pytest.raises(LwipscopeError):
        board.repl.run(SEMIHOSTING + escapes(folder)["system"])
        board.port.sync()
    assert touched(folder) == set()
    assert not board.alive(5.0)


def test_the_seals_are_on_the_command_line(board: EmulatedBoard) -> None:
    words = Path(f"/proc/{board.pid}/cmdline").read_bytes().decode().split("\0")
    assert words[words.index("-semihosting-config") + 1] == "enable=on,target=gdb"
    assert "spawn=deny" in words[words.index("-sandbox") + 1]
    assert "-gdb" not in words and "-s" not in words


def test_qemu_has_no_socket_but_its_wire_and_monitor(board: EmulatedBoard) -> None:
    """No TCP, UDP, raw or packet socket: what the board sends goes to the switch or nowhere."""
    assert run(board, "print('alive')") == "alive\n"
    process = Path(f"/proc/{board.pid}")
    links = [str(entry.readlink()) for entry in (process / "fd").iterdir()]
    mine = {link[8:-1] for link in links if link.startswith("socket:[")}
    by_family = {}
    for table, column in (
        ("tcp", 9),
        ("udp", 9),
        ("raw", 9),
        ("tcp6", 9),
        ("packet", 8),
        ("unix", 6),
    ):
        path = process / "net" / table
        rows = path.read_text().splitlines()[1:] if path.exists() else []
        by_family[table] = {row.split()[column] for row in rows if len(row.split()) > column}
    assert mine & by_family["unix"]
    assert mine <= by_family["unix"]
    assert not any("/dev/net/tun" in link for link in links)
