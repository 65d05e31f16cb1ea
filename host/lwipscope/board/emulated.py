"""An emulated board: QEMU, its serial line on a pseudo-terminal, its wire, its resets.

QEMU is a child of the keeper, so it ends with us however we end. Its Ethernet goes to a datagram
socket of the switch and nowhere else. Code on the board can't reach the host: semihosting goes to
the gdb target only, and QEMU's own sandbox forbids it to start programs.
Times in seconds unless named otherwise. Source: QEMU 7.2 documentation (invocation, QMP).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import struct
import termios
import time
import tty
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lwipscope.board.agent import Agent
from lwipscope.board.board_file import BoardFile
from lwipscope.board.command_port import CommandPort
from lwipscope.board.link import Link
from lwipscope.board.qmp import MonitorGone, Qmp
from lwipscope.board.repl import Repl
from lwipscope.errors import BoardLost, LwipscopeError, NoBoard
from lwipscope.paths import temporary_dir
from lwipscope.trace.event import Hello
from lwipscope.trace.trace import Trace
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.process import Process
from lwipscope.wire.switch import Switch

START_TIMEOUT_S = 15.0
_LOOK_S = 0.2
# firmware/port/board.h: the page of start parameters, which QEMU writes at each reset.
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


class EmulatedBoard:
    """A running board. `trace` is that of its present life; `switch` is its wire."""

    def __init__(
        self,
        board_file: BoardFile,
        elf: Path,
        keeper: Keeper,
        options: StartOptions = StartOptions(),
    ) -> None:
        """Start QEMU and hear the board's hello. The keeper stays the caller's."""
        self.file = board_file
        self.elf = elf
        self._keeper = keeper
        self._options = options
        self._slave_fd = -1
        self._stack = ExitStack()
        self._process: Process | None = None
        self._qmp: Qmp | None = None
        self._link: Link | None = None
        self._switch: Switch | None = None
        # Short: a unix socket's path has at most 107 bytes.
        self._folder = temporary_dir() / f"lwipscope-{secrets.token_hex(4)}"
        try:
            self._start()
        except BaseException:
            self.close()
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

    # What a user of the board works with.

    @property
    def link(self) -> Link:
        assert self._link is not None
        return self._link

    @property
    def switch(self) -> Switch:
        assert self._switch is not None
        return self._switch

    @property
    def trace(self) -> Trace:
        return self.link.trace

    @property
    def ip(self) -> str:
        return str(self.file.net.ip)

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        assert self._process is not None
        return self._process.pid

    @cached_property
    def port(self) -> CommandPort:
        return CommandPort(self.link)

    @cached_property
    def repl(self) -> Repl:
        return Repl(self.link)

    @cached_property
    def agent(self) -> Agent:
        return Agent(self.port, self.repl)

    def reset(self) -> Hello:
        """A system reset: a fresh board and trace. Bytes and frames of the old life are lost."""
        assert self._qmp is not None
        qmp = self._qmp
        try:
            qmp.command("stop")
            qmp.command("system_reset")
            self.switch.drain_board()
            self._forget_clients()
            self.link.new_life(lambda: qmp.command("cont"))
        except MonitorGone as error:
            raise BoardLost(f"the board is lost: {self.why_ended(str(error))}") from error
        return self.port.hello(START_TIMEOUT_S)

    def release_line(self) -> str:
        """Let others open the serial line: its device. The board can't be asked any more."""
        self.link.close()
        return self.link.url

    def alive(self, timeout_s: float = 0.0) -> bool:
        """False once QEMU has ended, which is waited for up to `timeout_s`."""
        return self._process is not None and self._process.poll(timeout_s) is None

    def close(self) -> None:
        """End QEMU, the line and the wire. Idempotent."""
        if self._link is not None:
            self._link.close()
        if self._qmp is not None:
            self._qmp.close()
        if self._process is not None:
            self._process.close()
        if self._switch is not None:
            self._switch.close()
        self._stack.close()
        if self._slave_fd >= 0:
            os.close(self._slave_fd)
            self._slave_fd = -1
        shutil.rmtree(self._folder, ignore_errors=True)

    # How it comes about.

    def _start(self) -> None:
        program = shutil.which(self.file.emulator.program)
        if program is None:
            raise NoBoard(
                f"{self.file.emulator.program} is not installed (Debian: qemu-system-arm); "
                "`lwipscope setup` installs what is missing"
            )
        if not self.elf.is_file():
            raise NoBoard(f"{self.elf}: there is no such firmware; try `lwipscope firmware build`")
        # In this order: whenever we are killed, the keeper knows what to remove.
        self._keeper.remove_at_end(self._folder)
        try:
            self._folder.mkdir(mode=0o700)
        except OSError as error:
            raise NoBoard(
                f"{self._folder}: can't be made: {error.strerror}; set TMPDIR to a folder that can "
                "be written"
            ) from error
        params = self._folder / "params"
        params.write_bytes(_params(self.file, self._options))
        wire, nic = self._folder / "wire", self._folder / "nic"
        self._switch = Switch(
            wire,
            nic,
            tap_fd=self._stack.enter_context(self._keeper.plugged()),
            board_mac=bytes.fromhex(self.file.net.mac.replace(":", "")),
        )
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.bind(str(self._folder / "qmp"))
            monitor.listen(1)
            master_fd, self._slave_fd = os.openpty()
            try:
                # A cooked terminal would echo what the board says back to it.
                tty.setraw(self._slave_fd, termios.TCSANOW)
                serial = os.ttyname(self._slave_fd)
                self._process = self._spawn(program, master_fd, params, wire, nic)
            finally:
                os.close(master_fd)
            # First: if QEMU has ended at once, its terminal is gone too, but why is told here.
            connection = self._accept_monitor(monitor)
            try:
                self._qmp = Qmp(connection)
            except MonitorGone as error:
                raise NoBoard(f"QEMU did not start: {self._qemu_said() or error}") from error
            self._link = Link(serial, self.file.link.baud, why_lost=self.why_ended)
        self.port.hello(START_TIMEOUT_S)

    def _spawn(
        self, program: str, terminal_fd: int, params: Path, wire: Path, nic: Path
    ) -> Process:
        emulator, net = self.file.emulator, self.file.net
        argv = [
            *(program, "-M", emulator.machine, "-kernel", str(self.elf)),
            *("-nodefaults", "-display", "none", "-monitor", "none"),
            *("-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"),
            *("-qmp", f"unix:{_quoted(self._folder / 'qmp')}"),
            "-netdev",
            f"dgram,id=wire,local.type=unix,"
            f"local.path={_quoted(nic)},remote.type=unix,remote.path={_quoted(wire)}",
            *("-net", f"nic,model=lan9118,netdev=wire,macaddr={net.mac}"),
            *("-device", f"loader,file={_quoted(params)},addr={_PARAMS_ADDRESS:#x},force-raw=on"),
            *_sealed(),
            *self._options.extra_qemu_args,
        ]
        with (self._folder / "qemu.log").open("wb") as log:
            return self._keeper.spawn(
                argv,
                stdin=terminal_fd,
                stdout=terminal_fd,
                stderr=log.fileno(),
                in_namespace=False,
            )

    def _accept_monitor(self, listener: socket.socket) -> socket.socket:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        listener.settimeout(_LOOK_S)
        while True:
            try:
                return listener.accept()[0]
            except TimeoutError as error:
                ended = not self.alive()
                if ended or time.monotonic() > deadline_s:
                    why = "it ended" if ended else f"no sign of it in {START_TIMEOUT_S:g} s"
                    raise NoBoard(f"QEMU did not start: {self._qemu_said() or why}") from error

    def why_ended(self, text: str) -> str:
        """How QEMU ended, in words; `text` if it still runs."""
        code = None if self._process is None else self._process.poll(1.0)
        if code is None:
            return text
        if code < 0:
            return f"QEMU was ended by {_signal_name(-code)}"
        what = _EXIT_CODES.get(code, f"exit status {code}")
        return f"QEMU ended with {what}. {self._qemu_said()}".rstrip()

    def _qemu_said(self) -> str:
        log = self._folder / "qemu.log"
        return log.read_text(errors="replace").strip()[-500:] if log.exists() else ""

    def _forget_clients(self) -> None:
        for name in ("repl", "agent"):
            self.__dict__.pop(name, None)


def _quoted(path: Path) -> str:
    """As a value in QEMU's options, which commas separate."""
    return str(path).replace(",", ",,")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _sealed() -> Sequence[str]:
    """What keeps code on the board away from the host (tests/board/test_isolation.py)."""
    return (
        # With target=gdb no semihosting call is carried out on the host, but exit codes work.
        *("-semihosting-config", "enable=on,target=gdb"),
        *(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ),
    )


def _params(board_file: BoardFile, options: StartOptions) -> bytes:
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


__all__ = ["BoardLost", "EmulatedBoard", "LwipscopeError", "StartOptions"]
