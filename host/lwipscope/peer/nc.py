"""Real netcat as the other end, in the namespace or (through the gate) on loopback.

`Netcat.connect` is `nc IP PORT`, `Netcat.listen` is `nc -l -p PORT`; both take further flags. The
variant matters, because only OpenBSD's can be told to send its FIN at the end of its input (-N).
How each ends was tried with netcat-openbsd 1.219 (Debian 12); see `how_it_ends`. Times in seconds.
"""

from __future__ import annotations

import enum
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.errors import DeadlineExceeded, PeerError, WireUnavailable
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper
from lwipscope.wire.process import Process

NAMES = ("nc.openbsd", "nc", "ncat", "netcat")
HELP_TIMEOUT_S = 5.0
LISTEN_TIMEOUT_S = 5.0
_LISTEN_POLL_S = 0.002
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp (proc(5))


class Variant(enum.Enum):
    """Whose netcat it is."""

    OPENBSD = "openbsd"
    TRADITIONAL = "traditional"
    NCAT = "ncat"
    BUSYBOX = "busybox"
    UNKNOWN = "unknown"


def variant_of(help_text: str) -> Variant:
    """Tell by what `nc -h` prints."""
    lower = help_text.lower()
    if "openbsd netcat" in lower or "usage: nc [-46" in lower:
        return Variant.OPENBSD
    if "ncat" in lower:
        return Variant.NCAT
    if "busybox" in lower:
        return Variant.BUSYBOX
    if "[v1." in lower or "connect to somewhere:" in lower:
        return Variant.TRADITIONAL
    return Variant.UNKNOWN


def find_nc() -> tuple[str, Variant] | None:
    """The path of this machine's best netcat (OpenBSD's first) and its variant; None without."""
    best: tuple[str, Variant] | None = None
    for name in NAMES:
        path = shutil.which(name)
        if path is None:
            continue
        shown = subprocess.run(
            [path, "-h"], stdin=subprocess.DEVNULL, capture_output=True, timeout=HELP_TIMEOUT_S
        )
        variant = variant_of((shown.stdout + shown.stderr).decode(errors="replace"))
        if variant is Variant.OPENBSD:
            return path, variant
        best = best or (path, variant)
    return best


def need_nc() -> tuple[str, Variant]:
    """As `find_nc`, but a missing netcat is an error that says what to install."""
    found = find_nc()
    if found is None:
        raise WireUnavailable(
            f"no netcat found (looked for {', '.join(NAMES)}): install Debian's package "
            "netcat-openbsd, or use `lwipscope nc`, which needs nothing"
        )
    return found


def how_it_ends(args: Sequence[str], *, listens: bool) -> str:
    """In words: what makes OpenBSD's netcat with these flags send its FIN, and end."""
    flags = "".join(arg[1:] for arg in args if arg.startswith("-"))
    if "N" in flags or "q" in flags:
        text = "end of input: FIN at once (half-close)"
    else:
        text = "end of input: nothing is sent, the connection stays open"
    if listens and "k" in flags:
        return f"{text}; peer's FIN: closes (FIN) and waits for the next connection; never ends"
    if listens:
        return f"{text}; peer's FIN: closes (FIN) and ends, even with its input open"
    return f"{text}; peer's FIN: closes (FIN) and ends, but only once its input has ended too"


class Netcat:
    """One running nc; `argv` is what a person would have typed."""

    def __init__(self, process: Process, argv: Sequence[str], *, listens: bool) -> None:
        self.process = process
        self.argv = tuple(argv)
        self.how_it_ends = how_it_ends(argv[1:], listens=listens)

    @classmethod
    def connect(
        cls,
        keeper: Keeper,
        ip: str,
        port: int,
        *,
        args: Sequence[str] = ("-N",),
        nc: tuple[str, Variant] | None = None,
        in_namespace: bool = True,
    ) -> Self:
        """`nc ARGS IP PORT`. Does not wait for the connection."""
        path, variant = nc or need_nc()
        _check_flags(variant, args)
        argv = [path, *args, ip, str(port)]
        return cls._run(keeper, argv, listens=False, in_namespace=in_namespace)

    @classmethod
    def listen(
        cls,
        keeper: Keeper,
        port: int,
        *,
        args: Sequence[str] = ("-N",),
        nc: tuple[str, Variant] | None = None,
        in_namespace: bool = True,
        timeout_s: float = LISTEN_TIMEOUT_S,
    ) -> Self:
        """`nc ARGS -l -p PORT`; returns when it really listens."""
        path, variant = nc or need_nc()
        _check_flags(variant, args)
        # ncat and other builds of OpenBSD's refuse -p together with -l; only Debian's takes both.
        where = ["-l", str(port)] if variant is Variant.NCAT else ["-l", "-p", str(port)]
        own_table = None if in_namespace else Path("/proc/self/net/tcp")
        before = own_table.read_text() if own_table else keeper.proc_net("tcp")
        if _listens(before, port):
            raise PeerError(f"nc can't listen: port {port} is taken already")
        netcat = cls._run(keeper, [path, *args, *where], listens=True, in_namespace=in_namespace)
        try:
            netcat._wait_listening(port, timeout_s)
        except BaseException:
            netcat.close()
            raise
        return netcat

    @classmethod
    def _run(
        cls, keeper: Keeper, argv: Sequence[str], *, listens: bool, in_namespace: bool
    ) -> Self:
        process = keeper.spawn(
            argv, stdin=PIPE, stdout=PIPE, stderr=STDOUT, in_namespace=in_namespace
        )
        return cls(process, ("nc", *argv[1:]), listens=listens)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def returncode(self) -> int | None:
        """Exit code, negative signal number, or None while it runs."""
        return self.process.returncode

    def feed(self, data: bytes, timeout_s: float = 5.0) -> None:
        """Type into it."""
        self.process.write(data, timeout_s)

    def close_stdin(self) -> None:
        """End of its input, Ctrl-D: with -N it sends its FIN now."""
        self.process.close_stdin()

    def read(self, max_bytes: int = 65536, timeout_s: float = 5.0) -> bytes:
        """What it printed next (messages of nc itself included); b"" once it has ended."""
        return self.process.read(max_bytes, timeout_s)

    def read_exactly(self, count: int, timeout_s: float = 5.0) -> bytes:
        """`count` bytes of what it prints; PeerError if it ends before."""
        deadline_s = time.monotonic() + timeout_s
        data = b""
        while len(data) < count:
            piece = self.read(count - len(data), max(0.0, deadline_s - time.monotonic()))
            if not piece:
                raise PeerError(
                    f"{' '.join(self.argv)}: ended after {len(data)} of {count} bytes: {data!r}"
                )
            data += piece
        return data

    def read_until_end(self, timeout_s: float = 5.0) -> bytes:
        """All that it prints until it ends."""
        deadline_s = time.monotonic() + timeout_s
        data = b""
        while piece := self.read(timeout_s=max(0.0, deadline_s - time.monotonic())):
            data += piece
        return data

    def wait(self, timeout_s: float = 5.0) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL: the kernel closes its connection, with FIN, or RST if data was unread."""
        self.process.kill()

    def close(self) -> None:
        """End it and close the pipes. Idempotent."""
        self.process.close()

    def _wait_listening(self, port: int, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        table = Path(f"/proc/{self.process.pid}/net/tcp")
        while True:
            try:
                if _listens(table.read_text(), port):
                    return
            except OSError:
                pass  # it has ended; poll() below tells
            # Waiting for its end is the pause between two looks.
            if self.process.poll(_LISTEN_POLL_S) is not None:
                said = self.read_until_end(1.0).decode(errors="replace").strip()
                raise PeerError(f"{' '.join(self.argv)}: ended instead of listening: {said}")
            if time.monotonic() > deadline_s:
                raise DeadlineExceeded(
                    f"{' '.join(self.argv)}: does not listen after {timeout_s:g} s"
                )


def _listens(table: str, port: int) -> bool:
    """True if /proc/net/tcp has a LISTEN row for the port."""
    rows = (line.split() for line in table.splitlines()[1:])
    return any(row[3] == _LISTEN and int(row[1].partition(":")[2], 16) == port for row in rows)


def _check_flags(variant: Variant, args: Sequence[str]) -> None:
    flags = "".join(arg[1:] for arg in args if arg.startswith("-"))
    if "N" in flags and variant is not Variant.OPENBSD:
        raise WireUnavailable(
            f"this machine's nc is the {variant.value} one and has no -N (FIN at end of input): "
            "install Debian's package netcat-openbsd, or use `lwipscope nc`"
        )
