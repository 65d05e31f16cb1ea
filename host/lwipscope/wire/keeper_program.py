"""How the keeper turns a fork of itself into a program, and finds and kills its descendants.

Part of the keeper process (see keeper_main.py): few imports, nothing of ours but namespace.py.
Sources: PR_SET_PDEATHSIG(2const), signal(7) on what exec keeps, proc(5) on /proc/PID/stat.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from lwipscope.wire import namespace
else:
    import namespace  # keeper_main.py has put this folder on the path

# Sent by the kernel when the parent (or only its thread that started us) ends.
PARENT_DEATH = signal.SIGUSR1
# The terminal's keys are for the programs, and what is sent to our whole process group (timeout(1)
# does that) is for the host process: it ends in order, and the keeper with it.
IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGTERM)


def become(request: dict[str, Any], fds: list[int], report: int, keeper_pid: int) -> NoReturn:
    """In the forked child: become the program, or say in `report` why not."""
    argv, targets = request["argv"], request["targets"]
    doing = argv[0]
    try:
        # The pipe behind it is the keeper's: a signal to this child is none of its business.
        signal.set_wakeup_fd(-1)
        if request["session"]:
            os.setsid()
        if sys.platform == "linux":
            namespace.prctl(namespace.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper_pid:
            os._exit(127)
        # Ignored signals stay ignored over exec, Python's own SIGPIPE among them.
        for number in (*IGNORED, signal.SIGCHLD, signal.SIGPIPE, PARENT_DEATH):
            signal.signal(number, signal.SIG_DFL)
        # First all out of the way of the target numbers, then each to its place.
        above = max(targets) + 1
        report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, above)
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in fds]
        for fd, target in zip(moved, targets, strict=True):
            os.dup2(fd, target)
        environment = os.environ if request["env"] is None else request["env"]
        if request["cwd"] is not None:
            doing = request["cwd"]
            os.chdir(doing)
            doing = argv[0]
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(report, f"{error.errno} {doing}: {error.strerror}".encode())
    finally:
        os._exit(127)


def kill_if_there(kill: Callable[[int, int], None], pid: int) -> None:
    """SIGKILL to a process (group) that may be gone or no longer ours to signal."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(pid, signal.SIGKILL)


def children_of(parent_pid: int) -> list[int]:
    """All processes whose parent is `parent_pid`, from /proc (proc(5): field 4 of stat)."""
    found = []
    try:
        names = os.listdir("/proc")  # noqa: PTH208
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    after_name = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(after_name[1]) == parent_pid:
                found.append(int(name))
    return found
