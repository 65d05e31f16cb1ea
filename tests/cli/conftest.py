"""Fixtures of the command line's tests: a firmware pack, and a desk for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.harness import Desk
from lwipscope.wire.keeper import Keeper

BUILD_S = 600.0


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firmware pack, so that no compiler is needed and an edit meanwhile does no harm."""
    file = tmp_path_factory.mktemp("pack") / "roomy.pack"
    _lwipscope("firmware", "pack", str(file))
    return file


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Path:
    """A cache in which that pack is in use, and one of the other profile."""
    folder = tmp_path_factory.mktemp("cache")
    small = folder / "rp2.pack"
    _lwipscope("firmware", "pack", str(small), "--profile", "rp2")
    for each in (pack, small):
        _lwipscope("firmware", "use", str(each), LWIPSCOPE_CACHE=str(folder))
    return folder


@pytest.fixture
def desk(cache: Path) -> Iterator[Desk]:
    """Where a test runs its commands; afterwards nothing of them may be left."""
    home = Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp"))
    made = Desk(home, cache)
    try:
        yield made
        running = [str(program) for program in made.programs if program.process.poll() is None]
        assert not running, "\n".join(running)
        made.assert_nothing_left()
    finally:
        made.close()
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def tap_missing() -> str:
    """Why there is no TAP on this machine; empty if there is one."""
    with Keeper.start("auto") as keeper:
        return "" if keeper.tap is not None else "; ".join(keeper.notes)


@pytest.fixture
def need_tap(tap_missing: str) -> None:
    if tap_missing:
        assert os.environ.get("LWIPSCOPE_REQUIRE_TAP") != "1", tap_missing
        pytest.skip(f"no TAP on this machine: {tap_missing}")


@pytest.fixture(params=["tap", "gate"])
def wire(request: pytest.FixtureRequest) -> str:
    """A test that asks for this runs on both wires."""
    if request.param == "tap":
        request.getfixturevalue("need_tap")
    return str(request.param)


def _lwipscope(*arguments: str, **env: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "lwipscope", *arguments],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        timeout=BUILD_S,
    )
