"""A myth: what people say, the run that settles it, and the check that reads that run.

A check gets a recorded run and gives a `Finding`: the lines of evidence and what they show. If the
run does not show it, the check raises `NotSettled`, whatever the truth may be. Texts are English
and marked; they are translated where they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lwipscope.errors import LwipscopeError
from lwipscope.runfile.model import Run
from lwipscope.scenario.scenario import Scenario
from lwipscope.words.catalogue import Translator

Kind: TypeAlias = Literal["wrong", "half"]
"""wrong: the run disproves the claim; half: it shows how far the claim goes."""


class NotSettled(LwipscopeError):
    """The run lacks the evidence. `text` is English and may have `{fields}`."""

    def __init__(self, text: str, **fields: object) -> None:
        self.text = text
        self.fields = fields
        super().__init__(text.format(**fields) if fields else text)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run shows: a sentence with `{fields}`, and the exact lines of the run."""

    shows: str
    lines: tuple[str, ...]
    fields: Mapping[str, object] = field(default_factory=dict)

    def text(self, tr: Translator) -> str:
        """The sentence, in a language."""
        return tr(self.shows, **self.fields)


@dataclass(frozen=True, slots=True)
class Myth:
    """One claim. `rfc` are sections of RFC 9293 unless they say otherwise."""

    name: str
    kind: Kind
    claim: str
    truth: str
    rfc: str
    lwip: str
    scenario: Scenario
    check: Callable[[Run], Finding]
    scenario_shown: bool = True
    """False: the run is this myth's own, and no scenario of the library."""
