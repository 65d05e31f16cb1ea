"""Runs pytest as a developer does: a process of its own, in an empty folder, on the emulated board.

The firmware is built before, and found by the inner runs in the same cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from lwipscope import paths
from lwipscope.firmware.selection import choose

SCRIPTS = paths.share_dir("firmware") / "scripts"
# Asked for before pytester changes HOME.
CACHE = paths.cache_dir().resolve()
INNER_TIMEOUT_S = 50.0

Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="session")
def _firmware_is_built() -> None:
    choose("roomy")


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, _firmware_is_built: None
) -> Run:
    """`run("-x", ...)`: pytest in pytester's folder, with examples/ in it."""
    # pytester gives its runs another home.
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(CACHE))
    for name in list(os.environ):
        if name.startswith(("LWIP_", "PYTEST_ADDOPTS", "PYTEST_XDIST")):
            monkeypatch.delenv(name)
    (pytester.path / "examples").mkdir()
    for script in SCRIPTS.glob("*.py"):
        (pytester.path / "examples" / script.name).write_bytes(script.read_bytes())

    def go(*args: str) -> pytest.RunResult:
        command = (sys.executable, "-m", "pytest", *args)
        return pytester.run(*command, timeout=INNER_TIMEOUT_S)

    return go
