"""A stand-in for Windows: this Python, without what Python has on POSIX systems only.

`python windows_stand_in.py lwipscope ARGUMENTS...`, `... pytest ARGUMENTS...`, `... import
MODULE...` or `... code TEXT` runs that in a process where the modules below can't be imported, and
the functions, signals and socket families below are missing. It isn't Windows: paths, `os.name` and
processes are still this system's, so pyserial and mpremote, which on Windows use modules of their
own there, can't be imported at all; `lwipscope-with-pyserial` imports them before the rest goes.
"""

from __future__ import annotations

import importlib
import importlib.abc
import os
import select
import signal
import socket
import sys

MODULES = ("pty", "fcntl", "termios", "tty", "resource", "pwd", "grp", "syslog", "curses")
OS = (
    *("fork", "forkpty", "openpty", "getuid", "geteuid", "getgid", "getegid", "getgroups"),
    *("setsid", "killpg", "setns", "unshare", "ttyname", "pidfd_open", "sysconf", "mkfifo"),
)
SIGNALS = ("SIGHUP", "SIGQUIT", "SIGTSTP", "SIGCHLD", "SIGPIPE", "SIGUSR1", "SIGUSR2")
OTHERS = (
    (select, ("poll", "epoll")),
    (signal, ("pthread_sigmask", "setitimer", "SIGALRM", *SIGNALS)),
    (socket, ("AF_UNIX", "AF_PACKET", "SCM_RIGHTS", "CMSG_LEN", "send_fds", "recv_fds")),
    (os, OS),
)


class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, *_where: object) -> None:
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} (stand-in for Windows)", name=name)


def socketpair() -> tuple[socket.socket, socket.socket]:
    """As Python makes one on Windows: two ends of a connection on 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def main() -> int:
    what, *arguments = sys.argv[1:]
    if what == "lwipscope-with-pyserial":
        # On Windows they have their own ways; which ones is not what is tried here.
        import mpremote.transport_serial  # noqa: F401
    # What the standard library itself uses of it is kept by those that import it first.
    import subprocess  # noqa: F401

    for name in MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Blocked())
    for module, names in OTHERS:
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    socket.socketpair = socketpair  # type: ignore[assignment]
    if what == "import":
        for name in arguments:
            importlib.import_module(name)
        return 0
    if what == "code":
        exec(arguments[0], {})
        return 0
    if what == "pytest":
        import pytest

        return int(pytest.main(arguments))
    sys.argv = ["lwipscope", *arguments]
    from lwipscope.cli import main as lwipscope

    return int(lwipscope())


if __name__ == "__main__":
    sys.exit(main())
