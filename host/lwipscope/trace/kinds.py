"""The kinds of events: one dataclass for each kind of serial frame.

`event` makes them from frames and offers all of these names. Every event carries the frame's
sequence number, the board's clock in microseconds since boot, and the connection id (0: none).
TCP's own numbers are called `seqno` and `ackno`, as in lwIP, since `seq` is the frame's.
Kinds and fields: firmware/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lwipscope.tcp.state import State
from lwipscope.trace.values import Cause, Endpoint, flag_names


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have. conn is 0 where no pcb is concerned."""

    seq: int
    clock_us: int
    conn: int

    def text(self) -> str:
        """One line for people, without the clock."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Hello(Event):
    """Who the board is. `fields` holds everything it said, as text."""

    re: int
    proto: int
    boot: str
    fields: Mapping[str, str] = field(hash=False)

    def text(self) -> str:
        names = ("board", "mp", "lwip", "profile")
        about = " ".join(f"{name}={self.fields[name]}" for name in names if name in self.fields)
        return f"hello boot={self.boot} {about}".rstrip()


@dataclass(frozen=True, slots=True)
class Born(Event):
    """Memory for a pcb was taken; `used` are in use after it."""

    pool: str
    used: int

    def text(self) -> str:
        return f"c{self.conn} born in pool {self.pool} ({self.used} used)"


@dataclass(frozen=True, slots=True)
class Transition(Event):
    """A store to a pcb's state; it may store what was there already."""

    before: State
    after: State
    cause: Cause
    at: str
    local: Endpoint | None
    remote: Endpoint | None
    listener: int | None

    def text(self) -> str:
        where = f" at {self.at}" if self.at else ""
        return f"c{self.conn} {self.before} > {self.after} ({self.cause.text()}){where}"


@dataclass(frozen=True, slots=True)
class Died(Event):
    """Memory of a pcb was given back while its state was `state`."""

    state: State
    cause: Cause
    used: int

    def text(self) -> str:
        return f"c{self.conn} freed in {self.state} ({self.cause.text()}), {self.used} used"


@dataclass(frozen=True, slots=True)
class Segment(Event):
    """A segment that came in (before lwIP processed it) or went out. win and length in bytes."""

    direction: Literal["rx", "tx"]
    flags: str
    seqno: int
    ackno: int
    win: int
    length: int
    mss: int | None
    local: Endpoint | None
    remote: Endpoint | None

    def text(self) -> str:
        mss = "" if self.mss is None else f" mss={self.mss}"
        ends = f" {self.local} {self.remote}" if self.local else ""
        who = f"c{self.conn}" if self.conn else "no pcb:"
        return (
            f"{who} {self.direction} {flag_names(self.flags)} seq={self.seqno} "
            f"ack={self.ackno} win={self.win} len={self.length}{mss}{ends}"
        )


@dataclass(frozen=True, slots=True)
class Call(Event):
    """The application called the socket layer; arg is a port, a length, an endpoint or empty."""

    name: str
    arg: str

    def text(self) -> str:
        return f"c{self.conn} call {self.name}({self.arg})"


@dataclass(frozen=True, slots=True)
class Return(Event):
    """What a call returned, where worth telling: `ok`, `c12` (accept), or an errno's name."""

    name: str
    result: str

    def text(self) -> str:
        return f"c{self.conn} {self.name} returned {self.result}"

    @property
    def errno(self) -> str | None:
        return self.result if self.result.startswith("E") else None

    @property
    def accepted(self) -> int | None:
        """The new connection's id, if this is an accept that succeeded."""
        number = self.result.removeprefix("c")
        return int(number) if self.name == "accept" and number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """n records did not fit into the board's ring at this point."""

    n: int

    def text(self) -> str:
        return f"{self.n} records lost on the board: its ring was full"


@dataclass(frozen=True, slots=True)
class Beat(Event):
    """The board is alive; `ring` bytes wait in its ring."""

    ring: int


@dataclass(frozen=True, slots=True)
class PcbRow(Event):
    """One row of a snapshot that was asked for by command `re`."""

    re: int
    state: State
    local: Endpoint | None
    remote: Endpoint | None
    age_ms: int

    def text(self) -> str:
        return f"c{self.conn} is in {self.state} {self.local or '-'} {self.remote or '-'}"


@dataclass(frozen=True, slots=True)
class Reply(Event):
    """The answer to command `re`."""

    re: int
    ok: bool
    words: tuple[str, ...]
    fields: Mapping[str, str] = field(hash=False)

    def text(self) -> str:
        said = [*self.words, *(f"{key}={value}" for key, value in self.fields.items())]
        return " ".join((f"reply to {self.re}:", "ok" if self.ok else "err", *said))


@dataclass(frozen=True, slots=True)
class Fault(Event):
    """The board's last words: a processor fault or a failed assertion."""

    said: str

    def text(self) -> str:
        return f"fault: {self.said}"


@dataclass(frozen=True, slots=True)
class Unknown(Event):
    """A frame of an unknown kind (harmless: a newer board), or one that is malformed."""

    kind: str
    tail: str
    reason: str
    malformed: bool

    def text(self) -> str:
        return f"{self.kind} {self.tail} ({self.reason})"
