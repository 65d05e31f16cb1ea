"""tcpdump and tshark, which the tests read captures with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_PACKAGES = {"tcpdump": "tcpdump", "tshark": "tshark"}


def read_with(tool: str, *arguments: str | Path, may_complain: bool = False) -> str:
    """What it prints; the test is skipped, with what to install, where it is missing."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    program = shutil.which(tool, path=places)
    if program is None:
        pytest.skip(f"no {tool} on this machine; apt-get install {_PACKAGES[tool]}")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0 or may_complain, done.stderr.decode()
    return done.stdout.decode("utf-8", "replace")
