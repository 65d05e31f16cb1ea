"""The developer's own program on a board without the tracer, watched by the memory probe.

`SampledApplication` has the names of `Application`, so a test need not know which it holds. What it
says is from samples: claims end as PASS, mismatch or `Inconclusive`, and say "sampled". What only
the tracer can tell is refused. Timeouts in seconds of host time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from lwipscope.board.board import Board
from lwipscope.board.probe import Probe
from lwipscope.board.repl import ProgramEnd
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.scenario.leak_claims import BASELINE_S, LEAK_S
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.path_claim import CLAIM_S
from lwipscope.scenario.program import Program
from lwipscope.scenario.running_program import READY_S, RunningProgram
from lwipscope.scenario.sampled_claims import SampledPathClaim, SampledPcbClaims
from lwipscope.scenario.sampled_watch import SampledWatch
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event
from lwipscope.trace.sample import Sample
from lwipscope.trace.sampled import SampledCheck, SampledConnection, SampledRole


class SampledApplication(RunningProgram):
    """A program that runs on `board` beside `probe`. Made by `start`; `stop` interrupts it."""

    def __init__(self, board: Board, other_end: OtherEnd, program: Program, probe: Probe) -> None:
        super().__init__(board, program)
        self.probe = probe
        self._watch = SampledWatch(probe)
        self._pcbs = SampledPcbClaims(self._watch, other_end, program.name)
        self._checks: list[SampledCheck] = []
        self._ip = ""

    @classmethod
    def start(
        cls,
        board: Board,
        other_end: OtherEnd,
        program: Program,
        probe: Probe,
        *,
        ready_timeout_s: float = READY_S,
    ) -> SampledApplication:
        """Run the program; returns when it was seen to listen or connect, or has ended.

        NotThisImage if the probe's layout is not that of the board's image.
        """
        __tracebackhide__ = True
        made = cls(board, other_end, program, probe)
        with suppress(LwipscopeError):  # the program may bring the network up itself
            made._ip = board.ip
        since = probe.trace.mark()
        probe.start(program.prepared(board))
        stepped = made._takes_a_step(probe.trace, _is_first, since, ready_timeout_s)
        if not stepped and not any(map(_is_first, probe.trace.events[since:])):
            made._must_not_have_raised()
        return made

    # What it does.

    @property
    def ip(self) -> str:
        """The board's address, as it was when the program was started."""
        if not self._ip:
            raise UsageError(
                "the board had no address when the program was started, and can't be asked while "
                "it runs: let boot.py or LWIP_WIFI_SSID and LWIP_WIFI_PASSWORD bring its network "
                "up before, or let the program print its address (wait_output)"
            )
        return self._ip

    def wait_end(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Its end: output, and MicroPython's traceback if it raised. The probe ends with it."""
        return self._named(self.probe.finish(timeout_s))

    def stop(self, timeout_s: float = CLAIM_S) -> ProgramEnd:
        """Ctrl-C, and wait for its end. Its sockets stay as it leaves them."""
        return self._named(self.probe.stop(timeout_s))

    def wait_state(
        self,
        state: State | str,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        timeout_s: float = CLAIM_S,
    ) -> SampledConnection:
        """The first connection (or listener) sampled in that state, now or within the time."""
        __tracebackhide__ = True
        wanted = State.parse(state) if isinstance(state, str) else state
        return self._watch.wait_state(wanted, port, remote_port, timeout_s)

    # What is claimed of it.

    def path(
        self,
        *,
        port: int | None = None,
        remote_port: int | None = None,
        peer: str | None = None,
        role: SampledRole | None = None,
    ) -> SampledPathClaim:
        """The path of the one sampled connection that fits; `port` is the board's."""
        return SampledPathClaim(
            self._watch,
            self._checks.append,
            self.board.file.lwip.stack_profile,
            port=port,
            remote_port=remote_port,
            peer=peer,
            role=role,
        )

    def connections(self, *, port: int | None = None) -> list[SampledConnection]:
        """All connections and listeners that were sampled so far."""
        found = self._watch.connections()
        return [each for each in found if port is None or each.local.port == port]

    def no_leaks(
        self,
        timeout_s: float = LEAK_S,
        *,
        most_time_wait: int | None = None,
        least_free: int = 0,
    ) -> None:
        """Nothing is left, in the last sampled table, that the program should have closed."""
        __tracebackhide__ = True
        if least_free:
            self._refuse("how many pcbs are free")
        self._pcbs.no_leaks(timeout_s, most_time_wait)

    @contextmanager
    def returns_to_baseline(
        self, timeout_s: float = BASELINE_S, *, most_time_wait: int | None = None
    ) -> Iterator[None]:
        """Afterwards no more pcbs were sampled than before; TIME_WAIT only if limited."""
        __tracebackhide__ = True
        before = self._pcbs.counts()
        yield
        self._pcbs.no_growth(before, timeout_s, most_time_wait)

    def leaks(self) -> tuple[str, ...]:
        """What is leaked by the last sampled table, a line each."""
        return tuple(self._pcbs.leaks())

    def table(self) -> list[SampledConnection]:
        """All pcbs of the last sampled table."""
        return self._pcbs.table()

    def pool(self) -> NoReturn:
        """Only the tracer knows lwIP's pool."""
        self._refuse("how full the pool is")

    def pass_time(self, seconds: float) -> NoReturn:
        """Only the emulated board's clock can be moved."""
        self._refuse(f"moving board time by {seconds:g} s")

    @property
    def checks(self) -> Sequence[SampledCheck]:
        """The verdicts so far, for reports."""
        return tuple(self._checks)

    # Inside.

    def _ended(self) -> ProgramEnd:
        return self._named(self.probe.finish(CLAIM_S))

    def _refuse(self, what: str) -> NoReturn:
        raise UsageError(
            f"{what}: a board without the tracer is only sampled and can't tell or do that; mark "
            'the test with lwip_needs("tracer"), or ("clock")'
        )


def _is_first(event: Event) -> bool:
    # Walk 1 found what had been there before the program.
    return isinstance(event, Sample) and event.walk > 1 and event.state is not State.CLOSED
