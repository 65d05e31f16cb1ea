"""Which emulated boards run on this machine now: so that other terminals find their network.

`lwipscope start` and `lwipscope run` leave a small file while they run; `lwipscope shell` and
`lwipscope watch` read it. It goes with the process that wrote it, however that ends (the keeper
removes it); one that was left behind all the same is recognised and ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lwipscope.board.table_desk import TableDesk
from lwipscope.errors import NoBoard, UsageError
from lwipscope.paths import temporary_dir
from lwipscope.platform_facts import has_keeper, is_ours, user_id
from lwipscope.trace.event import PcbRow
from lwipscope.wire.keeper import Keeper


@dataclass(frozen=True, slots=True)
class RunningBoard:
    """One running board. `inner_pid` is a process in its network namespace, 0 without one; `desk`
    is where its pcb table can be asked for (`table_desk`), empty if the line is free for that;
    `folder` is where the command that runs it was typed."""

    pid: int
    name: str
    serial: str
    inner_pid: int
    desk: str = ""
    folder: str = ""


def _folder() -> Path:
    own = os.environ.get("XDG_RUNTIME_DIR")
    return Path(own) if own and os.access(own, os.W_OK | os.X_OK) else temporary_dir()


def _prefix() -> str:
    return f"lwipscope-{user_id()}-"


@contextmanager
def announced(
    name: str,
    serial: str,
    keeper: Keeper,
    table: Callable[[], Sequence[PcbRow]] | None = None,
) -> Iterator[None]:
    """Be findable while the context lasts. `table` for who keeps the serial line to himself: it is
    told to others who ask (`port.snapshot`)."""
    with ExitStack() as stack:
        desk = ""
        if table is not None and has_keeper():
            path = _folder() / f"{_prefix()}{os.getpid()}.sock"
            keeper.remove_at_end(path)
            path.unlink(missing_ok=True)
            # A folder whose name is too long for a socket's takes netstat away, and nothing else.
            with suppress(OSError):
                desk = str(stack.enter_context(TableDesk(path, table)).path)
        stack.enter_context(_announced(name, serial, keeper, desk))
        yield


@contextmanager
def _announced(name: str, serial: str, keeper: Keeper, desk: str) -> Iterator[None]:
    # No folder of our own: the last of several boards would have to remove it, also when killed.
    path = _folder() / f"{_prefix()}{os.getpid()}.json"
    inner_pid = keeper.pids[1] if keeper.has_namespace else 0
    made = RunningBoard(os.getpid(), name, serial, inner_pid, desk, str(Path.cwd()))
    text = json.dumps(asdict(made))
    keeper.remove_at_end(path)
    try:
        path.unlink(missing_ok=True)
        # "x": the temporary folder is everybody's, so what has our name there may be a trap.
        with path.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"{path}: can't be written: {error.strerror}; set TMPDIR to a folder that can"
        ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running() -> list[RunningBoard]:
    """All boards that run now, those of this user."""
    found = []
    for path in sorted(_folder().glob(f"{_prefix()}*.json")):
        try:
            if not is_ours(path.lstat()):
                continue
            board = RunningBoard(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # half written, or gone
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
    return nearest(boards)


def nearest(boards: Sequence[RunningBoard]) -> RunningBoard:
    """The only one, or of several the only one that was started in this folder; an error that
    lists them if it is not clear."""
    here = [board for board in boards if board.folder == str(Path.cwd())]
    chosen = here if len(here) == 1 else boards
    if len(chosen) > 1:
        listed = "\n".join(
            f"  --pid {b.pid}: {b.name} on {b.serial}, started in {b.folder}" for b in boards
        )
        raise UsageError(f"{len(boards)} boards run; say which one:\n{listed}")
    return chosen[0]
