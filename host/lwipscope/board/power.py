"""Power of a board, switched by commands of the rack file: lists of words, run without a shell.

A command that fails or takes too long is an error with what it said. Times in seconds.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from lwipscope.errors import LwipscopeError

COMMAND_S = 20.0
_MOST_SAID = 300


class PowerFailed(LwipscopeError):
    """A power command did not do it."""


@dataclass(frozen=True, slots=True)
class Power:
    """Commands; empty if there is none. `cycle` is preferred to `off` and `on`."""

    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    cycle: tuple[str, ...] = ()

    @property
    def can_cycle(self) -> bool:
        return bool(self.cycle or (self.on and self.off))

    def do_cycle(self) -> None:
        """Off and on again."""
        for command in (self.cycle,) if self.cycle else (self.off, self.on):
            run(command, "the power command")


NO_POWER = Power()


def run(command: tuple[str, ...], what: str, timeout_s: float = COMMAND_S) -> str:
    """What the command said; PowerFailed with that if it failed."""
    shown = " ".join(command)
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PowerFailed(f"{what} did not end within {timeout_s:g} s: {shown}") from error
    except OSError as error:
        raise PowerFailed(f"{what} can't be run: {shown}: {error.strerror}") from error
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode:
        raise PowerFailed(
            f"{what} ended with {done.returncode}: {shown}\n{said[-_MOST_SAID:]}".rstrip()
        )
    return said
