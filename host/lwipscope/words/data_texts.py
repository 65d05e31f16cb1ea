"""The texts that stand in data: triggers, notes and absences of edges, deviations.

They are not marked where they stand, since `tcp` knows nothing of languages; what shows them says
`tr(edge.note)`. Used by `twins`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from lwipscope.tcp import modlwip, modlwip_ends, modlwip_limits, rfc9293
from lwipscope.tcp.graph import graph_of
from lwipscope.words.finder import Use

_MODULES: tuple[ModuleType, ...] = (rfc9293, modlwip, modlwip_ends, modlwip_limits)


def data_uses() -> Iterator[Use]:
    """Every text of the graphs that `show --explain` shows, once, with the line that has it."""
    seen = set()
    for text in _texts():
        if text and text not in seen:
            seen.add(text)
            yield _found(text)


def _texts() -> Iterator[str]:
    for profile in ("rfc9293", "modlwip-2.2.1"):
        graph = graph_of(profile)
        for edge in graph.edges:
            yield edge.note
            yield edge.unreachable
            if edge.trigger.kind == "rx":
                yield edge.trigger.detail
        for absence in graph.absences:
            yield absence.trigger
            yield absence.reason


def _found(text: str) -> Use:
    # A long text is split over lines in the source: its first words are looked for.
    first = text[:24]
    for module in _MODULES:
        path = Path(inspect.getfile(module))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if first in line:
                return Use(text, path, number)
    return Use(text, Path(inspect.getfile(modlwip)), 1)
