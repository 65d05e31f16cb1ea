"""All myths, in the order in which one would tell them, and how to find one by name."""

from __future__ import annotations

import difflib

from lwipscope.errors import UsageError
from lwipscope.glossary import (
    myths_closing,
    myths_numbers,
    myths_segments,
    myths_serving,
    myths_sockets,
    myths_trust,
    myths_waiting,
    myths_window,
)
from lwipscope.glossary.myth import Myth

MYTHS: tuple[Myth, ...] = (
    *myths_closing.MYTHS,
    *myths_waiting.MYTHS,
    *myths_serving.MYTHS,
    *myths_sockets.MYTHS,
    *myths_trust.MYTHS,
    *myths_segments.MYTHS,
    *myths_numbers.MYTHS,
    *myths_window.MYTHS,
)


def myth_named(name: str) -> Myth:
    """The myth of this name, or the only one that has it in its name; UsageError with near ones."""
    by_name = {myth.name: myth for myth in MYTHS}
    squashed = "-".join(name.lower().replace("_", "-").split())
    if squashed in by_name:
        return by_name[squashed]
    having = [each for each in by_name if squashed and squashed in each]
    if len(having) == 1:
        return by_name[having[0]]
    near = having or difflib.get_close_matches(squashed, by_name, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lwipscope myth` lists them"
    raise UsageError(f"there is no myth {name!r}; {hint}")
