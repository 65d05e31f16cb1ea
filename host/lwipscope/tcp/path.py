"""Expected paths: a small notation for sequences of states, and its matcher.

`LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT`, with `|` between
alternatives (whole paths, or inside parentheses), brackets around optional parts and `...` for any
states or none. `->` may be written for `>`. A leading `CLOSED >` before SYN_SENT or LISTEN says
nothing and is ignored, in patterns and in what was seen. Used by verdicts, scenarios and the pytest
plugin; the notation itself is read by `notation`.

Matching simulates a position automaton (Glushkov 1961): every state named in the pattern is one
bit, so the work is linear in the states seen, whatever is nested in what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lwipscope.tcp.notation import Alternatives, Gap, Node, Optional, Series, parse_notation
from lwipscope.tcp.state import State

_OPENERS = (State.SYN_SENT, State.LISTEN)


@dataclass(frozen=True, slots=True)
class PathMatch:
    """How far a sequence of states went along a pattern.

    `matched_prefix` counts the states seen that the best alternative accepts. `expected_next` are
    the states named by the pattern for the place behind them; `expected_end` says that the path
    might also have ended there.
    """

    ok: bool
    matched_prefix: int
    expected_next: frozenset[State]
    expected_end: bool

    def expectation(self) -> str:
        """What was expected where they part, for people: `CLOSE_WAIT or the end`."""
        names = [state.name for state in sorted(self.expected_next, key=lambda s: s.value)]
        if self.expected_end:
            names.append("the end of the path")
        return " or ".join(names)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A set of accepted paths. Make one with `PathPattern.parse(text)`; str() is canonical."""

    node: Node
    _automaton: _Automaton = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Read the notation; UsageError with a caret under the offending column."""
        return cls.of(parse_notation(text))

    @classmethod
    def of(cls, node: Node) -> PathPattern:
        """The pattern of a syntax tree."""
        return cls(node, _Automaton(node))

    def __str__(self) -> str:
        return str(self.node)

    def match(self, states: Sequence[State]) -> PathMatch:
        """Compare a whole path with the pattern."""
        skipped = (
            1 if len(states) > 1 and states[0] is State.CLOSED and states[1] in _OPENERS else 0
        )
        automaton = self._automaton
        places = automaton.start
        for index in range(skipped, len(states)):
            after = automaton.step(places, states[index])
            if not after:
                return PathMatch(
                    False, index, automaton.expected(places), bool(places & automaton.accepting)
                )
            places = after
        ended = bool(places & automaton.accepting)
        return PathMatch(ended, len(states), automaton.expected(places), ended)

    # The same step by step, for those who follow many paths at once. A path begins with its first
    # state behind CLOSED; places are opaque, and 0 once no accepted path begins like this.

    def begin(self) -> int:
        """The places before the first state."""
        return self._automaton.start

    def step(self, places: int, state: State) -> int:
        """The places behind one more state."""
        return self._automaton.step(places, state) if places else 0

    def accepts(self, places: int) -> bool:
        """Whether a path that ends at these places is accepted."""
        return bool(places & self._automaton.accepting)

    def could_still_match(self, states: Sequence[State]) -> bool:
        """Whether these states are the beginning of (or all of) some accepted path."""
        if len(states) == 1 and states[0] is State.CLOSED:
            automaton = self._automaton
            if any(automaton.step(automaton.start, opener) for opener in _OPENERS):
                return True
        return self.match(states).matched_prefix == len(states)


def path_text(states: Iterable[State]) -> str:
    """A path in the notation: `LISTEN > SYN_RCVD`; `(nothing)` for an empty one."""
    return " > ".join(state.name for state in states) or "(nothing)"


def explain(pattern: PathPattern, seen: Sequence[State]) -> str:
    """Expected and seen below each other, and a marker where they part."""
    match = pattern.match(seen)
    lines = [f"expected  {pattern}", f"seen      {path_text(seen)}"]
    if match.ok:
        return "\n".join([*lines, "          as expected"])
    column = sum(len(state.name) + len(" > ") for state in seen[: match.matched_prefix])
    if match.matched_prefix < len(seen):
        note = f"here {match.expectation()} was expected"
    else:
        note = f"ended here, {match.expectation()} was expected next"
    return "\n".join([*lines, " " * (len("seen      ") + column) + f"^ {note}"])


class _Automaton:
    """One bit per state named in the pattern; bit 0 is the place before the first state.

    A gap is a position that every state may enter and that may follow itself.
    """

    __slots__ = ("_follow", "_labels", "_named", "accepting", "start")

    def __init__(self, node: Node) -> None:
        self.start = 1
        self._follow: list[int] = [0]
        self._named: list[State | None] = [None]
        self._labels: dict[State, int] = dict.fromkeys(State, 0)
        nullable, first, last = self._add(node)
        self._follow[0] = first
        self.accepting = last | (1 if nullable else 0)

    def step(self, places: int, state: State) -> int:
        """The places reached from `places` by one more state; 0 if there are none."""
        reached = self._after(places) & self._labels[state]
        if places & self.start and state in _OPENERS:
            # A leading `CLOSED >` in the pattern may be passed over by a path that opens.
            closed = self._follow[0] & self._labels[State.CLOSED]
            reached |= self._after(closed) & self._labels[state]
        return reached

    def expected(self, places: int) -> frozenset[State]:
        """The states that the pattern names for the next step (gaps name none)."""
        names = self._names(self._after(places))
        if places & self.start:
            closed = [i for i in _bits(self._follow[0]) if self._named[i] is State.CLOSED]
            behind = self._names(self._after(sum(1 << index for index in closed)))
            openers = behind.intersection(_OPENERS)
            if openers:
                names = (names - {State.CLOSED}) | openers
        return names

    def _names(self, places: int) -> frozenset[State]:
        labels = (self._named[index] for index in _bits(places))
        return frozenset(label for label in labels if label is not None)

    def _after(self, places: int) -> int:
        reached = 0
        for index in _bits(places):
            reached |= self._follow[index]
        return reached

    def _new(self, label: State | None) -> int:
        index = len(self._follow)
        self._follow.append(0)
        self._named.append(label)
        for state in State if label is None else (label,):
            self._labels[state] |= 1 << index
        return 1 << index

    def _add(self, node: Node) -> tuple[bool, int, int]:
        """Add a part; returns (may be empty, places it may begin with, places it may end with)."""
        match node:
            case State():
                bit = self._new(node)
                return False, bit, bit
            case Gap():
                bit = self._new(None)
                self._follow[bit.bit_length() - 1] = bit
                return True, bit, bit
            case Optional(part=part):
                _, first, last = self._add(part)
                return True, first, last
            case Alternatives(parts=parts):
                added = [self._add(part) for part in parts]
                first = last = 0
                for _, one_first, one_last in added:
                    first |= one_first
                    last |= one_last
                return any(nullable for nullable, _, _ in added), first, last
            case Series(parts=parts):
                nullable, first, last = True, 0, 0
                for part in parts:
                    part_nullable, part_first, part_last = self._add(part)
                    for index in _bits(last):
                        self._follow[index] |= part_first
                    first |= part_first if nullable else 0
                    last = part_last | (last if part_nullable else 0)
                    nullable = nullable and part_nullable
                return nullable, first, last


def _bits(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
