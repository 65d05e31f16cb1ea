"""An edge: one transition that a state machine allows, what triggers it, and who says so.

Edges are data: `rfc9293` holds those of the specification, `modlwip` those of lwIP 2.2.1 below
MicroPython's sockets, `graph` looks them up. Causes are strings as the serial protocol spells them
(firmware/README.md): `rx:F.`, `rx:.,abort`, `api:close`, `timer:2MSL`, `kill:pool-empty`. A site is
the place of a state store as the trace's `at=` shows it (`tcp_in.c:942`); it is empty for an
edge of the RFC, and where lwIP frees a pcb without storing CLOSED.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.errors import UsageError
from lwipscope.tcp.state import State

Profile: TypeAlias = Literal["rfc9293", "modlwip-2.2.1", "unknown"]
"""Whose state machine; `unknown` is a board's stack of which nothing was verified."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes a transition happen.

    `detail` is a name as in the protocol; for `rx` it says in words what the segment is, and
    `must` and `never` say which flags (tcpdump's letters) it has and has not. `aborted`: stack or
    socket layer refused the segment.
    """

    kind: str
    detail: str
    must: str = ""
    never: str = ""
    aborted: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}" + ", then abort" * self.aborted

    def fits(self, cause: str) -> bool:
        """Whether a cause in the protocol's spelling is this trigger."""
        kind, _, detail = cause.partition(":")
        if kind != self.kind:
            return False
        if kind != "rx":
            return detail.lower() == self.detail.lower()
        flags = detail.removesuffix(",abort")
        letters = set() if flags == "none" else set(flags)
        return (
            (flags != detail) == self.aborted
            and letters.issuperset(self.must)
            and letters.isdisjoint(self.never)
        )


@dataclass(frozen=True, slots=True)
class Edge:
    """One transition. Source: a section of RFC 9293, or lwIP's file, function and line."""

    before: State
    after: State
    trigger: Trigger
    source: str
    note: str = ""
    site: str = ""
    meets: str = ""
    """The trigger of the RFC's edge that this one carries out, between the same states unless
    written `A > B: trigger`. Empty: the RFC knows nothing like it, and `note` says why it is."""
    unreachable: str = ""
    """Why no program that uses MicroPython's sockets can bring it about; empty if one can."""

    @property
    def frees(self) -> bool:
        """The pcb's memory is given back without a store: the trace shows only its death."""
        return not self.site and self.after is State.CLOSED

    def __str__(self) -> str:
        where = f" at {self.site}" if self.site else ""
        return f"{self.before} > {self.after} ({self.trigger}){where}"


@dataclass(frozen=True, slots=True)
class Absence:
    """An edge of the RFC that a stack does not have, and why."""

    before: State
    after: State
    trigger: str
    reason: str
    source: str


def edges_of(
    states: str,
    trigger: Trigger,
    source: str,
    note: str = "",
    *,
    site: str = "",
    meets: str = "",
    unreachable: str = "",
) -> list[Edge]:
    """The same edge from one or more states: `edges_of("CLOSING, LAST_ACK > CLOSED", ...)`."""
    befores, after = _two_sides(states)
    return [
        Edge(
            State.parse(before),
            State.parse(after),
            trigger,
            source,
            note,
            site,
            meets,
            unreachable,
        )
        for before in befores.split(",")
    ]


def pair(states: str) -> tuple[State, State]:
    """`SYN_SENT > CLOSED` as two states."""
    before, after = _two_sides(states)
    return State.parse(before), State.parse(after)


def _two_sides(states: str) -> tuple[str, str]:
    before, arrow, after = states.partition(">")
    if not arrow:
        raise UsageError(f"{states!r} is not BEFORE > AFTER, as in 'SYN_SENT > CLOSED'")
    return before, after
