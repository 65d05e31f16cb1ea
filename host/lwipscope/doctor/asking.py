"""Asks programs that may be absent, slow or not allowed; never longer than `TIMEOUT_S` each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 1.5
# A user's PATH often lacks the folders of ip, nft and tcpdump.
_MORE_PLACES = ("/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said."""

    code: int
    out: str
    err: str


def find(program: str) -> str | None:
    """The path of a program; None if it is absent."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_PLACES])
    return shutil.which(program, path=places)


def ask(argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Answer | None:
    """Run it; None if it is absent or did not end in time."""
    path = find(argv[0])
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Answer(done.returncode, done.stdout, done.stderr)


def read(path: str | Path) -> str | None:
    """A file of the system, stripped; None if it is absent or not for us."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
