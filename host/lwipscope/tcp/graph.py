"""Graphs: the edges of one stack, to be asked whether a transition is legal, and compared.

`graph_of("modlwip-2.2.1")` knows causes and sites and takes nothing else. The graphs `rfc9293` and
`unknown` (a board's stack of which nothing was verified) hold RFC 9293's edges and look at the
states only: which cause a stack gives is its own affair. Used by `trace.legality`, scenarios and
reports.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import get_args

from lwipscope.errors import UsageError
from lwipscope.tcp import modlwip, modlwip_limits, rfc9293
from lwipscope.tcp.edge import Absence, Edge, Profile
from lwipscope.tcp.state import State

PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True, slots=True)
class Graph:
    """The edges of one stack. `exact`: causes and sites have to be right, too."""

    profile: Profile
    edges: tuple[Edge, ...]
    absences: tuple[Absence, ...] = ()
    exact: bool = True
    _by_states: dict[tuple[State, State], list[Edge]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for edge in self.edges:
            self._by_states.setdefault((edge.before, edge.after), []).append(edge)

    def legal(self, before: State, after: State, cause: str, site: str = "") -> Edge | None:
        """The edge that this transition is, or None.

        `cause` and `site` are spelled as in the trace; a pcb that was freed in the state `before`
        goes to CLOSED with an empty site. Edges that are proven unreachable are found as well.
        """
        if self.exact:
            among = self._by_states.get((before, after), [])
            return next((e for e in among if e.site == site and e.trigger.fits(cause)), None)
        if (before, after) == (State.CLOSED, State.SYN_RCVD):
            before = State.LISTEN  # an accepted connection that is a pcb of its own
        among = self._by_states.get((before, after), [])
        kind = cause.partition(":")[0]
        return max(
            among,
            key=lambda e: (e.trigger.fits(cause), e.trigger.kind == kind),
            default=None,
        )

    def edges_from(self, state: State) -> tuple[Edge, ...]:
        """The ways out of a state."""
        return tuple(edge for edge in self.edges if edge.before is state)

    def between(self, before: State, after: State) -> tuple[Edge, ...]:
        """The edges from one state to another."""
        return tuple(self._by_states.get((before, after), ()))

    def reachable(self) -> tuple[Edge, ...]:
        """The edges that a program and its peer can bring about."""
        return tuple(edge for edge in self.edges if not edge.unreachable)

    def paths(self, start: State, end: State = State.CLOSED) -> Iterator[tuple[State, ...]]:
        """All ways from `start` to `end` that visit no state twice, by reachable edges."""
        ways: dict[State, list[State]] = {}
        for edge in self.reachable():
            afters = ways.setdefault(edge.before, [])
            if edge.after not in afters:
                afters.append(edge.after)
        open_paths: list[tuple[State, ...]] = [(start,)]
        while open_paths:
            path = open_paths.pop()
            for after in reversed(ways.get(path[-1], [])):
                if after is end:
                    yield (*path, after)
                elif after not in path:
                    open_paths.append((*path, after))


@cache
def graph_of(profile: str) -> Graph:
    """The graph of a stack profile; UsageError that names the profiles there are."""
    match profile:
        case "rfc9293" | "unknown":
            return Graph(profile, rfc9293.edges(), exact=False)
        case "modlwip-2.2.1":
            return Graph(profile, modlwip.edges(), modlwip_limits.absences())
    near = difflib.get_close_matches(profile, PROFILES, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(PROFILES)}"
    raise UsageError(f"no stack profile is called {profile!r}; {hint}")


def profile_of(lwip: str, micropython: str) -> Profile:
    """The profile of a board that says these versions; `unknown` unless they were verified."""
    verified = lwip == "2.2.1" and micropython == "1.25.0"
    return "modlwip-2.2.1" if verified else "unknown"
