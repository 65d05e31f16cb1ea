"""What runs on the lab's board: the lab's agent, or a file of the learner's own.

The agent is the firmware's `lwip_agent` with three differences: a closed socket keeps its name, so
that using it brings the board's own error; no memory is an answer and not its end; and `free` tells
how much memory there is. A program's output is read on a thread of its own and told line by line.
Timeouts in seconds of host time.
"""

from __future__ import annotations

import codecs
import contextlib
import threading
import time
from collections.abc import Callable

from lwipscope.board.agent import START_TIMEOUT_S
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.repl import ProgramEnd, Repl
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError
from lwipscope.scenario.program import Program

_READ_S = 0.1
_STOP_S = 3.0
_LAST_S = 0.5
_READY = b"lwip_lab: ready"
# The names stay in a function, so that a second start finds the first one's memory free.
_AGENT = """
def _lab():
    import lwip_agent, machine, tcptrace, gc
    class Lab(lwip_agent.Agent):
        def __init__(self):
            super().__init__()
            self.closed = []
        def obey(self, words):
            try:
                return super().obey(words)
            except MemoryError:
                return "err MemoryError"
        def do_close(self, name):
            self.sockets[name].close()
            self.closed.append(name)
            if len(self.closed) > 16:
                self.sockets.pop(self.closed.pop(0), None)
        def do_forget(self, name):
            self.sockets.pop(name, None)
    agent = Lab()
    tcptrace.serve(True)
    print("lwip_lab: ready")
    try:
        while agent.running:
            command = tcptrace.command()
            if command is None:
                machine.idle()
            else:
                tcptrace.reply(command[0], agent.obey(command[1].split()))
    finally:
        tcptrace.serve(False)
        for s in agent.sockets.values():
            s.close()
_lab()
"""


def start_agent(board: EmulatedBoard) -> None:
    """Run the lab's agent; returns when it serves."""
    repl = board.repl
    if (lost := board.trace.lost) is not None:
        raise lost  # mpremote would knock for ten seconds
    repl.start(_AGENT)
    end_s = time.monotonic() + START_TIMEOUT_S
    while _READY not in repl.output:
        if not repl.read(max(0.0, end_s - time.monotonic())) and not repl.running:
            break
        if time.monotonic() > end_s:
            break
    if _READY not in repl.output:
        why = last_words(repl).split("\n")[-1] or f"nothing within {START_TIMEOUT_S:g} s"
        raise DeadlineExceeded(f"the lab's agent was to start, and the board said: {why}")


def stop_agent(board: EmulatedBoard) -> None:
    """End it; its sockets are closed."""
    with contextlib.suppress(DeadlineExceeded):
        board.agent.call("quit")
        board.repl.wait(_STOP_S)
        return
    board.repl.interrupt(_STOP_S)


def last_words(repl: Repl) -> str:
    """What an agent that has ended left: MicroPython's error, or nothing."""
    with contextlib.suppress(LwipscopeError):
        return repl.wait(_LAST_S).error.strip()
    return ""


class RunningFile:
    """A learner's file on the board. `line` gets what it prints, `ended` how it ended."""

    def __init__(
        self,
        board: EmulatedBoard,
        program: Program,
        line: Callable[[str], None],
        ended: Callable[[ProgramEnd], None],
    ) -> None:
        """Start it. A file that does not compile ends at once."""
        self.program = program
        self._repl = board.repl
        self._line, self._on_end = line, ended
        self._stop = threading.Event()
        self._over = threading.Event()
        self.end: ProgramEnd | None = None
        self.started_s = time.monotonic()
        program.start_on(board)
        self._thread = threading.Thread(target=self._read, name="lwipscope-lab-program")
        self._thread.start()

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return not self._over.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs."""
        return self._over.wait(timeout_s)

    def stop(self) -> None:
        """Ctrl-C; DeadlineExceeded if it goes on all the same. Sockets stay as it left them."""
        if self.running:
            self._repl.press_ctrl_c()
            if not self.wait(_STOP_S):
                raise DeadlineExceeded("the program goes on after Ctrl-C")
        self._thread.join()

    def leave(self) -> None:
        """Read no more: the board is about to be reset or closed. Idempotent."""
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        text, there = "", True
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            while self._repl.running and not self._stop.is_set():
                text += decoder.decode(self._repl.read(_READ_S)).replace("\r\n", "\n")
                *lines, text = text.split("\n")
                for line in lines:
                    self._line(line)
        except (BoardLost, DeadlineExceeded):
            there = False  # the lab tells of a lost board at its next line
        finally:
            if text:
                self._line(text)
            if there and not self._repl.running and not self._stop.is_set():
                with contextlib.suppress(LwipscopeError):
                    end = self._repl.wait(0)
                    self.end = ProgramEnd(end.output, self.program.blamed(end.error))
                    self._on_end(self.end)
            self._over.set()
