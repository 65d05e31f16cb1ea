"""Which emulated boards run on this machine now: so that other terminals find their network.

`lwipscope start` and `lwipscope run` leave a small file while they run; `lwipscope shell` and
`lwipscope watch` read it. It goes with the process that wrote it, however that ends (the keeper
removes it); one that was left behind all the same is recognised and ignored.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lwipscope.errors import NoBoard, UsageError
from lwipscope.wire.keeper import Keeper


@dataclass(frozen=True, slots=True)
class RunningBoard:
    """One running board. `inner_pid` is a process in its network namespace, 0 without one."""

    pid: int
    name: str
    serial: str
    inner_pid: int


def _folder() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"lwipscope-{os.getuid()}"


@contextmanager
def announced(name: str, serial: str, keeper: Keeper) -> Iterator[None]:
    """Be findable while the context lasts."""
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{os.getpid()}.json"
    keeper.remove_at_end(path)
    inner_pid = keeper.pids[1] if keeper.has_namespace else 0
    path.write_text(json.dumps(asdict(RunningBoard(os.getpid(), name, serial, inner_pid))))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _remove_if_empty(folder)


def running() -> list[RunningBoard]:
    """All boards that run now, those of this user."""
    found = []
    folder = _folder()
    if folder.is_dir() and folder.stat().st_uid == os.getuid():
        for path in sorted(folder.glob("*.json")):
            try:
                board = RunningBoard(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):
                continue
            if Path(f"/proc/{board.pid}").exists():
                found.append(board)
            else:
                path.unlink(missing_ok=True)
    return found


def the_one(pid: int | None = None) -> RunningBoard:
    """The running board, or the one of that process; an error that lists them if several run."""
    boards = [board for board in running() if pid is None or board.pid == pid]
    if not boards:
        raise NoBoard(
            "no emulated board runs on this machine; `lwipscope start` or `lwipscope run APP.py` "
            "starts one"
        )
    if len(boards) > 1:
        listed = "\n".join(f"  --pid {b.pid}: {b.name} on {b.serial}" for b in boards)
        raise UsageError(f"{len(boards)} boards run; say which one:\n{listed}")
    return boards[0]


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # another board runs
