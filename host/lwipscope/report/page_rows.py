"""The moments of one life as rows of the HTML report: what the reader steps through.

A transition stands in the row of the segment or call that caused it, otherwise in one of its own;
so do the states of the other end, which are deduced from segments. Rows are plain dictionaries
for JSON, with short keys, since there are thousands (assets/report.js reads them):

k kind: seg call ret state sample note console gap boot    t board time in µs    u give or take, µs
c connection  m number of the event  B states of the board  P states of the other end
seg: d rx or tx, f flags, q seq, a ack, w window, l length, s mss, b frame as base64, n its size,
  x why it came to one end only, D it was dropped on its way
others: x text, w who, S the state that a sample saw
B: [arrow, number of the way in it or -1, cause, site, before, after]    P: [c, before, after]
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, TypeAlias

from lwipscope.report.diagram import Diagram, drawn_as
from lwipscope.runfile.merged import Moment, merged
from lwipscope.runfile.model import DROPPED, RunLife, WireFrame
from lwipscope.runfile.peer_track import peer_track
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import (
    Call,
    Died,
    Endpoint,
    Event,
    Fault,
    Hello,
    Return,
    Segment,
    Transition,
)
from lwipscope.trace.sample import Sample, Torn, Unseen, Walks
from lwipscope.trace.sampled import sampled_connections

Row: TypeAlias = dict[str, Any]
_DROPPED = "dropped on its way by a rule of the wire: it never arrived"


def rows_of(life: RunLife, diagram: Diagram, frame_limit: int) -> list[Row]:
    """All rows of a life; frames are kept up to `frame_limit` bytes each."""
    return _Rows(life, diagram, frame_limit).rows()


class _Rows:
    """One life, while its rows are made."""

    def __init__(self, life: RunLife, diagram: Diagram, frame_limit: int) -> None:
        self._life = life
        self._graph = graph_of(diagram.profile)
        self._ways = {
            way.edge: (arrow.key, number)
            for arrow in diagram.arrows
            for number, way in enumerate(arrow.ways)
            if way.edge is not None
        }
        self._limit = frame_limit
        self._segments = {s.seq: c.id for c in life.connections for s in c.segments}
        self._folded = {old: c.id for c in life.connections for old in c.folded}
        self._pairs = {_pair(c.local, c.remote): c.id for c in life.connections if c.remote}
        self._pairs |= {
            _pair(s.local, s.remote): s.id for s in sampled_connections(life.plain_events)
        }
        self._by_event, self._by_frame = self._peers()
        self._clocks = self._clock_limits()

    def rows(self) -> list[Row]:
        """In the order of the life."""
        made: list[Row] = []
        stored: dict[int, Transition] = {}
        last_us = 0
        for number, moment in enumerate(merged(self._life)):
            row = self._row(moment, stored)
            if row is None:
                continue
            clock_us, unsure_us = self._clock(number, moment, last_us)
            last_us = clock_us
            owner = self._owner(made, row)
            if owner is not None:
                owner.setdefault("B", []).extend(row["B"])
                continue
            row["t"] = clock_us
            if unsure_us >= 1:
                row["u"] = unsure_us
            made.append(row)
        return made

    def _row(self, moment: Moment, stored: dict[int, Transition]) -> Row | None:
        match moment.kind:
            case "note" if moment.note is not None:
                return {"k": "note", "w": moment.note.who, "x": moment.note.text}
            case "console" | "gap":
                return {"k": moment.kind, "x": moment.text}
            case "frame" if moment.frame is not None:
                return self._unrecorded(moment.frame)
        return None if moment.event is None else self._event(moment, moment.event, stored)

    def _event(self, moment: Moment, event: Event, stored: dict[int, Transition]) -> Row | None:
        conn = self._folded.get(event.conn, event.conn)
        head: Row = {"c": conn, "m": event.seq}
        match event:
            case Hello():
                said = " ".join(f"{key}={value}" for key, value in event.fields.items())
                return {"k": "boot", "x": said}
            case Segment():
                return self._segment(event, moment.frame)
            case Call():
                return {"k": "call", **head, "x": f"{event.name}({event.arg})"}
            case Return():
                row = {"k": "ret", **head, "x": f"{event.name}: {event.result}"}
                return row | ({"o": event.accepted} if event.accepted is not None else {})
            case Transition():
                if event.after is State.CLOSED:
                    stored[event.conn] = event
                if event.before is event.after is State.CLOSED:
                    return None
                return {"k": "state", **head, "B": [self._step(event)]}
            case Died():
                if stored.pop(event.conn, None) is not None or event.conn in self._folded:
                    return None
                if event.state is State.CLOSED:
                    return None
                return {"k": "state", **head, "B": [self._step(event)]}
            case Sample():
                return {"k": "sample", **head, "x": event.text(), "S": str(event.state)}
            case Unseen() | Torn() | Walks():
                return {"k": "sample", **({"c": conn} if conn else {}), "x": event.text()}
            case Fault():
                return {"k": "gap", "x": event.text()}
        return None

    def _step(self, event: Transition | Died) -> list[Any]:
        """The edge that a transition is."""
        is_store = isinstance(event, Transition)
        before = event.before if isinstance(event, Transition) else event.state
        after = event.after if isinstance(event, Transition) else State.CLOSED
        site = event.at if isinstance(event, Transition) else ""
        edge = self._graph.legal(before, after, str(event.cause), site)
        key, number = self._ways.get(edge, ("", -1)) if edge is not None else ("", -1)
        if edge is not None and not key:
            key = ">".join(map(str, drawn_as(edge)))
        where = site if is_store else "freed"
        key = key or f"{before}>{after}"
        return [key, number, event.cause.text(), where, str(before), str(after)]

    def _segment(self, event: Segment, frame: WireFrame | None) -> Row:
        conn = self._segments.get(event.seq, event.conn)
        if event.local and event.remote:
            conn = self._segments.get(event.seq) or self._pairs.get(
                _pair(event.local, event.remote), event.conn
            )
        row: Row = {"k": "seg", "c": conn, "m": event.seq, "d": event.direction}
        row |= {"f": event.flags, "q": event.seqno, "a": event.ackno}
        row |= {"w": event.win, "l": event.length}
        if event.mss is not None:
            row["s"] = event.mss
        if frame is not None:
            row |= self._bytes(frame)
            if frame.fate == DROPPED:
                row |= {"x": _DROPPED, "D": 1}
        if event.seq in self._by_event:
            row["P"] = self._by_event[event.seq]
        return row

    def _unrecorded(self, frame: WireFrame) -> Row | None:
        """A segment of which the board recorded nothing; other protocols are left out."""
        tcp = frame.tcp
        if tcp is None:
            return None
        source, goal = Endpoint(tcp.src, tcp.sport), Endpoint(tcp.dst, tcp.dport)
        sent = frame.origin == "board" or _pair(source, goal) in self._pairs
        ends = (source, goal) if sent else (goal, source)
        row: Row = {"k": "seg", "c": self._pairs.get(_pair(*ends), 0), "d": "tx" if sent else "rx"}
        row |= {"f": tcp.flags_text(), "q": tcp.seq, "a": tcp.ack, "w": tcp.window}
        why = (
            _DROPPED if frame.fate == DROPPED else "on the wire only: the board has no record of it"
        )
        row |= {"l": len(tcp.payload), "x": why} | ({"D": 1} if why is _DROPPED else {})
        if tcp.mss is not None:
            row["s"] = tcp.mss
        if id(frame) in self._by_frame:
            row["P"] = self._by_frame[id(frame)]
        return row | self._bytes(frame)

    def _bytes(self, frame: WireFrame) -> Row:
        kept = b64encode(frame.data[: self._limit]).decode()
        return {"b": kept, "n": len(frame.data)}

    def _owner(self, made: list[Row], row: Row) -> Row | None:
        """The row of the segment or call that caused this transition, if it is near."""
        if row["k"] != "state":
            return None
        cause = row["B"][0][2]
        for earlier in reversed(made[-3:]):
            if cause.startswith("rx") and earlier["k"] == "seg" and earlier["d"] == "rx":
                return earlier if earlier["c"] == row["c"] and "x" not in earlier else None
            if cause.startswith("api") and earlier["k"] == "call" and earlier["c"] == row["c"]:
                named = earlier["x"].partition("(")[0] == cause.removeprefix("api ")
                return earlier if named else None
        return None

    def _peers(self) -> tuple[dict[int, list[list[Any]]], dict[int, list[list[Any]]]]:
        """The other ends' states, by the board's event or by the frame that shows them."""
        by_event: dict[int, list[list[Any]]] = {}
        by_frame: dict[int, list[list[Any]]] = {}
        for connection in self._life.connections:
            before = State.CLOSED
            for step in peer_track(self._life, connection):
                item = [connection.id, str(before), str(step.state)]
                if step.event_seq is not None:
                    by_event.setdefault(step.event_seq, []).append(item)
                elif step.frame is not None:
                    by_frame.setdefault(id(step.frame), []).append(item)
                before = step.state
        return by_event, by_frame

    def _clock_limits(self) -> list[int]:
        """For each moment the board's time of the next event, which nothing before it may pass."""
        limits: list[int] = []
        limit = 1 << 62
        for moment in reversed(merged(self._life)):
            limit = limit if moment.clock_us is None else moment.clock_us
            limits.append(limit)
        return limits[::-1]

    def _clock(self, number: int, moment: Moment, last_us: int) -> tuple[int, int]:
        """Board time, and how far off it may be for what the board did not stamp."""
        if moment.clock_us is not None:
            return max(last_us, moment.clock_us), 0
        clock_us = self._life.clock_map.clock_us(moment.at_s)
        limit = self._clocks[number]
        placed = last_us if clock_us is None else max(last_us, min(clock_us, limit))
        unsure_us = round(self._life.clock_map.of_clock(placed).give_or_take_s * 1e6)
        return placed, max(1, min(unsure_us, limit - last_us))


def initial_numbers(connection: Connection) -> dict[str, int]:
    """The sequence numbers that relative ones are counted from: `rx` the other end's."""
    found: dict[str, int] = {}
    for direction in ("rx", "tx"):
        own = [s for s in connection.segments if s.direction == direction]
        syn = next((s for s in own if "S" in s.flags), None)
        if syn is not None:
            found[direction] = syn.seqno
        elif own:
            found[direction] = (own[0].seqno - 1) % (1 << 32)
    return found


def _pair(local: Endpoint | None, remote: Endpoint | None) -> tuple[str, int, str, int]:
    mine, other = local or Endpoint("", 0), remote or Endpoint("", 0)
    return mine.ip, mine.port, other.ip, other.port
