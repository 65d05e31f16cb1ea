"""The scripts of a bug report repeat what was recorded, on a fresh board and without lwipscope.

The scenario is played, its run file is made a report; then board.py runs on another board through
mpremote's own command line, and peer.py as a process of its own in that board's network, with
Python's `-I -S`, which finds nothing but the standard library.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lwipscope.wire.keeper import Keeper

WAIT_S = 60.0
LWIPSCOPE = [sys.executable, "-m", "lwipscope"]
PLAIN_PYTHON = [sys.executable, "-I", "-S"]


def done(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    env = {**os.environ, "XDG_CONFIG_HOME": "/nonexistent"}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


@contextmanager
def started(folder: Path) -> Iterator[tuple[int, str]]:
    """A board that somebody else keeps running: the process id, and the serial line."""
    command = [*LWIPSCOPE, "start", "--port", "9"]  # no door at the port of the scenarios
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            end_s, said = time.monotonic() + WAIT_S / 2, b""
            while b"captures:" not in said:
                left_s = max(0.0, end_s - time.monotonic())
                assert select.select([process.stdout], [], [], left_s)[0], f"no board: {said!r}"
                some = os.read(process.stdout.fileno(), 4096)
                assert some, f"the board ended: {said!r}"
                said += some
            serial = said.split(b"serial:")[1].split()[0].decode()
            yield process.pid, serial
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(WAIT_S)


def report_of(scenario: str, folder: Path) -> Path:
    """Play it, and make a bug report of it."""
    played = done([*LWIPSCOPE, "run-scenario", scenario, "--log", "log"], folder)
    assert played.returncode == 0, played.stdout + played.stderr
    run_file = next((folder / "log").rglob(f"{scenario}.lwiprun"))
    made = done([*LWIPSCOPE, "export", str(run_file), "--report", "report"], folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "report"


def repeated(
    report: Path, folder: Path, script: str = "peer.py"
) -> subprocess.CompletedProcess[str]:
    """What peer.py said."""
    with started(folder) as (pid, serial):
        words = ["connect", serial, "run", "--no-follow", str(report / "board.py")]
        sent = done([sys.executable, "-m", "mpremote", *words], folder)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        peer = [*PLAIN_PYTHON, str(report / script)]
        return done([*LWIPSCOPE, "shell", "--pid", str(pid), "--", *peer], folder)


@pytest.fixture
def folder(tmp_path: Path, keeper: Keeper) -> Path:
    """Where a report can be tried."""
    if keeper.tap is None:
        pytest.skip(f"no TAP on this machine: {'; '.join(keeper.notes)}")
    return tmp_path


@pytest.mark.parametrize(
    ("scenario", "deviation"),
    [
        ("client-refused", "refused-is-econnreset"),
        ("fin-before-accept", "fin-before-accept-lost"),
        ("accept-queue-full", "accept-queue-full-resets"),
        ("fin-wait-2-never-closed", "close-abort-10s"),
        ("syn-in-time-wait", "time-wait-refuses-syn"),
        ("rst-in-time-wait", "rst-ignored-in-time-wait"),
        ("rst-in-syn-sent", "rst-without-ack-in-syn-sent"),
        ("data-after-close", "no-half-close"),
    ],
)
def test_scripts_show_the_deviation(folder: Path, scenario: str, deviation: str) -> None:
    report = report_of(scenario, folder)
    said = repeated(report, folder)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "AS RECORDED" in said.stdout and deviation in said.stdout.splitlines()[-1]
    readme = (report / "README.md").read_text()
    assert deviation in readme and "TCP_MSS" in readme and "Not repeated" not in readme
    assert str(folder) not in "".join(path.read_text() for path in report.glob("*.[mtp][dxy]*"))


def test_a_board_that_does_something_else_is_noticed(folder: Path) -> None:
    """The scripts do not claim what did not happen: here the peer does not reset, but accepts."""
    report = report_of("client-refused", folder)
    peer = report / "peer.py"
    text = peer.read_text()
    changed = text.replace("'R.', 0, 1, 0, None", "'S.', 0, 1, 8000, None")
    assert changed != text
    peer.write_text(changed)
    said = repeated(report, folder)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "NOT as recorded" in said.stdout and "ECONNRESET" in said.stdout


@pytest.mark.parametrize(
    ("scenario", "deviation"),
    [
        ("client-refused", "refused-is-econnreset"),
        ("accept-queue-full", "accept-queue-full-resets"),
        ("fin-before-accept", "fin-before-accept-lost"),
        ("fin-wait-2-never-closed", "close-abort-10s"),
    ],
)
def test_a_kernel_shows_it_too(folder: Path, scenario: str, deviation: str) -> None:
    said = repeated(report_of(scenario, folder), folder, "peer_kernel.py")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "AS RECORDED" in said.stdout and deviation in said.stdout.splitlines()[-1]


def test_a_run_that_is_repeated_in_part_claims_nothing(folder: Path) -> None:
    report = report_of("board-reboots", folder)
    assert "shown:" not in (report / "peer.py").read_text()
    assert "**Not repeated**" in (report / "README.md").read_text()


def test_what_no_kernel_does_has_no_script_for_one(folder: Path) -> None:
    report = report_of("syn-in-time-wait", folder)
    assert not (report / "peer_kernel.py").exists()
    assert "No kernel's TCP behaves like" in (report / "README.md").read_text()
