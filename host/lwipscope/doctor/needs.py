"""For whoever skips a test: which right or tool is missing, and the command that gets it.

`why_not("tap", keeper)` looks at what the keeper could have, so that nothing is tried twice.
"""

from __future__ import annotations

from lwipscope.doctor import machine, rights
from lwipscope.doctor.tools import best_nc
from lwipscope.peer.nc import Variant
from lwipscope.wire.keeper import Keeper


def why_not(need: str, keeper: Keeper) -> str:
    """For `tap`, `raw` (packet sockets on a real network) or `nc`: what is missing and what to
    type; empty if nothing is, or if doctor knows nothing of that need."""
    here = machine.collect()
    match need:
        case "nc":
            found = best_nc()
            if found is not None and found[1] is Variant.OPENBSD:
                return ""
            seen = f"{found[0]} is {found[1].value}'s" if found else "there is no nc"
            if here.family == "macos":
                return seen
            return f"{seen}; type: {here.install('nc')}"
        case "tap" if keeper.notes[:1] == ("no namespace: not asked for",):
            return "the gate was asked for, which has no TAP"
        case "tap" | "raw":
            return rights.missing(need, rights.of_keeper(keeper), here)
    return ""
