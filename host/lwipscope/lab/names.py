"""What is called what in a lab: s1 a socket of the board, n1 an nc, r1 a raw peer; and what a verb
has to say.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from lwipscope.board.agent import BoardSocket
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.nc_end import NcEnd
from lwipscope.lab.raw_end import RawEnd, RawListener
from lwipscope.words.catalogue import Translator


@dataclass(slots=True)
class Told:
    """What a verb has to say, filled in as it goes: it is kept if the verb fails half way."""

    said: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)
    shell: list[str] = field(default_factory=list)
    events: bool = True
    """Whether what the board did meanwhile is told, too."""


@dataclass(slots=True)
class Socket:
    """A socket of the board. `conn` is its pcb, which listen() replaces."""

    name: str
    handle: BoardSocket
    kind: str = "socket"
    conn: int | None = None
    port: int = 0
    closed: bool = False


class Names:
    """The things of a lab by their names. Names are never used twice."""

    def __init__(self, tr: Translator) -> None:
        self.tr = tr
        self.sockets: dict[str, Socket] = {}
        self.ncs: dict[str, NcEnd] = {}
        self.raws: dict[str, RawEnd | RawListener] = {}
        self._counters = dict.fromkeys("snr", 0)
        self._raw_ports = itertools.count(40001)

    def new_name(self, letter: str) -> str:
        """The next one; `give_back` if nothing came of it."""
        self._counters[letter] += 1
        return f"{letter}{self._counters[letter]}"

    def give_back(self, name: str) -> None:
        """A name that was the newest and is not needed."""
        self._counters[name[0]] -= 1

    def next_raw_port(self) -> int:
        return next(self._raw_ports)

    def socket(self, name: str) -> Socket:
        """A socket of the board, also a closed one."""
        found = self.sockets.get(name)
        if found is None:
            open_ones = ", ".join(n for n, s in self.sockets.items() if not s.closed) or "-"
            raise Mistake(
                self.tr(
                    "the board has no socket {name}; there are: {names}", name=name, names=open_ones
                )
            )
        return found

    def nc(self, name: str) -> NcEnd:
        found = self.ncs.get(name)
        if found is None:
            names = ", ".join(self.ncs) or "-"
            raise Mistake(
                self.tr("there is no nc {name}; there are: {names}", name=name, names=names)
            )
        return found

    def raw(self, name: str) -> RawEnd:
        """A raw peer's connection."""
        found = self.raws.get(name)
        if isinstance(found, RawListener):
            raise Mistake(
                self.tr(
                    "{name} waits for the board at port {port}: first `board connect {port}`",
                    name=name,
                    port=found.port,
                )
            )
        if found is None:
            names = ", ".join(self.raws) or "-"
            raise Mistake(
                self.tr("there is no raw peer {name}; there are: {names}", name=name, names=names)
            )
        return found
