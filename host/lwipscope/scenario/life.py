"""One life of a board, from its reset to the next: what was recorded, and how far to trust it.

Made by `Stage` at the end of each life, read by `play` and by reports. The evidence ends with a
sync; of a board that no longer answers it is what had come until then, and `integrity` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lwipscope.board.board import Board
from lwipscope.errors import Inconclusive, LwipscopeError
from lwipscope.tcp.edge import Profile
from lwipscope.tcp.graph import profile_of
from lwipscope.trace.event import Event, Hello, Reply
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Note, Timeline
from lwipscope.trace.trace import ConsoleText, Stamped

_OF_THE_TRACER = ("pcb", "ring")  # hello's fields that only the tracer can fill in
_SYNC_S = 20.0  # a full ring, at the pace of a real serial line, twice


@dataclass(frozen=True, slots=True)
class Life:
    """`stamped` has the same events as `events`, with the host times at which they came."""

    hello: Hello | None
    events: Sequence[Event]
    stamped: Sequence[Stamped]
    integrity: Integrity
    console: Sequence[ConsoleText]
    notes: Sequence[Note] = ()
    stopped: bool = False
    """The board stopped, as was to be expected: its last words are the end of the evidence."""

    @property
    def profile(self) -> Profile:
        """The stack that this board said it runs."""
        fields = self.hello.fields if self.hello is not None else {}
        return profile_of(fields.get("lwip", ""), fields.get("mp", ""))

    def timeline(self) -> Timeline:
        """All that is known of this life, in one order."""
        return Timeline(self.stamped, notes=self.notes, console=self.console)


def close_life(board: Board, notes: Sequence[Note] = ()) -> Life:
    """End the evidence of the board's present life with a sync, if the board still answers."""
    trace = board.trace
    through: Reply | None = None
    if trace.lost is None:
        try:
            through = board.port.sync(_SYNC_S)
        except LwipscopeError as error:
            # Silence is a finding: the evidence then has no proven end, and its integrity says so.
            if trace.lost is None:
                trace.board_lost(f"it no longer answers: {str(error).splitlines()[0]}")
    events, integrity = trace.evidence(through)
    if through is None:
        # An earlier sync proves nothing about what came after it.
        integrity = replace(integrity, synced_through=None)
    return Life(
        hello=next((event for event in events if isinstance(event, Hello)), None),
        events=events,
        stamped=trace.stamped[: len(events)],
        integrity=integrity,
        console=trace.console,
        notes=tuple(notes),
    )


def need_tracer(hello: Hello) -> None:
    """Inconclusive unless the board has the tracer, without which no path can be judged."""
    missing = [key for key in _OF_THE_TRACER if key not in hello.fields]
    if missing:
        raise Inconclusive(
            "the board answers, but without the transition tracer (module tcptrace): its hello has "
            f"no {', '.join(missing)}, so the paths of its connections can't be told; run firmware "
            "made by `lwipscope firmware build`"
        )
