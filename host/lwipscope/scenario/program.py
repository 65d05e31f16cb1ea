"""A developer's own MicroPython program, as it lies on the host: one file, or a folder.

A file is sent to the board's interpreter as it is. A folder becomes the board's filesystem, and
its `main.py`, or the file that is named, is run as `__main__`. Sizes in bytes. Called by the
application harness and the command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.board import Board
from lwipscope.errors import UsageError

MAIN = "main.py"
# What the REPL and the command port take as orders.
_LINE_CODES = "\x00\x01\x02\x03\x04\x05\x1e"
_MOST_BYTES = 512 * 1024
_LEFT_OUT = ("__pycache__",)
_FRAME = re.compile(r'(  File ")([^"]*)"(.*)')


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run. `files` are paths below the board's root; empty for a single file."""

    name: str
    source: bytes
    files: tuple[tuple[str, bytes], ...] = ()
    entry: str = MAIN

    @classmethod
    def load(cls, path: Path, entry: str = MAIN) -> Program:
        """From a MicroPython file, or from a folder with `entry` in it."""
        if not path.is_dir():
            return cls(str(path), source_of(path))
        files = tuple((where, data) for where, data in _files(path))
        known = dict(files)
        if entry not in known:
            listed = f"it has {', '.join(sorted(known))}" if known else "it is empty"
            raise UsageError(f"{path}: a folder needs a {entry} to start with; {listed}")
        return cls(str(path), known[entry], files, entry)

    @classmethod
    def text(cls, source: str, name: str = "<text>") -> Program:
        """From a string."""
        return cls(name, checked(source.encode(), name))

    def start_on(self, board: Board) -> None:
        """Send it to the board and start it."""
        board.repl.start(self.prepared(board))

    def prepared(self, board: Board) -> str:
        """What is to be executed; the files of a folder are on the board then."""
        if not self.files:
            return self.source.decode()
        board.files.install(self.files)
        return board.files.runner(self.entry)

    def blamed(self, traceback: str) -> str:
        """MicroPython's traceback with the names that the files have on the host.

        Over the serial line a program has no name; of a folder, what starts it is left out.
        """
        if not self.files:
            return traceback.replace('File "<stdin>"', f'File "{self.name}"').rstrip()
        known = {name for name, _ in self.files}
        shown = []
        for line in traceback.rstrip().split("\n"):
            found = _FRAME.match(line)
            if found is None:
                shown.append(line)
            elif (name := found[2].lstrip("/")) in known:
                shown.append(f'{found[1]}{Path(self.name) / name}"{found[3]}')
            elif name != "<stdin>":
                shown.append(line)
        return "\n".join(shown)


def source_of(path: Path) -> bytes:
    """The text of a MicroPython file; UsageError if it can't be one."""
    try:
        return checked(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error


def checked(source: bytes, name: str) -> bytes:
    """`source`, if a serial line can carry it as text."""
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: no MicroPython program: {error}") from error
    control = next((c for c in text if c in _LINE_CODES), None)
    if control is not None:
        raise UsageError(
            f"{name}: no MicroPython program: it has the control code {control!r}, which can't "
            "be sent over a serial line as text; in a string, write it as an escape"
        )
    return source


def _files(folder: Path) -> list[tuple[str, bytes]]:
    found, size = [], 0
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder)
        if not path.is_file() or any(p in _LEFT_OUT or p.startswith(".") for p in where.parts):
            continue
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {error.strerror}") from error
        size += len(data)
        if size > _MOST_BYTES:
            raise UsageError(
                f"{folder}: more than {_MOST_BYTES // 1024} kB of files; a board's filesystem has "
                "no room for that: give the folder that has only what the board needs"
            )
        found.append((where.as_posix(), data))
    return found
