"""What stands in for the keeper process where a system has no fork: programs are our own children.

No namespace, no TAP, no pipes to programs; and if this process is killed the hard way, what it
started stays. Made by `Keeper.start`; works with the loopback transport only (platform_facts).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lwipscope.errors import WireUnavailable
from lwipscope.wire.keeper import PIPE, Keeper
from lwipscope.wire.process import Process

END_TIMEOUT_S = 5.0


class Children:
    """Serves a keeper's requests in this process (as wire/keeper_channel.py asks them)."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._to_remove: list[Path] = []

    def request(
        self, verb: str, arguments: dict[str, Any], fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], list[int]]:
        """The answer; no descriptors come with it."""
        if verb == "remove_at_end":
            self._to_remove.append(Path(arguments["path"]))
            return {}, []
        if verb == "kill":
            self._running[arguments["pid"]].kill()
            return {}, []
        if verb != "spawn":
            raise WireUnavailable(f"{verb}: {sys.platform} has no namespaces")
        stdin, stdout, stderr = fds
        try:
            made = subprocess.Popen(
                arguments["argv"],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=arguments["env"],
                cwd=arguments["cwd"],
                # Ctrl-C is for us; they end when we close.
                start_new_session=arguments["session"] and os.name == "posix",
            )
        except OSError as error:
            raise WireUnavailable(f"{arguments['argv'][0]}: {error.strerror}") from error
        self._running[made.pid] = made
        return {"pid": made.pid}, []

    def exit_code(self, pid: int, timeout_s: float) -> int | None:
        """How the program ended; None if not within the time."""
        try:
            return self._running[pid].wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """End and reap all, remove what was to be removed."""
        for child in self._running.values():
            if child.poll() is None:
                child.kill()
            child.wait(END_TIMEOUT_S)
        self._running.clear()
        for path in self._to_remove:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self._to_remove.clear()


class PlainKeeper(Keeper):
    """A keeper without a process of its own."""

    def __init__(self) -> None:
        self._children = self._outer = Children()  # type: ignore[assignment]
        self._has_namespace = self._tap_plugged = False
        self._open = True
        self.tap = None
        self.notes = (f"no namespace: {sys.platform} has none",)

    @property
    def pids(self) -> tuple[int, ...]:
        """This process: there is no other."""
        return (os.getpid(),)

    def alive(self) -> bool:
        """Until closed."""
        return self._open

    def spawn(self, argv: Sequence[str], **how: Any) -> Process:
        """As a keeper does, but for pipes: they can't be waited for everywhere."""
        if PIPE in (how.get("stdin"), how.get("stdout"), how.get("stderr")) or how.get("pass_fds"):
            raise WireUnavailable(
                f"{argv[0]} can't be driven on {sys.platform}, which can't wait for pipes: use a "
                "raw peer (`lwipscope scenarios` says which peer each has), or Linux"
            )
        return super().spawn(argv, **how)

    def close(self) -> None:
        """End all programs. Idempotent."""
        self._open = False
        self._children.close()
