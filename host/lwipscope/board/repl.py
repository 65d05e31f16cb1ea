"""Runs programs on a board through MicroPython's raw REPL. The only importer of mpremote.

mpremote's transport says of itself that it will change, so six of its names are used:
SerialTransport, TransportError, TransportExecError, enter_raw_repl, exec_raw_no_follow, exec.
Source: MicroPython documentation, "The MicroPython Interactive Interpreter Mode", raw mode.
"""

from __future__ import annotations

import contextlib
import io
import struct
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lwipscope.board.link import ConsolePort, Link
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError, NoBoard

ENTER_TIMEOUT_S = 10.0
# A program may take longer to be sent: as long as over the slowest line, and its window's waits.
_SEND_BYTES_PER_S = 1000
_MOST_SHOWN = 200
_END = b"\x04"  # the raw REPL ends output, and then errors, with this byte


class ProgramError(LwipscopeError):
    """The program ended with an exception; the message is MicroPython's traceback."""


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """What a program left: its output, and the traceback if it raised."""

    output: bytes
    error: str


def _transport(port: ConsolePort, name: str) -> Any:
    """mpremote's transport on a link that is already open and has a reader."""
    # Imported when a board is there: by itself it asks for the terminal's modules of each system.
    try:
        from mpremote.transport_serial import SerialTransport
    except ImportError as error:
        raise NoBoard(
            f"mpremote, which speaks to a board's prompt, can't work on this system: {error}"
        ) from error

    class Transport(SerialTransport):  # type: ignore[misc]
        def __init__(self) -> None:
            # Not calling the parent's: it would open the device a second time.
            self.serial = port
            self.device_name = name
            self.in_raw_repl = False
            self.use_raw_paste = True
            self.mounted = False
            self.timeout = None
            # Blocking reads, no polling: the same that mpremote does for QEMU's pty.
            self.is_pty = True

    return Transport()


class Repl:
    """One program at a time: start it, read what it prints, wait for its end or interrupt it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._output = bytearray()
        self._error = bytearray()
        self._ends = 2

    @cached_property
    def _transport(self) -> Any:
        return _transport(self._link.console, self._link.url)

    @property
    def running(self) -> bool:
        """True from `start` until the program's end has been read."""
        return self._ends < 2

    @property
    def output(self) -> bytes:
        """What the program has printed so far."""
        return bytes(self._output)

    def start(self, source: str | bytes, *, soft_reset: bool = False) -> None:
        """Upload a program and start it; returns when it runs (or failed to compile)."""
        self._output.clear()
        self._error.clear()
        transport = self._transport
        from mpremote.transport import TransportError

        said = io.StringIO()  # mpremote prints what it could not make sense of
        console = self._link.console
        console.give_up_at_s = time.monotonic() + ENTER_TIMEOUT_S + len(source) / _SEND_BYTES_PER_S
        try:
            with contextlib.redirect_stdout(said):
                transport.enter_raw_repl(soft_reset, ENTER_TIMEOUT_S)
                transport.exec_raw_no_follow(source)
        except (TransportError, struct.error, OSError) as error:
            if console.closed:
                raise self._lost("while a program was sent to it") from error
            raise DeadlineExceeded(
                f"the board's REPL was expected to take a program, but: {error} "
                f"{said.getvalue().strip()[-200:]}\nIs MicroPython at its prompt? A reset helps."
            ) from error
        finally:
            console.give_up_at_s = None
        self._ends = 0

    def read(self, timeout_s: float) -> bytes:
        """Program output that has come, b"" if none within the time or the program has ended."""
        if not self.running:
            return b""
        data = self._link.console.read_some(timeout_s)
        if not data and self._link.console.closed:
            self._ends = 2
            raise self._lost("while a program ran on it")
        return self._take(data)

    def wait(self, timeout_s: float) -> ProgramEnd:
        """The program's end; DeadlineExceeded if it runs longer."""
        deadline_s = time.monotonic() + timeout_s
        while self.running:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise DeadlineExceeded(f"the program did not end within {timeout_s:g} s")
            self.read(remaining_s)
        error = self._error.decode("utf-8", "replace").replace("\r\n", "\n")
        return ProgramEnd(bytes(self._output), error)

    def run(self, source: str | bytes, timeout_s: float = 10.0) -> bytes:
        """Start a program, wait for its end: its output. ProgramError if it raised."""
        self.start(source)
        end = self.wait(timeout_s)
        if end.error:
            raise ProgramError(f"the program on the board raised:\n{end.error}")
        return end.output

    def interrupt(self, timeout_s: float = 5.0) -> ProgramEnd:
        """Ctrl-C, then wait for the program's end; DeadlineExceeded if it ignores that."""
        self.press_ctrl_c()
        try:
            return self.wait(timeout_s)
        except DeadlineExceeded as error:
            printed = self.output[-_MOST_SHOWN:].decode("utf-8", "replace")
            raise DeadlineExceeded(
                f"the program did not end within {timeout_s:g} s of Ctrl-C: it ignores it, or hangs"
                f"; a reset of the board ends it. Its last output: {printed!r}"
            ) from error

    def press_ctrl_c(self) -> None:
        """Raise KeyboardInterrupt in the program, which may catch it."""
        self._link.write(b"\x03")

    def _lost(self, when: str) -> BoardLost:
        return self._link.trace.lost or BoardLost(f"the board went away {when}")

    def _take(self, data: bytes) -> bytes:
        """Sort what came into output and error; the part that is output."""
        fresh = bytearray()
        for piece in _split_keeping(data):
            if piece == _END and self._ends < 2:
                self._ends += 1
            elif self._ends == 0:
                fresh += piece
            elif self._ends == 1:
                self._error += piece
            else:
                # The prompt that follows belongs to mpremote's next call.
                self._link.console.put(piece)
        self._output += fresh
        return bytes(fresh)


def _split_keeping(data: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    for index, piece in enumerate(data.split(_END)):
        if index:
            pieces.append(_END)
        if piece:
            pieces.append(piece)
    return pieces
