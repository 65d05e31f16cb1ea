"""One user of a board at a time: a lock file for each board, which tells who holds it.

The lock is the kernel's (flock) on that file, so it goes with its holder, however that ends; what
a crashed holder wrote is recognised by nobody having the lock. Locks are among processes of one
user on one machine; the port itself is locked too when it is open (pyserial, `exclusive`), which
is what other programs heed. Source: flock(2), proc(5).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.errors import NoBoard
from lwipscope.paths import temporary_dir
from lwipscope.platform_facts import fcntl, user_id

_LOOK_S = 0.05
_MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a board; `since_s` as time.time()."""

    pid: int
    program: str
    since_s: float

    def text(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since_s))
        return f"{self.program} (process {self.pid}, since {since})"


class BoardTaken(NoBoard):
    """Another process holds the board."""


class BoardLock:
    """Held from its making to `close()`."""

    def __init__(self, board: str, wait_s: float = 0.0) -> None:
        """BoardTaken, with the holder's name, if it isn't to be had within the time."""
        self._path = _path(board)
        # Who only asks for the holder has the file locked for a moment.
        deadline_s = time.monotonic() + max(wait_s, 2 * _LOOK_S)
        while (fd := _try(self._path)) is None:
            if time.monotonic() >= deadline_s:
                held = holder(board)
                who = held.text() if held else "another process"
                waited = f" (waited {wait_s:g} s)" if wait_s else ""
                raise BoardTaken(f"{board} is in use by {who}{waited}; end that, or wait for it")
            time.sleep(_LOOK_S)
        self._fd = fd
        mine = Holder(os.getpid(), _program(), time.time())
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(asdict(mine)).encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            # While it is locked: nobody can have it open and believe it is theirs.
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def holder(board: str) -> Holder | None:
    """Who holds that board now; None if nobody does, also where a crash left the file."""
    path = _path(board)
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Holder(**json.loads(file.read() or b"{}"))
    except (OSError, ValueError, TypeError):
        return None
    return None


def holders(device: str) -> list[str]:
    """Who has locked a serial device, or else has it open, as `name (process N)`; not ourselves."""
    try:
        info = os.stat(device)  # noqa: PTH116
        real = os.path.realpath(device)
    except OSError:
        return []
    key = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    locked = [
        int(match[1])
        for match in re.finditer(
            rf"FLOCK +ADVISORY +\w+ +(\d+) +{key} ", _text(Path("/proc/locks"))
        )
    ]
    pids = locked or [
        int(process.name) for process in Path("/proc").glob("[0-9]*") if _has_open(process, real)
    ]
    return [f"{_name(pid)} (process {pid})" for pid in pids if pid != os.getpid() or locked]


def _path(board: str) -> Path:
    real = os.path.realpath(board) if board.startswith("/") else board
    slug = re.sub(r"[^\w.-]+", "_", real).strip("_")[:_MOST_NAME]
    own = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(own) if own and os.access(own, os.W_OK | os.X_OK) else temporary_dir()
    return folder / f"lwipscope-{user_id()}-lock-{slug}"


def _try(path: Path) -> int | None:
    """The locked file; None if another has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise NoBoard(
            f"{path}: the lock can't be made: {error.strerror}; set TMPDIR to a folder that can be "
            "written"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed the file between the two calls.
        if os.fstat(fd).st_ino == path.stat().st_ino:
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def _program() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return " ".join(filter(None, (Path(sys.argv[0]).name or "python", worker)))


def _has_open(process: Path, device: str) -> bool:
    with contextlib.suppress(OSError):
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()) == device:
                    return True
    return False


def _name(pid: int) -> str:
    words = _text(Path(f"/proc/{pid}/cmdline")).split("\0")
    # An interpreter says little: the script or module that it runs does.
    for word in words[1:]:
        if Path(words[0]).name.startswith("python") and word and not word.startswith("-"):
            return Path(word).name
    return _text(Path(f"/proc/{pid}/comm")).strip() or "a process"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
