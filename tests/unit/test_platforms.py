"""Where the system is not Linux: what has to work there works, and the rest says why in one line.

Each test runs a process in `windows_stand_in.py`, a stand-in for Windows, with Python's POSIX
modules, AF_UNIX, fork and most signals gone. Nothing was tried on Windows itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lwipscope.cli.main import COMMANDS
from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.platform_facts import Absent, transport

STAND_IN = Path(__file__).with_name("windows_stand_in.py")
HOST = Path(__file__).parents[2] / "host"
# These run inside the keeper and its programs, which are Linux's and the Mac's alone.
KEEPERS_OWN = {"keeper_main", "keeper_program", "namespace", "enter", "__main__"}
MODULES = sorted(
    ".".join(path.relative_to(HOST).with_suffix("").parts).removesuffix(".__init__")
    for path in (HOST / "lwipscope").rglob("*.py")
    if path.stem not in KEEPERS_OWN
    # What is for boards, or for a student's bare Python, is no module.
    and not {"_share", "assets"} & set(path.parts)
)


def stand_in(
    *arguments: str, folder: Path | None = None, python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, str(STAND_IN), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(HOST),
            "COLUMNS": "200",
            # Other plugins have their own needs; ours is named.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )


def test_the_stand_in_blocks_what_it_says() -> None:
    """Or all that follows would prove nothing."""
    for name in ("fcntl", "termios", "pty", "resource", "pwd", "grp"):
        assert f"No module named '{name}'" in stand_in("import", name).stderr
    asked = "import socket, os, select; assert not hasattr(socket, 'AF_UNIX')"
    code = f"import runpy, sys; sys.argv = ['x', 'import']; runpy.run_path({str(STAND_IN)!r})"
    assert (
        subprocess.run(
            [sys.executable, "-c", f"{code}['main'](); {asked}; assert not hasattr(os, 'fork')"],
            timeout=20,
        ).returncode
        == 0
    )


def test_every_module_can_be_imported() -> None:
    done = stand_in("import", *MODULES)
    assert done.returncode == 0, done.stderr
    assert len(MODULES) > 150


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_works(command: str) -> None:
    done = stand_in("lwipscope", *filter(None, [command]), "--help" if command != "nc" else "-h")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


@pytest.mark.parametrize("command", ["scenarios", "boards"])
def test_lists_work(command: str) -> None:
    done = stand_in("lwipscope", command)
    assert done.returncode == 0, done.stderr
    assert "qemu" in done.stdout or "server-peer-closes-first" in done.stdout


def test_the_codec_works() -> None:
    code = (
        "from lwipscope.trace.frame import FrameSplitter, encode_frame\n"
        "frame = encode_frame(7, 8, 'ping')\n"
        "assert FrameSplitter().feed(frame)[0].seq == 7\n"
    )
    done = stand_in("code", code)
    assert done.returncode == 0, done.stderr


def test_the_plugin_stays_out_of_the_way(tmp_path: Path) -> None:
    (tmp_path / "test_unrelated.py").write_text("def test_unrelated():\n    assert 1 + 1 == 2\n")
    chosen = ("-p", "no:cacheprovider", "-p", "lwipscope.pytest_plugin")
    done = stand_in("pytest", *chosen, "-q", "test_unrelated.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    told = stand_in("pytest", *chosen, "--help", folder=tmp_path)
    assert told.returncode == 0
    assert "--lwip-board" in told.stdout


def test_an_absent_module_says_what_is_missing() -> None:
    with pytest.raises(WireUnavailable, match=r"needs fcntl\.flock"):
        Absent("fcntl").flock  # noqa: B018


def test_the_transport_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LWIPSCOPE_TRANSPORT", raising=False)
    assert transport() == "local"
    monkeypatch.setenv("LWIPSCOPE_TRANSPORT", "loopback")
    assert transport() == "loopback"
    monkeypatch.setenv("LWIPSCOPE_TRANSPORT", "pigeon")
    with pytest.raises(UsageError, match="expected local or loopback"):
        transport()
