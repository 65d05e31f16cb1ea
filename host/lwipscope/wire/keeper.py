"""Starts the keeper and talks to it: namespace, TAP, sockets and programs that die with us.

Used by whoever needs the kernel's TCP at the other end (peer/), QEMU or any other helper program.
`Keeper.start()` tries namespace and TAP by really making them; `notes` tells what was had and why.
Thread-safe. close() ends and reaps everything; so does the death of this process or of the keeper
(see wire/keeper_main.py). Addresses: 192.0.2.0/24, TEST-NET-1 (RFC 5737).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.platform_facts import has_keeper, signals
from lwipscope.wire.keeper_channel import Channel, KeeperError
from lwipscope.wire.process import Process

PIPE = subprocess.PIPE
STDOUT = subprocess.STDOUT
DEVNULL = subprocess.DEVNULL
START_TIMEOUT_S = 10.0
END_TIMEOUT_S = 10.0
_KEYS = signals("SIGINT", "SIGQUIT", "SIGHUP", "SIGTSTP", "SIGTERM")


@dataclass(frozen=True, slots=True)
class TapAddress:
    """How the kernel's end of the wire is called and addressed."""

    name: str = "lwip0"
    ip: str = "192.0.2.1"
    prefix: int = 24
    mac: str = "02:6c:77:00:00:01"


@dataclass(frozen=True, slots=True)
class Tap:
    """An open TAP: whole Ethernet frames to and from the kernel; `fd` never blocks."""

    fd: int
    address: TapAddress


class Keeper:
    """The helper process: the only parent of programs, the only owner of the namespace."""

    def __init__(self, helper: subprocess.Popen[bytes], outer: Channel, inner: Channel) -> None:
        """Not to be called: use `Keeper.start()`."""
        self._helper = helper
        self._outer = outer
        self._inner = inner
        self._has_namespace = False
        self._inner_pid = 0
        self._tap_plugged = False
        self.tap: Tap | None = None
        self.notes: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        network: Literal["auto", "require", "none"] = "auto",
        *,
        tap: TapAddress | None = TapAddress(),
        timeout_s: float = START_TIMEOUT_S,
    ) -> Keeper:
        """Start the keeper. `auto`: namespace and TAP if they can be had; `require`: or else
        WireUnavailable; `none`: neither is tried. `tap=None`: a namespace, but no TAP."""
        if not has_keeper():
            return cls._without_process(network)
        pairs = [socket.socketpair(), socket.socketpair()]
        theirs = [pair[1].fileno() for pair in pairs]
        main = Path(__file__).with_name("keeper_main.py")
        command = [sys.executable, "-I", "-S", str(main), str(os.getpid()), network]
        # Until the keeper ignores the terminal's keys: blocked signals stay so over fork and exec.
        ours = signal.pthread_sigmask(signal.SIG_BLOCK, _KEYS)
        try:
            helper = subprocess.Popen(
                [*command, *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=theirs,
            )
        except OSError as error:
            for pair in pairs:
                pair[0].close()
            raise WireUnavailable(f"the keeper process can't be started: {error}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ours)
            for pair in pairs:
                pair[1].close()
        keeper = cls(helper, *(Channel(pair[0]) for pair in pairs))
        try:
            keeper._settle(network, tap, timeout_s)
        except BaseException:
            keeper.close()
            raise
        return keeper

    @classmethod
    def _without_process(cls, network: str) -> Keeper:
        """Where there is no fork."""
        if network == "require":
            raise WireUnavailable(
                f"a private network namespace with a TAP was required: {sys.platform} has none; "
                "use Linux (on Windows: WSL 2), or --wire gate"
            )
        from lwipscope.wire.plain_keeper import PlainKeeper

        return PlainKeeper()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _settle(self, network: str, tap: TapAddress | None, timeout_s: float) -> None:
        """Hear what the keeper could have, and try the TAP."""
        notes = []
        self._inner_pid = self._outer.hello(timeout_s)["inner_pid"]
        if network == "none":
            self.notes = ("no namespace: not asked for",)
            return
        hello = self._inner.hello(timeout_s)
        self._has_namespace = hello["ready"]
        notes.append(("namespace: " if hello["ready"] else "no namespace: ") + hello["text"])
        if hello["ready"] and tap is not None:
            try:
                self.tap = Tap(self.open_tap(tap.name, tap.ip, tap.prefix, tap.mac), tap)
                notes.append(f"TAP: {tap.name}, {tap.ip}/{tap.prefix}")
            except KeeperError as error:
                notes.append(f"no TAP: {error}")
        self.notes = tuple(notes)
        if network == "require" and (not hello["ready"] or (tap is not None and not self.tap)):
            raise WireUnavailable(
                f"{'; '.join(notes)}. A private network namespace with a TAP was required: run as "
                "root, or allow user namespaces and `chmod 0666 /dev/net/tun`"
            )

    @property
    def has_namespace(self) -> bool:
        """True if there is a network namespace of our own for sockets and programs."""
        return self._has_namespace

    @property
    def pids(self) -> tuple[int, ...]:
        """The keeper's own processes: outer half, and inner half if there is a namespace."""
        return (self._helper.pid, self._inner_pid) if self._has_namespace else (self._helper.pid,)

    def alive(self) -> bool:
        """False once the keeper has ended, with everything it started."""
        return self._outer.alive()

    def open_tap(self, name: str, ip: str, prefix: int, mac: str) -> int:
        """A further TAP, up and configured; its non-blocking descriptor, which is the caller's."""
        if len(name.encode()) > 15:
            raise UsageError(f"interface name {name!r}: at most 15 bytes")
        self._need_namespace(f"TAP {name}")
        fields = {"name": name, "ip": ip, "prefix": prefix, "mac": mac}
        return self._inner.request("tap", fields)[1][0]

    @contextlib.contextmanager
    def plugged(self) -> Iterator[int | None]:
        """The TAP's descriptor for one wire (None without a TAP), which has it to itself."""
        if self.tap is None:
            yield None
            return
        if self._tap_plugged:
            raise UsageError(
                "this keeper's TAP is on the wire of another board; start a keeper for each board"
            )
        self._tap_plugged = True
        try:
            yield self.tap.fd
        finally:
            self._tap_plugged = False

    def socket(
        self,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
    ) -> socket.socket:
        """A socket that lives in the namespace and can be used by this process's threads."""
        self._need_namespace("a socket")
        fields = {"family": int(family), "type": int(type), "proto": proto}
        return socket.socket(fileno=self._inner.request("socket", fields)[1][0])

    def spawn(
        self,
        argv: Sequence[str],
        *,
        stdin: int = DEVNULL,
        stdout: int = DEVNULL,
        stderr: int = DEVNULL,
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        new_session: bool = True,
        in_namespace: bool = True,
    ) -> Process:
        """Run a program. stdin, stdout and stderr are descriptors, PIPE, DEVNULL, or STDOUT for
        stderr; `pass_fds` keep their numbers. `new_session=False` leaves it on our terminal."""
        if in_namespace:
            self._need_namespace(argv[0])
        channel = self._inner if in_namespace else self._outer
        ours: list[int | None] = []
        with contextlib.ExitStack() as after, contextlib.ExitStack() as undo:
            theirs: list[int] = []
            for number, wish in enumerate((stdin, stdout, stderr)):
                mine, given = None, wish
                if wish == PIPE:
                    read_end, write_end = os.pipe()
                    given, mine = (read_end, write_end) if number == 0 else (write_end, read_end)
                    after.callback(os.close, given)
                    undo.callback(os.close, mine)
                elif wish == DEVNULL:
                    given = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                    after.callback(os.close, given)
                elif wish == STDOUT:
                    given = theirs[1]
                theirs.append(given)
                ours.append(mine)
            fields = {
                "argv": list(argv),
                "targets": [0, 1, 2, *pass_fds],
                "env": dict(os.environ if env is None else env),
                "cwd": str(Path.cwd() if cwd is None else cwd),
                "session": new_session,
            }
            pid = channel.request("spawn", fields, [*theirs, *pass_fds])[0]["pid"]
            undo.pop_all()
        return Process(channel, pid, tuple(argv), *ours)

    def remove_at_end(self, path: Path) -> None:
        """This file or folder goes when the keeper ends, also if we are killed before."""
        self._outer.request("remove_at_end", {"path": str(path)})

    def proc_net(self, table: str = "tcp") -> str:
        """The namespace's /proc/net table, for instance the kernel's own list of TCP sockets."""
        self._need_namespace(f"/proc/net/{table}")
        return Path(f"/proc/{self._inner_pid}/net/{table}").read_text()

    def close(self) -> None:
        """End and reap the keeper and all that it started; close the TAP. Idempotent."""
        self._inner.close()
        self._outer.close()
        if self.tap is not None:
            os.close(self.tap.fd)
            self.tap = None
        try:
            self._helper.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._helper.kill()
            self._helper.wait()

    def _need_namespace(self, wanted: str) -> None:
        if not self._has_namespace:
            raise WireUnavailable(
                f"{wanted}: there is no network namespace ({'; '.join(self.notes)}); the machine's "
                "own network is never used instead"
            )
