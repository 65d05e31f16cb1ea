"""Typed events of the board, made from serial frames.

`parse_event` is called by `Trace` for every intact frame and never raises: a frame that can't be
understood is an `Unknown`. Import events, causes and endpoints from here; they are defined in
`kinds` and `values`. Fields of each kind of frame: firmware/README.md.
"""

from __future__ import annotations

from collections.abc import Callable

from lwipscope.errors import UsageError
from lwipscope.tcp.state import State
from lwipscope.trace.frame import Frame
from lwipscope.trace.kinds import (
    Beat,
    Born,
    Call,
    Died,
    Event,
    Fault,
    Hello,
    Lost,
    PcbRow,
    Reply,
    Return,
    Segment,
    Transition,
    Unknown,
)
from lwipscope.trace.sample import SAMPLE_READERS
from lwipscope.trace.values import Cause, Endpoint, flag_names, flags_known

__all__ = [
    "Beat",
    "Born",
    "Call",
    "Cause",
    "Died",
    "Endpoint",
    "Event",
    "Fault",
    "Hello",
    "Lost",
    "PcbRow",
    "Reply",
    "Return",
    "Segment",
    "Transition",
    "Unknown",
    "flag_names",
    "parse_event",
]


def parse_event(frame: Frame) -> Event:
    """The event that a frame tells of; never raises."""
    reader = _READERS.get(frame.kind)
    if reader is None:
        return Unknown(frame.seq, frame.clock_us, 0, frame.kind, frame.tail, "unknown kind", False)
    try:
        return reader(frame, *frame.parts())
    except KeyError as error:
        reason = f"{error.args[0]}= is missing"
    except IndexError:
        reason = "a word is missing"
    except (ValueError, UsageError) as error:
        reason = str(error)
    return Unknown(frame.seq, frame.clock_us, 0, frame.kind, frame.tail, reason, True)


_Words = tuple[str, ...]
_Fields = dict[str, str]
# The board writes lwIP's spelling and no other, so a dictionary will do for it.
_STATES = {state.name: state for state in State}


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a number")
    return int(text)


def _state(text: str) -> State:
    if text not in _STATES:
        raise ValueError(f"{text!r} is not a state")
    return _STATES[text]


def _endpoint(fields: _Fields, key: str) -> Endpoint | None:
    return Endpoint.parse(fields[key]) if key in fields else None


def _hello(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    re, proto = _number(fields["re"]), _number(fields["proto"])
    return Hello(frame.seq, frame.clock_us, 0, re, proto, fields["boot"], fields)


def _born(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    conn, used = _number(fields["c"]), _number(fields["used"])
    return Born(frame.seq, frame.clock_us, conn, fields["pool"], used)


def _transition(frame: Frame, words: _Words, fields: _Fields) -> Event:
    before, arrow, after = words[0].partition(">")
    if not arrow:
        raise ValueError(f"{words[0]!r} is not FROM>TO")
    return Transition(
        frame.seq,
        frame.clock_us,
        _number(fields["c"]),
        _state(before),
        _state(after),
        Cause.parse(fields["by"]),
        fields.get("at", ""),
        _endpoint(fields, "l"),
        _endpoint(fields, "r"),
        _number(fields["p"]) if "p" in fields else None,
    )


def _died(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    state, cause = _state(fields["in"]), Cause.parse(fields["by"])
    conn, used = _number(fields["c"]), _number(fields["used"])
    return Died(frame.seq, frame.clock_us, conn, state, cause, used)


def _segment(frame: Frame, words: _Words, fields: _Fields) -> Event:
    if not flags_known(words[0]):
        raise ValueError(f"{words[0]!r} are not flags")
    return Segment(
        frame.seq,
        frame.clock_us,
        _number(fields["c"]),
        "rx" if frame.kind == "rx" else "tx",
        words[0],
        _number(fields["seq"]),
        _number(fields["ack"]),
        _number(fields["win"]),
        _number(fields["len"]),
        _number(fields["mss"]) if "mss" in fields else None,
        _endpoint(fields, "l"),
        _endpoint(fields, "r"),
    )


def _call(frame: Frame, words: _Words, fields: _Fields) -> Event:
    arg = words[1] if len(words) > 1 else ""
    return Call(frame.seq, frame.clock_us, _number(fields["c"]), words[0], arg)


def _return(frame: Frame, words: _Words, fields: _Fields) -> Event:
    return Return(frame.seq, frame.clock_us, _number(fields["c"]), words[0], words[1])


def _lost(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    return Lost(frame.seq, frame.clock_us, 0, _number(fields["n"]))


def _beat(frame: Frame, _words: _Words, fields: _Fields) -> Event:
    return Beat(frame.seq, frame.clock_us, 0, _number(fields.get("ring", "0")))


def _pcb_row(frame: Frame, words: _Words, fields: _Fields) -> Event:
    return PcbRow(
        frame.seq,
        frame.clock_us,
        _number(fields["c"]),
        _number(fields["re"]),
        _state(words[0]),
        _endpoint(fields, "l"),
        _endpoint(fields, "r"),
        _number(fields.get("age_ms", "0")),
    )


def _reply(frame: Frame, words: _Words, fields: _Fields) -> Event:
    if words[0] not in ("ok", "err"):
        raise ValueError(f"{words[0]!r} is neither ok nor err")
    re = _number(fields.pop("re"))
    return Reply(frame.seq, frame.clock_us, 0, re, words[0] == "ok", words[1:], fields)


def _fault(frame: Frame, _words: _Words, _fields: _Fields) -> Event:
    # The words of an assertion may hold anything, so they are not taken apart.
    return Fault(frame.seq, frame.clock_us, 0, frame.tail)


_READERS: dict[str, Callable[[Frame, _Words, _Fields], Event]] = {
    "hello": _hello,
    "born": _born,
    "state": _transition,
    "died": _died,
    "rx": _segment,
    "tx": _segment,
    "call": _call,
    "ret": _return,
    "lost": _lost,
    "beat": _beat,
    "pcb": _pcb_row,
    "reply": _reply,
    "fault": _fault,
    **SAMPLE_READERS,
}
