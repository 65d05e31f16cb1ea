"""What can be seen of a board at this moment: listeners, connections, living pcbs."""

from __future__ import annotations

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.watch import Watch
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, connections
from lwipscope.trace.leaks import LivingPcb, PcbTable


class Sight:
    """Of one life of a board; each look is closed by a sync."""

    def __init__(self, board: EmulatedBoard) -> None:
        self.board = board
        self._watch = Watch(board)

    def listeners(self) -> list[Connection]:
        """Open listeners."""
        return [
            c for c in connections(self._watch.now()[0]) if c.role == "listener" and not c.ended
        ]

    def attempts(self) -> list[Connection]:
        """Connections that the program has opened, or tried to."""
        return [c for c in connections(self._watch.now()[0]) if c.role == "client"]

    def living(self) -> list[LivingPcb]:
        """All pcbs that are taken, but those in TIME_WAIT, which end by themselves."""
        table = PcbTable.of(self._watch.now()[0])
        return [pcb for pcb in table.living if pcb.state is not State.TIME_WAIT]
