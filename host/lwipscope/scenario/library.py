"""All scenarios, in the order in which one would tell them, and how to find one by name."""

from __future__ import annotations

import difflib

from lwipscope.errors import UsageError
from lwipscope.scenario import (
    address,
    after_close,
    brief,
    closing,
    crowding,
    defects,
    early_fin,
    flooding,
    giving_up,
    limits,
    lingering,
    opening,
    rebooting,
    resetting,
    resetting_states,
    serving,
    shortage,
    soft_reset,
    waiting,
)
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.scenario import Scenario

THEMES: tuple[tuple[str, tuple[Scenario, ...]], ...] = (
    ("the first exchanges", EXCHANGES),
    ("serving", serving.SCENARIOS),
    ("opening", opening.SCENARIOS),
    ("closing", closing.SCENARIOS),
    ("short connections", brief.SCENARIOS),
    ("data and FIN after close()", after_close.SCENARIOS),
    ("in another order", early_fin.SCENARIOS),
    ("waiting", waiting.SCENARIOS),
    ("waiting after close()", lingering.SCENARIOS),
    ("giving up", giving_up.SCENARIOS),
    ("resetting", resetting.SCENARIOS),
    ("RST in each state", resetting_states.SCENARIOS),
    ("limits", limits.SCENARIOS),
    ("shortage", shortage.SCENARIOS),
    ("floods", flooding.SCENARIOS),
    ("crowds", crowding.SCENARIOS),
    ("losing the address", address.SCENARIOS),
    ("soft reset", soft_reset.SCENARIOS),
    ("an end that has forgotten", rebooting.SCENARIOS),
)
LIBRARY: tuple[Scenario, ...] = tuple(each for _, theme in THEMES for each in theme)
# These need firmware of their own; nothing plays them unasked.
EVERY: tuple[Scenario, ...] = (*LIBRARY, *defects.SCENARIOS)

_MOST_SUGGESTED = 3


def scenario_named(name: str) -> Scenario:
    """The scenario of this name; UsageError that suggests near ones."""
    by_name = {scenario.name: scenario for scenario in EVERY}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name, by_name, n=_MOST_SUGGESTED, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lwipscope scenarios` lists them"
    raise UsageError(f"there is no scenario {name!r}; {hint}")
