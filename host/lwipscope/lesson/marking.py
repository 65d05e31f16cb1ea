"""Marks one answer: is what the learner wrote what the key says?

Answers are people's: any usual spelling of states, flags by name or by tcpdump's letters, numbers
with blanks or a unit behind. An answer that can't be read as what was asked for is told so, and
counts as no attempt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lwipscope.errors import UsageError
from lwipscope.lesson.expression import Value
from lwipscope.lesson.text import Kind
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.values import flags_known
from lwipscope.words.catalogue import Translator

_NAMES = {"SYN": "S", "FIN": "F", "RST": "R", "PSH": "P", "PUSH": "P", "ACK": ".", "URG": "U"}
_NAMES |= {"ECE": "E", "CWR": "W"}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:[a-z]+|%)?", re.I)


class Unreadable(UsageError):
    """An answer that is not of the kind asked for; the text says what was expected."""


def right(given: str, kind: Kind, keys: Sequence[Value], within: float, tr: Translator) -> bool:
    """Whether `given` is one of the keys. Unreadable if it can't be read."""
    read = _read(given, kind, tr)
    if kind == "number":
        return any(abs(float(str(read)) - float(key)) <= within for key in keys)
    if kind == "path":
        states = path_of(given, tr)
        return any(PathPattern.parse(str(key)).match(states).ok for key in keys)
    return any(read == _read(str(key), kind, tr) for key in keys)


def readable(given: str, kind: Kind, choices: Sequence[str], tr: Translator) -> None:
    """Unreadable if it can't be an answer of that kind."""
    read = _read(given, kind, tr)
    letters = "abcdefghijklmnop"[: len(choices)]
    if kind == "choice" and read not in list(letters):
        raise Unreadable(
            tr("expected one letter of {letters}, seen {given}", letters=letters, given=repr(given))
        )


def path_of(given: str, tr: Translator) -> list[State]:
    """The states of a path that somebody wrote down; arrows, commas or lines between them."""
    words = [word.strip() for word in re.split(r"->|=>|>|→|,|;|\n", given)]
    if not any(words):
        raise Unreadable(tr("expected a path: states with > between them"))
    states: list[State] = []
    for word in filter(None, words):
        try:
            state = State.parse(word)
        except UsageError as error:
            raise Unreadable(
                tr(
                    "{given} is no state: {why}. A path is states with > between them",
                    given=repr(word),
                    why=error,
                )
            ) from None
        states.append(state)
    return states


def key_text(kind: Kind, key: Value, choices: Sequence[str]) -> str:
    """A key as it is told to people."""
    if kind == "choice":
        place = "abcdefghijklmnop".find(str(key))
        return f"{key}) {choices[place]}" if 0 <= place < len(choices) else str(key)
    if kind == "flags":
        letters = str(key)
        names = "+".join(name for name, letter in _FLAG_ORDER if letter in letters)
        return f"[{letters}]  {names}"
    if isinstance(key, float):
        return f"{key:.1f}".removesuffix(".0")
    return str(key)


_FLAG_ORDER = [("SYN", "S"), ("FIN", "F"), ("RST", "R"), ("PSH", "P"), ("ACK", "."), ("URG", "U")]


def _read(given: str, kind: Kind, tr: Translator) -> str:
    text = given.strip()
    match kind:
        case "number":
            plain = re.sub(r"(?<=\d)[ _,'](?=\d{3})", "", text)
            found = _NUMBER.fullmatch(plain)
            if found is None:
                raise Unreadable(tr("expected a number, seen {given}", given=repr(text)))
            return found[1]
        case "state":
            try:
                return State.parse(text).name
            except UsageError as error:
                raise Unreadable(str(error)) from None
        case "flags":
            return _flags(text, tr)
        case "path":
            return " > ".join(state.name for state in path_of(text, tr)) if text else ""
        case "choice":
            return text.lower().strip(" ().")
    return re.sub(r"[\s_-]+", " ", text).casefold().strip(" .\"'")


def _flags(text: str, tr: Translator) -> str:
    bare = text.strip("[] ")
    if flags_known(bare):
        return "" if bare == "none" else "".join(sorted(bare))
    words = [word.upper() for word in re.split(r"[^A-Za-z]+", bare) if word]
    if not words or any(word not in _NAMES for word in words):
        raise Unreadable(
            tr("expected flags, as [P.] or PSH+ACK, seen {given}", given=repr(text)),
        )
    return "".join(sorted({_NAMES[word] for word in words}))
