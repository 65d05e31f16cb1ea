"""The developer's own program on a board, watched: its output, its paths, its leaks.

`Application` is what a test holds: the program runs unchanged, peers come from `Network`, and
claims about paths (`path_claim`) and pcbs (`leak_claims`) wait for the board's trace, never for
time. Timeouts in seconds of host time; `pass_time` moves board time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from lwipscope.board.board import Board
from lwipscope.scenario.leak_claims import BASELINE_S, LEAK_S, LeakClaims
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.path_claim import CLAIM_S, PathClaim
from lwipscope.scenario.program import Program
from lwipscope.scenario.running_program import READY_S, RunningProgram
from lwipscope.scenario.watch import Watch
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, Role, connections, select
from lwipscope.trace.event import Event, Transition
from lwipscope.trace.leaks import Leak, PcbTable, PoolUse
from lwipscope.trace.verdict import PathCheck

_STEP_MS = 10_000
_FIRST_STATES = (State.LISTEN, State.SYN_SENT)


class Application(RunningProgram):
    """A program that runs on `board`. Made by `start`; `stop` interrupts it."""

    def __init__(self, board: Board, other_end: OtherEnd, program: Program) -> None:
        super().__init__(board, program)
        self._watch = Watch(board)
        self._pcbs = LeakClaims(self._watch, other_end, program.name, lambda: self.running)
        self._checks: list[PathCheck] = []

    @classmethod
    def start(
        cls,
        board: Board,
        other_end: OtherEnd,
        program: Program,
        *,
        ready_timeout_s: float = READY_S,
    ) -> Application:
        """Run the program; returns when it listens or connects, or has ended."""
        __tracebackhide__ = True
        made = cls(board, other_end, program)
        since = board.trace.mark()
        program.start_on(board)
        if not made._takes_a_step(board.trace, _is_first, since, ready_timeout_s):
            made._must_not_have_raised()
        return made

    # What it does.

    def wait_state(
        self,
        state: State | str,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        timeout_s: float = CLAIM_S,
    ) -> Connection:
        """The first connection (or listener) that is in that state now or comes to be."""
        __tracebackhide__ = True
        wanted = State.parse(state) if isinstance(state, str) else state
        where = f" at port {port}" if port is not None else ""

        def look(events: list[Event]) -> Connection | None:
            fitting = select(connections(events), port=port, remote_port=remote_port)
            return next((each for each in fitting if each.path[-1] is wanted), None)

        return self._watch.until(look, f"a connection{where} in {wanted}", timeout_s)

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
        return PathClaim(
            self._watch,
            self.program.name,
            self._checks.append,
            port=port,
            remote_port=remote_port,
            peer=peer,
            role=role,
        )

    def connections(self, *, port: int | None = None) -> list[Connection]:
        """All connections and listeners so far."""
        return connections(self._watch.now()[0], port=port)

    def no_leaks(
        self,
        timeout_s: float = LEAK_S,
        *,
        most_time_wait: int | None = None,
        least_free: int = 0,
    ) -> None:
        """Nothing is left that the application should have closed; it may still be about to.

        Further claims, if given: no more pcbs than that in TIME_WAIT, and that many free ones.
        """
        __tracebackhide__ = True
        self._pcbs.no_leaks(timeout_s, most_time_wait=most_time_wait, least_free=least_free)

    def returns_to_baseline(
        self, timeout_s: float = BASELINE_S, *, most_time_wait: int | None = None
    ) -> AbstractContextManager[None]:
        """`with app.returns_to_baseline():` afterwards no more pcbs are taken than before.

        TIME_WAIT is not counted unless a limit for its growth is given: it goes by itself, and lwIP
        takes it back when the pool is empty.
        """
        return self._pcbs.returns_to_baseline(timeout_s, most_time_wait)

    def leaks(self) -> tuple[Leak, ...]:
        """What is leaked at this moment."""
        return self._pcbs.leaks()

    def table(self) -> PcbTable:
        """All pcbs that are taken now."""
        return self._pcbs.table()

    def pool(self) -> PoolUse:
        """How full lwIP's pool of pcbs is, and was."""
        return self._pcbs.pool()

    @property
    def checks(self) -> Sequence[PathCheck]:
        """The verdicts so far, for reports."""
        return tuple(self._checks)


def _is_first(event: Event) -> bool:
    return isinstance(event, Transition) and event.after in _FIRST_STATES


__all__ = ["READY_S", "Application"]
