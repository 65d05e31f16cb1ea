"""The firmware is made before the first test starts: a build must not count against its timeout.

Called when tests are about to run and one of them uses a board. Shows a line if there is something
to wait for.
"""

from __future__ import annotations

import time

import pytest

from lwipscope.firmware.progress import Step
from lwipscope.pytest_plugin.bench import BENCH, Bench
from lwipscope.pytest_plugin.options import SETTINGS


def prepare(config: pytest.Config) -> None:
    """Choose or build the firmware; the bench is kept for the fixture."""
    bench = config.stash[BENCH] = Bench(config.stash[SETTINGS])
    started_s = time.monotonic()
    told = False

    def progress(step: Step) -> None:
        nonlocal told
        if not told:
            told = True
            _tell(config, f"lwip: making the firmware, once ({step.text})")

    bench.prepare(progress)
    if told:
        _tell(config, f"lwip: that took {time.monotonic() - started_s:.0f} s")


def _tell(config: pytest.Config, line: str) -> None:
    # A worker of xdist has no reporter, and nobody sees what it writes.
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.ensure_newline()
        terminal.write_line(line)
