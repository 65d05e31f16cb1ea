"""The files of a learner's program, read for the board and never run or imported here.

A submission may be hostile. So only plain files are read, and only of the kinds that a board can
use; nothing is followed (links), waited for (pipes, devices) or read without a limit. Each refusal
says which file and why. Sizes in bytes. Called by `exercise check` and by the grading.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.exercise.exercise import CONFIG
from lwipscope.scenario.program import MAIN, checked

MOST_FILES = 32
MOST_ENTRIES = 500
MOST_DEPTH = 4
MOST_BYTES = 128 * 1024
# For whoever reads the submission, not for the board.
_LEFT_OUT = ("__pycache__", "lwipscope-logs")
_FOR_PEOPLE = re.compile(r"(readme|licen[cs]e)(\.[a-z-]{2,5})?(\.(md|txt|rst))?|.*\.md")
_KINDS = (".py", ".txt", ".json", ".csv", ".html", ".css", ".js", ".bin")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_HOST_NAMES = ("conftest.py", "sitecustomize.py", "usercustomize.py", "setup.py")
_CONFIGURES_HOST = (".ini", ".cfg", ".toml", ".pth", ".so", ".pyd", ".pyc", ".whl", ".egg")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
_MARK = re.compile(rb"^#\s*lwipscope exercise:\s*([a-z0-9-]+)", re.M)
_MARK_BYTES = 2000


class Refused(LwipscopeError):
    """This is no program for a board; nothing of it was run."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class BoardFiles:
    """`name` is how the program is called in tracebacks; `files` are paths below its root."""

    name: str
    files: Mapping[str, bytes]
    entry: str = MAIN

    @property
    def exercise(self) -> str:
        """Which exercise it says it is for; empty if it doesn't."""
        found = _MARK.search(self.files[self.entry][:_MARK_BYTES])
        return found[1].decode() if found else ""


def read(path: Path, name: str | None = None) -> BoardFiles:
    """A folder with a main.py, or one file. Raises Refused, or UsageError if nothing is there."""
    try:
        about = path.lstat()
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    called = str(path) if name is None else name
    if stat.S_ISREG(about.st_mode):
        # A traceback tells NAME/FILE: the folder of the file.
        folder = str(path.parent) if name is None else name
        data = _of_one(path)
        # The file is called as its student is: in any script, with spaces. On the board it is not.
        entry = path.name if _NAME.fullmatch(path.name) else MAIN
        return BoardFiles(folder, {entry: data}, entry)
    if not stat.S_ISDIR(about.st_mode):
        raise Refused(f"{path.name}: expected a folder or a .py file, seen {_kind(about)}")
    files: dict[str, bytes] = {}
    _Reader(path, files).folder(path, 0)
    if MAIN not in files:
        listed = f"it has {', '.join(sorted(files))}" if files else "no file for a board is there"
        raise Refused(f"expected a {MAIN}; {listed}")
    return BoardFiles(called, files)


def _of_one(path: Path) -> bytes:
    if path.name.lower() == CONFIG:
        raise Refused(f"{CONFIG} is made by the tests; the program needs another name")
    if path.suffix.lower() in ARCHIVES:
        raise Refused(
            f"{path.name}: expected a folder or a .py file, seen an archive; unpack it first"
        )
    if path.suffix.lower() != ".py":
        raise Refused(f"{path.name}: expected a .py file")
    return _Reader(path.parent, {}).one(path)


class _Reader:
    """Reads below one root into `files`."""

    def __init__(self, root: Path, files: dict[str, bytes]) -> None:
        self._root = root
        self._files = files
        self._entries = self._bytes = 0

    def folder(self, folder: Path, depth: int) -> None:
        try:
            with os.scandir(folder) as found:
                # One more than allowed is enough to know.
                entries = [e for _, e in zip(range(MOST_ENTRIES + 1), found, strict=False)]
        except OSError as error:
            raise Refused(f"{self._where(folder)}: can't be read: {error.strerror}") from error
        self._entries += len(entries)
        if self._entries > MOST_ENTRIES:
            raise Refused(f"more than {MOST_ENTRIES} files: a board's program has a few")
        for entry in sorted(entries, key=lambda each: each.name):
            path = Path(entry.path)
            about = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(about.st_mode):
                raise Refused(f"{self._where(path)}: expected a file, seen a link")
            name = entry.name.lower()
            if name.startswith(".") or name in _LEFT_OUT:
                continue
            if _FOR_PEOPLE.fullmatch(name) and not name.endswith(".py"):
                continue
            if stat.S_ISDIR(about.st_mode):
                self._check_name(path)
                if depth == MOST_DEPTH:
                    raise Refused(f"{self._where(path)}: more than {MOST_DEPTH} folders deep")
                self.folder(path, depth + 1)
            else:
                self.file(path)

    def one(self, path: Path) -> bytes:
        """A file that may be on the board."""
        where = self._where(path)
        self._check_kind(path)
        data = self._read(path, where)
        if path.suffix.lower() == ".py":
            # Some editors put it there, and it is no Python for the board.
            data = data.removeprefix(codecs.BOM_UTF8)
            try:
                checked(data, where)
            except UsageError as error:
                raise Refused(str(error)) from error
        return data

    def file(self, path: Path) -> None:
        self._check_name(path)
        data = self.one(path)
        self._files[path.relative_to(self._root).as_posix()] = data
        if len(self._files) > MOST_FILES:
            raise Refused(f"more than {MOST_FILES} files for the board")

    def _read(self, path: Path, where: str) -> bytes:
        """Its bytes. A link or a pipe that has taken its place meanwhile is not followed either."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise Refused(f"{where}: expected a file, seen {_kind(about)}")
        try:
            fd = os.open(path, flags | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise Refused(f"{where}: can't be read: {error.strerror}") from error
        with os.fdopen(fd, "rb") as file:
            now = os.fstat(fd)
            if not stat.S_ISREG(now.st_mode):
                raise Refused(f"{where}: expected a file, seen {_kind(now)}")
            if now.st_nlink > 1:
                raise Refused(f"{where}: expected a file of its own, seen a hard link")
            left = MOST_BYTES - self._bytes
            data = file.read(left + 1)
        if len(data) > left:
            raise Refused(f"{where}: more than {MOST_BYTES // 1024} kB of files")
        self._bytes += len(data)
        return data

    def _check_name(self, path: Path) -> None:
        if not _NAME.fullmatch(path.name) or ".." in path.name:
            raise Refused(f"{self._where(path)}: a name that no board's file needs")

    def _check_kind(self, path: Path) -> None:
        where, name = self._where(path), path.name.lower()
        if name in _HOST_NAMES or name.startswith("test_"):
            raise Refused(f"{where}: is for the host's Python; a submission is board files only")
        if path.suffix.lower() in _CONFIGURES_HOST:
            raise Refused(f"{where}: is for the host's tools; a submission is board files only")
        if path.suffix.lower() == ".mpy":
            raise Refused(f"{where}: compiled code, which may be native; give the source")
        if path.suffix.lower() not in _KINDS:
            raise Refused(f"{where}: expected files of the kinds {', '.join(_KINDS)}")

    def _where(self, path: Path) -> str:
        return ascii(path.relative_to(self._root).as_posix())[1:-1]


def _kind(about: os.stat_result) -> str:
    kinds = (
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISCHR, "a device"),
    )
    return next((text for test, text in kinds if test(about.st_mode)), "no file")
