"""Source trees that somebody works on: found, described, mirrored; and images that say so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lwipscope.errors import BuildError
from lwipscope.firmware import images, pack, pins, provenance, selection, unpinned
from lwipscope.firmware.firmware import Firmware
from lwipscope.firmware.provenance import Inputs
from lwipscope.firmware.unpinned import Tree
from lwipscope.scenario.defects import require_firmware
from lwipscope.scenario.library import LIBRARY, scenario_named

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

INIT_H = (
    "#define LWIP_VERSION_MAJOR 2\n#define LWIP_VERSION_MINOR 3\n#define LWIP_VERSION_REVISION 0\n"
)
LWIP = {
    "src/include/lwip/init.h": INIT_H,
    "src/core/tcp.c": "a",
    "src/core/tcp_in.c": "b",
    "test/unit.c": "not built",
}
MICROPYTHON = {
    "py/mpconfig.h": "#define MICROPY_VERSION_MAJOR 1\n#define MICROPY_VERSION_MINOR 26\n"
    "#define MICROPY_VERSION_MICRO 0\n",
    "extmod/modlwip.c": "c",
    "ports/qemu/Makefile": "d",
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def found(given: Path) -> list[Tree]:
    """Those that are not the pinned ones; the cache is given as empty, so they must not be read."""
    return [each for each in unpinned.find(given, CACHED) if not each.pinned]


CACHED = {"MicroPython": Path("/nowhere"), "lwIP": Path("/nowhere")}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pinned trees."""
    small = {each.name: replace(each, files={"x": ""}) for each in pins.load().trees}
    both = replace(pins.load(), micropython=small["MicroPython"], lwip=small["lwIP"])
    monkeypatch.setattr(pins, "load", lambda: both)
    tree(tmp_path / "cached", {"x": "pinned"})
    for name in CACHED:
        monkeypatch.setitem(CACHED, name, tmp_path / "cached")


@pytest.mark.usefixtures("cached")
def test_a_folder_with_both_and_folders_that_are_one(tmp_path: Path) -> None:
    tree(tmp_path / "both/lwip", LWIP)
    tree(tmp_path / "both/micropython", MICROPYTHON)
    both = found(tmp_path / "both")
    assert [(t.name, t.version) for t in both] == [("MicroPython", "1.26.0"), ("lwIP", "2.3.0")]
    assert [t.folder.name for t in both] == ["micropython", "lwip"]
    assert [t.name for t in found(tmp_path / "both/lwip")] == ["lwIP"]
    assert [t.name for t in found(tmp_path / "both/micropython")] == ["MicroPython"]
    pinned = unpinned.find(tmp_path / "both/lwip", CACHED)[0]
    assert (pinned.name, pinned.pinned, pinned.version) == ("MicroPython", True, "1.25.0")


@pytest.mark.usefixtures("cached")
def test_of_several_trees_one_has_to_be_meant(tmp_path: Path) -> None:
    tree(tmp_path / "lwip-old", LWIP)
    tree(tmp_path / "lwip-new", LWIP)
    with pytest.raises(BuildError, match="several lwIP trees: lwip-new, lwip-old"):
        found(tmp_path)
    tree(tmp_path / "lwip", LWIP)
    assert [t.folder.name for t in found(tmp_path)] == ["lwip"]


@pytest.mark.parametrize("given", ["absent", "empty"])
def test_a_folder_without_a_tree_says_what_is_needed(tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match=r"extmod/modlwip\.c.*src/core/tcp\.c"):
        found(tmp_path / given)


@pytest.mark.usefixtures("cached")
def test_content_decides_and_leftovers_don_t_count(tmp_path: Path) -> None:
    (one,) = found(tree(tmp_path / "one", LWIP))
    (two,) = found(tree(tmp_path / "two", LWIP))
    assert sorted(one.files) == sorted(name for name in LWIP if name != "test/unit.c")
    assert one.sha256 == two.sha256
    for name in ("src/core/tcp.c~", "src/core/.tcp.c.swp", "src/core/tcp.o", "src/core/tcp.c.orig"):
        (tmp_path / "two" / name).write_text("left over")
    assert found(tmp_path / "two")[0].sha256 == one.sha256
    (tmp_path / "two/src/core/tcp_in.c").write_text("edited")
    assert found(tmp_path / "two")[0].sha256 != one.sha256


@pytest.mark.usefixtures("cached")
def test_a_mirror_follows_by_content(tmp_path: Path) -> None:
    folder, copy = tree(tmp_path / "lwip", LWIP), tmp_path / "copy"
    unpinned.mirror(found(folder)[0], copy)
    kept = (copy / "src/core/tcp.c").stat().st_mtime_ns
    # Older than what was built, as a file that a tool has put back.
    (folder / "src/core/tcp_in.c").write_text("older")
    os.utime(folder / "src/core/tcp_in.c", (1, 1))
    (folder / "src/core/new.c").write_text("new")
    unpinned.mirror(found(folder)[0], copy)
    assert (copy / "src/core/tcp_in.c").read_text() == "older"
    assert (copy / "src/core/tcp_in.c").stat().st_mtime > 1
    assert (copy / "src/core/tcp.c").stat().st_mtime_ns == kept
    (folder / "src/core/new.c").unlink()
    unpinned.mirror(found(folder)[0], copy)
    assert not (copy / "src/core/new.c").exists()


@pytest.mark.usefixtures("cached")
def test_an_edit_between_looking_and_copying_is_noticed(tmp_path: Path) -> None:
    folder = tree(tmp_path / "lwip", LWIP)
    (seen,) = found(folder)
    (folder / "src/core/tcp.c").write_text("edited")
    with pytest.raises(BuildError, match=r"tcp\.c was edited just now"):
        unpinned.mirror(seen, tmp_path / "copy")


# --- git ---------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=no"]
    return subprocess.run(
        ["git", *identity, "-C", str(folder), *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.strip()


@needs_git
@pytest.mark.usefixtures("cached")
def test_revision_and_edits_are_told(tmp_path: Path) -> None:
    folder = tree(tmp_path / "lwip", LWIP)
    assert (found(folder)[0].revision, found(folder)[0].dirty) == ("", None)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "x")
    revision = git(folder, "rev-parse", "HEAD")
    assert (found(folder)[0].revision, found(folder)[0].dirty) == (revision, False)
    (folder / "test/unit.c").write_text("edited, and not built")
    assert found(folder)[0].dirty is False
    before = (folder / ".git/index").read_bytes()
    (folder / "src/core/tcp.c").write_text("edited")
    assert (found(folder)[0].revision, found(folder)[0].dirty) == (revision, True)
    assert (folder / ".git/index").read_bytes() == before, "git is only asked"


@needs_git
@pytest.mark.usefixtures("cached")
def test_the_repository_around_it_is_not_its_own(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "x")
    folder = tree(tmp_path / "lwip", LWIP)
    assert (found(folder)[0].revision, found(folder)[0].dirty) == ("", None)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("script", ["exec sleep 60", "exit 1", None])
def test_a_git_that_is_absent_or_hangs_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if script is not None:
        (programs / "git").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin" if script else str(programs))
    monkeypatch.setattr(unpinned, "_GIT_S", 0.2)
    assert found(tree(tmp_path / "lwip", LWIP))[0].revision == ""


# --- what images say ---------------------------------------------------------------------------


def inputs(*, workarounds: bool = True, trees: tuple[Tree, ...] = ()) -> Inputs:
    files = {"port/a.c": b"a", "port/b.mk": b"b"}
    return Inputs(pins.load(), "rp2", "gcc", "recipe", files, workarounds, trees)


def edited(folder: str = "/home/me/lwip", digest: str = "aa", **changes: Any) -> tuple[Tree, ...]:
    files = {"x": "11"}
    pinned = Tree("MicroPython", "1.25.0", Path("/cache/mpy"), files, pinned=True)
    return (
        pinned,
        replace(Tree("lwIP", "2.2.1", Path(folder), {"src/core/tcp.c": digest}), **changes),
    )


def test_kinds_are_kept_apart() -> None:
    kinds = [
        inputs(workarounds=workarounds, trees=trees)
        for workarounds in (True, False)
        for trees in ((), edited())
    ]
    assert [each.kind for each in kinds] == [
        *("rp2", "unpinned-rp2", "no-workarounds-rp2", "unpinned-no-workarounds-rp2")
    ]
    assert len({each.key() for each in kinds}) == len({each.shape() for each in kinds}) == 4
    # Images of one kind are forgotten by the beginning of their names.
    assert not any(a.kind.startswith(f"{b.kind}-") for a in kinds for b in kinds)


def test_an_edit_makes_another_image_in_the_same_folder() -> None:
    before, after = inputs(trees=edited()), inputs(trees=edited(digest="bb"))
    assert before.key() != after.key()
    assert before.shape() == after.shape()
    elsewhere = inputs(trees=edited("/home/you/lwip"))
    assert before.key() == elsewhere.key(), "where it was is nobody's business"
    assert before.shape() != elsewhere.shape()
    committed = inputs(trees=edited(revision="c0ffee", dirty=False))
    assert before.key() != committed.key()


def elf() -> bytes:
    """The head of a 32-bit little-endian executable for Arm, without a section."""
    return struct.pack(
        "<16sHHIIIIIHHHHHH",
        *(b"\x7fELF\x01\x01\x01", 2, 40, 1, 0, 52, 52, 0, 52, 32, 0, 40, 0, 0),
    )


def image(folder: Path, made_of: Inputs) -> Firmware:
    folder.mkdir()
    record = provenance.record(made_of, "0123456789ab", elf(), {})
    (folder / "firmware.elf").write_bytes(elf())
    (folder / "provenance.json").write_bytes(provenance.as_json(record))
    return Firmware.load(folder)


def test_provenance_of_unpinned_sources(tmp_path: Path) -> None:
    trees = edited(revision="c0ffee" * 6, dirty=True)
    firmware = image(tmp_path / "a", inputs(trees=trees))
    assert firmware.unpinned
    text = firmware.elf.with_name("provenance.json").read_text()
    assert "/home/me" not in text and "/cache" not in text
    micropython, lwip = json.loads(text)["sources"]
    assert micropython["upstream_tag"] == "v1.25.0"
    assert lwip == {
        "name": "lwIP",
        "version": "2.2.1",
        "unpinned": True,
        "files_sha256": hashlib.sha256(b"aa  src/core/tcp.c\n").hexdigest(),
        "git_revision": "c0ffee" * 6,
        "dirty": True,
    }
    assert firmware.remarks() == [
        f"unpinned sources: MicroPython 1.25.0 as pinned; lwIP 2.2.1, content "
        f"{lwip['files_sha256'][:12]}, git c0ffeec0ffee, dirty"
    ]


def test_usual_firmware_has_no_remarks(tmp_path: Path) -> None:
    assert image(tmp_path / "a", inputs()).remarks() == []
    without = image(tmp_path / "b", inputs(workarounds=False))
    assert without.remarks() == ["MicroPython's defects are left in (no workarounds)"]
    assert not without.unpinned and not without.has_workarounds


@pytest.mark.parametrize("made_of", [inputs(trees=edited()), inputs(workarounds=False)])
def test_unusual_firmware_is_run_only_if_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_of: Inputs
) -> None:
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path / "cache"))
    firmware = image(tmp_path / "a", made_of)
    file = pack.pack(firmware, tmp_path / "board.lwipscope")
    with pytest.raises(BuildError, match=r"never run unasked; .* --firmware"):
        pack.use(file)
    assert pack.current("rp2") is None
    assert selection.choose("rp2", file=file).provenance == firmware.provenance
    assert [path.name.startswith("packed-rp2-") for path in images.folder().iterdir()] == [True]


def test_scenarios_and_firmware_have_to_fit(tmp_path: Path) -> None:
    usual = image(tmp_path / "a", inputs())
    without = image(tmp_path / "b", inputs(workarounds=False))
    scenario = scenario_named("listener-close-asserts")
    require_firmware(scenario, without)
    with pytest.raises(Exception, match=r"works around; play it with --no-workarounds"):
        require_firmware(scenario, usual)
    require_firmware(LIBRARY[0], usual)
    with pytest.raises(BuildError, match="leave out one of the two"):
        selection.choose("rp2", file=usual.elf, workarounds=False)
    assert selection.choose("rp2", file=without.elf, workarounds=False) == without
    assert all(each.firmware == "usual" for each in LIBRARY)
