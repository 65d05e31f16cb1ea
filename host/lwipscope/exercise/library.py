"""All exercises, in the order in which they are best done."""

from __future__ import annotations

from lwipscope.errors import UsageError
from lwipscope.exercise import echo_server, graceful_close, never_leaks, pool, survives
from lwipscope.exercise.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = (
    echo_server.EXERCISE,
    graceful_close.EXERCISE,
    never_leaks.EXERCISE,
    survives.EXERCISE,
    pool.EXERCISE,
)


def exercise(name: str) -> Exercise:
    """By its name; UsageError if there is none."""
    found = next((each for each in EXERCISES if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in EXERCISES)
        raise UsageError(f"there is no exercise {name!r}; there are {names}")
    return found
