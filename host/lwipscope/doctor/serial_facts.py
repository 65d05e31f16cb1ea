"""Reads what `serial_ports` checks: pyserial's list, groups, /proc and /sys. Opens no device."""

from __future__ import annotations

import os
from pathlib import Path

from lwipscope.doctor.asking import ask, read
from lwipscope.doctor.serial_ports import VENDORS, Port, SerialFacts
from lwipscope.errors import WireUnavailable
from lwipscope.platform_facts import grp, pwd

_TAKERS = ("ModemManager", "brltty")
_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")


def collect(wanted: str | None = None) -> SerialFacts:
    """This machine's; `wanted` is a device that the user named, wherever it is."""
    listed = _listed()
    if wanted is not None and wanted not in listed and Path(wanted).is_char_device():
        listed[wanted] = ("", None)
    holders, all_seen = _holders({str(Path(device).resolve()) for device in listed})
    return SerialFacts(
        ports=tuple(
            _port(device, about, vendor, holders)
            for device, (about, vendor) in sorted(listed.items())
        ),
        groups_now=_groups_now(),
        groups_set=_groups_set(),
        sees_all_processes=all_seen,
        running=_running(),
        brltty_rule=_brltty_rule(),
        usb_without_port=_usb_without_port(Path("/sys/bus/usb/devices")),
        dangling=tuple(
            str(link)
            for link in _children(Path("/dev/serial/by-id"))
            if link.is_symlink() and not link.exists()
        ),
    )


def _listed() -> dict[str, tuple[str, int | None]]:
    try:
        from serial.tools import list_ports  # 20 ms that other commands need not wait for
    except ImportError:
        return {}
    return {
        port.device: (port.description if port.description != "n/a" else "", port.vid)
        for port in list_ports.comports()
    }


def _port(device: str, about: str, vendor: int | None, holders: dict[str, list[str]]) -> Port:
    try:
        group = _group_name(os.stat(device).st_gid)  # noqa: PTH116
    except OSError:
        group = ""
    return Port(
        device,
        about,
        vendor,
        group,
        os.access(device, os.R_OK | os.W_OK),
        tuple(holders.get(str(Path(device).resolve()), ())),
    )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, WireUnavailable):
        return str(gid)


def _groups_now() -> frozenset[str]:
    if not hasattr(os, "getgroups"):  # Windows: ports belong to nobody
        return frozenset()
    return frozenset(map(_group_name, {*os.getgroups(), os.getegid()}))


def _groups_set() -> frozenset[str]:
    try:
        user = pwd.getpwuid(os.geteuid())
        return frozenset(map(_group_name, os.getgrouplist(user.pw_name, user.pw_gid)))
    except (KeyError, OSError, AttributeError, WireUnavailable):
        return frozenset()


def _holders(devices: set[str]) -> tuple[dict[str, list[str]], bool]:
    """For each device the processes that have it open; and whether all processes were seen."""
    found: dict[str, list[str]] = {}
    all_seen = True
    if not devices:
        return found, all_seen
    for process in _children(Path("/proc")):
        if not process.name.isdigit() or process.name == str(os.getpid()):
            continue
        try:
            with os.scandir(process / "fd") as entries:
                targets = {_target(entry.path) for entry in entries}
        except PermissionError:
            all_seen = False
            continue
        except OSError:  # it has ended
            continue
        for device in targets & devices:
            name = read(process / "comm") or "a process"
            found.setdefault(device, []).append(f"{name} ({process.name})")
    return found, all_seen


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115
    except OSError:
        return ""


def _running() -> frozenset[str]:
    """By their processes; in a container they may be the host's, so systemd is asked too."""
    names = {read(one / "comm") for one in _children(Path("/proc")) if one.name.isdigit()}
    found = {taker for taker in _TAKERS if taker in names}
    for taker in set(_TAKERS) - found:
        said = ask(["systemctl", "is-active", f"{taker}.service"])
        if said is not None and said.code == 0:
            found.add(taker)
    return frozenset(found)


def _brltty_rule() -> str:
    for folder in _RULES:
        for rule in _children(Path(folder)):
            if "brltty" in rule.name and "ENV{PRODUCT}" in (read(rule) or ""):
                return str(rule)
    return ""


def _usb_without_port(devices: Path) -> tuple[tuple[int, int, str], ...]:
    found = []
    for device in _children(devices):
        vendor, product = read(device / "idVendor"), read(device / "idProduct")
        if vendor is None or product is None or int(vendor, 16) not in VENDORS:
            continue
        ports = [*device.glob("*:*/tty*"), *device.glob("*:*/tty/tty*")]
        # A debug probe or a hub of such a vendor need not have one: only single-purpose devices.
        if not ports and (read(device / "bDeviceClass") or "") != "09":
            found.append((int(vendor, 16), int(product, 16), read(device / "product") or ""))
    return tuple(found)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
