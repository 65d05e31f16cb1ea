"""Plays a lesson's experiment as a learner would: the solved program, and a real nc at the gate.

The steps are those of `play` in a lesson's file (host/lwipscope/lesson/texts/README.md). Every wait
has a deadline. Where the learner waits for minutes, board time is moved.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from lwipscope.board.board_time import leads_to, run_until
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.lesson.library import program_text
from lwipscope.lesson.text import Experiment
from lwipscope.peer.nc import Netcat
from lwipscope.runfile.model import About, Run
from lwipscope.scenario.network import LOOPBACK, Network, free_port
from lwipscope.scenario.program import Program
from lwipscope.scenario.run_log import RunLog
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Transition
from lwipscope.wire.keeper import Keeper

WAIT_S = 10.0
TIME_MS = 300_000


class Player:
    """One experiment on one board."""

    def __init__(
        self, experiment: Experiment, board: EmulatedBoard, network: Network, keeper: Keeper
    ) -> None:
        self.experiment = experiment
        self.board = board
        self.network = network
        self.keeper = keeper
        self._ncs: dict[str, Netcat] = {}
        self._gates: dict[int, int] = {}
        self._printed: dict[str, str] = {}
        self._mark = 0

    def play(self, folder: Path) -> Run:
        """All steps; the run as `lwipscope run` would have saved it."""
        name = self.experiment.program
        source = program_text(name, solved=True).decode()
        about = About(name, "run", whose_tcp=self.network.whose_tcp)
        try:
            with RunLog(self.board, folder, about=about) as log:
                # What listens here has to be reachable from the board before it connects.
                listeners = [s for s in self.experiment.play if re.match(r"nc \w+ listen", s)]
                early = [s for s in self.experiment.play[: len(listeners)] if s in listeners]
                for step in early:
                    self._step(step)
                Program.text(source, name).start_on(self.board)
                for step in self.experiment.play[len(early) :]:
                    self._step(step)
                if self.board.repl.running:
                    self._ended(self.board.repl.interrupt(WAIT_S).error)
                log.evidence_ends(self.board.port.sync())
        finally:
            for nc in self._ncs.values():
                nc.close()
        assert log.saved is not None
        return log.saved

    def _step(self, step: str) -> None:
        word, _, rest = step.partition(" ")
        known: dict[str, Callable[[str], None]] = {
            "wait": self._wait_output,
            "nc": self._nc,
            "until": self._until,
            "time": self._time,
            "ctrl-c": lambda _: self._ended(self.board.repl.interrupt(WAIT_S).error),
            "end": lambda _: self._ended(self.board.repl.wait(WAIT_S).error),
        }
        assert word in known, f"no such step: {step}"
        known[word](rest)

    def _ended(self, error: str) -> None:
        assert not error or "KeyboardInterrupt" in error, error

    def _wait_output(self, text: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while text.encode() not in self.board.repl.output:
            said = self.board.repl.output
            assert self.board.repl.running, f"ended before it printed {text!r}: {said!r}"
            assert time.monotonic() < deadline_s, f"did not print {text!r}: {said!r}"
            self.board.repl.read(0.05)

    def _until(self, name: str) -> None:
        state = State.parse(name)

        def reached(event: Event) -> bool:
            if state is State.CLOSED:
                # Of the pcb that listen() consumes nobody speaks.
                return (isinstance(event, Died) and event.state is not State.CLOSED) or (
                    isinstance(event, Transition)
                    and event.after is State.CLOSED
                    and event.before is not State.CLOSED
                )
            return leads_to(event, state)

        found = self.board.trace.wait_for(reached, WAIT_S, f"a connection in {state}", self._mark)
        self._mark = self.board.trace.events.index(found) + 1

    def _time(self, rest: str) -> None:
        word, _, name = rest.partition(" ")
        assert word == "until", f"time {rest}"
        state = State.parse(name)
        # Time moves in long steps; whatever is under way arrives first.
        self.board.port.sync()
        run_until(
            self.board.port,
            self.board.trace,
            lambda event: leads_to(event, state),
            TIME_MS,
            f"a connection was expected to be in {state}",
            patience_s=WAIT_S,
        )

    def _nc(self, rest: str) -> None:
        name, verb, *words = rest.split(" ")
        match verb:
            case "connect":
                self._ncs[name] = self._connected(words[:-1], int(words[-1]))
            case "listen":
                near = free_port()
                self._ncs[name] = Netcat.listen(
                    self.keeper, near, args=words[:-1], in_namespace=False
                )
                self.network.dial_out(int(words[-1]), near)
            case "type":
                self._ncs[name].feed(" ".join(words).encode() + b"\n", WAIT_S)
            case "reads":
                self._reads(name, " ".join(words))
            case "end":
                self._ncs[name].close_stdin()
            case "stop":
                # As Ctrl-C: nc ends at once, and the kernel closes for it.
                self._ncs[name].kill()
            case "wait":
                self._ncs[name].wait(WAIT_S)
            case _:
                raise AssertionError(f"no such step: nc {rest}")

    def _connected(self, flags: list[str], port: int) -> Netcat:
        if port not in self._gates:
            self._gates[port] = self.network.serve(port, 0).port
        near = self._gates[port]
        return Netcat.connect(self.keeper, LOOPBACK, near, args=flags, in_namespace=False)

    def _reads(self, name: str, text: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while text not in self._printed.get(name, ""):
            piece = self._ncs[name].read(timeout_s=max(0.0, deadline_s - time.monotonic()))
            assert piece, f"nc {name} ended before it printed {text!r}: {self._printed.get(name)!r}"
            self._printed[name] = self._printed.get(name, "") + piece.decode()
