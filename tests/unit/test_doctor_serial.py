"""Serial devices: groups, holders, devices that vanished, and the programs that take them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lwipscope.doctor import serial_facts, serial_ports
from lwipscope.doctor.finding import Finding, Mark
from lwipscope.doctor.machine import Machine
from lwipscope.doctor.serial_ports import Port, SerialFacts

EVE = Machine(user="eve")
USB0 = Port("/dev/ttyUSB0", "CP2102", 0x10C4, "dialout")
GOOD = SerialFacts(ports=(USB0, Port("/dev/ttyS0")))


def found(facts: SerialFacts, name: str, wanted: str | None = None) -> Finding:
    return next(one for one in serial_ports.check(facts, EVE, wanted) if one.name == name)


def test_all_is_well() -> None:
    assert {one.mark for one in serial_ports.check(GOOD, EVE)} == {Mark.OK}
    assert serial_ports.boards(GOOD) == (USB0,)


@pytest.mark.parametrize("group", ["dialout", "uucp"])
def test_user_is_not_in_the_group(group: str) -> None:
    shut = replace(USB0, group=group, usable=False)
    port = found(SerialFacts(ports=(shut,)), "serial port")
    assert port.mark is Mark.PROBLEM
    assert port.remedy.startswith(f"sudo usermod -a -G {group} eve ")
    assert not serial_ports.can_open(shut)


def test_user_joined_the_group_and_has_not_logged_in_again() -> None:
    shut = SerialFacts(
        ports=(replace(USB0, usable=False),), groups_set=frozenset({"dialout", "eve"})
    )
    assert found(shut, "serial port").remedy == "log out and in again (or: newgrp dialout)"


def test_device_without_a_group_of_its_own() -> None:
    shut = SerialFacts(ports=(replace(USB0, group="root", usable=False),))
    assert found(shut, "serial port").remedy.startswith("sudo chmod a+rw /dev/ttyUSB0")


@pytest.mark.parametrize(
    ("holder", "remedy"),
    [
        ("ModemManager (77)", "sudo systemctl stop ModemManager"),
        ("brltty (78)", "sudo apt-get remove brltty"),
        ("screen (79)", "end it, or see: sudo fuser -v /dev/ttyUSB0"),
    ],
)
def test_somebody_holds_the_port(holder: str, remedy: str) -> None:
    held = replace(USB0, holders=(holder,))
    port = found(SerialFacts(ports=(held,)), "serial port")
    assert port.mark is Mark.PROBLEM and holder in port.seen
    assert port.remedy == remedy
    assert not serial_ports.can_open(held)


def test_holders_that_only_root_can_see() -> None:
    assert "without root" in found(replace(GOOD, sees_all_processes=False), "serial port").seen


def test_programs_that_take_ports() -> None:
    facts = replace(GOOD, running=frozenset({"ModemManager", "brltty"}))
    manager, brltty = found(facts, "ModemManager"), found(facts, "brltty")
    assert manager.remedy == "sudo systemctl disable --now ModemManager"
    assert (manager.mark, brltty.mark) == (Mark.WARNING, Mark.WARNING)
    rule = replace(GOOD, brltty_rule="/usr/lib/udev/rules.d/90-brltty-device.rules")
    assert "90-brltty-device.rules starts it" in found(rule, "brltty").seen


@pytest.mark.parametrize(
    ("product", "rule", "mark", "word"),
    [
        ((0x1A86, 0x7523, "USB Serial"), "/r/brltty.rules", Mark.PROBLEM, "brltty takes it"),
        ((0x1A86, 0x7523, "USB Serial"), "", Mark.WARNING, "has no serial port"),
        ((0x2E8A, 0x0003, ""), "", Mark.WARNING, "an RP2040 in BOOTSEL mode"),
        ((0x0483, 0xDF11, ""), "", Mark.WARNING, "an STM32 in DFU mode"),
    ],
)
def test_usb_device_without_a_port(
    product: tuple[int, int, str], rule: str, mark: Mark, word: str
) -> None:
    facts = SerialFacts(usb_without_port=(product,), brltty_rule=rule)
    usb = found(facts, "USB")
    assert usb.mark is mark and word in usb.seen and usb.remedy


def test_named_port_that_vanished() -> None:
    facts = replace(GOOD, dangling=("/dev/serial/by-id/usb-1",))
    assert "was there and is gone" in found(facts, "serial port", "/dev/serial/by-id/usb-1").seen
    port = found(facts, "serial port", "/dev/ttyACM3")
    assert port.mark is Mark.PROBLEM and "there are: /dev/ttyUSB0" in port.seen


def test_no_board_is_no_fault() -> None:
    assert found(SerialFacts(), "serial port").mark is Mark.UNSEEN


def test_macos_has_no_such_programs() -> None:
    here = Machine(system="Darwin", family="macos")
    port = Port("/dev/cu.usbserial-1", "CP2102", 0x10C4, "wheel")
    marks = [one.mark for one in serial_ports.check(SerialFacts((port,)), here)]
    assert marks == [Mark.OK, Mark.UNSEEN, Mark.UNSEEN]


# The collector, on this machine.


def test_holder_is_found_by_its_open_file(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    try:
        before = serial_facts.collect(name).ports
        holder = subprocess.Popen(["sleep", "60"], stdin=theirs)
        try:
            (port,) = (one for one in serial_facts.collect(name).ports if one.device == name)
        finally:
            holder.kill()
            holder.wait()
        assert port.holders == (f"sleep ({holder.pid})",)
        assert [one.holders for one in before if one.device == name] == [()], "not ourselves"
        link = tmp_path / "board"
        link.symlink_to(name)
        assert str(link) in {one.device for one in serial_facts.collect(str(link)).ports}
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_plain_user_may_not_open_and_does_not_see_all() -> None:
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    os.fchmod(theirs, 0o600)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            facts = serial_facts.collect(name)
            (port,) = (one for one in facts.ports if one.device == name)
            os.write(write_end, f"{port.usable} {facts.sees_all_processes}".encode())
        finally:
            os._exit(0)
    os.close(write_end)
    try:
        assert os.read(read_end, 100) == b"False False"
    finally:
        os.waitpid(child, 0)
        for fd in (read_end, ours, theirs):
            os.close(fd)


def test_usb_devices_of_a_tree(tmp_path: Path) -> None:
    for name, vendor, product, port in (
        ("1-1", "1a86", "7523", False),
        ("1-2", "10c4", "ea60", True),
        ("1-3", "8087", "0026", False),
    ):
        home = tmp_path / name
        (home / f"{name}:1.0").mkdir(parents=True)
        (home / "idVendor").write_text(f"{vendor}\n")
        (home / "idProduct").write_text(f"{product}\n")
        if port:
            (home / f"{name}:1.0" / "ttyUSB0").mkdir()
    assert serial_facts._usb_without_port(tmp_path) == ((0x1A86, 0x7523, ""),)
