"""Which tools are missing, and what is done or said about it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.errors import BuildError
from lwipscope.firmware.progress import Step

GIT = toolchain.Tool("scopetool", "does things", ("scope-tool", "libscope"), "scopetool")
EXTRA = toolchain.Tool("nicetool", "is nice", ("nice-tool",), "nicetool", optional=True)


class Machine:
    """A machine whose apt-get brings the programs in `brings`; it records what was run."""

    def __init__(self, *present: str) -> None:
        self.present = set(present)
        self.root = True
        self.fresh_lists = True
        self.fails: list[str] = []
        self.ran: list[str] = []

    def which(self, name: str, path: str | None = None) -> str | None:
        del path
        return f"/usr/bin/{name}" if name in self.present else None

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        del options
        words = " ".join(command)
        self.ran.append(words)
        code, error = 0, ""
        if command[:2] == ["sudo", "-n"] and not self.root:
            code, error = 1, "sudo: a password is required"
        elif "--simulate" in command:
            code = 0 if self.fresh_lists else 100
        elif "apt-get update" in words:
            self.fresh_lists = True
        elif "apt-get install" in words and self.fails:
            code, error = 100, self.fails.pop(0)
        elif "apt-get install" in words:
            self.present |= {"scopetool", "nicetool"}
        return subprocess.CompletedProcess(command, code, "", error)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine("apt-get")
    monkeypatch.setattr(toolchain, "TOOLS", (GIT, EXTRA))
    monkeypatch.setattr(shutil, "which", made.which)
    monkeypatch.setattr(subprocess, "run", made.run)
    monkeypatch.setattr("os.geteuid", lambda: 0 if made.root else 1000)
    original: Callable[..., object] = toolchain.missing
    monkeypatch.setattr(
        toolchain,
        "missing",
        lambda tools=(GIT, EXTRA), *, optional=False: original(tools, optional=optional),
    )
    return made


def test_debian_packages_for_everything() -> None:
    assert toolchain.packages(toolchain.TOOLS) == [
        *("qemu-system-arm", "make", "gcc", "libc6-dev", "gcc-arm-none-eabi", "libnewlib-dev"),
        *("netcat-openbsd", "iproute2", "tcpdump"),
    ]
    needed = [tool.name for tool in toolchain.BUILD_TOOLS]
    assert needed[0] == "make" and "qemu-system-arm" not in needed
    assert not any(tool.optional for tool in toolchain.BUILD_TOOLS)


def test_program_that_does_not_work_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "scopetool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GIT.there()
    broken = toolchain.Tool("scopetool", "x", ("p",), "p", works=lambda: False)
    assert not broken.there()
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert not GIT.there()


def test_missing_tools_are_installed_once(machine: Machine) -> None:
    steps: list[Step] = []
    assert toolchain.install_missing(steps.append) == ["scope-tool", "libscope"]
    assert not any("update" in words for words in machine.ran), "lists were fresh"
    assert "DEBIAN_FRONTEND=noninteractive" in machine.ran[-1]
    assert "install -y --no-install-recommends scope-tool libscope" in machine.ran[-1]
    count = len(machine.ran)
    assert toolchain.install_missing(steps.append) == []
    assert len(machine.ran) == count, "the second run does nothing"


def test_optional_tools_only_if_asked_for(machine: Machine) -> None:
    assert "nice-tool" in toolchain.install_missing(optional=True)
    assert machine.present >= {"nicetool"}


def test_without_lists_they_are_fetched_first(machine: Machine) -> None:
    machine.fresh_lists = False
    toolchain.install_missing()
    kinds = ["update" if "update" in words else "install" for words in machine.ran[1:]]
    assert kinds == ["update", "install"]


def test_old_lists_are_fetched_again(machine: Machine) -> None:
    machine.fails = ["E: Failed to fetch ... 404 Not Found"]
    toolchain.install_missing()
    assert [w for w in machine.ran if "update" in w]


def test_failure_says_why_and_what_to_type(machine: Machine) -> None:
    machine.fails = ["E: no network"] * 2
    with pytest.raises(BuildError, match=r"no network.*scopetool \(does things\).*type: apt-get"):
        toolchain.install_missing()


def test_without_rights_the_command_is_named(machine: Machine) -> None:
    machine.root = False
    with pytest.raises(BuildError) as caught:
        toolchain.install_missing()
    wanted = "type: sudo apt-get install --no-install-recommends scope-tool libscope"
    assert wanted in str(caught.value)
    assert not any("install" in words for words in machine.ran)


def test_homebrew_and_others_get_their_own_advice(machine: Machine) -> None:
    machine.present = {"brew"}
    with pytest.raises(BuildError, match=r"type: brew install scopetool"):
        toolchain.install_missing()
    machine.present = set()
    with pytest.raises(BuildError, match=r"what Debian calls scope-tool libscope"):
        toolchain.require([GIT])
