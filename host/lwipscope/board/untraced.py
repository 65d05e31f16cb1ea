"""The emulated board with firmware that has no tracer (`firmware build --without-tracer`).

Like stock firmware it says nothing by itself and takes no commands: that it has started is seen
by MicroPython's prompt. `board.probe` watches it.
"""

from __future__ import annotations

import re
import time
from functools import cached_property

from lwipscope.board.command_port import TIMEOUT_S, CommandPort
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.link import Link
from lwipscope.errors import LwipscopeError, NoBoard
from lwipscope.trace.event import Event, Hello

_PROMPT = b">>> "


class UntracedBoard(EmulatedBoard):
    """The emulated board with firmware that has no tracer: it says nothing by itself."""

    @cached_property
    def port(self) -> CommandPort:
        return _NoCommands(self.link)


class _NoCommands(CommandPort):
    """What stands for a command port where there is none."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._console = link.console
        self._of = link

    def hello(self, timeout_s: float = TIMEOUT_S) -> Hello:
        """Wait for MicroPython's prompt: its banner says who the board is."""
        said = bytearray()
        deadline_s = time.monotonic() + timeout_s
        while not said.endswith(_PROMPT):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or self._console.closed:
                raise self._of.trace.lost or NoBoard(
                    f"MicroPython's prompt was expected within {timeout_s:g} s; the board said "
                    f"{bytes(said[-200:])!r}"
                )
            said += self._console.read_some(left_s)
        banner = re.search(rb"MicroPython (\S+) on [^;]*; ([^\r\n]*)", said)
        words = banner.groups() if banner is not None else (b"?", b"?")
        mp, board = (word.decode("ascii", "replace") for word in words)
        return Hello(0, 0, 0, 0, 1, "0.0", {"mp": mp, "board": board})

    def _ask(self, verb: str, _args: tuple[str | int, ...], _timeout_s: float) -> Event:
        raise LwipscopeError(
            f"{verb!r} can't be asked: this firmware has no tracer, so it takes no commands. The "
            "probe samples its states; for more run firmware made by `lwipscope firmware build`"
        )
