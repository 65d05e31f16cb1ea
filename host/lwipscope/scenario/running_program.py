"""A program that runs on a board, as far as its output and its end go; what it does with TCP is
said by `Application` (by the tracer) and `SampledApplication` (by the probe). Times in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lwipscope.board.board import Board
from lwipscope.board.repl import ProgramEnd
from lwipscope.errors import DeadlineExceeded, UsageError
from lwipscope.scenario.path_claim import CLAIM_S
from lwipscope.scenario.program import Program
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event
from lwipscope.trace.trace import Trace

READY_S = 5.0
_READ_S = 0.05
_LOOK_S = 0.05


class OutputMismatch(AssertionError):
    """The program ended without having printed what was expected."""


class RunningProgram:
    """`program` on `board`, started by whoever makes this."""

    def __init__(self, board: Board, program: Program) -> None:
        self.board = board
        self.program = program

    @property
    def ip(self) -> str:
        """The board's address."""
        return self.board.ip

    @property
    def running(self) -> bool:
        """False once the program has ended."""
        self._read()
        return self.board.repl.running

    @property
    def output(self) -> str:
        """What it has printed so far."""
        self._read()
        return self.board.repl.output.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait_output(self, text: str, timeout_s: float = CLAIM_S) -> str:
        """All of its output, once `text` is in it."""
        __tracebackhide__ = True
        deadline_s = time.monotonic() + timeout_s
        while text not in self.output:
            if not self.board.repl.running:
                raise OutputMismatch(
                    f"{self.program.name} was expected to print {text!r}; it has ended "
                    f"{self._ending()}and printed:\n{self.output}"
                )
            if time.monotonic() > deadline_s:
                raise DeadlineExceeded(
                    f"{self.program.name} was expected to print {text!r} within {timeout_s:g} s; "
                    f"it printed:\n{self.output}"
                )
            self.board.repl.read(_READ_S)
        return self.output

    def wait_end(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Its end: output, and MicroPython's traceback if it raised."""
        return self._named(self.board.repl.wait(timeout_s))

    def stop(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Ctrl-C, and wait for its end. Its sockets stay as it leaves them."""
        if self.running:
            return self._named(self.board.repl.interrupt(timeout_s))
        return self._named(self.board.repl.wait(0))

    def wait_state(
        self,
        state: State | str,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        timeout_s: float = CLAIM_S,
    ) -> object:
        """The first connection (or listener) that is in that state now or comes to be."""
        raise NotImplementedError

    def wait_listening(self, port: int, timeout_s: float = CLAIM_S) -> None:
        """Wait until it is seen to listen at that port."""
        __tracebackhide__ = True
        self.wait_state(State.LISTEN, port=port, timeout_s=timeout_s)

    def _read(self) -> None:
        while self.board.repl.running and self.board.repl.read(0.0):
            pass

    def _named(self, end: ProgramEnd) -> ProgramEnd:
        return ProgramEnd(end.output, self.program.blamed(end.error))

    def _ended(self) -> ProgramEnd:
        """Of a program that has."""
        return self._named(self.board.repl.wait(0))

    def _ending(self) -> str:
        end = self._ended()
        return f"with\n{end.error}\n" if end.error else ""

    def _takes_a_step(
        self, trace: Trace, is_first: Callable[[Event], bool], since: int, timeout_s: float
    ) -> bool:
        """Wait for its first step with TCP, by that trace: False if it has ended, or the time is
        over. It need not use the network at all: then its first seconds have to do."""
        deadline_s = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline_s:
            try:
                trace.wait_for(is_first, _LOOK_S, "the program's first step", since)
            except DeadlineExceeded:
                continue
            return True
        return False

    def _must_not_have_raised(self) -> None:
        """For who waits for its first step."""
        __tracebackhide__ = True
        if not self.board.repl.running and (error := self._ended().error):
            raise UsageError(f"{self.program.name} ended with an exception:\n{error}")
