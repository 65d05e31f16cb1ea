"""Paths from samples: what may be concluded from states that were seen now and then.

A sampling probe misses states, so what it saw of a connection is a subsequence of the true path.
The true path is a walk along the edges of the board's stack (`tcp.graph`). `judge` follows all
walks that agree with the samples: PASS if every one matches the pattern, FAIL if none does, else
INCONCLUSIVE, with one walk of each sort. Called by the probe's users with a trace's events.

Taken for granted: a pair of endpoints is not used again in the same memory between two walks, and
a connection to a port on which the board was seen listening was accepted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.path import PathPattern, path_text
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, Event
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.sample import Sample, Torn, Unseen, Walks
from lwipscope.trace.verdict import Verdict

SampledRole: TypeAlias = Literal["server", "client", "listener", "idle", "unknown"]
_Path: TypeAlias = tuple[State, ...]
_BEGINNINGS: dict[str, tuple[_Path, ...]] = {
    "server": ((State.LISTEN, State.SYN_RCVD),),
    "client": ((State.SYN_SENT,),),
    "listener": ((State.LISTEN,),),
    "unknown": ((State.LISTEN, State.SYN_RCVD), (State.SYN_SENT,)),
    "idle": (),
}


@dataclass(frozen=True, slots=True)
class SampledConnection:
    """What was seen of one connection: its states in order, each told once while it lasted."""

    id: int
    role: SampledRole
    local: Endpoint
    remote: Endpoint | None
    seen: tuple[State, ...]
    ended: bool
    """It was in no list any more when the probe looked last."""

    def text(self) -> str:
        """One line: `c3 server 192.0.2.10:80 - 192.0.2.1:40312: sampled SYN_RCVD, ...`."""
        ends = f"{self.local}" + (f" - {self.remote}" if self.remote else "")
        end = ", then not seen any more" if self.ended else ""
        return f"c{self.id} {self.role} {ends}: sampled {_listed(self.seen)}{end}"


@dataclass(frozen=True, slots=True)
class SampledCheck:
    """A comparison of samples with a pattern, and what a person needs to believe it."""

    pattern: PathPattern
    connection: SampledConnection | None
    verdict: Verdict
    text: str


def sampled_connections(events: Iterable[Event]) -> list[SampledConnection]:
    """All that was sampled, in the order in which it was first seen."""
    found: dict[int, SampledConnection] = {}
    listening: set[int] = set()
    for event in events:
        if isinstance(event, Sample):
            known = found.get(event.conn)
            if known is None:
                role = _role(event, listening)
                found[event.conn] = SampledConnection(
                    event.conn, role, event.local, event.remote, (event.state,), False
                )
                if role == "listener":
                    listening.add(event.local.port)
            else:
                found[event.conn] = replace(known, seen=(*known.seen, event.state))
        elif isinstance(event, Unseen) and event.conn in found:
            found[event.conn] = replace(found[event.conn], ended=True)
    return list(found.values())


def _role(first: Sample, listening: set[int]) -> SampledRole:
    match first.state:
        case State.LISTEN:
            return "listener"
        case State.CLOSED:
            return "idle"  # bound and no more: a connection of it is another pair of endpoints
        case State.SYN_SENT:
            return "client"
        case State.SYN_RCVD:
            return "server"
    return "server" if first.local.port in listening else "unknown"


def judge(pattern: PathPattern, connection: SampledConnection, graph: Graph) -> tuple[Verdict, str]:
    """The verdict on what was sampled of one connection, and why."""
    fitting, other = _explanations(pattern, connection, graph)
    if fitting is None and other is None:
        return Verdict.INCONCLUSIVE, (
            f"no path of the stack {graph.profile} explains these samples: a walk was torn, or two "
            "connections with the same endpoints look like one"
        )
    if other is None:
        return (
            Verdict.PASS,
            f"sampled: every path that explains the samples is as expected: {pattern}",
        )
    if fitting is None:
        return Verdict.FAIL, (
            f"sampled: no path that explains the samples is as expected\nexpected  {pattern}\n"
            f"possible  {path_text(other)}"
        )
    return Verdict.INCONCLUSIVE, (
        "sampling can't decide: these paths explain the samples alike\n"
        f"expected    {pattern}\nas expected {path_text(fitting)}\nnot         {path_text(other)}\n"
        "a peer that holds each state longer than the pause between two walks helps"
    )


def check_sampled(
    events: Iterable[Event],
    integrity: Integrity,
    pattern: PathPattern | str,
    *,
    port: int | None = None,
    remote_port: int | None = None,
    peer: str | None = None,
    role: SampledRole | None = None,
    profile: str = "unknown",
) -> SampledCheck:
    """Compare the one sampled connection that fits the filters with `pattern`.

    Listeners are only looked at with `role="listener"`. `profile`: the board's stack (`tcp.graph`).
    """
    expected = PathPattern.parse(pattern) if isinstance(pattern, str) else pattern
    kept = list(events)
    everything = sampled_connections(kept)
    fitting = [
        c
        for c in everything
        if (c.role == role if role else c.role not in ("listener", "idle"))
        and (port is None or c.local.port == port)
        and (remote_port is None or (c.remote is not None and c.remote.port == remote_port))
        and (peer is None or (c.remote is not None and c.remote.ip == peer))
    ]
    if len(fitting) != 1:
        told = "\n".join(f"  {c.text()}" for c in everything) or "  nothing"
        if fitting:
            verdict, text = Verdict.ERROR, f"{len(fitting)} sampled connections fit; say which"
        else:
            # It may have come and gone between two walks.
            verdict, text = Verdict.INCONCLUSIVE, "no connection that fits was sampled"
        return SampledCheck(expected, None, verdict, f"{text}\nsampled were:\n{told}")
    one = fitting[0]
    verdict, why = judge(expected, one, graph_of(profile))
    problems = integrity.problems()
    if problems:
        verdict = Verdict.INCONCLUSIVE if verdict is not Verdict.ERROR else verdict
        why += "\nthe evidence is incomplete: " + "; ".join(problems)
    return SampledCheck(expected, one, verdict, f"{one.text()}\n{why}\n{how_sampled(kept)}")


def how_sampled(events: Sequence[Event]) -> str:
    """How closely the probe has looked, in a line."""
    torn = sum(isinstance(event, Torn) for event in events)
    told = [event for event in events if isinstance(event, Walks)]
    if not told:
        return "sampled by the memory probe"
    longest_ms = max(event.gap_us for event in told) / 1000
    holes = f", {torn} times nothing could be read" if torn else ""
    return (
        f"sampled by the memory probe: {told[-1].walks} walks, the longest pause "
        f"{longest_ms:.1f} ms{holes}"
    )


def _listed(states: Sequence[State]) -> str:
    return ", ".join(state.name for state in states)


# --- all walks that agree with the samples ---

_Place: TypeAlias = tuple[State, int, int]
"""Where a walk is: its newest state, how many samples it has explained, places of the pattern."""


def _explanations(
    pattern: PathPattern, connection: SampledConnection, graph: Graph
) -> tuple[_Path | None, _Path | None]:
    """A walk that explains the samples and matches, and one that does not; the shortest ones."""
    seen = connection.seen
    ways = _ways(graph, connection.role)
    paths: dict[_Place, _Path] = {}
    for beginning in _BEGINNINGS[connection.role]:
        place: _Place = (beginning[0], 0, pattern.begin())
        for state in beginning:
            place = _move(pattern, seen, place, state)
        # The listener's LISTEN belongs to the path, not to what was sampled of this pcb.
        paths.setdefault(place, beginning)
    fitting: _Path | None = None
    other: _Path | None = None
    order = list(paths)
    for place in order:  # it grows
        state, explained, places = place
        ended = state is State.CLOSED
        if explained == len(seen) and (ended if connection.ended else state is seen[-1]):
            if pattern.accepts(places):
                fitting = fitting or paths[place]
            else:
                other = other or paths[place]
        for after in ways.get(state, ()):
            reached = _move(pattern, seen, place, after)
            if reached not in paths:
                paths[reached] = (*paths[place], after)
                order.append(reached)
    return fitting, other


def _move(pattern: PathPattern, seen: Sequence[State], place: _Place, state: State) -> _Place:
    # Explaining a sample as early as possible never spoils an explanation.
    _before, explained, places = place
    explained += explained < len(seen) and seen[explained] is state
    return state, explained, pattern.step(places, state)


def _ways(graph: Graph, role: SampledRole) -> dict[State, list[State]]:
    """From each state the states that may follow. CLOSED is the end of a pcb."""
    if role == "listener":
        return {State.LISTEN: [State.CLOSED]}
    edges = graph.edges
    if not graph.exact:
        # Of an unknown lwIP more may be true than the RFC says, and more than 2.2.1 does.
        edges = (*edges, *graph_of("modlwip-2.2.1").edges)
    ways: dict[State, list[State]] = {}
    for edge in edges:
        # In lwIP the listener stays where it is: its child ends, or never was in LISTEN.
        after = State.CLOSED if edge.after is State.LISTEN else edge.after
        if edge.before in (State.CLOSED, State.LISTEN) or after is edge.before:
            continue
        if edge.before is State.TIME_WAIT and after is not State.CLOSED:
            continue  # the next connection of the same endpoints (RFC 9293, 3.6.1): see above
        if after not in ways.setdefault(edge.before, []):
            ways[edge.before].append(after)
    return ways
