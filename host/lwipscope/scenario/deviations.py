"""Judges the deviations that a scenario names: each must show itself, or it is news.

A deviation is confirmed by a sign in the board's evidence (`trace.deviation_signs`), or by the
scenario itself, which insists on it and then calls `stage.deviation_seen`. One that does not show
any more makes a scenario fail on a stack whose deviations were verified, and is told on others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lwipscope.scenario.life import Life
from lwipscope.tcp.deviations import deviation
from lwipscope.trace.deviation_signs import SIGNS, signs_in


@dataclass(frozen=True, slots=True)
class DeviationCheck:
    """Names of `lwipscope.tcp.deviations`. `missing` were named by the scenario and not seen."""

    seen: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    verified: bool = True
    """False on a stack of which nothing was verified: there a missing one proves nothing."""

    @property
    def no_longer_seen(self) -> tuple[str, ...]:
        """Those that make the scenario fail."""
        return self.missing if self.verified else ()

    def lines(self) -> list[str]:
        """What is missing, for people."""
        told = []
        for name in self.missing:
            how = "" if name in SIGNS else " (nothing in the trace shows it: the scenario has to)"
            known = deviation(name)
            told.append(
                f"deviation {name} no longer seen{how}: {known.explanation} "
                f"Deviates from: {known.breaks}. Source: {known.source}"
            )
        return told


def judge_deviations(
    named: Sequence[str], by_scenario: Collection[str], lives: Sequence[Life]
) -> DeviationCheck:
    """What was seen in all lives together."""
    seen = set(by_scenario)
    for life in lives:
        seen |= signs_in(life.events)
    return DeviationCheck(
        seen=tuple(sorted(seen)),
        missing=tuple(name for name in named if name not in seen),
        verified=all(life.profile != "unknown" for life in lives),
    )
