"""What a scenario is: a name, a story, what is expected, and how it is played.

Each exists once, in a module of this package, and is used by the command line, the tests and the
reports alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lwipscope.scenario.stage import Stage
from lwipscope.trace.connection import Role


@dataclass(frozen=True, slots=True)
class Expected:
    """The path of one connection; notation: lwipscope.tcp.path."""

    path: str
    role: Role


@dataclass(frozen=True, slots=True)
class Scenario:
    """One exchange."""

    name: str
    title: str
    story: str
    rfc: str
    expected: Expected
    play: Callable[[Stage], None]
    needs_nc: bool = True
