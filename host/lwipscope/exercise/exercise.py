"""What an exercise is: how its settings are drawn, and its tests. The words are in `texts`.

The settings of a test become `config.py` beside the program, so the program learns its port there
and from nowhere else. `profile` chooses lwIP's sizes (DESIGN D12).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lwipscope.exercise.trial import Trial
from lwipscope.firmware.firmware import Profile

Settings: TypeAlias = Mapping[str, int | str]

CONFIG = "config.py"
_FIRST_PORT, _LAST_PORT = 2000, 60000


@dataclass(frozen=True, slots=True)
class Test:
    """One test: `play` raises Failed, or returns. `before` is called before the program starts;
    `fixed` settings are not drawn."""

    name: str
    play: Callable[[Trial], None]
    before: Callable[[Trial], None] | None = None
    fixed: Settings = field(default_factory=dict)

    # pytest looks at classes that are called so.
    __test__ = False


@dataclass(frozen=True, slots=True)
class Exercise:
    """`draw` makes the settings of a test. `serves`: the program has to listen at PORT."""

    name: str
    draw: Callable[[random.Random], Settings]
    tests: tuple[Test, ...]
    serves: bool = True
    profile: Profile = "roomy"

    def settings(self, test: Test, rng: random.Random) -> Settings:
        """Of one test."""
        return {**self.draw(rng), **test.fixed}


def any_port(rng: random.Random) -> int:
    """A port that a program may listen at."""
    return rng.randint(_FIRST_PORT, _LAST_PORT)


def config_text(settings: Settings, remark: str) -> str:
    """The source of config.py."""
    lines = [f"# {remark}", *(f"{name} = {value!r}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"
