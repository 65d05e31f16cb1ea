"""Known deviations: where a stack does something else than RFC 9293 or than its users expect.

Each is a named entry for one stack profile, so that scenarios expect it where it occurs and say its
name, and a deviation that stops occurring is noticed. `evidence` tells whether it was seen on a
board (strict: a scenario may insist) or found by reading (a hint). Used by scenarios and reports.
"""

from __future__ import annotations

import difflib

from lwipscope.errors import UsageError
from lwipscope.tcp import deviations_lwip, deviations_modlwip
from lwipscope.tcp.deviation import Deviation

__all__ = ["Deviation", "deviation", "deviations"]


def deviations(profile: str) -> tuple[Deviation, ...]:
    """All that are known of a profile; none of a stack that is unknown."""
    known = (*deviations_lwip.DEVIATIONS, *deviations_modlwip.DEVIATIONS)
    return tuple(each for each in known if each.profile == profile)


def deviation(name: str, profile: str = "modlwip-2.2.1") -> Deviation:
    """The one of this name; UsageError that suggests the nearest."""
    known = {each.name: each for each in deviations(profile)}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"{len(known)} are known"
    raise UsageError(f"no deviation of {profile} is called {name!r}; {hint}")
