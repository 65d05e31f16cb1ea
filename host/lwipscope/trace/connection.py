"""Connections, built from events: who they were, which states they went through, and why.

A connection is one pcb that left CLOSED. Its path follows DESIGN D10: an accepted connection's path
is its listener's LISTEN and then its own states; stores that change nothing are dropped; a store
of CLOSED and a pcb freed in another state both end the path in CLOSED, once. The pcb that listen()
consumes (lwIP: tcp_listen_with_backlog frees it and takes a smaller one) is folded into its
listener. Called by verdicts and reports with `trace.events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from lwipscope.tcp.path import path_text
from lwipscope.tcp.state import State
from lwipscope.trace.event import (
    Born,
    Call,
    Cause,
    Died,
    Endpoint,
    Event,
    Return,
    Segment,
    Transition,
)

Role: TypeAlias = Literal["server", "client", "listener", "idle", "unknown"]
"""server: accepted; client: connected; idle: never left CLOSED; unknown: its start was not seen."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection, listener, or idle socket. Tuples are in the order of the events."""

    id: int
    role: Role = "idle"
    listener: int | None = None
    local: Endpoint | None = None
    remote: Endpoint | None = None
    path: tuple[State, ...] = ()
    led_by: tuple[Transition | Died | None, ...] = ()
    """Beside each state of `path` the event that led to it; None where no event of this pcb did."""
    segments: tuple[Segment, ...] = ()
    calls: tuple[Call | Return, ...] = ()
    ended: bool = False
    end_reason: Cause | None = None
    broken: bool = False
    """An event contradicts the one before it: the tracer missed a transition."""
    folded: tuple[int, ...] = ()
    """Ids of pcbs that listen() consumed for this listener."""

    @property
    def steps(self) -> tuple[Transition | Died, ...]:
        """The events that changed the state, with their causes."""
        return tuple(event for event in self.led_by if event is not None)

    def text(self) -> str:
        """One line: `c3 server 192.0.2.10:80 - 192.0.2.1:40312: LISTEN > SYN_RCVD > ...`."""
        ends = f"{self.local or '?'}" + (f" - {self.remote}" if self.remote else "")
        return f"c{self.id} {self.role} {ends}: {path_text(self.path)}"


def connections(
    events: Iterable[Event],
    *,
    port: int | None = None,
    remote_port: int | None = None,
    peer: str | None = None,
    role: Role | None = None,
) -> list[Connection]:
    """The connections and listeners, oldest first; `port` is the board's, `peer` an address."""
    found = [c for c in _build(events) if c.path]
    return select(found, port=port, remote_port=remote_port, peer=peer, role=role)


def idle(events: Iterable[Event]) -> list[Connection]:
    """Sockets that never left CLOSED and were not consumed by listen()."""
    return [connection for connection in _build(events) if not connection.path]


def select(
    among: Iterable[Connection],
    *,
    port: int | None = None,
    remote_port: int | None = None,
    peer: str | None = None,
    role: Role | None = None,
) -> list[Connection]:
    """Those that fit every filter that is given."""
    return [
        c
        for c in among
        if (port is None or (c.local is not None and c.local.port == port))
        and (remote_port is None or (c.remote is not None and c.remote.port == remote_port))
        and (peer is None or (c.remote is not None and c.remote.ip == peer))
        and (role is None or c.role == role)
    ]


@dataclass(slots=True)
class _Draft:
    """A connection while its events are read."""

    made: Connection
    path: list[State] = field(default_factory=list)
    led_by: list[Transition | Died | None] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    calls: list[Call | Return] = field(default_factory=list)

    def enter(self, state: State, event: Transition | Died | None) -> None:
        self.path.append(state)
        self.led_by.append(event)

    def finished(self) -> Connection:
        return replace(
            self.made,
            path=tuple(self.path),
            led_by=tuple(self.led_by),
            segments=tuple(self.segments),
            calls=tuple(self.calls),
        )

    def transition(self, event: Transition) -> None:
        if not self.path:
            self._first(event)
        elif event.before is not self.path[-1]:
            self.made = replace(self.made, broken=True)
            self.enter(event.before, None)
        if event.after is not (self.path[-1] if self.path else State.CLOSED):
            if self.made.ended:
                self.made = replace(self.made, broken=True)
            self.enter(event.after, event)
        self._end_if_closed(event.cause)
        self.made = replace(
            self.made,
            local=event.local or self.made.local,
            remote=event.remote or self.made.remote,
        )

    def died(self, event: Died) -> None:
        if not self.path:
            if event.state is State.CLOSED:
                return
            self.made = replace(self.made, role="unknown")
            self.enter(event.state, None)
        elif event.state is not self.path[-1]:
            self.made = replace(self.made, broken=True)
            self.enter(event.state, None)
        if self.path[-1] is not State.CLOSED:
            self.enter(State.CLOSED, event)
        self._end_if_closed(event.cause)

    def _first(self, event: Transition) -> None:
        """The event with which the pcb leaves CLOSED, or the first that was seen of it."""
        match event.after:
            case State.LISTEN:
                # lwIP stores LISTEN into memory that was never set, so `before` says nothing here.
                self.made = replace(self.made, role="listener")
            case State.SYN_RCVD if event.before in (State.CLOSED, State.LISTEN):
                self.made = replace(self.made, role="server", listener=event.listener)
                self.enter(State.LISTEN, None)
            case State.SYN_SENT if event.before is State.CLOSED:
                self.made = replace(self.made, role="client")
            case State.CLOSED if event.before is State.CLOSED:
                pass
            case _:
                self.made = replace(self.made, role="unknown")
                self.enter(event.before, None)

    def _end_if_closed(self, cause: Cause) -> None:
        if self.path and self.path[-1] is State.CLOSED and not self.made.ended:
            self.made = replace(self.made, ended=True, end_reason=cause)


def _build(events: Iterable[Event]) -> Sequence[Connection]:
    drafts: dict[int, _Draft] = {}
    newest_listener: _Draft | None = None
    for event in events:
        if not event.conn or not isinstance(
            event, Born | Transition | Died | Segment | Call | Return
        ):
            continue
        draft = drafts.get(event.conn)
        if draft is None:
            draft = drafts[event.conn] = _Draft(Connection(event.conn))
        match event:
            case Transition():
                if not draft.path and event.listener in drafts:
                    draft.segments.extend(_opening_syn(drafts[event.listener], event))
                draft.transition(event)
                if event.after is State.LISTEN:
                    newest_listener = draft
            case Died():
                if _consumed(event) and not draft.path and newest_listener is not None:
                    _fold(drafts.pop(event.conn), newest_listener)
                    newest_listener = None
                else:
                    draft.died(event)
            case Segment():
                draft.segments.append(event)
            case Call() | Return():
                draft.calls.append(event)
    return [draft.finished() for draft in drafts.values()]


def _opening_syn(listener: _Draft, event: Transition) -> list[Segment]:
    """The SYN came to the listener, but it belongs to the connection that it opened."""
    for index in range(len(listener.segments) - 1, -1, -1):
        segment = listener.segments[index]
        if "S" in segment.flags and segment.direction == "rx" and segment.remote == event.remote:
            return [listener.segments.pop(index)]
    return []


def _consumed(event: Died) -> bool:
    return event.state is State.CLOSED and event.cause == Cause("api", "listen")


def _fold(consumed: _Draft, listener: _Draft) -> None:
    listener.calls[:0] = consumed.calls
    listener.made = replace(
        listener.made, folded=(*listener.made.folded, consumed.made.id, *consumed.made.folded)
    )
