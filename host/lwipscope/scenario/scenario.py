"""What a scenario is: a name, a story, what is expected, and how it is played.

Each exists once, in a module of this package, and is used by the command line, the tests and the
reports alike; `library` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.scenario.stage import Stage
from lwipscope.trace.connection import Role

Need: TypeAlias = Literal["nc", "kernel", "raw", "clock", "switch", "power"]
"""nc, another well-behaved TCP, the raw peer, board time that can be moved, the board's wire, a
reset of which the board's program knows nothing."""

FirmwareKind: TypeAlias = Literal["usual", "no-workarounds"]

NEED_TEXTS: dict[Need, str] = {
    "nc": "OpenBSD's nc at the other end",
    "kernel": "a kernel socket at the other end",
    "raw": "the raw peer at the other end, which sends single segments",
    "clock": "board time that can be moved",
    "switch": "the board's wire in the host, on which anybody can stand",
    "power": "a reset without warning, as if the power went: no program closes its sockets",
}
NC: frozenset[Need] = frozenset({"nc"})
RAW: frozenset[Need] = frozenset({"raw"})
RAW_AND_POWER: frozenset[Need] = frozenset({"raw", "power"})
RAW_AND_SWITCH: frozenset[Need] = frozenset({"raw", "switch"})
RAW_AND_CLOCK: frozenset[Need] = frozenset({"raw", "clock"})


@dataclass(frozen=True, slots=True)
class Expected:
    """The path of one connection; notation: lwipscope.tcp.path.

    `remote_port` says which one, if there are several of the same role; `life` in which of the
    board's lives it is looked for, counted from 0, or from the last one backwards.
    """

    path: str
    role: Role
    remote_port: int | None = None
    life: int = -1


@dataclass(frozen=True, slots=True)
class Scenario:
    """One exchange. `expected` is the connection that it is about, `others` those beside it."""

    name: str
    title: str
    story: str
    rfc: str
    expected: Expected
    play: Callable[[Stage], None]
    needs: frozenset[Need] = NC
    shows: str = ""
    others: tuple[Expected, ...] = ()
    peer_path: str = ""
    """The other end's states, deduced from its segments by RFC 9293's rules; judged if given. Left
    empty where the peer breaks the rules on purpose. Notation as for the board's paths."""
    deviations: tuple[str, ...] = ()
    """Names of `lwipscope.tcp.deviations` that must be seen: by their sign in the events
    (`lwipscope.trace.deviation_signs`), or because the scenario says `stage.deviation_seen`."""
    profiles: tuple[str, ...] = ("roomy", "rp2")
    boards: tuple[str, ...] = ("qemu-mps2-an385", "qemu-mps2-an500")
    firmware: FirmwareKind = "usual"
    """"no-workarounds": it shows a defect that the usual firmware works around."""

    @property
    def needs_nc(self) -> bool:
        """True if it can't be played without nc."""
        return "nc" in self.needs
