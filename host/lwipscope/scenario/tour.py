"""The tour: all eleven states in both roles of the board, each by a scenario, or why lwIP can't.

`STOPS` are the scenarios to play, `cells` makes the table of what they reached. Called by the
command line and the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lwipscope.scenario.pair import BoardRole
from lwipscope.scenario.play import Played
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, Role, connections
from lwipscope.trace.verdict import Verdict

STOPS = (
    "close-four-segments",
    "close-four-segments-client",
    "close-crossing",
    "close-crossing-client",
    "close-second",
    "close-second-client",
    "listen-to-syn-sent-absent",
    "simultaneous-open-absent",
)
ROLES: tuple[BoardRole, ...] = ("server", "client")
_ABSENT: dict[tuple[State, BoardRole], tuple[str, str]] = {
    (State.LISTEN, "client"): (
        "listen-to-syn-sent-absent",
        "lwIP can't: a listener is another object, it can't connect",
    ),
    (State.SYN_SENT, "server"): (
        "listen-to-syn-sent-absent",
        "lwIP can't: send() on a listener does not make it connect",
    ),
    (State.SYN_RCVD, "client"): (
        "simultaneous-open-absent",
        "lwIP can't: in SYN_SENT it ignores a SYN without ACK",
    ),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A state in a role: how it was reached and in which scenario; or why not, and its proof."""

    state: State
    role: BoardRole
    how: str
    scenario: str
    reached: bool
    expected: bool

    @property
    def good(self) -> bool:
        """It was reached, or it is proven that lwIP can't."""
        return self.reached or self.expected


def cells(played: Sequence[Played]) -> list[Cell]:
    """The table, in the order of the states; only scenarios that passed count."""
    passed = [result for result in played if result.verdict is Verdict.PASS]
    return [_cell(state, role, passed) for state in State for role in ROLES]


def _cell(state: State, role: BoardRole, passed: Sequence[Played]) -> Cell:
    wanted: Role = "listener" if (state, role) == (State.LISTEN, "server") else role
    for result in passed:
        for connection in connections(result.events, role=wanted):
            how = _how(connection, state)
            if how:
                return Cell(state, role, how, result.scenario.name, True, True)
    proof, why = _ABSENT.get((state, role), ("", "not reached"))
    proven = proof in {result.scenario.name for result in passed}
    return Cell(state, role, why, proof, False, proven)


def _how(connection: Connection, state: State) -> str:
    """`rx FIN+ACK, from FIN_WAIT_1`; empty if the connection was never there."""
    before = State.CLOSED
    for here, event in zip(connection.path, connection.led_by, strict=True):
        if here is state and event is not None:
            return f"{event.cause.text()}, from {before}"
        before = here
    return ""
