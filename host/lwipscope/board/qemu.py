"""How QEMU is called for an emulated board, and what its end means.

Used by board/emulated.py. Code on the board can't reach the host: semihosting goes to the gdb
target only, and QEMU's own sandbox forbids it to start programs (tests/board/test_isolation.py).
Sources: QEMU 7.2 documentation (invocation); firmware/port/board.h, board_params_t.
"""

from __future__ import annotations

import secrets
import signal
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from lwipscope.board.board_file import BoardFile

# The page of start parameters, which QEMU writes at each reset.
_PARAMS_ADDRESS = 0x203FF000
_PARAMS_MAGIC = b"LWCS"
_PARAM_MANUAL_CLOCK = 1
_PARAM_DHCP = 2
_EXIT_CODES = {98: "a processor fault", 99: "a failed lwIP assertion"}


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What the host decides about a board's life.

    `number` is the first half of the boot id; None takes one by chance, which also gives the board
    other ephemeral ports. A `random_seed` other than 0 fixes lwIP's random numbers.
    """

    number: int | None = None
    clock: Literal["running", "manual"] = "running"
    random_seed: int = 0
    extra_qemu_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QemuFiles:
    """What QEMU finds in the board's folder; the sockets of `wire` and `monitor` are the host's."""

    folder: Path

    @property
    def params(self) -> Path:
        return self.folder / "params"

    @property
    def wire(self) -> Path:
        return self.folder / "wire"

    @property
    def nic(self) -> Path:
        return self.folder / "nic"

    @property
    def monitor(self) -> Path:
        return self.folder / "qmp"

    @property
    def log(self) -> Path:
        """What QEMU itself says."""
        return self.folder / "qemu.log"

    def last_said(self) -> str:
        """The end of QEMU's own messages."""
        return self.log.read_text(errors="replace").strip()[-500:] if self.log.exists() else ""


@dataclass(frozen=True, slots=True)
class Ways:
    """How QEMU is connected to the host, as values of its options."""

    serial: str
    monitor: str
    wire: str


def local_ways(files: QemuFiles) -> Ways:
    """The serial line on stdin and stdout, the rest by unix sockets."""
    return Ways(
        serial="stdio,id=line,signal=off",
        monitor=f"unix:{_quoted(files.monitor)}",
        wire=f"dgram,id=wire,local.type=unix,local.path={_quoted(files.nic)},"
        f"remote.type=unix,remote.path={_quoted(files.wire)}",
    )


def loopback_ways(serial_port: int, monitor_port: int, board_port: int, switch_port: int) -> Ways:
    """All by 127.0.0.1: two connections that QEMU makes, and datagrams between two ports."""
    host = "127.0.0.1"
    return Ways(
        serial=f"socket,id=line,host={host},port={serial_port},nodelay=on",
        monitor=f"tcp:{host}:{monitor_port},nodelay=on",
        wire=f"dgram,id=wire,local.type=inet,local.host={host},local.port={board_port},"
        f"remote.type=inet,remote.host={host},remote.port={switch_port}",
    )


def command_line(
    program: str,
    board_file: BoardFile,
    elf: Path,
    files: QemuFiles,
    ways: Ways,
    extra: Sequence[str],
) -> list[str]:
    """QEMU for one board."""
    return [
        *(program, "-M", board_file.emulator.machine, "-kernel", str(elf)),
        *("-nodefaults", "-display", "none", "-monitor", "none"),
        *("-chardev", ways.serial, "-serial", "chardev:line"),
        *("-qmp", ways.monitor),
        *("-netdev", ways.wire),
        *("-net", f"nic,model=lan9118,netdev=wire,macaddr={board_file.net.mac}"),
        *("-device", f"loader,file={_quoted(files.params)},addr={_PARAMS_ADDRESS:#x},force-raw=on"),
        *sealed(),
        *extra,
    ]


def sealed() -> Sequence[str]:
    """What keeps code on the board away from the host."""
    return (
        # With target=gdb no semihosting call is carried out on the host, but exit codes work.
        *("-semihosting-config", "enable=on,target=gdb"),
        *(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ),
    )


def params(board_file: BoardFile, options: StartOptions) -> bytes:
    """board_params_t of firmware/port/board.h."""
    net = board_file.net
    number = options.number if options.number is not None else secrets.randbelow(1_000_000) + 1
    flags = (_PARAM_MANUAL_CLOCK if options.clock == "manual" else 0) | (
        _PARAM_DHCP if net.dhcp else 0
    )
    return struct.pack(
        "<4sIII4s4s4s",
        _PARAMS_MAGIC,
        number,
        flags,
        options.random_seed,
        *(IPv4Address(a).packed for a in (net.ip, net.netmask, net.gateway)),
    )


def ending(code: int) -> str:
    """QEMU's return code in words."""
    if code < 0:
        return f"QEMU was ended by {_signal_name(-code)}"
    return f"QEMU ended with {_EXIT_CODES.get(code, f'exit status {code}')}"


def _quoted(path: Path) -> str:
    """As a value in QEMU's options, which commas separate."""
    return str(path).replace(",", ",,")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
