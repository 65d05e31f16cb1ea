"""The developer's own program on a board, watched: its output, its paths, its leaks.

`Application` is what a test holds: the program runs unchanged, peers come from `Network`, and
claims about paths wait for the board's trace, never for time. A claim that does not hold is an
AssertionError with what was expected, what was seen and the timeline around it; evidence with a
hole is `Inconclusive`. Timeouts in seconds of host time; `pass_time` moves board time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.repl import ProgramEnd
from lwipscope.errors import BoardLost, DeadlineExceeded, Inconclusive, UsageError
from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.program import Program
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, Role, connections, select
from lwipscope.trace.event import Beat, Endpoint, Event, Hello, PcbRow, Reply, Transition
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.leaks import Leak, PcbTable, find_leaks
from lwipscope.trace.timeline import Timeline
from lwipscope.trace.verdict import PathCheck, Verdict, check_path
from lwipscope.wire.keeper import Keeper

READY_S = 5.0
CLAIM_S = 5.0
_READ_S = 0.05
_STEP_MS = 10_000
_FIRST_STATES = (State.LISTEN, State.SYN_SENT)


class PathMismatch(AssertionError):
    """The path seen is not the path expected."""


class LeakFound(AssertionError):
    """A pcb is left that the application should have closed."""


class Application:
    """A program that runs on `board`. Made by `start`; `stop` interrupts it."""

    def __init__(self, board: EmulatedBoard, keeper: Keeper, program: Program) -> None:
        self.board = board
        self.program = program
        self._keeper = keeper
        self._checks: list[PathCheck] = []
        self._looked_at = 0

    @classmethod
    def start(
        cls,
        board: EmulatedBoard,
        keeper: Keeper,
        program: Program,
        *,
        ready_timeout_s: float = READY_S,
    ) -> Application:
        """Run the program; returns when it listens or connects, or has ended."""
        made = cls(board, keeper, program)
        since = board.trace.mark()
        program.start_on(board)
        made._wait_ready(since, ready_timeout_s)
        return made

    # What it does.

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
        deadline_s = time.monotonic() + timeout_s
        while text not in self.output:
            if not self.board.repl.running:
                raise PathMismatch(
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

    def wait_state(
        self,
        state: State | str,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        timeout_s: float = CLAIM_S,
    ) -> Connection:
        """The first connection (or listener) that is in that state now or comes to be."""
        wanted = State.parse(state) if isinstance(state, str) else state
        where = f" at port {port}" if port is not None else ""
        return self._wait(
            lambda events: next(
                (
                    each
                    for each in select(connections(events), port=port, remote_port=remote_port)
                    if each.path[-1] is wanted
                ),
                None,
            ),
            f"a connection{where} in {wanted}",
            timeout_s,
        )

    def wait_listening(self, port: int, timeout_s: float = CLAIM_S) -> None:
        """Wait until it listens at that port."""
        self.wait_state(State.LISTEN, port=port, timeout_s=timeout_s)

    def wait_end(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Its end: output, and MicroPython's traceback if it raised."""
        return self.board.repl.wait(timeout_s)

    def stop(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Ctrl-C, and wait for its end. Its sockets stay as they are."""
        if self.running:
            return self.board.repl.interrupt(timeout_s)
        return self.board.repl.wait(0)

    def pass_time(self, seconds: float) -> None:
        """Move board time on. With peers of the kernel only while nothing is unacknowledged."""
        left_ms = int(seconds * 1000)
        while left_ms > 0:
            left_ms -= max(1, self.board.port.advance(min(left_ms, _STEP_MS)))
            self.board.port.sync()

    # What is claimed of it.

    def path(
        self,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        peer: str | None = None,
        role: Role | None = None,
    ) -> PathClaim:
        """The path of the one connection that fits; `port` is the board's."""
        return PathClaim(self, port, remote_port, peer, role)

    def connections(self, *, port: int | None = None) -> list[Connection]:
        """All connections and listeners so far."""
        return connections(self._evidence()[0], port=port)

    def leaks(self) -> tuple[Leak, ...]:
        """What is leaked at this moment."""
        running = self.running
        events, integrity = self._evidence()
        _need_complete(integrity)
        return find_leaks(events, program_ended=not running, peer_is_there=self._peer_is_there)

    def no_leaks(self, timeout_s: float = 2.0) -> None:
        """Nothing is left that the application should have closed; it may still be about to."""
        __tracebackhide__ = True
        deadline_s = time.monotonic() + timeout_s
        while found := self.leaks():
            if not self._more(deadline_s):
                listed = "\n".join(f"  {leak.text()}" for leak in found)
                raise LeakFound(
                    f"{len(found)} pcb(s) left that {self.program.name} should have closed:\n"
                    f"{listed}\nall pcbs that are taken ({self._use()}):\n{self.table().text()}"
                )

    def table(self) -> PcbTable:
        """All pcbs that are taken now."""
        return PcbTable.of(self._evidence()[0])

    @contextmanager
    def returns_to_baseline(self, timeout_s: float = CLAIM_S) -> Iterator[None]:
        """Whatever happens inside, afterwards no more pcbs are taken than before.

        TIME_WAIT is not counted: it goes by itself, and lwIP takes it back when the pool is empty.
        """
        __tracebackhide__ = True
        before = self.table()
        yield
        deadline_s = time.monotonic() + timeout_s
        ignoring = frozenset({State.TIME_WAIT})
        while growth := self.table().growth(before, ignoring=ignoring):
            if not self._more(deadline_s):
                raise LeakFound(
                    f"the table of pcbs did not return to where it was: {growth} ({self._use()})\n"
                    f"{self.table().text()}"
                )

    @property
    def checks(self) -> Sequence[PathCheck]:
        """The verdicts so far, for reports."""
        return tuple(self._checks)

    # Inside.

    def _read(self) -> None:
        while self.board.repl.running and self.board.repl.read(0.0):
            pass

    def _ending(self) -> str:
        end = self.board.repl.wait(0)
        return f"with\n{self.program.blamed(end.error)}\n" if end.error else ""

    def _wait_ready(self, since: int, timeout_s: float) -> None:
        """It need not use the network at all: then its first seconds have to do."""
        deadline_s = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline_s:
            try:
                self.board.trace.wait_for(_is_first, _READ_S, "the program's first step", since)
            except DeadlineExceeded:
                continue
            return
        if not self.board.repl.running and (error := self.board.repl.wait(0).error):
            raise UsageError(
                f"{self.program.name} ended with an exception:\n{self.program.blamed(error)}"
            )

    def _evidence(self) -> tuple[list[Event], Integrity]:
        trace = self.board.trace
        through = None if trace.integrity.board_lost else self.board.port.sync()
        events, integrity = trace.evidence(through)
        self._looked_at = len(events)
        return events, integrity

    def _wait(
        self, look: Callable[[list[Event]], Connection | None], what: str, timeout_s: float
    ) -> Connection:
        deadline_s = time.monotonic() + timeout_s
        while True:
            events = self._evidence()[0]
            found = look(events)
            if found is not None:
                return found
            if not self._more(deadline_s):
                shown = Timeline.of_events(events).around(None)
                raise DeadlineExceeded(f"{what} was expected within {timeout_s:g} s\n{shown}")

    def _more(self, deadline_s: float) -> bool:
        """Wait for something behind what was looked at; False once there is no time left."""
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        try:
            self.board.trace.wait_for(
                lambda e: not isinstance(e, Beat | Hello | Reply | PcbRow),
                left_s,
                "anything new",
                self._looked_at,
            )
        except DeadlineExceeded:
            return False
        return True

    def _peer_is_there(self, remote: Endpoint) -> bool | None:
        """By the kernel's own table of the private network; None where that can't be known."""
        if remote.ip != HOST_IP or self._keeper.tap is None:
            return None
        return _has_row(self._keeper.proc_net("tcp"), remote)

    def _use(self) -> str:
        size = self.board.port.hello().fields.get("pcb", "?")
        table = self.table()
        used = sum(1 for pcb in table.living if pcb.state is not State.LISTEN)
        counted = ", ".join(f"{count} {state}" for state, count in table.counts.items())
        return f"{used} of {size} pcbs in use: {counted}" if counted else f"0 of {size} in use"


class PathClaim:
    """What is said about the path of one connection."""

    def __init__(
        self,
        app: Application,
        port: int | None,
        remote_port: int | None,
        peer: str | None,
        role: Role | None,
    ) -> None:
        self._app = app
        self._port, self._remote_port, self._peer, self._role = port, remote_port, peer, role

    def check(self, pattern: str) -> PathCheck:
        """The verdict at this moment."""
        events, integrity = self._app._evidence()
        trace = self._app.board.trace
        timeline = Timeline(trace.stamped[: len(events)], console=trace.console)
        return check_path(
            events,
            integrity,
            pattern,
            name=self._app.program.name,
            port=self._port,
            remote_port=self._remote_port,
            peer=self._peer,
            role=self._role,
            timeline=timeline,
        )

    def must_be(self, pattern: str, timeout_s: float = CLAIM_S) -> Connection:
        """The path is this, now or within the time; notation: lwipscope.tcp.path.

        Raises PathMismatch, Inconclusive if frames were lost, BoardLost if the board went away.
        """
        __tracebackhide__ = True
        PathPattern.parse(pattern)  # a wrong pattern is told before anything is waited for
        deadline_s = time.monotonic() + timeout_s
        while True:
            check = self.check(pattern)
            if check.verdict is not Verdict.FAIL or _is_over(check):
                break
            if not self._app._more(deadline_s):
                break
        self._app._checks.append(check)
        if check.verdict is Verdict.PASS:
            assert check.connection is not None
            return check.connection
        if check.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(check.text)
        if check.verdict is Verdict.ERROR and check.connection is not None:
            raise BoardLost(check.text)
        raise PathMismatch(f"{check.text}{_hint(check)}")


def _is_first(event: Event) -> bool:
    return isinstance(event, Transition) and event.after in _FIRST_STATES


def _is_over(check: PathCheck) -> bool:
    return check.connection is not None and check.connection.ended


def _hint(check: PathCheck) -> str:
    if check.connection is not None and check.connection.path[-1] is State.TIME_WAIT:
        return "\nTIME_WAIT lasts 2MSL, 120 s of board time: pass_time(121) moves the board's clock"
    return ""


def _need_complete(integrity: Integrity) -> None:
    if not integrity.complete:
        raise Inconclusive("the evidence is incomplete: " + "; ".join(integrity.problems()))


def _has_row(table: str, end: Endpoint) -> bool:
    """Whether /proc/net/tcp has a socket at this end (its addresses are in host byte order)."""
    octets = [int(part) for part in end.ip.split(".")]
    wanted = "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{end.port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    gone = ("07", "06")  # CLOSE, TIME_WAIT: RFC 9293 would answer, but no application is there
    return any(row[1] == wanted and row[3] not in gone for row in rows)
