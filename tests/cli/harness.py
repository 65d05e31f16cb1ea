"""Runs lwipscope as a person does: a process, a terminal or pipes, keys, and what is left behind.

Every process carries a mark in its environment, which its children inherit: so all that a command
started is found again, however it ended. Times in seconds; every wait has a deadline.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WAIT_S = 20.0
GONE_S = 3.0
REPO = Path(__file__).parents[2]
SCRIPTS = REPO / "firmware/scripts"
LOOPBACK = "127.0.0.1"
_MARK = "LWIPSCOPE_TEST_MARK"
# Makes its standard input the controlling terminal, then becomes the command.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Done:
    """A program that has ended. On a terminal `err` is empty: all is in `out`."""

    code: int
    out: str
    err: str


class Program:
    """A running program whose output is collected; the leader of a session of its own."""

    def __init__(
        self, argv: Sequence[str], env: dict[str, str], cwd: Path, *, terminal: bool = False
    ) -> None:
        self.argv = list(argv)
        self.terminal_fd = -1
        self._texts: dict[int, bytearray] = {}
        if terminal:
            self.terminal_fd, theirs = os.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _ON_TERMINAL, *argv],
                env=env,
                cwd=cwd,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
            os.close(theirs)
            self._out = self._err = self.terminal_fd
        else:
            pairs = os.pipe(), os.pipe()
            self.process = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=pairs[0][1],
                stderr=pairs[1][1],
                start_new_session=True,
            )
            for _, write_end in pairs:
                os.close(write_end)
            self._out, self._err = pairs[0][0], pairs[1][0]
        self._open = {self._out, self._err}
        self._texts = {fd: bytearray() for fd in self._open}
        self._pidfd = os.pidfd_open(self.process.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> str:
        return self._texts[self._out].decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def err(self) -> str:
        if self._err == self._out:
            return ""
        return self._texts[self._err].decode("utf-8", "replace")

    def expect(self, pattern: str, timeout_s: float = WAIT_S) -> re.Match[str]:
        """Wait until the pattern is in the output (or in the errors): the match."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            match = re.search(pattern, self.out, re.M) or re.search(pattern, self.err, re.M)
            if match:
                return match
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"{pattern!r} did not come\n{self}"
            assert self._open, f"{pattern!r} did not come before the end\n{self}"
            self._pump(left_s)

    def pause(self, seconds: float) -> bool:
        """Let it run for so long, reading what it says; True if it ended meanwhile."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self._pump(left_s):
                return True
        return False

    def finish(self, timeout_s: float = WAIT_S) -> Done:
        """Wait for its end, reading all output."""
        deadline_s = time.monotonic() + timeout_s
        ended = False
        while not ended:
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"it did not end within {timeout_s} s\n{self}"
            ended = self._pump(left_s)
        code = self.process.wait(WAIT_S)
        while self._open and self._readable(0):
            self._pump(0)
        done = Done(code, self.out, self.err)
        if "lwipscope" in self.argv:  # the bad habits of others are not our business
            assert_no_traceback(done)
        return done

    def catches(self, number: signal.Signals) -> None:
        """Wait until it has a handler for the signal: until it is in command of itself."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            status = Path(f"/proc/{self.pid}/status").read_text()
            caught = re.search(r"^SigCgt:\s+([0-9a-f]+)", status, re.M)
            assert caught, status
            if int(caught[1], 16) >> (number - 1) & 1:
                return
            assert time.monotonic() < deadline_s, f"no handler for {number!r}\n{self}"
            assert not self.pause(0.002), f"ended before it had a handler\n{self}"

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal does it: to the whole process group."""
        if self.terminal_fd >= 0:
            os.write(self.terminal_fd, b"\x03")
        else:
            self.signal_group(signal.SIGINT)

    def signal_group(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.pid, number)

    def type(self, text: str) -> None:
        """Type on its terminal."""
        os.write(self.terminal_fd, text.encode())

    def close_output(self) -> None:
        """Read no more: the pipe is closed on our side."""
        self._open.discard(self._out)
        os.close(self._out)

    def hang_up(self) -> None:
        """Close its terminal."""
        self._open.clear()
        os.close(self.terminal_fd)
        self.terminal_fd = -1

    def close(self) -> None:
        """Kill it if it runs, and what it has started."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait(WAIT_S)
        for fd in {self._pidfd, *self._open}:
            os.close(fd)
        self._open.clear()

    def __str__(self) -> str:
        argv = " ".join(self.argv[2:])
        return f"{argv}\n-- out\n{self.out[-3000:]}\n-- err\n{self.err[-3000:]}"

    def _readable(self, timeout_s: float) -> list[int]:
        return select.select([*self._open], [], [], timeout_s)[0]

    def _pump(self, timeout_s: float) -> bool:
        """Read what there is, waiting for something; True if it has ended."""
        ready = select.select([*self._open, self._pidfd], [], [], timeout_s)[0]
        for fd in ready:
            if fd == self._pidfd:
                continue
            try:
                data = os.read(fd, 1 << 16)
            except OSError:  # EIO: the last program has left the terminal
                data = b""
            self._texts[fd] += data
            if not data:
                self._open.discard(fd)
                if fd != self.terminal_fd:
                    os.close(fd)
        return ready == [self._pidfd]


class Desk:
    """A place to run lwipscope at: folders of its own, nothing in them at the beginning or end."""

    def __init__(self, home: Path, cache: Path) -> None:
        self.home = home
        # Short names: a unix socket's path has at most 107 bytes.
        self.temporary, self.runtime, self.work = home / "t", home / "r", home / "w"
        for folder in (self.temporary, self.runtime, self.work):
            folder.mkdir()
        self.logs = self.work / "logs"
        self.mark = f"{_MARK}={uuid.uuid4()}"
        dropped = ("NO_COLOR", "PYTHONIOENCODING", "XDG_CACHE_HOME")
        self.env = {key: value for key, value in os.environ.items() if key not in dropped} | {
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "LWIPSCOPE_CACHE": str(cache),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
            "SHELL": "/bin/sh",
            _MARK: self.mark.partition("=")[2],
        }
        self.programs: list[Program] = []

    def start(self, *arguments: str | Path, terminal: bool = False, **env: str) -> Program:
        """`lwipscope ARGUMENTS`."""
        return self.start_other(
            sys.executable, "-m", "lwipscope", *arguments, terminal=terminal, **env
        )

    def start_other(self, *argv: str | Path, terminal: bool = False, **env: str) -> Program:
        """Any other program, in the same place."""
        words = [str(word) for word in argv]
        program = Program(words, self.env | env, self.work, terminal=terminal)
        self.programs.append(program)
        return program

    def run(self, *arguments: str | Path, **env: str) -> Done:
        """`lwipscope ARGUMENTS`, to its end."""
        return self.start(*arguments, **env).finish()

    def on_board(self, source: str, *options: str | Path, **env: str) -> Program:
        """`lwipscope run` with this program."""
        return self.start("run", self.script(source), "--log-dir", self.logs, *options, **env)

    def script(self, source: str | bytes, name: str = "app.py") -> Path:
        path = self.work / name
        path.write_bytes(source.encode() if isinstance(source, str) else source)
        return path

    def path_with(self, *names: str) -> str:
        """A PATH that has these programs and no others."""
        folder = self.work / "bin"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(which(name))
        return str(folder)

    def processes(self, name: str = "") -> list[int]:
        """All processes with our mark, or those of them that run the program `name`."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if self.mark.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                        continue
                    command = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
                except OSError:
                    continue
                if not name or Path(command).name == name:
                    found.append(int(entry.name))
        return found

    def process(self, name: str) -> int:
        """The one process that runs the program `name`."""
        found = self.processes(name)
        assert len(found) == 1, f"{name}: {found}"
        return found[0]

    def kill(self, name: str) -> None:
        """SIGKILL to the one process that runs the program `name`."""
        os.kill(self.process(name), signal.SIGKILL)

    def assert_nothing_left(self, timeout_s: float = GONE_S) -> None:
        """Within the time no process and no file is left of what was started here."""
        deadline_s = time.monotonic() + timeout_s
        while left := self.processes():
            names = [_command_line(pid) for pid in left]
            assert time.monotonic() < deadline_s, f"left behind: {names}"
            _wait_end(left[0], deadline_s - time.monotonic())
        for folder in (self.temporary, self.runtime):
            files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
            assert not files, f"left behind in {folder}: {files}"

    def close(self) -> None:
        for program in self.programs:
            program.close()


def assert_no_traceback(done: Done) -> None:
    """No traceback of the host's Python; those of MicroPython name nothing but the program."""
    for text in (done.err, done.out):
        assert "Exception ignored" not in text, text
        assert "Fatal Python error" not in text, text
        for name in re.findall(r'^ *File "([^"]+)", line', text, re.M):
            board = ("<stdin>", "app/", "lwipscope-lessons/")
            assert name.startswith(board) or name.endswith("app.py"), text
        for match in re.finditer(r"^Traceback \(most recent call last\):\n(.*)", text, re.M):
            assert match[1].lstrip().startswith("File "), text


def one_message(done: Done) -> str:
    """The message of a command that failed: one, and nothing else on standard error."""
    assert done.err.count("lwipscope: ") == 1, done.err
    assert done.err.startswith("lwipscope: "), done.err
    return done.err


def which(name: str) -> str:
    for folder in (*os.environ["PATH"].split(":"), "/usr/sbin", "/sbin"):
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    raise AssertionError(f"{name} is needed for this test")


def free_port() -> int:
    """A port on loopback, with a free one above it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((LOOPBACK, 0))
            port: int = first.getsockname()[1]
            if port > 65000:
                continue
            try:
                second.bind((LOOPBACK, port + 1))
            except OSError:
                continue
            return port


def talk(port: int, data: bytes = b"", timeout_s: float = WAIT_S) -> bytes:
    """Connect to loopback, send, end our side, read to the end."""
    with socket.create_connection((LOOPBACK, port), timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return f"{pid}, gone now"


def _wait_end(pid: int, timeout_s: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([fd], [], [], max(0.0, timeout_s))
    finally:
        os.close(fd)
