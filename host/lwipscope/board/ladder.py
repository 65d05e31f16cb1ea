"""The reset ladder: ways to a fresh board, tried one after the other until one works.

`soft` is Ctrl-D at the prompt, `lines` a pulse on RTS, `machine` machine.reset(), `power` the rack
file's command. Each rung has a deadline and is over when the board has proven that it restarted:
with the tracer by a hello of another life, else by MicroPython's banner or a port that vanished,
and in both cases by a prompt; and, if it has to be clean, once that is proven (cleanness.py).
Only for boards that may be interrupted. Times in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lwipscope.board.device_file import Rung
from lwipscope.board.link import Link
from lwipscope.board.power import Power
from lwipscope.board.presence import PROMPT, take_over
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError, UsageError
from lwipscope.trace.event import Hello

_PULSE_S = 0.1
_PROMPT_S = 1.0
_LOOK_S = 0.1
_HELLO_S = 0.5
_BANNER = b"MicroPython"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung, and why it did not do; empty if it did."""

    rung: Rung
    failure: str
    took_s: float

    def text(self) -> str:
        return f"{self.rung}: {self.failure or 'worked'} ({self.took_s:.1f} s)"


class LadderFailed(BoardLost):
    """No rung brought the board back."""

    def __init__(self, name: str, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        told = "".join(f"\n  {attempt.text()}" for attempt in attempts)
        super().__init__(f"{name} could not be reset; what was tried:{told}")


class RungFailed(LwipscopeError):
    """This way did not do it."""


class Climber(Protocol):
    """What the ladder needs of the board."""

    @property
    def link(self) -> Link: ...

    def reopen(self) -> bool:
        """Open the line again if it is gone: whether there is one now."""

    def new_life(self, act: Callable[[], None]) -> None:
        """Do something that ends the board's life, with a new trace from then on."""

    def ask_hello(self, timeout_s: float) -> Hello | None:
        """A hello, from firmware with the tracer; None from others."""

    def pulse_rts(self, seconds: float) -> None:
        """OSError if the line has none."""


def climb(
    board: Climber,
    name: str,
    rungs: Sequence[Rung],
    boot_s: float,
    power: Power,
    prove: Callable[[], None] | None = None,
) -> tuple[Attempt, ...]:
    """Try the rungs in order until the board is back: what was tried. LadderFailed if none did.

    `prove` looks at a board that is back: what it raises says why that is not enough, and the next
    rung is tried. A UsageError is nobody's fault but the caller's, and ends it.
    """
    attempts: list[Attempt] = []
    for rung in rungs:
        started_s = time.monotonic()
        failure = ""
        try:
            _step(board, rung, boot_s, power)
        except (LwipscopeError, OSError) as error:
            failure = _first_line(error)
        if prove is not None and not failure:
            try:
                prove()
            except UsageError:
                raise
            except (LwipscopeError, OSError) as error:
                failure = _first_line(error)
        attempts.append(Attempt(rung, failure, time.monotonic() - started_s))
        if not failure:
            return tuple(attempts)
    raise LadderFailed(name, attempts)


def _step(board: Climber, rung: Rung, boot_s: float, power: Power) -> None:
    if rung == "power" and not power.can_cycle:
        raise RungFailed("the rack file has no power command for it")
    if not board.reopen():
        # Power may bring back what is gone.
        if rung != "power":
            raise RungFailed("the serial port is gone")
        power.do_cycle()
        _await_port(board, time.monotonic() + boot_s)
        _await_prompt(board, time.monotonic() + boot_s)
        return
    if rung in ("soft", "machine") and not take_over(board.link):
        raise RungFailed("no prompt: the board does not take Ctrl-C")
    old = board.ask_hello(_HELLO_S)
    acts: dict[Rung, Callable[[], None]] = {
        "soft": lambda: board.link.write(b"\x04"),
        "lines": lambda: board.pulse_rts(_PULSE_S),
        "machine": lambda: _type(board.link, "import machine", "machine.reset()"),
        "power": power.do_cycle,
    }
    link = board.link
    board.new_life(acts[rung])
    deadline_s = time.monotonic() + boot_s
    if old is not None and rung != "soft":
        _await_new_life(board, old, deadline_s)
        _await_prompt(board, deadline_s)
    else:
        _await_banner(board, link, deadline_s)


def _await_new_life(board: Climber, old: Hello, deadline_s: float) -> None:
    """A hello of another life: another boot id, or a clock that began anew."""
    while time.monotonic() < deadline_s:
        if not _present(board, deadline_s):
            continue
        try:
            hello = board.ask_hello(_HELLO_S)
        except (DeadlineExceeded, BoardLost):
            continue
        if hello is None:
            raise RungFailed("other firmware answers than before")
        if hello.boot != old.boot or hello.clock_us < old.clock_us:
            return
        board.new_life(_nothing)  # it has not restarted yet
    raise RungFailed("it did not restart in time: its boot id is still the same, or it is silent")


def _await_banner(board: Climber, link: Link, deadline_s: float) -> None:
    heard = b""
    while time.monotonic() < deadline_s:
        if board.link.console.closed and not _present(board, deadline_s):
            continue
        if board.link is not link:
            break  # the port vanished and came back; what it printed meanwhile is lost
        heard += board.link.console.read_some(_LOOK_S)
        if _BANNER in heard:
            if heard.endswith(PROMPT):
                return
            break
    else:
        raise RungFailed("it did not restart in time: no banner came")
    _await_prompt(board, deadline_s)


def _await_prompt(board: Climber, deadline_s: float) -> None:
    """A main.py may run again by now: it is interrupted."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        if not _present(board, deadline_s):
            continue
        try:
            if take_over(board.link, min(_PROMPT_S, left_s)):
                return
        except BoardLost:
            continue
    raise RungFailed("it restarted, but shows no prompt")


def _await_port(board: Climber, deadline_s: float) -> None:
    while not _present(board, deadline_s):
        if time.monotonic() > deadline_s:
            raise RungFailed("the serial port did not come back")


def _present(board: Climber, deadline_s: float) -> bool:
    """Whether the line is there; if not, a moment has passed."""
    if board.reopen():
        return True
    time.sleep(max(0.0, min(_LOOK_S, deadline_s - time.monotonic())))
    return False


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _type(link: Link, *lines: str) -> None:
    for line in lines:
        link.write(line.encode() + b"\r")


def _nothing() -> None:
    """The board restarts by itself."""
