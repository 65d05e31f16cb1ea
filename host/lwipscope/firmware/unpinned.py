"""Source trees that somebody works on: found, described by content and revision, mirrored.

Called by build.py for `firmware build --unpinned --sources DIR`. DIR is or holds a tree of lwIP,
of MicroPython, or both; what it lacks is taken as pinned. The build reads a mirror in the cache
that is brought up to date by content, so a file's time never decides what is compiled, an edit
during the build does no harm, and nothing is written into the trees.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import BuildError
from lwipscope.firmware import pins
from lwipscope.firmware.generate import write_if_changed

_GIT_S = 10.0
_FOLDERS = {"MicroPython": "micropython", "lwIP": "lwip"}
# Files that tell what a tree is; its version is in the first one.
_MARKS = {
    "MicroPython": ("py/mpconfig.h", "extmod/modlwip.c", "ports/qemu/Makefile"),
    "lwIP": ("src/include/lwip/init.h", "src/core/tcp.c"),
}
_VERSION = {
    "MicroPython": r"#define\s+MICROPY_VERSION_(?:MAJOR|MINOR|MICRO)\s+\(?(\d+)",
    "lwIP": r"#define\s+LWIP_VERSION_(?:MAJOR|MINOR|REVISION)\s+\(?(\d+)",
}
# What an earlier build, an editor or a merge left behind.
_LEFTOVER = re.compile(
    r"(?:^|/)(?:\.|__pycache__/)|^(?:ports/qemu|mpy-cross)/build[^/]*/|(?:~|\.(?:o|orig|pyc|rej))$"
)


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree, or the pinned one in its place. `files`: SHA-256 by name; `dirty`: None without
    a git revision."""

    name: str
    version: str
    folder: Path
    files: dict[str, str]
    pinned: bool = False
    revision: str = ""
    dirty: bool | None = None

    @property
    def sha256(self) -> str:
        """One digest over all files that the build may read, formed as in pins.json."""
        lines = (f"{digest}  {name}\n" for name, digest in self.files.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def find(given: Path, cached: dict[str, Path]) -> tuple[Tree, ...]:
    """MicroPython and lwIP, from `given` or, if it has only one of them, the pinned other one.

    `cached` has the pinned trees' folders.
    """
    if not given.is_dir():
        raise BuildError(f"--sources: {given} is no folder; {_NEEDED}")
    found = {name: _look_for(name, given) for name in _MARKS}
    if not any(found.values()):
        raise BuildError(f"--sources: {given} neither is nor holds such a tree; {_NEEDED}")
    pinned = {tree.name: tree for tree in pins.load().trees}
    return tuple(
        _described(name, folder)
        if folder is not None
        else Tree(
            name,
            pinned[name].version,
            cached[name],
            {file: pins.file_sha256(cached[name] / file) for file in pinned[name].files},
            pinned=True,
        )
        for name, folder in found.items()
    )


def mirror(tree: Tree, to: Path) -> Path:
    """Bring the copy in `to` up to date, and make sure that it is what `tree` says."""
    for name, digest in tree.files.items():
        content = _content(tree.folder / name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise BuildError(f"{tree.folder / name} was edited just now; build again")
        write_if_changed(to / name, content)
    for old in [path for path in to.rglob("*") if path.is_file()]:
        if old.relative_to(to).as_posix() not in tree.files:
            old.unlink()
    return to


_NEEDED = (
    "--unpinned builds a MicroPython tree (a folder with extmod/modlwip.c), an lwIP tree (a folder "
    "with src/core/tcp.c), or a folder with one or both of them"
)


def _look_for(name: str, given: Path) -> Path | None:
    places = [given, *sorted(path for path in given.iterdir() if path.is_dir())]
    found = [p for p in places if all((p / mark).is_file() for mark in _MARKS[name])]
    usual = given / _FOLDERS[name]
    if len(found) > 1 and given not in found and usual not in found:
        names = ", ".join(path.name for path in found)
        raise BuildError(
            f"--sources: {given} has several {name} trees: {names}; call the one that is meant "
            f"{_FOLDERS[name]}, or name its folder"
        )
    return next((p for p in (given, usual) if p in found), found[0] if found else None)


def _described(name: str, folder: Path) -> Tree:
    parts = [part for part in pins.WANTED[name] if (folder / part).exists()]
    files: dict[str, str] = {}
    for part in parts:
        base = folder / part
        for path in [base] if base.is_file() else base.rglob("*"):
            file = path.relative_to(folder).as_posix()
            if not _LEFTOVER.search(file) and path.is_file():
                files[file] = hashlib.sha256(_content(path)).hexdigest()
    revision, dirty = _revision(folder, _MARKS[name][0], parts)
    return Tree(
        name,
        _version(folder / _MARKS[name][0], _VERSION[name]),
        folder,
        dict(sorted(files.items())),
        revision=revision,
        dirty=dirty,
    )


def _version(file: Path, pattern: str) -> str:
    numbers = re.findall(pattern, _content(file).decode(errors="replace"))
    return ".".join(numbers[:3]) or "unknown"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path} can't be read: {error.strerror}") from error


def _revision(folder: Path, mark: str, parts: list[str]) -> tuple[str, bool | None]:
    """The git revision and whether files of the build differ from it; ("", None) if there is none.

    The folder may lie in a repository of something else: then its files are not in that.
    """
    if _git(folder, "ls-files", "--error-unmatch", mark) is None:
        return "", None
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    if not revision:
        return "", None
    status = _git(folder, "status", "--porcelain", "--", *parts)
    return revision.strip(), None if status is None else bool(status.strip())


def _git(folder: Path, *words: str) -> str | None:
    """What git answers, or None: it is not there, takes too long, or knows nothing of the folder.

    It is only asked: no lock, no refreshed index, no helper program of the repository's choice.
    """
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder)]
    try:
        done = subprocess.run(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
