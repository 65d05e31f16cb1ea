"""Whether a board's TCP is as after a start: no pcb is left of what ran before.

Asked after a reset, by the reset ladder. Firmware with the tracer answers with a snapshot; without
it the memory probe walks lwIP's lists, if there is a layout; with neither, the restart itself is
all that is known, and `asked` says so. A board whose main.py runs at each start has what that
program opened: it is restarted once more without it, at the raw REPL, where MicroPython runs no
main.py (shared/runtime/pyexec.c). Nothing on the board is changed. Times in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from lwipscope.board.board import Capabilities
from lwipscope.board.command_port import CommandPort
from lwipscope.board.link import Link
from lwipscope.board.presence import take_over
from lwipscope.board.probe import Probe
from lwipscope.board.repl import Repl
from lwipscope.errors import DeadlineExceeded, LwipscopeError
from lwipscope.firmware.layout import Layout
from lwipscope.trace.sample import Sample, Unseen, Walks

_WALK_S = 5.0
_MOST_SHOWN = 4
# A program beside which the probe walks, some ten times.
_MOMENT = "time.sleep_ms(50)\n"
_HOW = {
    "snapshot": "by the tracer's snapshot",
    "probe": "by a walk of the memory probe",
    "restart": "it restarted; nobody there can be asked",
}


class NotClean(LwipscopeError):
    """Pcbs of an earlier program are left."""


class Looked(Protocol):
    """What is needed of the board, which is at its prompt."""

    @property
    def link(self) -> Link: ...

    @property
    def port(self) -> CommandPort: ...

    @property
    def repl(self) -> Repl: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def new_life(self, act: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Cleanness:
    """What was found; `left` are pcbs, as text."""

    asked: Literal["snapshot", "probe", "restart"]
    left: tuple[str, ...] = ()

    def text(self) -> str:
        """For people."""
        how = _HOW[self.asked]
        if not self.left:
            return f"no pcb is left ({how})" if self.asked != "restart" else how
        shown = "; ".join(self.left[:_MOST_SHOWN]) + ("; ..." * (len(self.left) > _MOST_SHOWN))
        return f"not clean: {len(self.left)} pcb(s) left: {shown} ({how})"


def prove(board: Looked, layout: Layout | None, boot_s: float) -> Cleanness:
    """How the board was found; NotClean if something is left that a restart doesn't take away.

    NotThisImage if the layout is another firmware's.
    """
    found = look(board, layout)
    if found.left:
        restart_without_program(board.link, boot_s)
        found = look(board, layout)
    if found.left:
        raise NotClean(found.text())
    return found


def look(board: Looked, layout: Layout | None) -> Cleanness:
    """The pcbs that there are now."""
    if board.capabilities.tracer:
        board.port.hello()  # begins what is known of this life
        return Cleanness("snapshot", tuple(row.text() for row in board.port.snapshot()))
    if layout is None:
        return Cleanness("restart")
    probe = Probe(board.link, board.repl, layout)
    since = probe.trace.mark()
    probe.start(_MOMENT)
    probe.finish(_WALK_S)
    events = probe.trace.events[since:]
    # What the probe has told is no part of what is to come.
    board.new_life(_nothing)
    if not any(isinstance(event, Walks) and event.walks > event.torn for event in events):
        raise NotClean("the memory probe had no usable walk over the board's pcbs")
    left: dict[int, str] = {}
    for event in events:
        if isinstance(event, Sample):
            left[event.conn] = (
                f"c{event.conn} is in {event.state} {event.local} {event.remote or '-'}"
            )
        elif isinstance(event, Unseen):
            left.pop(event.conn, None)
    return Cleanness("probe", tuple(left.values()))


def restart_without_program(link: Link, boot_s: float) -> None:
    """A soft reset at the raw REPL, then the prompt again. Sockets are closed, lwIP goes on."""
    deadline_s = time.monotonic() + boot_s
    link.console.clear()
    link.write(b"\r\x03\x03\x01")
    _hear(link, b"raw REPL", deadline_s)
    link.write(b"\x04")
    _hear(link, b"raw REPL", deadline_s)
    if not take_over(link):
        raise DeadlineExceeded("it restarted without its program, but shows no prompt")


def _hear(link: Link, words: bytes, deadline_s: float) -> None:
    heard = b""
    while words not in heard:
        if (left_s := deadline_s - time.monotonic()) <= 0:
            raise DeadlineExceeded(f"the board did not say {words.decode()!r}: {heard[-100:]!r}")
        heard += link.console.read_some(left_s)


def _nothing() -> None:
    """The board is at its prompt, and nothing is on its way."""
