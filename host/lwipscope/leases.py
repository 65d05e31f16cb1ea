"""One user of a thing at a time among the processes of one user on one machine.

Boards (board/lock.py), raw peers' addresses (wire/spare_wires.py) and listening ports
(scenario/listening_ports.py) are held by a lease: a file that tells its holder, locked by the
kernel (flock), so that it ends with its holder, however that ends; what a crashed holder wrote is
recognised by nobody having the lock. Times in seconds. Source: flock(2), socket(7)
(SO_NETNS_COOKIE: Linux 5.14).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.errors import LwipscopeError, WireUnavailable
from lwipscope.paths import temporary_dir
from lwipscope.platform_facts import fcntl, user_id

_LOOK_S = 0.05
_MOST_NAME = 100
_SO_NETNS_COOKIE = 71
# Below the ports that kernels give to outgoing connections (Linux 32768, RFC 6335 49152).
_PORTS = range(20000, 30000)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds it; `since_s` as time.time()."""

    pid: int
    program: str
    since_s: float

    def text(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since_s))
        return f"{self.program} (process {self.pid}, since {since})"


class Leased(LwipscopeError):
    """Another process holds it."""


class Lease:
    """Held from its making to `close()`."""

    def __init__(self, kind: str, name: str, wait_s: float = 0.0, shown: str = "") -> None:
        """Leased, with the holder's name, if it isn't to be had within the time. `shown`: what
        people call it, if that is not its name."""
        self._path = _path(kind, name)
        # Who only asks for the holder has the file locked for a moment.
        deadline_s = time.monotonic() + max(wait_s, 2 * _LOOK_S)
        while (fd := _try(self._path)) is None:
            if time.monotonic() >= deadline_s:
                held = holder(kind, name)
                who = held.text() if held else "another process"
                waited = f" (waited {wait_s:g} s)" if wait_s else ""
                raise Leased(
                    f"{shown or name} is in use by {who}{waited}; end that, or wait for it"
                )
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


def holder(kind: str, name: str) -> Holder | None:
    """Who holds it now; None if nobody does, also where a crash left the file."""
    try:
        with _path(kind, name).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Holder(**json.loads(file.read() or b"{}"))
    except (OSError, ValueError, TypeError):
        return None
    return None


def address(ip: str, network: str) -> Lease:
    """A raw peer's address in the network that `network_id` names; Leased at once."""
    return Lease("address", f"{ip}-{network}", shown=f"address {ip}")


def port(number: int, network: str, wait_s: float) -> Lease:
    """A port of this machine to listen on; another's test may need it for some seconds."""
    return Lease("port", f"{number}-{network}", wait_s, f"port {number}")


def any_port(network: str, ip: str = "") -> tuple[int, Lease]:
    """A port that nobody has leased or listens on, and its lease."""
    start = os.getpid() * 37 % len(_PORTS)
    for number in (*_PORTS[start:], *_PORTS[:start]):
        if is_free(ip, number):
            with contextlib.suppress(Leased):
                return number, port(number, network, 0.0)
    raise WireUnavailable(f"no port of {_PORTS[0]} to {_PORTS[-1]} is free on this machine")


def network_id(make_socket: Callable[..., socket.socket] = socket.socket) -> str:
    """Which of the machine's network namespaces: the same address may be used once in each."""
    with contextlib.suppress(OSError), make_socket(socket.AF_INET, socket.SOCK_DGRAM, 0) as asking:
        cookie = asking.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        return str(int.from_bytes(cookie, sys.byteorder))
    return ""


def is_free(ip: str, number: int) -> bool:
    """Nobody listens there."""
    with socket.socket() as probe:
        # As listeners do it: what is left of old connections is not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, number))
        except OSError:
            return False
        return True


def _path(kind: str, name: str) -> Path:
    real = os.path.realpath(name) if name.startswith("/") else name
    slug = re.sub(r"[^\w.-]+", "_", real).strip("_")[:_MOST_NAME]
    own = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(own) if own and os.access(own, os.W_OK | os.X_OK) else temporary_dir()
    return folder / f"lwipscope-{user_id()}-{kind}-{slug}"


def _try(path: Path) -> int | None:
    """The locked file; None if another has it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise LeaseImpossible(
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


class LeaseImpossible(LwipscopeError):
    """No file for it can be made."""


def _program() -> str:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return " ".join(filter(None, (Path(sys.argv[0]).name or "python", worker)))
