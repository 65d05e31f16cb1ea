"""One known deviation of a stack: what `deviations` is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.tcp.edge import Profile

Evidence: TypeAlias = Literal["run", "read"]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One deviation. `breaks` is a section of an RFC, or what a user would expect."""

    name: str
    profile: Profile
    explanation: str
    source: str
    breaks: str
    evidence: Evidence = "run"

    def text(self) -> str:
        """A paragraph for people."""
        how = "seen on a board" if self.evidence == "run" else "found by reading"
        return (
            f"{self.name} ({self.profile}, {how}): {self.explanation}\n"
            f"  deviates from: {self.breaks}\n  source: {self.source}"
        )
