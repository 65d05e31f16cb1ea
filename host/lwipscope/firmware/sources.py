"""MicroPython's and lwIP's source trees, exactly as pinned, in the cache.

Called by build.py. They come from a folder that the user names (tarballs or unpacked trees), or
else from the machine's Debian mirror as source packages. Only the pinned files (pins.json) are
taken over, and all are verified, so the trees in the cache are the same whatever they came from.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lwipscope import paths
from lwipscope.errors import BuildError
from lwipscope.firmware import mirrors, pins
from lwipscope.firmware.lock import exclusive
from lwipscope.firmware.progress import Progress, Step, quiet

_PACKAGES = ("micropython", "lwip")
# Files that tell what an unpacked tree is, whatever its folder is called.
_MARKS = {
    "MicroPython": ("py/mpconfig.h", "extmod/modlwip.c"),
    "lwIP": ("src/core/tcp.c",),
}
_FOLDERS = {"MicroPython": "micropython", "lwIP": "lwip"}


@dataclass(frozen=True, slots=True)
class Sources:
    """The two verified trees; `pins` says what they are."""

    micropython: Path
    lwip: Path
    pins: pins.Pins


def get(given: Path | None = None, *, progress: Progress = quiet) -> Sources:
    """The trees, taken from `given` or from the Debian mirror unless the cache has them.

    A `given` folder is verified even if it is not needed: what the user names must be right.
    """
    wanted = pins.load()
    top = paths.cache_dir().resolve() / "sources"
    with exclusive(top, progress=progress):
        home = top / wanted.digest[:12]
        origins = {t.name: _look_for(t, given) for t in wanted.trees} if given else {}
        missing = [tree for tree in wanted.trees if not _cached(tree, home)]
        for tree in missing:
            origin = origins.get(tree.name) or _tarball(tree, wanted, top, progress)
            _install(tree, origin, home, progress)
    return _sources(wanted, home)


def check(sources: Sources) -> None:
    """Verify the trees in the cache again, e.g. before a build; a changed tree is refused."""
    for tree, root in (
        (sources.pins.micropython, sources.micropython),
        (sources.pins.lwip, sources.lwip),
    ):
        wrong = tree.differences(root)
        if wrong:
            raise BuildError(
                f"the cached copy of {tree.name} was changed: {root / wrong[0]}; remove the "
                f"folder {root} and run again: it will be fetched anew"
            )


def _sources(wanted: pins.Pins, home: Path) -> Sources:
    return Sources(home / _FOLDERS["MicroPython"], home / _FOLDERS["lwIP"], wanted)


def _cached(tree: pins.Tree, home: Path) -> bool:
    # The folder appears by rename only after its content was verified.
    return (home / _FOLDERS[tree.name]).is_dir()


# --- from a folder that the user names ---------------------------------------------------------


def _look_for(tree: pins.Tree, folder: Path) -> Path:
    """The verified tarball or unpacked tree in `folder`."""
    if not folder.is_dir():
        raise BuildError(f"--sources: {folder} is no folder; {_what_is_needed()}")
    tarball = folder / tree.tarball
    if tarball.is_file():
        _require_tarball(tree, tarball)
        return tarball
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = [c for c in candidates if all((c / mark).is_file() for mark in _MARKS[tree.name])]
    if not found:
        raise BuildError(
            f"--sources: {folder} has neither {tree.tarball} nor an unpacked {tree.name} tree "
            f"(a folder with {' and '.join(_MARKS[tree.name])}); {_what_is_needed()}"
        )
    for candidate in found:
        if not tree.differences(candidate):
            return candidate
    tree.require(found[0])
    return found[0]


def _require_tarball(tree: pins.Tree, path: Path) -> None:
    found = pins.file_sha256(path)
    if found != tree.tarball_sha256:
        raise BuildError(
            f"{path} is not the pinned {tree.name} {tree.version}: expected "
            f"{tree.tarball_bytes} bytes with SHA-256 {tree.tarball_sha256}, found "
            f"{path.stat().st_size} bytes with SHA-256 {found}; fetch it again, or give an "
            f"unpacked tree of upstream tag {tree.tag} with --sources DIR"
        )


# --- from the Debian mirror --------------------------------------------------------------------


def _tarball(tree: pins.Tree, wanted: pins.Pins, top: Path, progress: Progress) -> Path:
    """The verified tarball in the cache, downloaded if need be (both at once: one index)."""
    kept = top / "tarballs"
    path = kept / tree.tarball
    if not path.is_file():
        _download(wanted, kept, progress)
    _require_tarball(tree, path)
    return path


def _download(wanted: pins.Pins, kept: Path, progress: Progress) -> None:
    candidates = mirrors.find()
    if not candidates:
        raise BuildError(f"this machine has no Debian mirror configured; {_what_is_needed()}")
    failures: list[str] = []
    for mirror in candidates:
        progress(Step(f"fetching MicroPython and lwIP source packages from {mirror.uri}"))
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=kept.parent) as folder:
            try:
                mirrors.download(mirror, _PACKAGES, Path(folder))
                _keep(wanted, Path(folder), kept)
                return
            except BuildError as error:
                failures.append(f"{mirror.uri}: {error}")
    raise BuildError(
        "the sources could not be fetched from the Debian mirror of this machine "
        f"({'; '.join(failures)}); try again with a network, or without one: {_what_is_needed()}"
    )


def _keep(wanted: pins.Pins, folder: Path, kept: Path) -> None:
    for tree in wanted.trees:
        fetched = folder / tree.tarball
        if not fetched.is_file():
            there = ", ".join(sorted(p.name for p in folder.glob("*.orig.tar.*"))) or "none"
            raise BuildError(
                f"suite {mirrors.SUITE} of this mirror has another version: expected "
                f"{tree.tarball}, found {there}"
            )
        _require_tarball(tree, fetched)
    kept.mkdir(exist_ok=True)
    for tree in wanted.trees:
        (folder / tree.tarball).replace(kept / tree.tarball)


def _what_is_needed() -> str:
    trees = pins.load().trees
    files = " and ".join(f"{tree.tarball} (SHA-256 {tree.tarball_sha256})" for tree in trees)
    tags = " and ".join(f"{tree.name} {tree.tag}" for tree in trees)
    return (
        f"put {files} into one folder, or unpacked trees of the upstream tags {tags}, "
        "and name that folder with --sources DIR"
    )


# --- into the cache ----------------------------------------------------------------------------


def _install(tree: pins.Tree, origin: Path, home: Path, progress: Progress) -> None:
    progress(Step(f"unpacking {tree.name} {tree.version}"))
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=home) as scratch:
        root = Path(scratch) / "tree"
        if origin.is_dir():
            _copy(tree, origin, root)
        else:
            _extract(tree, origin, root)
        tree.require(root)
        root.replace(home / _FOLDERS[tree.name])


def _copy(tree: pins.Tree, origin: Path, root: Path) -> None:
    for name in tree.files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, root / name)


def _extract(tree: pins.Tree, tarball: Path, root: Path) -> None:
    """Write the pinned files only: names from the archive never become paths."""
    try:
        with tarfile.open(tarball, "r:xz") as archive:
            for member in archive:
                name = member.name.removeprefix("./").partition("/")[2]
                content = archive.extractfile(member) if name in tree.files else None
                if content is None:
                    continue
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                with content, (root / name).open("wb") as target:
                    shutil.copyfileobj(content, target)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BuildError(
            f"{tarball} could not be unpacked: {error}; it needs a Python with the lzma module "
            "and about 20 MB of space"
        ) from error
