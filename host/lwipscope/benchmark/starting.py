"""How long it takes until something runs: a clean build, a board's start, its reset, the demo."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lwipscope import paths
from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.workshop import Workshop, lwipscope
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware import sources
from lwipscope.wire.keeper import Keeper

_BUILD_TIMEOUT_S = 600.0
_DEMO_TIMEOUT_S = 120.0


def clean_build(shop: Workshop, times: int) -> Rows:
    """Seconds for one profile's firmware with an empty cache, but for the sources: fetching them
    is the network's time, not ours. Compiler and sources are in the page cache."""
    sources.get()
    for _ in range(times):
        with temporary_folder() as cache:
            shutil.copytree(paths.cache_dir() / "sources", cache / "sources", symlinks=True)
            started_s = time.monotonic()
            lwipscope(
                *("firmware", "build", "--profile", shop.profile),
                env={**os.environ, "LWIPSCOPE_CACHE": str(cache)},
                timeout_s=_BUILD_TIMEOUT_S,
            )
            yield (time.monotonic() - started_s,)


def start(shop: Workshop, times: int) -> Rows:
    """Milliseconds until the first hello is parsed: with a running keeper, and with its start."""
    for _ in range(times):
        before_s = time.monotonic()
        with Keeper.start(shop.network) as keeper:
            started_s = time.monotonic()
            with EmulatedBoard(shop.board_file, shop.elf, keeper):
                ended_s = time.monotonic()
        yield (ended_s - started_s) * 1e3, (ended_s - before_s) * 1e3


def reset(shop: Workshop, times: int) -> Rows:
    """Milliseconds from the wish to reset a running board to its hello, parsed."""
    with shop.board() as (board, _keeper):
        for _ in range(times):
            started_s = time.monotonic()
            board.reset()
            yield ((time.monotonic() - started_s) * 1e3,)


def demo(shop: Workshop, times: int) -> Rows:
    """Seconds for what `make demo` runs when all is built: `setup`, then `demo`."""
    lwipscope("setup", timeout_s=_BUILD_TIMEOUT_S)
    for _ in range(times):
        with temporary_folder() as folder:
            started_s = time.monotonic()
            lwipscope("setup", timeout_s=_DEMO_TIMEOUT_S)
            lwipscope("demo", *shop.options, "--log-dir", str(folder), timeout_s=_DEMO_TIMEOUT_S)
            yield (time.monotonic() - started_s,)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """For what a command leaves behind."""
    with tempfile.TemporaryDirectory(prefix="lwipscope-bench-") as name:
        yield Path(name)
