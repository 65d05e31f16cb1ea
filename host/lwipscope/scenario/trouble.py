"""What the wire does to the segments of a scenario: rules at work, and a record of what arrived.

Put on the board's switch by `play` while a scenario is played. The rules count and draw their
chances from the scenario's start to its end, also over several lives of the board. The record has
the segments as each side knows them: the peers' as they were sent, the board's as they came to the
peers. Used by reports and by `peer_states`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from lwipscope.errors import WireUnavailable
from lwipscope.wire.layers import TcpSegment
from lwipscope.wire.packet import parse_frame
from lwipscope.wire.rule_text import rule_text
from lwipscope.wire.rules import Deed, Rule, Rules
from lwipscope.wire.switch import Switch

MOST_SEGMENTS = 200_000


@dataclass(frozen=True, slots=True)
class Passed:
    """A segment on the wire; host time in seconds, `time.monotonic()`."""

    at_s: float
    from_board: bool
    segment: TcpSegment


@dataclass(frozen=True, slots=True)
class Trouble:
    """The rules a scenario was played under, and what they did."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    deeds: tuple[Deed, ...] = ()

    @property
    def by_chance(self) -> bool:
        """True if the seed decided anything."""
        return any(rule.probability < 1.0 for rule in self.rules)

    def lines(self) -> list[str]:
        """For people: each rule and how often it was at work, then the deeds in their order."""
        told = []
        for rule in dict.fromkeys(self.rules):
            count = sum(deed.rule == rule for deed in self.deeds)
            often = {0: "it met no segment", 1: "once"}.get(count, f"{count} times")
            told.append(f"{rule_text(rule)}: {often}")
        if self.by_chance:
            told.append(f"chance came from seed {self.seed}")
        return [*told, *(f"  {deed.text()}" for deed in self.deeds)]


class WireRecord(Rules):
    """Rules, perhaps none, that keep a record."""

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        super().__init__(*rules, seed=seed)
        self._given = Trouble(tuple(rules), seed)
        self.passed: list[Passed] = []

    @property
    def whole(self) -> bool:
        """False if there was more than the record keeps."""
        return len(self.passed) < MOST_SEGMENTS

    def trouble(self) -> Trouble:
        """What the rules have done so far."""
        return Trouble(self._given.rules, self._given.seed, tuple(self.deeds))

    def frame(self, from_board: bool, data: bytes, go: Callable[[], None]) -> None:
        """As `Rules.frame`; on the switch's thread."""
        segment = parse_frame(data).tcp
        if segment is None:
            go()
        elif from_board:

            def arrive() -> None:
                self._keep(True, segment)
                go()

            self.segment("from-board", segment, arrive)
        else:
            self._keep(False, segment)
            self.segment("to-board", segment, go)

    def _keep(self, from_board: bool, segment: TcpSegment) -> None:
        if self.whole:
            self.passed.append(Passed(time.monotonic(), from_board, segment))


@contextmanager
def recorded(switch: Switch, rules: Sequence[Rule], seed: int) -> Iterator[WireRecord]:
    """The rules work, and a record is kept, while the context lasts."""
    record = WireRecord(rules, seed)
    switch.set_rules(record)
    try:
        yield record
    finally:
        # A wire that was closed meanwhile has no rules any more; `WireWatch` tells of it.
        with suppress(WireUnavailable):
            switch.set_rules(None)
