"""The fixture `lwip_timeline`: what the board has told so far."""

from __future__ import annotations

from lwipscope.board.board import Board
from lwipscope.scenario.watch import Watch
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Transition
from lwipscope.trace.sample import Sample


class TestTimeline:
    """The events of one test; each look is closed by a sync, so nothing is missing from it."""

    __test__ = False

    def __init__(self, board: Board) -> None:
        self._board = board

    @property
    def events(self) -> list[Event]:
        """All so far, in the board's order; without the tracer, what the probe has told."""
        if not self._board.capabilities.tracer:
            return self._board.trace.evidence()[0]
        return self._board.trace.evidence(self._board.port.sync())[0]

    @property
    def transitions(self) -> list[Transition]:
        """The transitions among them."""
        return [event for event in self.events if isinstance(event, Transition)]

    @property
    def states(self) -> set[State]:
        """Every state that a pcb has been in; without the tracer, has been sampled in."""
        events = self.events
        seen = {event.state for event in events if isinstance(event, Sample)}
        return seen | {event.after for event in events if isinstance(event, Transition)}

    def text(self) -> str:
        """Lines for people, the board's console among them."""
        return "\n".join(entry.line() for entry in Watch(self._board).timeline(len(self.events)))
