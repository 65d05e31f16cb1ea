"""What every board offers to those who use it, emulated or on a serial port.

`EmulatedBoard` and `SerialBoard` fit it without inheriting; what both do alike is in `HeldBoard`.
What one board has and another lacks is in its `Capabilities`: ask there before relying on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeGuard

from lwipscope.board.agent import Agent
from lwipscope.board.board_file import BoardFile
from lwipscope.board.command_port import CommandPort
from lwipscope.board.device_file import DeviceFile
from lwipscope.board.files import Files
from lwipscope.board.link import Link
from lwipscope.board.repl import Repl
from lwipscope.trace.event import Hello
from lwipscope.trace.trace import Trace
from lwipscope.wire.switch import Switch


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a board can be asked for."""

    tracer: bool
    """Each transition with its cause, and a command port that is served also while a program runs;
    without it no path can be proven, only what calls return can be told."""
    clock: bool
    """Board time can be moved (`port.advance`)."""
    wire: bool
    """Its Ethernet frames pass through the host (`switch`): raw peers, captures, trouble."""
    resets: tuple[str, ...]
    """Ways to a fresh board, those that are tried first first."""

    def text(self) -> str:
        """For people."""
        told = [
            "tracer" if self.tracer else "no tracer",
            "movable clock" if self.clock else "clock of its own",
            "wire in the host" if self.wire else "a network of its own",
            f"resets: {', '.join(self.resets)}",
        ]
        return "; ".join(told)


class Board(Protocol):
    """A board that runs."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @property
    def file(self) -> BoardFile | DeviceFile:
        """Its type."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def link(self) -> Link: ...

    @property
    def trace(self) -> Trace:
        """That of its present life."""

    @property
    def ip(self) -> str: ...

    @property
    def port(self) -> CommandPort: ...

    @property
    def repl(self) -> Repl: ...

    @property
    def agent(self) -> Agent: ...

    @property
    def files(self) -> Files: ...

    def reset(self) -> Hello | None:
        """A fresh board and a new trace; None where nobody says hello before the agent runs."""

    def alive(self, timeout_s: float = 0.0) -> bool:
        """False once it is gone, which is waited for up to `timeout_s`."""

    def close(self) -> None:
        """Idempotent."""


class WiredBoard(Board, Protocol):
    """One whose capability is `wire`."""

    @property
    def switch(self) -> Switch: ...


def wired(board: Board) -> TypeGuard[WiredBoard]:
    """Whether its frames pass through the host."""
    return board.capabilities.wire
