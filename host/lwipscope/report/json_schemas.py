"""The JSON that commands print with `--json`: one schema for each kind, as JSON Schema has it.

Every document has "schema": "lwipscope.NAME/1". Fields may be added; those listed here keep their
name and meaning as long as the number stays. `lwipscope COMMAND --json-schema` prints the schema;
the tests hold what the commands print against it. Only these words of JSON Schema (draft 2020-12)
are used: type, const, enum, properties, required, items, additionalProperties. Times are in the
unit that the field's name ends with.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
YES_OR_NO: Schema = {"type": "boolean"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
WHOLE_OR_NULL: Schema = {"type": ["integer", "null"]}
ANYTHING: Schema = {"type": "object"}
_VERDICT: Schema = {"enum": ["PASS", "FAIL", "INCONCLUSIVE", "ERROR"]}


def name_of(kind: str) -> str:
    """What stands in "schema"."""
    return f"lwipscope.{kind}/1"


def schema_of(kind: str) -> Schema:
    """The schema of one kind; KeyError if there is none such."""
    about, fields = _KINDS[kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name_of(kind),
        "description": about,
        **_object(schema={"const": name_of(kind)}, **fields),
    }


def kinds() -> list[str]:
    """All there are."""
    return list(_KINDS)


def _object(**fields: Schema) -> Schema:
    """All of these fields, and maybe others later."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _enum(*values: object) -> Schema:
    return {"enum": list(values)}


def _map(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


_MARK = _enum("ok", "warning", "problem", "not looked at")
_PATH = _object(path=TEXT, role=TEXT, life=WHOLE)
_EDGE = {"before": TEXT, "after": TEXT, "trigger": TEXT, "source": TEXT}
_PLAYED = _object(
    name=TEXT,
    title=TEXT,
    verdict=_VERDICT,
    path=_list(TEXT),
    peer_path=_list(TEXT),
    objections=_list(TEXT),
    wall_s=NUMBER,
)
_FIGURE = _object(
    name=TEXT,
    title=TEXT,
    unit=TEXT,
    target=NUMBER_OR_NULL,
    better=_enum("less", "more"),
    median=NUMBER_OR_NULL,
    values=_list(NUMBER),
    verdict=_enum("pass", "miss", "-"),
    failure=TEXT,
)
_MOMENT = {
    "type": "object",
    "properties": {
        "kind": _enum("event", "frame", "note", "console", "gap"),
        "at_s": NUMBER,
        "give_or_take_s": NUMBER,
        "clock_us": WHOLE_OR_NULL,
        "text": TEXT,
        "conn": WHOLE,
        "seq": WHOLE,
        "event": TEXT,
        "direction": _enum("rx", "tx"),
        "flags": TEXT,
        "seqno": WHOLE,
        "ackno": WHOLE,
        "win": WHOLE,
        "len": WHOLE,
        "frame": WHOLE,
        "origin": TEXT,
        "dropped": YES_OR_NO,
    },
    "required": ["kind", "at_s", "give_or_take_s", "clock_us", "text"],
}
_KINDS: dict[str, tuple[str, dict[str, Schema]]] = {
    "scenarios": (
        "lwipscope scenarios [NAME] --json: the library, or one of it. needs: nc, kernel, raw, "
        "clock, switch, power. Paths in the notation of expected paths.",
        {
            "scenarios": _list(
                _object(
                    name=TEXT,
                    title=TEXT,
                    theme=TEXT,
                    story=TEXT,
                    shows=TEXT,
                    source=TEXT,
                    expected=_PATH,
                    others=_list(_PATH),
                    peer_path=TEXT,
                    needs=_list(TEXT),
                    deviations=_list(TEXT),
                    profiles=_list(TEXT),
                    boards=_list(TEXT),
                    firmware=_enum("usual", "no-workarounds"),
                )
            )
        },
    ),
    "coverage": (
        "lwipscope scenarios --coverage --json: every edge of the stack's graph with the scenarios "
        "that took it. why: the proof that no program can bring an unreachable one about.",
        {
            "stack": TEXT,
            "edges": _list(_object(**_EDGE, taken_by=_list(TEXT))),
            "unreachable": _list(_object(**_EDGE, why=TEXT)),
            "missing": WHOLE,
            "played": _list(_PLAYED),
            "left_out": _list(_object(name=TEXT, why=TEXT)),
        },
    ),
    "played": (
        "lwipscope demo --json: what was played, and the verdicts. Paths as lwIP spells the "
        "states; peer_path is deduced from the segments. Each run is log_folder/NAME.lwiprun.",
        {"played": _list(_PLAYED), "left_out": _list(TEXT), "log_folder": TEXT},
    ),
    "tour": (
        "lwipscope tour --json: each state in each role. expected: reached, or proven that lwIP "
        "can't.",
        {
            "cells": _list(
                _object(
                    state=TEXT,
                    role=_enum("server", "client"),
                    reached=YES_OR_NO,
                    expected=YES_OR_NO,
                    how=TEXT,
                    scenario=TEXT,
                )
            ),
            "played": _list(_PLAYED),
            "log_folder": TEXT,
        },
    ),
    "boards": (
        "lwipscope boards --json: board files, serial ports on USB, the rack, quarantine. "
        "tried_on_hardware is null for emulated boards. state: free, in use, in quarantine, not "
        "plugged in.",
        {
            "boards": _list(
                _object(
                    name=TEXT,
                    title=TEXT,
                    kind=_enum("emulated", "device"),
                    tried_on_hardware={"type": ["boolean", "null"]},
                )
            ),
            "ports": _list(
                _object(
                    device=TEXT,
                    about=TEXT,
                    usb_id=TEXT,
                    serial_number=TEXT,
                    usb_path=TEXT,
                    perhaps=TEXT,
                    used_by=TEXT,
                )
            ),
            "rack": {
                **_object(
                    path=TEXT,
                    boards=_list(
                        _object(name=TEXT, type=TEXT, where=TEXT, port=TEXT_OR_NULL, state=TEXT)
                    ),
                ),
                "type": ["object", "null"],
            },
            "quarantine": _list(_object(name=TEXT, reason=TEXT, since_s=NUMBER)),
        },
    ),
    "board": (
        "lwipscope boards NAME --json: one board file, field by field, as boards/README.md "
        "explains them.",
        {"name": TEXT, "title": TEXT, "kind": _enum("emulated", "device"), "file": ANYTHING},
    ),
    "identity": (
        "lwipscope identify BOARD --json. told: what the board said at its prompt, by name; hello: "
        "what its tracer said. complete: false if a running program was left alone, so that only "
        "hello is known.",
        {
            "board": TEXT,
            "title": TEXT,
            "complete": YES_OR_NO,
            "runs": TEXT,
            "told": ANYTHING,
            "hello": _map(TEXT),
            "can": TEXT,
            "differences": _list(TEXT),
        },
    ),
    "doctor": (
        "lwipscope doctor --json: what is missing, and which states a board can be held in.",
        {
            "machine": TEXT,
            "usable": YES_OR_NO,
            "exit_code": WHOLE,
            "checks": _list(_object(area=TEXT, name=TEXT, mark=_MARK, seen=TEXT, remedy=TEXT)),
            "states": _list(ANYTHING),
        },
    ),
    "netstat": (
        "lwipscope netstat --json. state as lwIP spells it, spelled as --style does; null where a "
        "value is not known.",
        {
            "rows": _list(
                _object(
                    where=_enum("board", "host", "gate"),
                    conn=WHOLE_OR_NULL,
                    state=TEXT,
                    spelled=TEXT,
                    local=TEXT,
                    remote=TEXT_OR_NULL,
                    age_ms=WHOLE_OR_NULL,
                    recv_queue=WHOLE_OR_NULL,
                    send_queue=WHOLE_OR_NULL,
                    note=TEXT,
                )
            )
        },
    ),
    "run": (
        "lwipscope show [RUN] --json: everything in a run file. Host times at_s are seconds since "
        "about.wall_ns; clock_us is the board's own time since boot. frame: the frame's place on "
        "the wire, from 1. peer_path is deduced from the segments. dropped: never delivered.",
        {
            "about": ANYTHING,
            "problems": _list(TEXT),
            "lives": _list(
                _object(
                    number=WHOLE,
                    hello=_map(TEXT),
                    connections=_list(
                        _object(
                            id=WHOLE,
                            role=TEXT,
                            local=TEXT_OR_NULL,
                            remote=TEXT_OR_NULL,
                            path=_list(TEXT),
                            peer_path=_list(TEXT),
                            ended=YES_OR_NO,
                            end_reason=TEXT_OR_NULL,
                        )
                    ),
                    timeline=_list(_MOMENT),
                )
            ),
        },
    ),
    "test": (
        "lwipscope test BOARD --json: each scenario of the library, and what the board was. "
        "outcome SKIP: can't be decided here, text says why.",
        {
            "board": _map(TEXT),
            "cases": _list(
                _object(
                    name=TEXT,
                    outcome=_enum("PASS", "FAIL", "INCONCLUSIVE", "ERROR", "SKIP"),
                    text=TEXT,
                    wall_s=NUMBER,
                )
            ),
            "log_folder": TEXT,
        },
    ),
    "myths": (
        "lwipscope myth [NAME | --all] --json: the list, or what became of those that were played. "
        "outcome is null if it was not played; evidence are lines of the run, shows says what they "
        "show, why_not why it is not settled. rfc are sections of RFC 9293 unless they say else.",
        {
            "myths": _list(
                _object(
                    name=TEXT,
                    claim=TEXT,
                    outcome=_enum("disproved", "half true", "not settled", None),
                    shows=TEXT,
                    evidence=_list(TEXT),
                    why_not=TEXT,
                    truth=TEXT,
                    rfc=TEXT,
                    lwip=TEXT,
                    scenario=TEXT,
                )
            ),
            "log_folder": TEXT_OR_NULL,
        },
    ),
    "lessons": (
        "lwipscope lesson list --json: all lessons, and how far this learner is. state: complete "
        "means all predicted, observed and answered rightly; right counts right answers.",
        {
            "lessons": _list(
                _object(
                    number=WHOLE,
                    name=TEXT,
                    title=TEXT,
                    minutes=WHOLE,
                    state=_enum("not started", "started", "predicted", "answering", "complete"),
                    right=WHOLE,
                    questions=WHOLE,
                    explained=YES_OR_NO,
                    folder=TEXT,
                )
            )
        },
    ),
    "exercises": (
        "lwipscope exercise list --json: all exercises. tests: what each does, by name; profile: "
        "lwIP's sizes on the board.",
        {
            "exercises": _list(
                _object(
                    name=TEXT,
                    title=TEXT,
                    minutes=WHOLE,
                    about=TEXT,
                    profile=TEXT,
                    tests=_map(TEXT),
                )
            )
        },
    ),
    "glossary": (
        "lwipscope glossary [WORD] --json: states with each tool's spelling, and words. standard: "
        "where it is defined; see: a command that shows it, or empty.",
        {
            "states": _list(
                _object(
                    name=TEXT,
                    brief=TEXT,
                    meaning=TEXT,
                    spelled=_map(TEXT),
                    also=_list(TEXT),
                    standard=TEXT,
                    see=TEXT,
                )
            ),
            "words": _list(
                _object(word=TEXT, meaning=TEXT, also=_list(TEXT), standard=TEXT, see=TEXT)
            ),
        },
    ),
    "bench": (
        "lwipscope bench --json FILE. verdict `-`: the figure has no target.",
        {"machine": TEXT, "system": TEXT, "python": TEXT, "figures": _list(_FIGURE)},
    ),
}
