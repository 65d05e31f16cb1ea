"""The command port's client: what the host asks of the firmware, one command at a time.

Verbs and answers: firmware/README.md. Also served while the user's program blocks in accept().
Timeouts in seconds of host time, `advance` in ms of board time. A command that changes nothing is
repeated once when no answer comes, since a real serial line may damage it; `advance` and the
agent's verbs are not. With the manual clock commands and frames go in lock step: before a command
and after its answer the wire settles, so that a run is the same each time (DESIGN D7).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from lwipscope.board.link import Link
from lwipscope.errors import DeadlineExceeded, LwipscopeError
from lwipscope.trace.event import Event, Hello, PcbRow, Reply
from lwipscope.trace.frame import encode_command
from lwipscope.trace.trace import Trace

TIMEOUT_S = 5.0
SYNC_TIMEOUT_S = 60.0

ClockMode: TypeAlias = Literal["running", "manual"]


class CommandRefused(LwipscopeError):
    """The board answered `err`; `reason` is its word for why."""

    def __init__(self, verb: str, reason: str) -> None:
        super().__init__(f"the board refused {verb!r}: {reason}")
        self.reason = reason


class CommandPort:
    """Asks, and waits for the answer in the trace."""

    def __init__(self, link: Link, settle: Callable[[], None] = lambda: None) -> None:
        """`settle` returns when every frame on the board's wire has come to whom it is for."""
        self._link = link
        self._settle = settle
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._life: Trace | None = None
        self._mode: ClockMode | None = None

    def request(self, verb: str, *args: str | int, timeout_s: float = TIMEOUT_S) -> Reply:
        """The answer to a command; CommandRefused if it is `err`."""
        reply = self._ask(verb, args, timeout_s)
        assert isinstance(reply, Reply)
        if not reply.ok:
            raise CommandRefused(" ".join((verb, *map(str, args))), " ".join(reply.words))
        return reply

    def hello(self, timeout_s: float = TIMEOUT_S) -> Hello:
        """Who the board is; from then on it sends its trace."""
        answer = self._ask("hello", (), timeout_s)
        assert isinstance(answer, Hello)
        self._mode = "manual" if answer.fields.get("time") == "manual" else "running"
        return answer

    def sync(self, timeout_s: float = SYNC_TIMEOUT_S) -> Reply:
        """Everything recorded so far has come when this returns: it closes the evidence."""
        return self.request("sync", timeout_s=timeout_s)

    def snapshot(self, timeout_s: float = TIMEOUT_S) -> list[PcbRow]:
        """All living pcbs at one moment."""
        reply = self.request("snapshot", timeout_s=timeout_s)
        return [e for e in self._link.trace.events if isinstance(e, PcbRow) and e.re == reply.re]

    def advance(self, ms: int, *, forced: bool = False, timeout_s: float = TIMEOUT_S) -> int:
        """Move board time by `ms`, or less if a frame was sent before: how far it went.

        With the running clock it is refused while something is unacknowledged (DESIGN D7),
        unless `forced`.
        """
        reply = self.request("advance", ms, *(("forced",) if forced else ()), timeout_s=timeout_s)
        return int(reply.fields["ms"])

    def clock(self, mode: ClockMode) -> None:
        """Let board time run, or move it only by `advance`."""
        self.request("clock", mode)
        self._mode = mode

    def clock_mode(self) -> ClockMode:
        """Whose board time is. Only this port changes it, and a restart: the board is asked once
        in each of its lives."""
        if self._link.trace is not self._life or self._mode is None:
            self.hello()
        assert self._mode is not None
        return self._mode

    def stream(self, mode: Literal["all", "states", "off"]) -> None:
        """What the board sends by itself."""
        self.request("stream", mode)

    def _ask(self, verb: str, args: tuple[str | int, ...], timeout_s: float) -> Event:
        with self._lock:
            trace = self._link.trace
            if trace is not self._life:
                # A new life begins with the same bytes as the last one.
                self._life, self._ids, self._mode = trace, itertools.count(1), None
            settle = self._settle if self._mode == "manual" else _at_once
            tries = 2 if verb in ("hello", "ping", "sync", "snapshot", "clock", "stream") else 1
            for remaining in range(tries, 0, -1):
                number = next(self._ids)
                since = trace.mark()
                if verb == "sync":
                    trace.sync_sent(number)
                settle()
                self._link.write(encode_command(number, verb, args))
                try:
                    answer = trace.wait_for(
                        lambda e, n=number: isinstance(e, Reply | Hello) and e.re == n,  # type: ignore[misc]
                        timeout_s / tries,
                        f"the board's answer to {verb!r}",
                        since,
                    )
                except DeadlineExceeded:
                    if remaining == 1:
                        raise
                else:
                    settle()
                    return answer
            raise AssertionError("unreachable")


def _at_once() -> None:
    """With the running clock nobody waits for the wire."""
