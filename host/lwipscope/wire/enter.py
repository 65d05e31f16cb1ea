"""Runs a command inside the network namespace of a running keeper.

`python enter.py PID COMMAND...`: a process of its own, since setns(2) into a user namespace needs a
single-threaded caller. The command keeps this terminal. Source: setns(2), namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def _join(pid: str, kind: str, flag: int) -> None:
    fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def main(argv: list[str]) -> int:
    """Enter, then become the command."""
    pid, command = argv[1], argv[2:]
    try:
        ours, theirs = Path("/proc/self/ns/user"), Path(f"/proc/{pid}/ns/user")
        if ours.stat().st_ino != theirs.stat().st_ino:
            _join(pid, "user", CLONE_NEWUSER)
        _join(pid, "net", CLONE_NEWNET)
    except OSError as error:
        sys.stderr.write(f"lwipscope: can't enter the board's network: {error.strerror}\n")
        return 3
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"lwipscope: {command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv))
