"""All scenarios, in the order in which one would tell them, and how to find one by name."""

from __future__ import annotations

import difflib

from lwipscope.errors import UsageError
from lwipscope.scenario import closing, limits, lingering, opening, resetting, waiting
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.scenario import Scenario

THEMES: tuple[tuple[str, tuple[Scenario, ...]], ...] = (
    ("the first exchanges", EXCHANGES),
    ("opening", opening.SCENARIOS),
    ("closing", closing.SCENARIOS),
    ("waiting", waiting.SCENARIOS),
    ("waiting after close()", lingering.SCENARIOS),
    ("resetting", resetting.SCENARIOS),
    ("limits", limits.SCENARIOS),
)
LIBRARY: tuple[Scenario, ...] = tuple(each for _, theme in THEMES for each in theme)

_MOST_SUGGESTED = 3


def scenario_named(name: str) -> Scenario:
    """The scenario of this name; UsageError that suggests near ones."""
    by_name = {scenario.name: scenario for scenario in LIBRARY}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=_MOST_SUGGESTED, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lwipscope scenarios` lists them"
    raise UsageError(f"there is no scenario {name!r}; {hint}")
