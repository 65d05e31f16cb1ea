"""An emulated board: QEMU, its serial line, its wire, its resets.

QEMU is a child of the keeper, so it ends with us however we end. Its Ethernet goes to a datagram
socket of the switch and nowhere else; its serial line is a pair of pipes, which other programs
reach through a pseudo-terminal. How QEMU is called: board/qemu.py.
Times in seconds unless named otherwise. Source: QEMU 7.2 documentation (QMP).
"""

from __future__ import annotations

import secrets
import shutil
import socket
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from lwipscope.board import qemu
from lwipscope.board.agent import Agent
from lwipscope.board.board import Capabilities
from lwipscope.board.board_file import BoardFile
from lwipscope.board.command_port import CommandPort
from lwipscope.board.files import Files
from lwipscope.board.held_board import HeldBoard
from lwipscope.board.line import PipeLine
from lwipscope.board.link import Link
from lwipscope.board.loopback_line import LoopbackLine, OneCaller
from lwipscope.board.outlet import Outlet
from lwipscope.board.qemu import QemuFiles, StartOptions, Ways
from lwipscope.board.qmp import MonitorGone, Qmp
from lwipscope.errors import BoardLost, LwipscopeError, NoBoard, WireUnavailable
from lwipscope.paths import temporary_dir
from lwipscope.platform_facts import has_terminals, transport
from lwipscope.trace.event import Hello
from lwipscope.wire.keeper import DEVNULL, Keeper
from lwipscope.wire.process import Process
from lwipscope.wire.settling import settle
from lwipscope.wire.switch import Switch
from lwipscope.wire.udp_board_line import UdpBoardLine

START_TIMEOUT_S = 15.0
_LOOK_S = 0.2
_DEFAULTS = StartOptions()


class EmulatedBoard(HeldBoard):
    """A running board. `trace` is that of its present life; `switch` is its wire."""

    def __init__(
        self,
        board_file: BoardFile,
        elf: Path,
        keeper: Keeper,
        options: StartOptions = _DEFAULTS,
    ) -> None:
        """Start QEMU and hear the board's hello. The keeper stays the caller's."""
        self.file = board_file
        self.elf = elf
        self._keeper = keeper
        self._options = options
        self._stack = ExitStack()
        self._process: Process | None = None
        self._qmp: Qmp | None = None
        self._switch: Switch | None = None
        self._wire: UdpBoardLine | None = None
        self._line = LoopbackLine() if transport() == "loopback" else PipeLine()
        self._outlet = Outlet() if has_terminals() else None
        # Short: a unix socket's path has at most 107 bytes.
        self._files = QemuFiles(temporary_dir() / f"lwipscope-{secrets.token_hex(4)}")
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    # What a user of the board works with.

    @property
    def switch(self) -> Switch:
        assert self._switch is not None
        return self._switch

    @property
    def ip(self) -> str:
        return str(self.file.net.ip)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(tracer=True, clock=True, wire=True, resets=("system",))

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        assert self._process is not None
        return self._process.pid

    @cached_property
    def port(self) -> CommandPort:
        return CommandPort(self.link, lambda: settle(self.switch))

    @cached_property
    def agent(self) -> Agent:
        return Agent(self.port, self.repl)

    @cached_property
    def files(self) -> Files:
        """A filesystem in RAM, for programs of several files."""
        return Files(self.repl)

    def reset(self) -> Hello:
        """A system reset: a fresh board and trace. Bytes and frames of the old life are lost.

        Over 127.0.0.1 it is a new QEMU: what the old one had not read can't be taken back.
        """
        assert self._qmp is not None
        qmp = self._qmp
        if isinstance(self._line, LoopbackLine):
            return self._begin_again()
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
        if self._outlet is None:
            raise WireUnavailable(
                "this system has no pseudo-terminals, so no other program can have the board's line"
            )
        self.link.close()
        self._outlet.open_for_others(self._line)
        return self._outlet.device

    def alive(self, timeout_s: float = 0.0) -> bool:
        """False once QEMU has ended, which is waited for up to `timeout_s`."""
        return self._process is not None and self._process.poll(timeout_s) is None

    def close(self) -> None:
        """End QEMU, the line and the wire. Idempotent."""
        if self._link is not None:
            self._link.close()
        if self._qmp is not None:
            self._qmp.close()
        if self._outlet is not None:
            self._outlet.close(board_ended=not self.alive())
        if self._process is not None:
            self._process.close()
        self._line.close()
        if self._switch is not None:
            self._switch.close()
        self._stack.close()
        shutil.rmtree(self._files.folder, ignore_errors=True)

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
        files = self._files
        # In this order: whenever we are killed, the keeper knows what to remove.
        self._keeper.remove_at_end(files.folder)
        try:
            files.folder.mkdir(mode=0o700)
        except OSError as error:
            raise NoBoard(
                f"{files.folder}: can't be made: {error.strerror}; set TMPDIR to a folder that can "
                "be written"
            ) from error
        files.params.write_bytes(qemu.params(self.file, self._options))
        tap_fd = self._stack.enter_context(self._keeper.plugged())
        mac = bytes.fromhex(self.file.net.mac.replace(":", ""))
        if isinstance(self._line, LoopbackLine):
            self._wire = UdpBoardLine()
            self._switch = Switch(line=self._wire, tap_fd=tap_fd, board_mac=mac)
            self._call_back(program, self._line, self._wire)
        else:
            self._switch = Switch(files.wire, files.nic, tap_fd=tap_fd, board_mac=mac)
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.bind(str(files.monitor))
                monitor.listen(1)
                self._process = self._spawn(program, qemu.local_ways(files))
                # First: if QEMU has ended at once, its line is gone too, but why is told here.
                self._talk_to(self._accept_monitor(monitor))
        name = "the emulated board" if self._outlet is None else self._outlet.device
        self._link = Link(name, self.file.link.baud, line=self._line, why_lost=self.why_ended)
        self.port.hello(START_TIMEOUT_S)

    def _call_back(self, program: str, line: LoopbackLine, wire: UdpBoardLine) -> None:
        """Start QEMU, which connects to us on 127.0.0.1."""
        monitor = OneCaller()
        try:
            ways = qemu.loopback_ways(line.port, monitor.port, wire.board_port, wire.switch_port)
            self._process = self._spawn(program, ways)
            connection = monitor.accept(START_TIMEOUT_S, self.alive)
            self._talk_to(connection)
            serial_port = line.accept(START_TIMEOUT_S, self.alive)
        except TimeoutError as error:
            raise NoBoard(f"QEMU did not start: {self._files.last_said() or 'no sign'}") from error
        finally:
            monitor.close()
        assert self._qmp is not None
        ends = {each["label"]: each["filename"] for each in self._qmp.command("query-chardev")}
        if f":{serial_port}" not in ends.get("line", ""):
            raise NoBoard(
                f"another program than QEMU has connected to the board's serial port: QEMU's is "
                f"{ends.get('line')}, port {serial_port} is connected; try again"
            )

    def _begin_again(self) -> Hello:
        """A new QEMU on the same wire."""
        assert self._process is not None and self._qmp is not None
        line, wire = self._line, self._wire
        assert isinstance(line, LoopbackLine) and wire is not None
        if not self.alive():
            raise BoardLost(f"the board is lost: {self.why_ended('it has ended')}")
        process, monitor = self._process, self._qmp

        def restart() -> None:
            # Nobody reads the line now: that it ends is not to be told as a loss.
            monitor.close()
            process.close()
            self.switch.drain_board()
            self._forget_clients()
            self._files.params.write_bytes(qemu.params(self.file, self._options))
            self._call_back(process.argv[0], line, wire)

        self.link.new_life(restart)
        return self.port.hello(START_TIMEOUT_S)

    def _talk_to(self, connection: socket.socket) -> None:
        try:
            self._qmp = Qmp(connection)
        except MonitorGone as error:
            raise NoBoard(f"QEMU did not start: {self._files.last_said() or error}") from error

    def _spawn(self, program: str, ways: Ways) -> Process:
        extra = self._options.extra_qemu_args
        command = qemu.command_line(program, self.file, self.elf, self._files, ways, extra)
        with ExitStack() as stack:
            log = stack.enter_context(self._files.log.open("wb"))
            stdin = stdout = DEVNULL
            if isinstance(self._line, PipeLine):
                stdin, stdout = stack.enter_context(self._line.board_ends())
            return self._keeper.spawn(
                command, stdin=stdin, stdout=stdout, stderr=log.fileno(), in_namespace=False
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
                    raise NoBoard(
                        f"QEMU did not start: {self._files.last_said() or why}"
                    ) from error

    def why_ended(self, text: str) -> str:
        """How QEMU ended, in words; `text` if it still runs."""
        code = None if self._process is None else self._process.poll(1.0)
        if code is None:
            return text
        return f"{qemu.ending(code)}. {self._files.last_said()}".rstrip()


__all__ = ["BoardLost", "EmulatedBoard", "LwipscopeError", "StartOptions"]
