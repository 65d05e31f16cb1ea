"""Serial devices: which there are, whether this user may open them, and who else has them open.

No device is opened: on many boards that moves DTR and RTS and resets them. What is known of a
device is its name, its group and mode, USB's description, and the open files of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lwipscope.doctor.finding import Finding, good, problem, unseen, warning
from lwipscope.doctor.machine import Machine, listed

# USB vendors of serial bridges and of boards with USB of their own.
VENDORS = {
    0x0403: "FTDI",
    0x0483: "ST",
    0x10C4: "Silicon Labs",
    0x1A86: "WCH",
    0x2E8A: "Raspberry Pi",
    0x303A: "Espressif",
    0xF055: "MicroPython",
}
# Products that wait for firmware and have no serial port by design.
LOADERS = {
    (0x2E8A, 0x0003): "an RP2040 in BOOTSEL mode",
    (0x2E8A, 0x000F): "an RP2350 in BOOTSEL mode",
    (0x0483, 0xDF11): "an STM32 in DFU mode",
}


@dataclass(frozen=True, slots=True)
class Port:
    """One serial device. `holders` are processes that have it open, as `name (pid)`."""

    device: str
    about: str = ""
    vendor: int | None = None
    group: str = ""
    usable: bool = True
    """This process may read and write it."""
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SerialFacts:
    """Everything about serial devices."""

    ports: tuple[Port, ...] = ()
    groups_now: frozenset[str] = frozenset()
    """Of this process."""
    groups_set: frozenset[str] = frozenset()
    """Of this user, from the next login on."""
    sees_all_processes: bool = True
    running: frozenset[str] = frozenset()
    """Of the programs that are known to take ports: those that run."""
    brltty_rule: str = ""
    """A udev rule file that starts brltty for serial bridges."""
    usb_without_port: tuple[tuple[int, int, str], ...] = ()
    """USB devices of VENDORS without a serial device: vendor, product, name."""
    dangling: tuple[str, ...] = ()
    """Names under /dev/serial/by-id that lead nowhere."""


def boards(facts: SerialFacts) -> tuple[Port, ...]:
    """Devices that may be boards: those on USB."""
    return tuple(port for port in facts.ports if port.vendor is not None)


def can_open(port: Port) -> bool:
    """Whether a run could have it now."""
    return port.usable and not port.holders


def check(facts: SerialFacts, machine: Machine, wanted: str | None = None) -> Iterator[Finding]:
    """All devices, or the one that was named, and what usually comes between."""
    if wanted is not None:
        port = next((port for port in facts.ports if port.device == wanted), None)
        if port is None:
            yield _vanished(wanted, facts)
        else:
            yield from _port(port, facts, machine)
    elif not boards(facts):
        others = listed([port.device for port in facts.ports])
        yield unseen("serial port", f"no board on USB (other serial devices: {others})")
    else:
        for port in boards(facts):
            yield from _port(port, facts, machine)
    yield from _unnamed(facts, machine)
    yield _modem_manager(facts, machine)
    yield _brltty(facts, machine)


def _port(port: Port, facts: SerialFacts, machine: Machine) -> Iterator[Finding]:
    about = f"{port.device}" + (f", {port.about}" if port.about else "")
    if not port.usable:
        yield _no_access(port, facts, machine)
        return
    if port.holders:
        held = listed(port.holders)
        yield problem(
            "serial port", f"{about}: open in {held}", _release(port.holders, port, machine)
        )
    else:
        who = "" if facts.sees_all_processes else " (as far as can be seen without root: lsof)"
        yield good("serial port", f"{about}: may be opened, nobody has it open{who}")


def _no_access(port: Port, facts: SerialFacts, machine: Machine) -> Finding:
    seen = f"{port.device}: {machine.user} may not open it (group {port.group or 'unknown'})"
    if port.group in facts.groups_set and port.group not in facts.groups_now:
        remedy = f"log out and in again (or: newgrp {port.group})"
        return problem("serial port", f"{seen}, but will after the next login", remedy)
    if not port.group or port.group == "root":
        remedy = machine.as_root(f"chmod a+rw {port.device}")
        return problem("serial port", seen, f"{remedy}   (until it is plugged in again)")
    remedy = f"{machine.join_group(port.group)}   (then log out and in again)"
    return problem("serial port", seen, remedy)


def _release(holders: tuple[str, ...], port: Port, machine: Machine) -> str:
    names = {holder.partition(" ")[0] for holder in holders}
    if "ModemManager" in names:
        return machine.as_root("systemctl stop ModemManager")
    if "brltty" in names:
        return machine.remove("brltty")
    return f"end it, or see: {machine.as_root(f'fuser -v {port.device}')}"


def _vanished(wanted: str, facts: SerialFacts) -> Finding:
    there = listed([port.device for port in boards(facts) or facts.ports])
    lost = [name for name in facts.dangling if name == wanted]
    how = "it was there and is gone" if lost else "there is no such device"
    return problem(
        "serial port",
        f"{wanted}: {how}; there are: {there}",
        "plug it in again, try another cable (some only charge), then: ls -l /dev/serial/by-id",
    )


def _unnamed(facts: SerialFacts, machine: Machine) -> Iterator[Finding]:
    """USB devices that ought to have a serial port."""
    for vendor, product, name in facts.usb_without_port:
        what = f"USB {vendor:04x}:{product:04x} ({name or VENDORS.get(vendor, 'unknown')})"
        loader = LOADERS.get((vendor, product))
        if loader:
            yield warning("USB", f"{what} is {loader}", "flash it, or reset it without the button")
        elif facts.brltty_rule and vendor in (0x1A86, 0x10C4, 0x0403):
            seen = f"{what} has no serial port: brltty takes it ({facts.brltty_rule})"
            yield problem("USB", seen, f"{machine.remove('brltty')}   (then plug it in again)")
        else:
            remedy = f"see why: {machine.as_root('dmesg')} | tail -n 20"
            yield warning("USB", f"{what} has no serial port", remedy)


def _modem_manager(facts: SerialFacts, machine: Machine) -> Finding:
    name = "ModemManager"
    if machine.system != "Linux":
        return unseen(name, f"not on {machine.system}")
    if name not in facts.running:
        return good(name, "does not run")
    return warning(
        name,
        "runs: it opens new serial devices for seconds and writes to them",
        machine.as_root("systemctl disable --now ModemManager"),
    )


def _brltty(facts: SerialFacts, machine: Machine) -> Finding:
    if machine.system != "Linux":
        return unseen("brltty", f"not on {machine.system}")
    if "brltty" in facts.running:
        return warning("brltty", "runs: it takes USB serial bridges", machine.remove("brltty"))
    if facts.brltty_rule:
        seen = f"does not run now, but {facts.brltty_rule} starts it for USB serial bridges"
        return warning("brltty", seen, machine.remove("brltty"))
    return good("brltty", "does not run")
