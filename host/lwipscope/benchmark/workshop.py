"""Where measurements are made: which board, which firmware, which network; and small helpers.

Made by `lwipscope bench`, used by the modules that measure.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lwipscope.board.board_file import BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.firmware.firmware import Profile
from lwipscope.trace.event import Call
from lwipscope.wire.keeper import Keeper

SERVER_PORT = 6666
_STEP_S = 10.0
_STOP_TIMEOUT_S = 10.0
_SERVER = """\
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", {port}))
server.listen({backlog})
while True:
    connection = server.accept()[0]
    {serve}
    connection.close()
"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all measurements share."""

    board_file: BoardFile
    elf: Path
    profile: Profile
    network: Literal["auto", "require", "none"]

    @property
    def options(self) -> tuple[str, ...]:
        """The same choice as a command's options."""
        wire = {"auto": "auto", "require": "tap", "none": "gate"}[self.network]
        return ("--board", self.board_file.name, "--profile", self.profile, "--wire", wire)

    @contextmanager
    def board(self) -> Iterator[tuple[EmulatedBoard, Keeper]]:
        """A running board and its keeper, both ended afterwards."""
        with Keeper.start(self.network) as keeper:
            with EmulatedBoard(self.board_file, self.elf, keeper) as board:
                yield board, keeper


def start_server(board: EmulatedBoard, backlog: int, serve: str = "pass") -> None:
    """Reset the board and start a server; returns when it waits in accept(). The stream is off.

    `serve` is a statement of MicroPython that may use `connection`.
    """
    board.reset()
    board.repl.start(_SERVER.format(port=SERVER_PORT, backlog=backlog, serve=serve))
    board.trace.wait_for(
        lambda event: isinstance(event, Call) and event.name == "accept",
        _STEP_S,
        "the server's accept()",
    )
    board.port.stream("off")


def lwipscope(*arguments: str, env: dict[str, str] | None = None, timeout_s: float) -> str:
    """Run a command of lwipscope in a process of its own; LwipscopeError unless it succeeds."""
    command = [sys.executable, "-m", "lwipscope", *arguments]
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            said: str = process.communicate(timeout=timeout_s)[0]
        except BaseException as error:
            _stop(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise LwipscopeError(
                    f"`lwipscope {' '.join(arguments)}` took more than {timeout_s:g} s"
                ) from error
            raise
    if process.returncode:
        raise LwipscopeError(
            f"`lwipscope {' '.join(arguments)}` ended with {process.returncode}; it said:\n"
            f"{said[-1500:]}"
        )
    return said


def _stop(process: subprocess.Popen[str]) -> None:
    """Give it the time to end what it has started."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
