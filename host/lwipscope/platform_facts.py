"""What this operating system offers, asked in one place.

Windows has none of the modules named below, no `fork`, and few of the signals. Importing this
package, its codec, the pytest plugin and every command's `--help` must work there all the same, so
modules of ours take such a module from here: what is missing is told when it is used, in one line.
"""

from __future__ import annotations

import getpass
import importlib
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Literal

from lwipscope.errors import UsageError, WireUnavailable

TRANSPORT = "LWIPSCOPE_TRANSPORT"
Transport = Literal["local", "loopback"]
"""How the host reaches an emulated board: by pipes and unix sockets, or by 127.0.0.1."""


class Absent:
    """In the place of a module that this system doesn't have."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise WireUnavailable(
            f"this needs {self._name}.{attribute}, which {sys.platform} does not have: use Linux "
            "(on Windows: WSL 2); `lwipscope boards` and `--help` work here"
        )


def _module(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ImportError:
        return Absent(name)


if TYPE_CHECKING:
    import fcntl
    import grp
    import pwd
    import termios
    import tty
else:
    fcntl, grp, pwd, termios, tty = map(_module, ("fcntl", "grp", "pwd", "termios", "tty"))

__all__ = ["Absent", "fcntl", "grp", "pwd", "termios", "tty"]


def has_keeper() -> bool:
    """Whether there can be a keeper process (wire/keeper.py), which starts all programs."""
    wanted = ((os, "fork"), (socket, "AF_UNIX"), (signal, "pthread_sigmask"))
    return all(hasattr(module, name) for module, name in wanted) and not isinstance(fcntl, Absent)


def has_terminals() -> bool:
    """Whether an emulated board's serial line can be shown as a device."""
    return hasattr(os, "openpty") and not isinstance(termios, Absent)


def transport() -> Transport:
    """What LWIPSCOPE_TRANSPORT says, or the better one of those that this system has."""
    wish = os.environ.get(TRANSPORT, "")
    if wish not in ("", "local", "loopback"):
        raise UsageError(f"{TRANSPORT}={wish}: expected local or loopback")
    if wish == "local" and not has_keeper():
        raise WireUnavailable(f"{TRANSPORT}=local: this system has no unix sockets; unset it")
    return "loopback" if wish == "loopback" or not has_keeper() else "local"


def signals(*names: str) -> tuple[signal.Signals, ...]:
    """Those of the signals that exist here."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


def user_id() -> str:
    """Tells the users of this machine apart."""
    return str(os.getuid()) if hasattr(os, "getuid") else user_name()


def user_name() -> str:
    """How the user is called; the number where there is no name."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "user"


def is_ours(about: os.stat_result) -> bool:
    """Whether a file is this user's; where files have no owner, the folder decides."""
    return not hasattr(os, "getuid") or about.st_uid == os.getuid()


def is_root() -> bool:
    """Whether everything is allowed to this process."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
