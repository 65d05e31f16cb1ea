"""A program run by the keeper: its pid, its pipes, its end.

Made by `Keeper.spawn`. Pipes are read and written with deadlines in seconds; b"" means end of
file. The program dies with the keeper, and the keeper with us.
"""

from __future__ import annotations

import os
import select
import time
from types import TracebackType
from typing import Any, Protocol, Self

from lwipscope.errors import DeadlineExceeded, PeerError

CLOSE_TIMEOUT_S = 5.0
_KILL = 9  # signal.SIGKILL, which not every system names


class Parent(Protocol):
    """Who started the program: the keeper, by its channel."""

    def exit_code(self, pid: int, timeout_s: float) -> int | None: ...
    def request(self, verb: str, arguments: dict[str, Any], /) -> object: ...


class Process:
    """One running (or ended) program; `stdin_fd` and so on are our ends of its pipes."""

    def __init__(
        self,
        channel: Parent,
        pid: int,
        argv: tuple[str, ...],
        stdin_fd: int | None = None,
        stdout_fd: int | None = None,
        stderr_fd: int | None = None,
    ) -> None:
        self.pid = pid
        self.argv = argv
        self.stdin_fd = stdin_fd
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd
        self._channel = channel
        self._returncode: int | None = None
        if stdin_fd is not None:
            os.set_blocking(stdin_fd, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def returncode(self) -> int | None:
        """Exit code, negative signal number, or None while it runs."""
        return self.poll(0)

    def poll(self, timeout_s: float) -> int | None:
        """Wait up to `timeout_s` for the end: the return code, or None if it still runs."""
        if self._returncode is None:
            self._returncode = self._channel.exit_code(self.pid, timeout_s)
        return self._returncode

    def wait(self, timeout_s: float) -> int:
        """The return code; DeadlineExceeded if the program runs longer."""
        code = self.poll(timeout_s)
        if code is None:
            raise DeadlineExceeded(
                f"{self.argv[0]} (pid {self.pid}) was expected to end within {timeout_s:g} s and "
                "still runs"
            )
        return code

    def kill(self, number: int = _KILL) -> None:
        """Signal it, with its process group if it leads a session; harmless if it has ended."""
        if self.returncode is None:
            self._channel.request("kill", {"pid": self.pid, "signal": int(number)})

    def write(self, data: bytes, timeout_s: float) -> None:
        """Feed its stdin; PeerError if it no longer reads."""
        if self.stdin_fd is None:
            raise PeerError(f"{self.argv[0]}: stdin is not open to us")
        deadline_s = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self.stdin_fd, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if not poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
                raise DeadlineExceeded(
                    f"{self.argv[0]}: {len(rest)} of {len(data)} bytes not read from its stdin "
                    f"within {timeout_s:g} s"
                )
            try:
                rest = rest[os.write(self.stdin_fd, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise PeerError(f"{self.argv[0]}: has closed its stdin or ended") from error

    def close_stdin(self) -> None:
        """End of file on its stdin."""
        if self.stdin_fd is not None:
            os.close(self.stdin_fd)
            self.stdin_fd = None

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """What it wrote to stdout next; b"" at end of file."""
        if self.stdout_fd is None:
            raise PeerError(f"{self.argv[0]}: stdout is not open to us")
        poll = select.poll()
        poll.register(self.stdout_fd, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            raise DeadlineExceeded(f"{self.argv[0]}: nothing on stdout within {timeout_s:g} s")
        return os.read(self.stdout_fd, max_bytes)

    def close(self) -> None:
        """Close the pipes, kill it if it runs and wait for its end. Idempotent."""
        for name in ("stdin_fd", "stdout_fd", "stderr_fd"):
            fd = getattr(self, name)
            if fd is not None:
                os.close(fd)
                setattr(self, name, None)
        if self.returncode is None:
            self.kill()
            self.wait(CLOSE_TIMEOUT_S)
