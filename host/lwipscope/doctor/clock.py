"""The host's clock: captures and logs carry its time, and make believes it.

Source: adjtimex(2), which only reads if no mode is set; it gives TIME_ERROR while no time server
has set the clock.
"""

from __future__ import annotations

import ctypes
import datetime
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope.doctor.finding import Finding, good, problem
from lwipscope.doctor.machine import Machine

_TIME_ERROR = 5
_TIMEX_BYTES = 512  # struct timex has 208; the rest is for kernels to come
_SLACK_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """Seconds since 1970. `newest_s`: of a file that was surely written in the past."""

    now_s: float
    newest_s: float
    synchronized: bool | None = None


def collect(system: str) -> ClockFacts:
    """Now."""
    newest_s = max(path.stat().st_mtime for path in Path(__file__).parent.glob("*.py"))
    synchronized = None
    if system == "Linux":
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        synchronized = ctypes.CDLL(None).adjtimex(buffer) not in (-1, _TIME_ERROR)
    return ClockFacts(time.time(), newest_s, synchronized)


def check(facts: ClockFacts, machine: Machine) -> Iterator[Finding]:
    """One finding."""
    shown = datetime.datetime.fromtimestamp(facts.now_s).strftime("%Y-%m-%d %H:%M")
    if facts.now_s < facts.newest_s - _SLACK_S:
        seen = f"{shown} is before lwipscope was installed: captures get wrong times"
        remedy = machine.as_root("timedatectl set-ntp true")
        if machine.system != "Linux":
            remedy = machine.as_root("sntp -sS time.apple.com")
        yield problem("clock", seen, remedy)
    else:
        how = {True: ", set by a time server", False: ", not set by a time server", None: ""}
        yield good("clock", shown + how[facts.synchronized])
