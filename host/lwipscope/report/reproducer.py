"""What two plain scripts have to do to repeat a run: the steps, taken from its trace.

Called by `bug_report`. The board's script makes the socket calls that the trace shows, the peer's
script sends the peer's segments, with numbers relative to each side's first, and waits for the
board's. Where the order between the two matters the peer gives cues (`reproducer_scripts`).
Times are the board's, in seconds. What can't be repeated this way is told in `limits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lwipscope.runfile.merged import Moment, merged
from lwipscope.runfile.model import Run, RunLife
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Died, Endpoint, Event, Return, Segment, Transition

_MODULUS = 1 << 32
_LEAST_PAUSE_S = 0.7
_CALLS = {"socket", "bind", "listen", "accept", "connect", "send", "recv", "close"}
NOT_COMPARED = "-"
STILL_TIME_WAIT = "still in TIME_WAIT"


@dataclass(slots=True)
class Group:
    """Calls that the board makes in one go. `blocks`: the last one waits for the peer."""

    number: int
    lines: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    blocks: bool = False


@dataclass(slots=True)
class Talk:
    """One pair of ports. `listens`: the peer's port is one that the board connects to."""

    peer_port: int
    board_port: int
    listens: bool
    peer_first: int | None = None
    board_first: int | None = None


@dataclass(frozen=True)
class Steps:
    """All that the scripts are made of."""

    groups: tuple[Group, ...]
    ops: tuple[tuple[Any, ...], ...]
    talks: tuple[Talk, ...]
    limits: tuple[str, ...]


def steps_of(run: Run, probes: frozenset[str] = frozenset()) -> Steps:
    """The steps of a run's only life; `probes`: recv, time-wait."""
    if not run.lives:
        return Steps((), (), (), ("the run holds nothing of a board",))
    maker = _Maker(run.lives[0], probes)
    maker.make()
    limits = list(dict.fromkeys(maker.limits))
    if len(run.lives) > 1:
        limits.append("the board was reset in this run: the scripts repeat its first life only")
    limits += [f"the evidence is incomplete: {each}" for each in run.problems()]
    if not maker.groups:
        limits.append("no socket call was recorded: there is nothing for the board to do")
    return Steps(tuple(maker.groups), tuple(maker.ops), tuple(maker.talks.values()), tuple(limits))


class _Maker:
    def __init__(self, life: RunLife, probes: frozenset[str]) -> None:
        self._life = life
        self._probes = probes
        self._name = {f: c.id for c in life.connections for f in c.folded}
        self._ends: dict[int, tuple[Endpoint, Endpoint]] = {}
        self._returns = _returns(life.plain_events)
        self._open = False
        self._at_us: int | None = None
        self.groups: list[Group] = []
        self.ops: list[tuple[Any, ...]] = []
        self.talks: dict[tuple[int, str, int], Talk] = {}
        self.limits: list[str] = []

    def make(self) -> None:
        for moment in merged(self._life):
            if moment.kind == "frame" and moment.frame is not None and moment.frame.tcp is not None:
                self.limits.append("segments that never reached the board's TCP are left out")
            elif moment.kind == "gap":
                self.limits.append("records of the board are missing: steps may be missing, too")
            elif moment.event is not None:
                self._event(moment, moment.event)
        self._finish()
        if "time-wait" in self._probes and self.talks:
            last = [op for op in self.ops if op[0] == "send" and "F" in op[2]]
            if last:
                self.ops.append(("probe", *last[-1][1:]))

    def _event(self, moment: Moment, event: Event) -> None:
        match event:
            case Transition() | Died():
                if str(event.cause).startswith("netif"):
                    self.limits.append("the board's address was changed: the scripts do not")
                if str(event.cause).startswith("gc:"):
                    self.limits.append("a soft reset or the collector closed sockets here")
                if isinstance(event, Transition) and event.local and event.remote:
                    self._ends[event.conn] = (event.local, event.remote)
            case Call():
                self._call(event)
            case Segment():
                self._segment(moment, event)
            case _:
                return

    def _call(self, event: Call) -> None:
        if event.name not in _CALLS:
            self.limits.append(f"the call {event.name!r} is not one that a script can make")
            return
        if not self._open:
            self._finish()
            group = Group(len(self.groups) + 1)
            self.groups.append(group)
            self.ops.append(("go", group.number))
            self._open = True
        self._pause(event.clock_us)
        group = self.groups[-1]
        returned = self._outcome(event, self._returns.get(event.seq))
        if event.name == "close":
            self._probe_recv(group, self._who(event.conn))
        lines, result = self._lines(event, returned)
        group.lines += lines
        group.results.append(result)
        # Whatever comes from the peer before the call returned is what it waited for.
        group.blocks = event.name in ("accept", "connect") and self._waits(event, returned)

    def _probe_recv(self, group: Group, name: str) -> None:
        if "recv" in self._probes and f"{name} = do('accept'" in "\n".join(
            line for each in self.groups for line in each.lines
        ):
            group.lines += [f"{name}.settimeout(2)", f"do('recv', lambda: {name}.recv(100))"]
            group.results.append("ETIMEDOUT")

    def _outcome(self, event: Call, returned: Return | None) -> Return | None:
        """A connect() that did not wait, though nothing was called before it ended, may wait."""
        if event.name != "connect" or returned is None or returned.errno != "EINPROGRESS":
            return returned
        for each in self._life.plain_events:
            if each.seq <= event.seq:
                continue
            if isinstance(each, Call):
                break
            if isinstance(each, Transition) and each.conn == event.conn:
                if each.before is not State.SYN_SENT:
                    continue
                if each.after is State.ESTABLISHED:
                    return replace(returned, seq=each.seq, result="ok")
                if str(each.cause).startswith("rx:R"):
                    return replace(returned, seq=each.seq, result="ECONNRESET")
                break
        return returned

    def _waits(self, event: Call, returned: Return | None) -> bool:
        if returned is None:
            return False
        between = (
            each
            for each in self._life.plain_events
            if isinstance(each, Segment) and each.direction == "rx"
        )
        return any(event.seq < each.seq < returned.seq for each in between) or (
            event.name == "connect" and returned.errno != "EINPROGRESS"
        )

    def _lines(self, event: Call, returned: Return | None) -> tuple[list[str], str]:
        """The statements, and the result that was recorded."""
        name, failed = self._who(event.conn), returned.errno if returned is not None else None
        result = failed or "ok"
        number = int(event.arg) if event.arg.isdecimal() else 0
        match event.name:
            case "socket":
                return [f"{name} = do('socket', socket.socket)"], result
            case "bind":
                return [f"do('bind', lambda: {name}.bind(('0.0.0.0', {number})))"], result
            case "listen":
                return [f"do('listen', lambda: {name}.listen({number}))"], result
            case "accept":
                new = returned.accepted if returned is not None else None
                target = f"s{new}" if new is not None else "nobody"
                wait = 60 if returned is not None else 1
                lines = [f"{name}.settimeout({wait})"]
                lines.append(f"{target} = do('accept', lambda: {name}.accept()[0])")
                return lines, result if returned is not None else NOT_COMPARED
            case "connect":
                port = Endpoint.parse(event.arg).port if ":" in event.arg else number
                waits = returned is not None and failed != "EINPROGRESS"
                lines = [f"{name}.settimeout({60 if waits else 0})"]
                lines.append(f"do('connect', lambda: {name}.connect((PEER, {port})))")
                return lines, result if waits else NOT_COMPARED
            case "send":
                return [f"do('send', lambda: {name}.write(b'x' * {number}))"], result
            case "recv":
                lines = [f"{name}.settimeout(10)"]
                lines.append(f"do('recv', lambda: {name}.recv({number or 100}))")
                return lines, result if number else (returned.result if returned else NOT_COMPARED)
            case _:
                return [f"do('close', lambda: {name}.close())"], result

    def _who(self, conn: int) -> str:
        return f"s{self._name.get(conn, conn)}"

    def _finish(self) -> None:
        """The peer waits for the end of the board's last calls."""
        if self.groups and ("done", self.groups[-1].number) not in self.ops:
            self.ops.append(("done", self.groups[-1].number))

    def _segment(self, moment: Moment, event: Segment) -> None:
        talk = self._talk(event)
        if talk is None:
            self.limits.append("segments whose ports are not known are left out")
            return
        number = list(self.talks.values()).index(talk)
        if event.direction == "rx":
            if self._open and not self.groups[-1].blocks:
                self._finish()
            self._open = False
            self._pause(event.clock_us)
            if talk.peer_first is None:
                talk.peer_first = event.seqno if "S" in event.flags else 0
            tcp = moment.frame.tcp if moment.frame is not None else None
            data = tcp.payload if tcp is not None else b"x" * event.length
            if tcp is not None and tcp.urgent:
                self.limits.append("urgent pointers are left out")
            rel = (event.seqno - talk.peer_first) % _MODULUS
            number_there = tcp.ack if tcp is not None else event.ackno
            ack = (number_there - (talk.board_first or 0)) % _MODULUS
            # lwIP looks at the number of some segments whose flag says that there is none.
            acked = ack if "." in event.flags or number_there else None
            self.ops.append(("send", number, event.flags, rel, acked, event.win, event.mss, data))
        else:
            if "S" in event.flags:
                talk.board_first = event.seqno
            rel = (event.seqno - (talk.board_first or 0)) % _MODULUS
            ack = (event.ackno - (talk.peer_first or 0)) % _MODULUS
            wait = round(self._gap_s(event.clock_us) * 1.3 + 4, 1)
            shown = (event.flags, rel, ack if "." in event.flags else None, event.length)
            self.ops.append(("want", number, *shown, event.win, wait))
        self._at_us = event.clock_us

    def _gap_s(self, clock_us: int) -> float:
        return max(0.0, (clock_us - (self._at_us if self._at_us is not None else clock_us)) / 1e6)

    def _pause(self, clock_us: int) -> None:
        gap_s = self._gap_s(clock_us)
        self._at_us = clock_us
        if gap_s > _LEAST_PAUSE_S and self.ops:
            place = len(self.ops) - 1 if self.ops[-1][0] == "go" else len(self.ops)
            self.ops.insert(place, ("pause", round(gap_s, 1)))

    def _talk(self, event: Segment) -> Talk | None:
        ends = self._ends.get(event.conn)
        if event.local is not None and event.remote is not None:
            ends = (event.local, event.remote)
        if ends is None:
            return None
        local, remote = ends
        key = (local.port, remote.ip, remote.port)
        if key not in self.talks:
            out = event.direction == "tx" and event.flags == "S"
            self.talks[key] = Talk(remote.port, local.port, out)
        return self.talks[key]


def _returns(events: tuple[Event, ...]) -> dict[int, Return]:
    """By the number of the call that returned."""
    under_way: dict[tuple[int, str], int] = {}
    found: dict[int, Return] = {}
    for event in _calls(events):
        key = (event.conn, event.name)
        if isinstance(event, Call):
            under_way[key] = event.seq
        elif key in under_way:
            found[under_way.pop(key)] = event
    return found


def _calls(events: tuple[Event, ...]) -> Iterator[Call | Return]:
    return (each for each in events if isinstance(each, Call | Return))
