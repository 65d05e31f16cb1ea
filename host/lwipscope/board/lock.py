"""One user of a board at a time: a lease for each board (leases.py), which tells who holds it.

The port itself is locked too when it is open (pyserial, `exclusive`), which is what other programs
heed; `holders` tells them. Source: proc(5).
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from lwipscope import leases
from lwipscope.errors import NoBoard
from lwipscope.leases import Holder, Lease, Leased, LeaseImpossible

_KIND = "lock"

__all__ = ["BoardLock", "BoardTaken", "Holder", "holder", "holders"]


class BoardTaken(NoBoard):
    """Another process holds the board."""


class BoardLock(Lease):
    """Held from its making to `close()`."""

    def __init__(self, board: str, wait_s: float = 0.0) -> None:
        """BoardTaken, with the holder's name, if it isn't to be had within the time."""
        try:
            super().__init__(_KIND, board, wait_s)
        except Leased as error:
            raise BoardTaken(str(error)) from None
        except LeaseImpossible as error:
            raise NoBoard(str(error)) from error


def holder(board: str) -> Holder | None:
    """Who holds that board now; None if nobody does, also where a crash left the file."""
    return leases.holder(_KIND, board)


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
