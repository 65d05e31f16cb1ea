"""Trouble for segments under way: drop, delay, duplicate and reorder them by rule.

Given to `Switch.set_rules` it works on frames between the board and anybody else, kernel peers
among them; the polite raw peer uses the same rules on its own segments. Only intact TCP segments
are touched: ARP and echo pass. Every rule counts the segments that fit it, from 1; the first rule
that applies decides. Chance comes from a seed, one sequence per rule, so that the same segments
meet the same fate in every run. A held segment is a function that lets it go.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from lwipscope.errors import DeadlineExceeded, UsageError
from lwipscope.wire.layers import PSH, TcpSegment, flags_from_text
from lwipscope.wire.packet import parse_frame

Direction = Literal["to-board", "from-board"]
_KEPT_DEEDS = 4096


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to which segments. What is left None does not matter.

    `flags` are tcpdump's letters; PSH counts only if asked for. `data`: with payload, or without.
    `ip` and `port` are those of either end. `nth` is one of the segments that fit.
    Made by `drop`, `delay`, `duplicate` and `reorder`.
    """

    action: Literal["drop", "delay", "duplicate"]
    direction: Direction | None = None
    flags: str | None = None
    data: bool | None = None
    ip: str | None = None
    port: int | None = None
    nth: int | None = None
    probability: float = 1.0
    by: int | None = None
    copies: int = 1

    def __post_init__(self) -> None:
        if self.flags is not None:
            flags_from_text(self.flags)
        if self.direction not in (None, "to-board", "from-board"):
            raise UsageError(f"a direction is to-board or from-board, not {self.direction!r}")
        if self.nth is not None and self.nth < 1:
            raise UsageError(f"segments are counted from 1: nth={self.nth}")
        if not 0.0 <= self.probability <= 1.0:
            raise UsageError(f"a probability lies between 0 and 1: {self.probability}")
        if (self.by is not None and self.by < 1) or self.copies < 1:
            raise UsageError(f"at least 1: by={self.by}, copies={self.copies}")

    def fits(self, direction: Direction, segment: TcpSegment) -> bool:
        """Whether this rule is about such segments, whichever of them it is."""
        if self.direction is not None and self.direction != direction:
            return False
        if self.data is not None and self.data != bool(segment.payload):
            return False
        if self.ip is not None and self.ip not in (segment.src, segment.dst):
            return False
        if self.port is not None and self.port not in (segment.sport, segment.dport):
            return False
        if self.flags is None:
            return True
        wanted = flags_from_text(self.flags)
        return wanted == (segment.flags if wanted & PSH else segment.flags & ~PSH)


def drop(
    nth: int | None = None,
    *,
    direction: Direction | None = None,
    flags: str | None = None,
    data: bool | None = None,
    ip: str | None = None,
    port: int | None = None,
    probability: float = 1.0,
) -> Rule:
    """They never arrive."""
    return Rule("drop", direction, flags, data, ip, port, nth, probability)


def delay(
    nth: int | None = None,
    *,
    by: int | None = None,
    direction: Direction | None = None,
    flags: str | None = None,
    data: bool | None = None,
    ip: str | None = None,
    port: int | None = None,
    probability: float = 1.0,
) -> Rule:
    """They wait until `by` further segments have passed in their direction, or for `release`."""
    return Rule("delay", direction, flags, data, ip, port, nth, probability, by)


def reorder(
    nth: int | None = None,
    *,
    direction: Direction | None = None,
    flags: str | None = None,
    data: bool | None = None,
    ip: str | None = None,
    port: int | None = None,
    probability: float = 1.0,
) -> Rule:
    """Each changes places with the segment behind it."""
    return Rule("delay", direction, flags, data, ip, port, nth, probability, 1)


def duplicate(
    nth: int | None = None,
    *,
    copies: int = 1,
    direction: Direction | None = None,
    flags: str | None = None,
    data: bool | None = None,
    ip: str | None = None,
    port: int | None = None,
    probability: float = 1.0,
) -> Rule:
    """They arrive `copies` times more."""
    return Rule("duplicate", direction, flags, data, ip, port, nth, probability, copies=copies)


@dataclass(frozen=True, slots=True)
class Deed:
    """What a rule did, and to which segment. `at_s`: host time, `time.monotonic()`."""

    rule: Rule
    direction: Direction
    segment: TcpSegment
    at_s: float = field(default=0.0, compare=False)

    def text(self) -> str:
        """`dropped F. seq=.. ack=.. len=0 from-board`."""
        done = {"drop": "dropped", "delay": "held back", "duplicate": "duplicated"}
        one = self.segment
        numbers = f"seq={one.seq} ack={one.ack} len={len(one.payload)}"
        return f"{done[self.rule.action]} {one.flags_text()} {numbers} {self.direction}"


@dataclass(slots=True, eq=False)
class _Held:
    direction: Direction
    go: Callable[[], None]
    left: int | None


class Rules:
    """Rules at work. Not thread-safe: to be used on the thread that moves the segments; only
    `wait_deeds` is for others."""

    def __init__(self, *rules: Rule, seed: int = 0) -> None:
        self._changed = threading.Condition()
        self._done = 0
        self.deeds: deque[Deed] = deque(maxlen=_KEPT_DEEDS)
        self._seed = seed
        self._rules: list[Rule] = []
        self._counts: list[int] = []
        self._chances: list[random.Random] = []
        self._held: list[_Held] = []
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        """One more rule, after the others; it counts from now on."""
        self._chances.append(random.Random(f"{self._seed}/{len(self._rules)}"))
        self._counts.append(0)
        self._rules.append(rule)

    def clear(self) -> None:
        """No rules any more; what is held back stays held."""
        self._rules.clear()
        self._counts.clear()
        self._chances.clear()

    @property
    def held(self) -> int:
        """How many segments are held back."""
        return len(self._held)

    def wait_deeds(self, count: int, timeout_s: float = 5.0) -> None:
        """Wait until the rules have done `count` deeds in all."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._done >= count, timeout_s):
                said = "".join(f"\n  {deed.text()}" for deed in self.deeds)
                raise DeadlineExceeded(
                    f"{count} segments were expected to meet a rule within {timeout_s:g} s; "
                    f"{self._done} did{said}"
                )

    def frame(self, from_board: bool, data: bytes, go: Callable[[], None]) -> None:
        """Decide about a frame: `go` delivers it, now, later, more than once or never."""
        segment = parse_frame(data).tcp
        if segment is None:
            go()
        else:
            self.segment("from-board" if from_board else "to-board", segment, go)

    def segment(self, direction: Direction, segment: TcpSegment, go: Callable[[], None]) -> None:
        """The same for a segment."""
        rule = self._deciding(direction, segment)
        if rule is not None:
            with self._changed:
                self.deeds.append(Deed(rule, direction, segment, time.monotonic()))
                self._done += 1
                self._changed.notify_all()
        if rule is not None and rule.action == "delay":
            self._held.append(_Held(direction, go, rule.by))
            return
        if rule is None or rule.action == "duplicate":
            go()
            for _ in range(rule.copies if rule is not None else 0):
                go()
            if self._held:
                self._passed(direction)

    def release(self) -> int:
        """Let all go that is held back, in the order in which it came; how many."""
        held, self._held = self._held, []
        for one in held:
            one.go()
        return len(held)

    def discard(self) -> int:
        """Lose all that is held back (frames of a board's old life); how many."""
        count = len(self._held)
        self._held.clear()
        return count

    def _deciding(self, direction: Direction, segment: TcpSegment) -> Rule | None:
        """The rule that applies; every rule that fits has counted the segment."""
        found = None
        for index, rule in enumerate(self._rules):
            if not rule.fits(direction, segment):
                continue
            self._counts[index] += 1
            if rule.nth is not None and self._counts[index] != rule.nth:
                continue
            # Drawn also when another rule has decided: one rule must not change another's luck.
            lucky = rule.probability >= 1.0 or self._chances[index].random() < rule.probability
            if lucky and found is None:
                found = rule
        return found

    def _passed(self, direction: Direction) -> None:
        """A segment has passed: who waited for that may go."""
        due = []
        for one in self._held:
            if one.direction == direction and one.left is not None:
                one.left -= 1
                if one.left <= 0:
                    due.append(one)
        self._held = [one for one in self._held if one not in due]
        for one in due:
            one.go()
