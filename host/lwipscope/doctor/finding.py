"""A finding: what one check saw, how good that is, and what to type if it is not."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Mark(enum.Enum):
    """How good it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNSEEN = "not looked at"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `remedy` is empty if nothing is to be done."""

    name: str
    mark: Mark
    seen: str
    remedy: str = ""


def good(name: str, seen: str, remedy: str = "") -> Finding:
    """All is well."""
    return Finding(name, Mark.OK, seen, remedy)


def warning(name: str, seen: str, remedy: str = "") -> Finding:
    """Something can't be done, or may go wrong."""
    return Finding(name, Mark.WARNING, seen, remedy)


def problem(name: str, seen: str, remedy: str = "") -> Finding:
    """It stands in the way of a board."""
    return Finding(name, Mark.PROBLEM, seen, remedy)


def unseen(name: str, why: str, remedy: str = "") -> Finding:
    """It could not be looked at, or there was nothing to look at."""
    return Finding(name, Mark.UNSEEN, why, remedy)
