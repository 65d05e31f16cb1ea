"""A run as JSON, for other programs: `lwipscope show RUN --json`. Schema version 1.

{"schema": "lwipscope.run/1",
 "about": the fields of `runfile.model.About`, "problems": [why the evidence is incomplete],
 "lives": [{"number", "hello": {what the board said of itself},
   "connections": [{"id", "role", "local", "remote", "path": [states as lwIP spells them],
                    "peer_path": [the other end's, deduced], "ended", "end_reason"}],
   "timeline": [{"kind": event | frame | note | console | gap, "at_s": host time since the run
                 began, "give_or_take_s", "clock_us": board time or null, "text",
                 "conn", "seq", "event": the protocol's kind, and for segments "direction", "flags",
                 "seqno", "ackno", "win", "len"; "frame": place in the wire's order, from 1, and
                 "dropped": a rule of the wire kept it from being delivered}]}]}

Fields may be added; those above keep their meaning as long as the schema's number stays.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from lwipscope.runfile.merged import Moment, merged
from lwipscope.runfile.model import DROPPED, Run, RunLife
from lwipscope.runfile.peer_track import peer_track
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Segment

SCHEMA = "lwipscope.run/1"


def run_json(run: Run, conn: int | None = None) -> dict[str, Any]:
    """The whole run, or what belongs to one connection."""
    lives = []
    before = 0
    for life in run.lives:
        lives.append(_life(life, before, conn))
        before += len(life.wire)
    about = dataclasses.asdict(run.about)
    return {"schema": SCHEMA, "about": about, "problems": run.problems(), "lives": lives}


def _life(life: RunLife, before: int, conn: int | None) -> dict[str, Any]:
    places = {id(frame): before + number for number, frame in enumerate(life.wire, 1)}
    said = {each.event.seq: each.said for each in life.events}
    return {
        "number": life.number,
        "hello": dict(life.fields),
        "connections": [_connection(life, c) for c in life.connections if conn in (None, c.id)],
        "timeline": [
            _moment(moment, places, said)
            for moment in merged(life)
            if conn is None or moment.event is None or moment.event.conn == conn
        ],
    }


def _connection(life: RunLife, connection: Connection) -> dict[str, Any]:
    reason = connection.end_reason
    return {
        "id": connection.id,
        "role": connection.role,
        "local": str(connection.local) if connection.local is not None else None,
        "remote": str(connection.remote) if connection.remote is not None else None,
        "path": [str(state) for state in connection.path],
        "peer_path": [str(step.state) for step in peer_track(life, connection)],
        "ended": connection.ended,
        "end_reason": str(reason) if reason is not None else None,
    }


def _moment(moment: Moment, places: dict[int, int], said: dict[int, str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": moment.kind,
        "at_s": round(moment.at_s, 9),
        "give_or_take_s": round(moment.give_or_take_s, 9),
        "clock_us": moment.clock_us,
        "text": moment.text,
    }
    if moment.note is not None:
        made["text"] = f"{moment.note.who} {moment.note.text}"
    if moment.frame is not None:
        made["frame"] = places[id(moment.frame)]
        made["origin"] = moment.frame.origin
        made["dropped"] = moment.frame.fate == DROPPED
    event = moment.event
    if event is not None:
        made |= {"text": event.text(), "conn": event.conn, "seq": event.seq}
        made["event"] = said[event.seq].partition(" ")[0]
        if isinstance(event, Segment):
            made |= {"direction": event.direction, "flags": event.flags, "seqno": event.seqno}
            made |= {"ackno": event.ackno, "win": event.win, "len": event.length}
    return made
