"""The cache: firmware images, the sources they are built from, and room for more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope import paths
from lwipscope.doctor.finding import Finding, good, problem, warning
from lwipscope.doctor.machine import listed
from lwipscope.errors import LwipscopeError
from lwipscope.firmware import build, mirrors, pack, pins
from lwipscope.firmware.firmware import PROFILES, Profile

_TREES = ("micropython", "lwip")
_LITTLE_MB = 300
_FOR_A_BUILD_MB = 120


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """What is there. `free_mb` is None where that can't be told."""

    folder: str = ""
    writable: bool = True
    built: frozenset[str] = frozenset()
    """Profiles with an image for the firmware sources of now."""
    packs: tuple[tuple[str, str], ...] = ()
    """Profile, and the build of the pack in use for it."""
    sources: bool = False
    mirror: bool = False
    free_mb: int | None = None


def collect() -> CacheFacts:
    """This user's."""
    folder = paths.cache_dir().resolve()
    existing = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    packs = []
    for profile in PROFILES:
        try:
            used = pack.current(profile)
        except LwipscopeError:  # damaged: as if it were not there
            used = None
        if used is not None:
            packs.append((profile, used.build_id))
    try:
        free_mb: int | None = shutil.disk_usage(existing).free >> 20
    except OSError:
        free_mb = None
    return CacheFacts(
        str(folder),
        _writable(existing),
        frozenset(profile for profile in PROFILES if _built(profile)),
        tuple(packs),
        all((folder / "sources" / pins.load().digest[:12] / tree).is_dir() for tree in _TREES),
        bool(mirrors.find()),
        free_mb,
    )


def check(facts: CacheFacts) -> Iterator[Finding]:
    """Images, sources, room."""
    yield _images(facts)
    yield _sources(facts)
    yield _room(facts)


def has_firmware(facts: CacheFacts) -> bool:
    """Whether an emulated board could be started without building anything."""
    return bool(facts.built or facts.packs)


def _images(facts: CacheFacts) -> Finding:
    shown = [f"{profile} (pack {build_id})" for profile, build_id in facts.packs]
    shown += [
        f"{profile} (built)" for profile in sorted(facts.built - {one for one, _ in facts.packs})
    ]
    if not shown:
        return warning("firmware", f"none in {facts.folder}", "lwipscope setup")
    lacking = [one for one in PROFILES if one not in facts.built | {p for p, _ in facts.packs}]
    more = f"; {listed(lacking)} would be built when it is asked for" if lacking else ""
    return good("firmware", listed(shown) + more)


def _sources(facts: CacheFacts) -> Finding:
    if facts.sources:
        return good("sources", "MicroPython's and lwIP's are in the cache")
    if facts.mirror:
        return good("sources", "not in the cache; this machine's Debian mirror has them")
    if has_firmware(facts):
        return good("sources", "not in the cache, and not needed while there is firmware")
    how = "lwipscope firmware build --sources DIR   (or a pack: lwipscope firmware use FILE)"
    return warning("sources", "not in the cache, and no Debian mirror is configured", how)


def _room(facts: CacheFacts) -> Finding:
    elsewhere = "LWIPSCOPE_CACHE=/a/folder/with/room lwipscope setup"
    if not facts.writable:
        return problem("cache", f"{facts.folder} can't be written", elsewhere)
    if facts.free_mb is None:
        return good("cache", facts.folder)
    shown = f"{facts.folder}: {facts.free_mb} MB free"
    if facts.free_mb < _FOR_A_BUILD_MB:
        return problem("cache", f"{shown}, and a build takes {_FOR_A_BUILD_MB} MB", elsewhere)
    if facts.free_mb < _LITTLE_MB:
        return warning("cache", shown, elsewhere)
    return good("cache", shown)


def _built(profile: Profile) -> bool:
    try:
        return build.built(profile) is not None
    except (LwipscopeError, OSError):
        return False


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)
