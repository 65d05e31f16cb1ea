"""Small expressions over a learner's run, `segment 2.flags` or `mss.board`: keys of answers.

The table of them is in `texts/README.md`. A value is a number or a text: a path in the notation of
paths, a state as lwIP spells it, flags as tcpdump does. What the run does not have is `NotThere`,
which is the learner's run; what makes no sense is `BadExpression`, which is the lesson's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.lesson.seen import Seen
from lwipscope.runfile.peer_track import peer_track
from lwipscope.tcp.path import path_text
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Born, Call, Return, Segment

Value: TypeAlias = int | float | str
_T = TypeVar("_T")

PREFIX = "run:"
_MODULUS = 1 << 32
_FLAGS = re.compile(r"[SFRPUEW.]+")
_SUM = re.compile(r"(.+) ([+/-]) (.+)")
_FIELDS = ("flags", "from", "seq", "ack", "rseq", "rack", "win", "len", "mss")


class BadExpression(LwipscopeError):
    """An expression that is none."""


class NotThere(UsageError):
    """The run does not have what the expression asks for."""


def split(text: str) -> tuple[str, str]:
    """The experiment's name ("" for the first) and the expression of `run:[NAME/]EXPRESSION`."""
    name, slash, rest = text.removeprefix(PREFIX).partition("/")
    if slash and re.fullmatch(r"[a-z0-9-]+", name):
        return name, rest.strip()
    return "", text.removeprefix(PREFIX).strip()


def evaluate(expression: str, seen: Seen) -> Value:
    """The value in this run."""
    text = expression.strip()
    whole = None if text.startswith(("prints ", "field ")) else _SUM.fullmatch(text)
    if whole is None:
        return _single(text, seen)
    left, right = _number(whole[1], seen), _number(whole[3], seen)
    if whole[2] == "/":
        return left / right
    return left + right if whole[2] == "+" else left - right


def segments_of(connection: Connection) -> Sequence[Segment]:
    """Those of a connection, in the board's order."""
    return sorted(connection.segments, key=lambda segment: segment.seq)


def _number(text: str, seen: Seen) -> int | float:
    if re.fullmatch(r"\d+", text.strip()):
        return int(text)
    value = _single(text.strip(), seen)
    if isinstance(value, str):
        raise BadExpression(f"{text!r} is no number: {value!r}")
    return value


def _single(text: str, seen: Seen) -> Value:
    word, _, rest = text.partition(" ")
    head, _, tail = text.partition(".")
    if word in _WITH_ARGUMENT:
        return _WITH_ARGUMENT[word](rest.strip(), seen)
    if head in _DOTTED and tail:
        return _DOTTED[head](tail.strip(), seen)
    raise BadExpression(f"{text!r}: no such expression; see texts/README.md")


# Paths, states and times.


def _path(tail: str, seen: Seen) -> Value:
    path = seen.connection.path
    if not tail:
        return path_text(path)
    return _nth(path, _integer(tail), "state").name


def _peer(tail: str, seen: Seen) -> Value:
    word, _, number = tail.partition(".")
    if word != "path":
        raise BadExpression(f"peer.{tail}: only peer.path and peer.path.N are known")
    path = [step.state for step in peer_track(seen.life, seen.connection)]
    return _nth(path, _integer(number), "state").name if number else path_text(path)


def _by(rest: str, seen: Seen) -> Value:
    name, dot, what = rest.partition(".")
    state = _state(name)
    for at, led_by in zip(seen.connection.path, seen.connection.led_by, strict=True):
        if at is state and led_by is not None:
            if dot and what == "flags":
                return led_by.cause.detail if led_by.cause.kind == "rx" else "none"
            return led_by.cause.text()
    raise NotThere(f"the connection was never led into {state}")


def _ms(rest: str, seen: Seen) -> Value:
    state, path, led_by = _state(rest), seen.connection.path, seen.connection.led_by
    for place, at in enumerate(path):
        begun = led_by[place]
        if at is state and begun is not None:
            if place + 1 == len(path):
                raise NotThere(f"the connection was still in {state} when the run ended")
            ended = led_by[place + 1]
            assert ended is not None
            return (ended.clock_us - begun.clock_us) / 1000
    raise NotThere(f"the connection was never in {state}")


# Segments.


def _segments(rest: str, seen: Seen) -> Value:
    every = segments_of(seen.connection)
    if rest == "closing":
        ends = [place for place, each in enumerate(every) if set(each.flags) & set("FR")]
        return len(every) - ends[0] if ends else 0
    return len(_chosen(rest.split(), every))


def _segment(rest: str, seen: Seen) -> Value:
    *words, field = re.split(r"\.(?=[a-z])|\s+", rest) if "." in rest else [rest]
    if field not in _FIELDS or not words:
        raise BadExpression(f"segment {rest}: expected a field of {', '.join(_FIELDS)}")
    every = segments_of(seen.connection)
    if words[0] in ("first", "last"):
        found = _chosen(words[1:], every)
        if not found:
            raise NotThere(f"there was no segment {' '.join(words[1:])}")
        return _field(found[0 if words[0] == "first" else -1], field, seen)
    return _field(_nth(every, _integer(words[0]), "segment"), field, seen)


def _chosen(words: Sequence[str], among: Sequence[Segment]) -> list[Segment]:
    found = list(among)
    for word in words:
        if word in ("board", "peer"):
            found = [each for each in found if (each.direction == "tx") is (word == "board")]
        elif word == "len":
            found = [each for each in found if each.length]
        elif _FLAGS.fullmatch(word):
            found = [each for each in found if set(word) <= set(each.flags)]
        else:
            raise BadExpression(f"{word!r}: expected flags, board, peer or len")
    return found


def _field(segment: Segment, field: str, seen: Seen) -> Value:
    sender = "board" if segment.direction == "tx" else "peer"
    other = "peer" if sender == "board" else "board"
    has_ack = "." in segment.flags
    match field:
        case "flags":
            return segment.flags
        case "from":
            return sender
        case "seq":
            return segment.seqno
        case "ack":
            return segment.ackno
        case "rseq":
            return (segment.seqno - int(_isn(sender, seen))) % _MODULUS
        case "rack":
            return (segment.ackno - int(_isn(other, seen))) % _MODULUS if has_ack else 0
        case "win":
            return segment.win
        case "len":
            return segment.length
    return segment.mss or 0


def _isn(who: str, seen: Seen) -> Value:
    return _opening(who, seen).seqno


def _mss(who: str, seen: Seen) -> Value:
    return _opening(who, seen).mss or 0


def _opening(who: str, seen: Seen) -> Segment:
    found = _chosen([_side(who), "S"], segments_of(seen.connection))
    if not found:
        raise NotThere(f"the {who} sent no SYN")
    return found[0]


def _bytes(who: str, seen: Seen) -> Value:
    return sum(each.length for each in _chosen([_side(who)], seen.connection.segments))


def _port(who: str, seen: Seen) -> Value:
    end = seen.connection.local if _side(who) == "board" else seen.connection.remote
    if end is None:
        raise NotThere(f"the {who}'s port is not known")
    return end.port


# Calls, and the whole run.


def _result(name: str, seen: Seen) -> Value:
    results = [c for c in seen.connection.calls if isinstance(c, Return) and c.name == name]
    return results[-1].result if results else "none"


def _calls(name: str, seen: Seen) -> Value:
    # A recv() that got no data is told by what it returned, and by nothing else.
    told = Call | Return if name == "recv" else Call
    return sum(isinstance(c, told) and c.name == name for c in seen.connection.calls)


def _end(_rest: str, seen: Seen) -> Value:
    reason = seen.connection.end_reason
    return reason.text() if reason is not None else "none"


def _connections(rest: str, seen: Seen) -> Value:
    return sum(not rest or _state(rest) in each.path for each in seen.fitting)


def _left(rest: str, seen: Seen) -> Value:
    left = [each for each in seen.fitting if not each.ended]
    return sum(not rest or each.path[-1] is _state(rest) for each in left)


def _used(_rest: str, seen: Seen) -> Value:
    births = [e.used for e in seen.life.plain_events if isinstance(e, Born) and e.pool == "pcb"]
    return max(births, default=0)


def _pool(_rest: str, seen: Seen) -> Value:
    return int(_told("pcb", seen))


def _told(name: str, seen: Seen) -> Value:
    value = seen.life.fields.get(name)
    if value is None:
        raise NotThere(f"the board does not say its {name}")
    return int(value) if value.isdecimal() else value


def _prints(text: str, seen: Seen) -> Value:
    return "yes" if text in seen.console else "no"


def _state(text: str) -> State:
    try:
        return State.parse(text)
    except UsageError as error:
        raise BadExpression(str(error)) from error


def _side(who: str) -> str:
    if who not in ("board", "peer"):
        raise BadExpression(f"{who!r}: expected board or peer")
    return who


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise BadExpression(f"{text!r}: expected a number")
    return int(text)


def _nth(among: Sequence[_T], number: int, what: str) -> _T:
    place = number - 1 if number > 0 else number
    if number == 0 or not -len(among) <= place < len(among):
        raise NotThere(f"there is no {what} {number}: there were {len(among)}")
    return among[place]


_Reader: TypeAlias = Callable[[str, Seen], Value]

_WITH_ARGUMENT: dict[str, _Reader] = {
    "path": _path,
    "states": lambda _rest, seen: len(seen.connection.path),
    "by": _by,
    "ms": _ms,
    "segments": _segments,
    "segment": _segment,
    "result": _result,
    "calls": _calls,
    "end": _end,
    "connections": _connections,
    "left": _left,
    "used": _used,
    "pool": _pool,
    "field": _told,
    "prints": _prints,
}
_DOTTED: dict[str, _Reader] = {
    "path": _path,
    "peer": _peer,
    "ack": lambda number, seen: _segment(f"{number}.ack", seen),
    "seq": lambda number, seen: _segment(f"{number}.seq", seen),
    "isn": _isn,
    "mss": _mss,
    "port": _port,
    "bytes": _bytes,
}
