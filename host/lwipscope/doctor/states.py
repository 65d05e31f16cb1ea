"""The table: each state in each role, and whether this host can hold a board in it.

What a stack never reaches comes from its graph (`tcp.graph`): a role begins with LISTEN and
SYN_RCVD or with SYN_SENT, and gets to what the reachable edges lead to. How the others are held is
in `ways`. A state that is passed through without being held is seen by traced firmware all the
same; a sampling probe may miss it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.doctor.ways import BOTH, Role, Way, ways
from lwipscope.tcp.graph import PROFILES, Graph, graph_of
from lwipscope.tcp.state import State

BoardKind: TypeAlias = Literal["emulated", "real"]
_TRIED = "modlwip-2.2.1"


class Verdict(enum.Enum):
    """Whether it can be held."""

    NOW = "now"
    WITH_RAW = "with CAP_NET_RAW"
    NEVER = "never"
    NO_BOARD = "no board"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """One state in one role; `why` says what is in the way, `command` what to type."""

    state: State
    role: Role
    verdict: Verdict
    way: Way | None = None
    why: str = ""
    command: str = ""

    @property
    def lasts(self) -> str:
        return self.way.lasts if self.way is not None else ""


@dataclass(frozen=True, slots=True)
class Able:
    """What matters of the host and the board."""

    kind: BoardKind
    profile: str = _TRIED
    usable: bool = True
    raw: bool = False
    raw_why: str = ""
    raw_command: str = ""
    """Empty: nothing gives the right on this machine."""


def table(able: Able) -> list[Cell]:
    """All cells, in the order of the states."""
    # A stack of which there is no graph yet is one of which nothing was verified.
    graph = graph_of(able.profile if able.profile in PROFILES else "unknown")
    return [_cell(able, graph, state, role) for state in State for role in BOTH]


def reached(graph: Graph, role: Role) -> frozenset[State]:
    """The states that a connection of this role can be in."""
    found = {State.CLOSED}
    # A listener becomes no connection in lwIP, an accepted connection begins in SYN_RCVD.
    open_ = [State.LISTEN, State.SYN_RCVD] if role == "server" else [State.SYN_SENT]
    while open_:
        state = open_.pop()
        if state not in found:
            found.add(state)
            open_ += [edge.after for edge in graph.reachable() if edge.before is state]
    return frozenset(found)


def _cell(able: Able, graph: Graph, state: State, role: Role) -> Cell:
    if state not in reached(graph, role):
        return Cell(state, role, Verdict.NEVER, why=_why_never(graph, state, role))
    known = ways(state, role)
    if not known:
        # The specification has a way to it, and nobody has looked whether this stack has.
        why = f"RFC 9293 has a way to it; whether a board of profile {able.profile} has: not tried"
        return Cell(state, role, Verdict.UNKNOWN, why=why)
    if not able.usable:
        return Cell(state, role, Verdict.NO_BOARD, known[0], "this board can't be used now")
    if able.kind == "emulated":
        raw = next((way for way in known if way.needs_raw), known[0])
        return Cell(state, role, Verdict.NOW, raw)
    plain = next((way for way in known if not way.needs_raw), None)
    if plain is not None:
        return Cell(state, role, Verdict.NOW, plain)
    if able.raw:
        return Cell(state, role, Verdict.NOW, known[0])
    if able.raw_command:
        return Cell(state, role, Verdict.WITH_RAW, known[0], able.raw_why, able.raw_command)
    return Cell(state, role, Verdict.NEVER, known[0], able.raw_why)


def _why_never(graph: Graph, state: State, role: Role) -> str:
    """From the graph's list of what the stack lacks; by definition, where there is no edge."""
    if (state, role) == (State.LISTEN, "client"):
        return "by definition: what listens is a server"
    here = reached(graph, role)
    for absence in graph.absences:
        if absence.after is state and absence.before in here:
            return (
                f"{absence.before} > {absence.after} is absent: {absence.reason} ({absence.source})"
            )
    return "no edge of its graph leads there"


def held(cells: Iterable[Cell], verdict: Verdict) -> list[Cell]:
    """Those with this verdict."""
    return [cell for cell in cells if cell.verdict is verdict]
