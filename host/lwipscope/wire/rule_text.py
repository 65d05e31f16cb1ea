"""Rules for segments under way, as one line of text: `drop 2 S. from-board`.

For the command line and reports. A rule is what happens, then in any order which segments: a number
(only that one of those that fit, from 1), flags as tcpdump writes them (`S`, `S.`, `.`, `F.`,
`P.`, `R`), `to-board` or `from-board`, `data` or `no-data`, and `p=0.1` (by chance), `ip=`,
`port=`; for `delay` also `by=2`, for `duplicate` `copies=2`. What is left out does not matter.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Literal

from lwipscope.errors import UsageError
from lwipscope.wire.rules import Direction, Rule

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("drop 1 S. from-board", "the board's first SYN+ACK is lost"),
    ("drop 2 data to-board", "the second segment with data for the board is lost"),
    ("duplicate F. to-board copies=2", "each FIN for the board comes three times"),
    ("delay 1 data from-board by=2", "the board's first data come two segments late"),
    ("reorder p=0.2", "a fifth of all segments change places with the next"),
    ("drop p=0.1 no-data", "a tenth of all segments without data are lost"),
)
_ACTIONS: dict[str, Literal["drop", "delay", "duplicate"]] = {
    "drop": "drop",
    "delay": "delay",
    "duplicate": "duplicate",
    "reorder": "delay",
}
_DIRECTIONS: tuple[Direction, ...] = ("to-board", "from-board")
_WORDS: tuple[str, ...] = (*_DIRECTIONS, "data", "no-data")
_KEYS: tuple[str, ...] = ("p", "by", "copies", "ip", "port", "nth")


@dataclass(slots=True)
class _Draft:
    text: str
    rule: Rule
    said: set[str]

    def once(self, what: str) -> None:
        if what in self.said:
            raise UsageError(f"{_in(self.text)}: {what} is said twice; a rule is about one")
        self.said.add(what)


def parse_rule(text: str) -> Rule:
    """The rule that a line describes; UsageError that names the word and shows what is known."""
    words = text.split()
    if not words:
        raise UsageError(
            f"an empty rule; say what happens: {', '.join(_ACTIONS)}; {_for_example()}"
        )
    action = words[0].lower()
    if action not in _ACTIONS:
        actions: list[str] = list(_ACTIONS)
        near = difflib.get_close_matches(action, actions, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"{_in(text)}: a rule begins with what happens, not {words[0]!r}; {hint}known are "
            f"{', '.join(_ACTIONS)}; {_for_example()}"
        )
    draft = _Draft(text, Rule(_ACTIONS[action]), set())
    if action == "reorder":
        draft.said.add("by")
        draft.rule = replace(draft.rule, by=1)
    for word in words[1:]:
        try:
            _take(draft, word, action)
        except UsageError as error:
            said = str(error)
            raise UsageError(said if said.startswith("in ") else f"{_in(text)}: {said}") from error
    return draft.rule


def rule_text(rule: Rule) -> str:
    """The rule as a line that `parse_rule` reads."""
    words: list[str] = ["reorder" if (rule.action, rule.by) == ("delay", 1) else rule.action]
    words += [] if rule.nth is None else [str(rule.nth)]
    words += [] if rule.flags is None else [rule.flags]
    words += [] if rule.direction is None else [rule.direction]
    words += [] if rule.data is None else ["data" if rule.data else "no-data"]
    words += [] if rule.ip is None else [f"ip={rule.ip}"]
    words += [] if rule.port is None else [f"port={rule.port}"]
    words += [f"p={rule.probability!r}"] if rule.probability < 1.0 else []
    words += [f"by={rule.by}"] if rule.by is not None and words[0] == "delay" else []
    words += [f"copies={rule.copies}"] if rule.copies != 1 else []
    return " ".join(words)


def _take(draft: _Draft, word: str, action: str) -> None:
    """One more word of the rule."""
    lower = word.lower()
    key, equals, value = word.partition("=")
    if equals:
        _take_value(draft, key.lower(), value, action)
    elif lower in _DIRECTIONS:
        draft.once("the direction")
        draft.rule = replace(
            draft.rule, direction="to-board" if "to" in lower[:2] else "from-board"
        )
    elif lower in ("data", "no-data"):
        draft.once("data or no-data")
        draft.rule = replace(draft.rule, data=lower == "data")
    elif word.isascii() and word.isdigit():
        _take_value(draft, "nth", word, action)
    elif word == "none" or (re.fullmatch(r"[FSRP.UEW]+", word) and len({*word}) == len(word)):
        draft.once("flags")
        draft.rule = replace(draft.rule, flags=word)
    elif re.fullmatch(r"(?i:(fin|syn|rst|psh|ack)(\+|$))+", word):
        names = {"FIN": "F", "SYN": "S", "RST": "R", "PSH": "P", "ACK": "."}
        letters = "".join(names[each] for each in names if each in word.upper().split("+"))
        raise UsageError(f"flags are written as tcpdump does: {letters!r} for {word!r}")
    else:
        known: list[str] = [*_WORDS, *(f"{k}=" for k in _KEYS)]
        close = difflib.get_close_matches(lower, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"{word!r} is not understood; {hint}known are a number, flags (S, S., ., F., P., R), "
            f"{', '.join(_WORDS)}, {', '.join(f'{k}=' for k in _KEYS)}"
        )


def _take_value(draft: _Draft, key: str, value: str, action: str) -> None:
    if key not in _KEYS:
        near = difflib.get_close_matches(key, _KEYS, n=1)
        hint = f"did you mean {near[0]}=? " if near else ""
        raise UsageError(f"{key}= is not known; {hint}known are {', '.join(_KEYS)}")
    if key == "by" and action == "reorder":
        raise UsageError("by= is for delay; reorder is delay by=1")
    for wanted, only in (("by", "delay"), ("copies", "duplicate")):
        if key == wanted and action != only:
            raise UsageError(f"{wanted}= is for {only}, not for {action}")
    draft.once(f"{key}=" if key != "nth" else "a number")
    rule = draft.rule
    if key == "p":
        draft.rule = replace(rule, probability=_probability(value))
    elif key == "ip":
        draft.rule = replace(rule, ip=_address(value))
    elif not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise UsageError(f"{key}={value}: a number is expected")
    elif key == "by":
        draft.rule = replace(rule, by=int(value))
    elif key == "copies":
        draft.rule = replace(rule, copies=int(value))
    elif key == "nth":
        draft.rule = replace(rule, nth=int(value))
    elif 0 < int(value) < 65536:
        draft.rule = replace(rule, port=int(value))
    else:
        raise UsageError(f"port={value}: a port is 1 to 65535")


def _probability(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise UsageError(f"p={value}: a probability lies between 0 and 1, as p=0.1")
    return number


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError as error:
        raise UsageError(f"ip={value}: an IPv4 address is expected, as ip=192.0.2.1") from error


def _in(text: str) -> str:
    return f"in the rule {text!r}"


def _for_example() -> str:
    return f"for example {EXAMPLES[0][0]!r}"
