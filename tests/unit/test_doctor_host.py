"""Tools, cache, clock: what doctor says of machines other than this one, and of this one."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lwipscope.doctor import cache, clock, machine, tools
from lwipscope.doctor.asking import TIMEOUT_S, ask
from lwipscope.doctor.finding import Finding, Mark
from lwipscope.doctor.machine import Machine, family_of
from lwipscope.peer.nc import Variant

DEBIAN = Machine(user="eve")
ROOT = Machine(root=True)
MAC = Machine(system="Darwin", family="macos", user="eve")
FULL = tools.ToolFacts(
    qemu="QEMU emulator version 7.2.0",
    qemu_machines=frozenset(tools.MACHINES),
    compiler="arm-none-eabi-gcc 12",
    nc=("/usr/bin/nc", Variant.OPENBSD),
    tcpdump="tcpdump 4",
    libraries={"mpremote": "1.29.0", "pyserial": "3.5"},
)


def found(facts: tools.ToolFacts, name: str, here: Machine = DEBIAN) -> Finding:
    return next(one for one in tools.check(facts, here) if one.name == name)


def test_nothing_is_missing() -> None:
    assert {one.mark for one in tools.check(FULL, DEBIAN)} == {Mark.OK}
    assert tools.can_emulate(FULL, "mps2-an385") and tools.can_build(FULL)


@pytest.mark.parametrize(
    ("here", "remedy"),
    [
        (DEBIAN, "sudo apt-get install qemu-system-arm"),
        (ROOT, "apt-get install qemu-system-arm"),
        (replace(DEBIAN, sudo=False), "as root: apt-get install qemu-system-arm"),
        (replace(DEBIAN, family="fedora"), "sudo dnf install qemu-system-arm"),
        (replace(DEBIAN, family="arch"), "sudo pacman -S qemu-system-arm"),
        (replace(DEBIAN, family="other"), "install what Debian calls qemu-system-arm"),
        (MAC, "brew install qemu"),
    ],
)
def test_remedies_are_written_for_the_machine(here: Machine, remedy: str) -> None:
    qemu = found(replace(FULL, qemu=None, qemu_machines=frozenset()), "QEMU", here)
    assert (qemu.mark, qemu.remedy) == (Mark.PROBLEM, remedy)


@pytest.mark.parametrize(
    ("family", "remedy"),
    [
        ("debian", "apt-get install gcc-arm-none-eabi libnewlib-dev"),
        ("fedora", "dnf install arm-none-eabi-gcc-cs arm-none-eabi-newlib"),
        ("arch", "pacman -S arm-none-eabi-gcc arm-none-eabi-newlib"),
    ],
)
def test_compilers_come_by_one_command(family: machine.Family, remedy: str) -> None:
    facts = replace(FULL, absent=frozenset({"arm-none-eabi-gcc", "arm-none-eabi-gcc (C headers)"}))
    builders = found(facts, "compilers", replace(ROOT, family=family))
    assert (builders.mark, builders.remedy) == (Mark.WARNING, remedy)
    assert not tools.can_build(facts)


def test_homebrew_gets_each_cask_once() -> None:
    wanted = MAC.install("arm-none-eabi-gcc", "arm-none-eabi-gcc (C headers)", "make")
    assert wanted == "brew install --cask gcc-arm-embedded && brew install make"


def test_old_qemu_lacks_a_machine() -> None:
    facts = replace(FULL, qemu_machines=frozenset({"mps2-an385"}))
    assert "has no machine mps2-an500" in found(facts, "QEMU").seen
    assert not tools.can_emulate(facts, "mps2-an500") and tools.can_emulate(facts)


@pytest.mark.parametrize(
    ("variant", "mark", "word"),
    [
        (Variant.OPENBSD, Mark.OK, "-N sends its FIN"),
        (Variant.TRADITIONAL, Mark.WARNING, "no -N"),
        (Variant.NCAT, Mark.WARNING, "no -N"),
        (Variant.BUSYBOX, Mark.WARNING, "no -N"),
    ],
)
def test_what_the_nc_means(variant: Variant, mark: Mark, word: str) -> None:
    nc = found(replace(FULL, nc=("/bin/nc", variant)), "nc", replace(DEBIAN, family="arch"))
    assert nc.mark is mark and word in nc.seen
    assert mark is Mark.OK or nc.remedy == "sudo pacman -S openbsd-netcat"


def test_namesakes_of_pyserial() -> None:
    here = replace(DEBIAN, python="/v/bin/python")
    facts = replace(FULL, libraries={**FULL.libraries, "pyserial-labgrid": "3.5.0.2"})
    serial = found(facts, "module serial", here)
    assert serial.mark is Mark.PROBLEM and "pyserial-labgrid is installed too" in serial.seen
    assert serial.remedy == (
        "/v/bin/python -m pip uninstall -y pyserial-labgrid pyserial && "
        "/v/bin/python -m pip install pyserial"
    )


@pytest.mark.parametrize(
    ("version", "mark"),
    [("1.23.1", Mark.WARNING), ("1.24.0", Mark.OK), ("2.0", Mark.WARNING), ("1.30rc1", Mark.OK)],
)
def test_versions_of_mpremote(version: str, mark: Mark) -> None:
    facts = replace(FULL, libraries={**FULL.libraries, "mpremote": version})
    assert found(facts, "mpremote").mark is mark


def test_old_python_and_missing_package() -> None:
    here = replace(DEBIAN, python_version=(3, 10, 4))
    assert found(FULL, "Python", here).mark is Mark.PROBLEM
    lone = found(replace(FULL, libraries={}), "mpremote", here)
    assert lone.remedy == "python3 -m pip install 'mpremote>=1.24,<2'"


@pytest.mark.parametrize(
    ("system", "release", "family"),
    [
        ("Linux", 'ID=ubuntu\nID_LIKE=debian\nPRETTY_NAME="Ubuntu 24.04"', "debian"),
        ("Linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"', "fedora"),
        ("Linux", "ID=endeavouros\nID_LIKE=arch", "arch"),
        ("Linux", "ID=void", "other"),
        ("Linux", "", "other"),
        ("Darwin", "", "macos"),
    ],
)
def test_families(system: str, release: str, family: machine.Family) -> None:
    assert family_of(system, release) == family


# The cache.

STOCKED = cache.CacheFacts("/c", True, frozenset({"roomy", "rp2"}), (), True, True, 9000)


@pytest.mark.parametrize(
    ("facts", "name", "mark", "word"),
    [
        (STOCKED, "firmware", Mark.OK, "roomy (built), rp2 (built)"),
        (replace(STOCKED, packs=(("rp2", "abc"),)), "firmware", Mark.OK, "rp2 (pack abc)"),
        (replace(STOCKED, built=frozenset({"rp2"})), "firmware", Mark.OK, "roomy would be built"),
        (replace(STOCKED, built=frozenset()), "firmware", Mark.WARNING, "none in /c"),
        (replace(STOCKED, sources=False), "sources", Mark.OK, "Debian mirror"),
        (replace(STOCKED, sources=False, mirror=False), "sources", Mark.OK, "not needed"),
        (cache.CacheFacts("/c", free_mb=9000), "sources", Mark.WARNING, "no Debian mirror"),
        (replace(STOCKED, free_mb=200), "cache", Mark.WARNING, "200 MB free"),
        (replace(STOCKED, free_mb=20), "cache", Mark.PROBLEM, "a build takes"),
        (replace(STOCKED, writable=False), "cache", Mark.PROBLEM, "can't be written"),
    ],
)
def test_cache(facts: cache.CacheFacts, name: str, mark: Mark, word: str) -> None:
    finding = next(one for one in cache.check(facts) if one.name == name)
    assert finding.mark is mark and word in finding.seen


def test_empty_cache_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path / "not" / "yet"))
    facts = cache.collect()
    assert facts.folder == str(tmp_path / "not" / "yet") and not facts.sources
    assert not cache.has_firmware(facts) and facts.writable and (facts.free_mb or 0) > 0
    assert not (tmp_path / "not").exists(), "doctor changes nothing"


# The clock.


def test_clock_before_the_installation() -> None:
    facts = clock.ClockFacts(now_s=0.0, newest_s=1.7e9, synchronized=False)
    (finding,) = clock.check(facts, DEBIAN)
    assert finding.mark is Mark.PROBLEM
    assert finding.remedy == "sudo timedatectl set-ntp true"


def test_clock_of_this_machine() -> None:
    facts = clock.collect("Linux")
    (finding,) = clock.check(facts, DEBIAN)
    assert finding.mark is Mark.OK and facts.synchronized in (True, False)


# Asking.


def test_a_program_that_hangs_or_is_absent_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    begin_s = time.monotonic()
    assert ask(["hangs"], timeout_s=0.2) is None
    assert ask(["no-such-program-here"]) is None
    assert time.monotonic() - begin_s < 0.2 + TIMEOUT_S


def test_tools_of_this_machine() -> None:
    facts = tools.collect()
    assert facts.qemu is not None and facts.qemu.startswith("QEMU")
    assert facts.qemu_machines == frozenset(tools.MACHINES)
    assert {"mpremote", "pyserial"} <= facts.libraries.keys()
    assert tools.collect("qemu-system-nothing").qemu is None
