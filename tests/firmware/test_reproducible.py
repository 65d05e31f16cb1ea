"""The firmware build, for real: two builds in two folders, a pack, and a refused source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.firmware import build
from lwipscope.firmware import sources as upstream

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
    ),
]


def firmware(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lwipscope", "firmware", *words],
        env={**os.environ, "LWIPSCOPE_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def sources() -> Path:
    """A folder with both trees: where the first build put them."""
    return upstream.get().lwip.parent


@pytest.fixture(scope="module")
def long_named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose name has another length than those of the tests."""
    return tmp_path_factory.mktemp("a-cache-of-another-length")


def test_two_builds_in_two_folders_are_identical_and_a_pack_carries_one(
    tmp_path: Path, sources: Path, long_named: Path
) -> None:
    elves = []
    for cache in (tmp_path / "one", long_named):
        out = cache / "out"
        built = firmware(cache, "build", "--sources", str(sources), "--out", str(out))
        assert built.returncode == 0, built.stderr
        elves.append((out / "firmware.elf").read_bytes())
    assert elves[0] == elves[1]
    assert len(elves[0]) > 1_000_000

    pack = tmp_path / "board.lwipscope"
    packed = firmware(tmp_path / "one", "pack", str(pack))
    assert packed.returncode == 0, packed.stderr
    elsewhere = tmp_path / "elsewhere"
    used = firmware(elsewhere, "use", str(pack))
    assert used.returncode == 0, used.stderr
    installed = list(elsewhere.rglob("firmware.elf"))
    assert [path.read_bytes() for path in installed] == elves[:1]


def test_firmware_without_the_tracer_is_the_same_in_every_folder(
    tmp_path: Path, sources: Path, long_named: Path
) -> None:
    """Against the one that the tests of the memory probe use, which was built elsewhere."""
    out = tmp_path / "out"
    words = ("--without-tracer", "--sources", str(sources), "--out", str(out))
    built = firmware(long_named, "build", *words)
    assert built.returncode == 0, built.stderr
    other = build.build("roomy", tracer=False).elf
    assert long_named not in other.parents
    for name in ("firmware.elf", "provenance.json"):
        assert (out / name).read_bytes() == other.with_name(name).read_bytes(), name


def test_an_altered_source_is_refused_by_name(tmp_path: Path, sources: Path) -> None:
    copy = tmp_path / "sources"
    shutil.copytree(sources, copy)
    (altered,) = copy.rglob("src/core/tcp_in.c")
    altered.write_text(altered.read_text() + "\n")
    built = firmware(tmp_path / "cache", "build", "--sources", str(copy))
    assert built.returncode == 2
    assert "tcp_in.c" in built.stderr
    assert "Traceback" not in built.stderr
