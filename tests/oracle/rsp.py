"""GDB's remote serial protocol, as much of it as watchpoints need. Used by watcher.py.

QEMU 7.2's stub: it sends a stop packet as soon as somebody connects (unread, every answer would be
the one before); acknowledgements can't be switched off; registers are had by `g` only; any byte
that comes while the machine runs stops it. Source: GDB manual, appendix E; QEMU gdbstub.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

ANSWER_TIMEOUT_S = 20.0
_PC = 15
_INTERRUPT = b"\x03"


class StubError(Exception):
    """The stub is gone, or said what nobody expects."""


class Rsp:
    """One connection; the machine stands still from its beginning until `resume`."""

    def __init__(self, path: Path) -> None:
        self._sending = threading.Lock()
        self._read = bytearray()
        self._interrupted = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        try:
            self._socket.connect(str(path))
            stop = self._packet()
            if not stop.startswith("T"):
                raise StubError(f"a stop packet was expected first, but {stop!r} came")
        except BaseException:
            self._socket.close()
            raise

    def ask(self, command: str) -> str:
        """The answer to a command; the machine stands still."""
        with self._sending:
            self._send(command)
        return self._packet()

    def do(self, command: str) -> None:
        """A command that is answered OK."""
        answer = self.ask(command)
        if answer != "OK":
            raise StubError(f"{command!r} was answered {answer!r}")

    def read(self, address: int, size: int) -> bytes:
        """Memory of the board."""
        answer = self.ask(f"m{address:x},{size:x}")
        data = b"" if answer.startswith("E") else bytes.fromhex(answer)
        if len(data) != size:
            raise StubError(f"{size} bytes at {address:#x}: {answer!r}")
        return data

    def pc(self) -> int:
        """Address of the instruction that comes next."""
        return int.from_bytes(bytes.fromhex(self.ask("g")[_PC * 8 : _PC * 8 + 8]), "little")

    def watch(self, address: int, size: int, *, on: bool = True) -> None:
        """Stop before each store to these bytes, or no longer."""
        self.do(f"{'Z' if on else 'z'}2,{address:x},{size:x}")

    def resume(self) -> str | None:
        """Run until the next stop, and tell it; None once somebody has called `interrupt`."""
        with self._sending:
            if self._interrupted:
                return None
            self._send("c")
        # No deadline: nothing may happen for long. `interrupt` or the end of QEMU wake us.
        self._socket.settimeout(None)
        try:
            return self._packet()
        finally:
            self._socket.settimeout(ANSWER_TIMEOUT_S)

    def interrupt(self) -> None:
        """From another thread: stop the machine, now and for every further `resume`."""
        with self._sending:
            self._interrupted = True
            # Ignored by the stub if the machine stands still already.
            self._socket.sendall(_INTERRUPT)

    def detach(self) -> None:
        """Let the machine run without us; the stub forgets all watchpoints."""
        self.do("D")

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()

    def cut(self) -> None:
        """From another thread: whoever waits for a packet gets a StubError."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, command: str) -> None:
        data = command.encode()
        try:
            self._socket.sendall(b"$%s#%02x" % (data, sum(data) % 256))
        except OSError as error:
            raise StubError(f"QEMU's stub is gone: {error}") from error

    def _packet(self) -> str:
        """The next packet, acknowledged; acknowledgements of ours are skipped."""
        while True:
            begin = self._read.find(b"$")
            end = self._read.find(b"#", begin)
            if 0 <= begin < end and end + 3 <= len(self._read):
                data = bytes(self._read[begin + 1 : end])
                told = int(self._read[end + 1 : end + 3], 16)
                del self._read[: end + 3]
                if told != sum(data) % 256:
                    raise StubError(f"a packet with a wrong checksum: {data!r}")
                with self._sending:
                    self._socket.sendall(b"+")
                return data.decode("ascii")
            try:
                more = self._socket.recv(4096)
            except OSError as error:
                raise StubError(f"QEMU's stub does not answer: {error}") from error
            if not more:
                raise StubError("QEMU's stub is gone")
            self._read += more
