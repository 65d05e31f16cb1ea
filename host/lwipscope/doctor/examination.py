"""All checks of one run, for the board that is meant, and whether any board could be used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from lwipscope.board.board_file import BoardFile
from lwipscope.doctor import (
    addresses,
    cache,
    clock,
    firewall,
    interfaces,
    machine,
    rights,
    serial_facts,
    serial_ports,
    states,
    tools,
    wireless,
)
from lwipscope.doctor.finding import Finding, Mark, unseen
from lwipscope.errors import UsageError

_DEFAULT_QEMU = "qemu-system-arm"


@dataclass(frozen=True, slots=True)
class Target:
    """Which board is meant; `any`: whatever this machine can have."""

    kind: Literal["any", "emulated", "real"] = "any"
    name: str = ""
    port: str | None = None
    ip: IPv4Address | None = None
    profile: str = "modlwip-2.2.1"
    qemu_program: str = _DEFAULT_QEMU
    qemu_machine: str | None = None

    @classmethod
    def of(cls, board: str | None, port: str | None, ip: str | None) -> Target:
        """From what the user named; UsageError if that can't be."""
        address = None
        if ip is not None:
            try:
                address = IPv4Address(ip)
            except ValueError as error:
                raise UsageError(f"--ip: expected an IPv4 address, found {ip!r}") from error
        if board is None:
            # An address alone does not say that no other board is meant.
            return cls("real" if port is not None else "any", port or "", port, address)
        file = BoardFile.load(board)
        emulator = getattr(file, "emulator", None)
        profile = getattr(getattr(file, "lwip", None), "stack_profile", "unknown")
        if emulator is None:
            return cls("real", file.name, port, address, profile)
        if port is not None or address is not None:
            raise UsageError(f"{file.name} is emulated: it has no --port and no --ip here")
        found = emulator.program, emulator.machine
        return cls("emulated", file.name, None, None, profile, *found)


@dataclass(frozen=True, slots=True)
class Facts:
    """What all collectors found."""

    machine: machine.Machine
    tools: tools.ToolFacts
    rights: rights.RightsFacts
    serial: serial_ports.SerialFacts
    network: interfaces.NetworkFacts
    firewall: firewall.FirewallFacts
    wireless: wireless.WirelessFacts
    clock: clock.ClockFacts
    cache: cache.CacheFacts


@dataclass(frozen=True, slots=True)
class Report:
    """Findings by subject, and a table of states for each kind of board."""

    machine: machine.Machine
    areas: tuple[tuple[str, tuple[Finding, ...]], ...]
    tables: tuple[tuple[states.BoardKind, tuple[states.Cell, ...]], ...]
    usable: bool
    """At least one board (of those that are meant) could be used now."""

    def count(self, mark: Mark) -> int:
        return sum(one.mark is mark for _, findings in self.areas for one in findings)


def collect(target: Target) -> Facts:
    """Look at this machine: the slow programs beside each other."""
    here = machine.collect()
    with ThreadPoolExecutor(6, thread_name_prefix="lwipscope-doctor") as pool:
        asked = pool.submit(tools.collect, target.qemu_program)
        cached = pool.submit(cache.collect)
        devices = pool.submit(serial_facts.collect, target.port)
        walls = pool.submit(firewall.collect, here.system)
        tables = pool.submit(interfaces.collect, here.system)
        tried = rights.collect()
        network = tables.result()
        return Facts(
            machine=here,
            tools=asked.result(),
            rights=tried,
            serial=devices.result(),
            network=network,
            firewall=walls.result(),
            wireless=wireless.collect(network),
            clock=clock.collect(here.system),
            cache=cached.result(),
        )


def examine(facts: Facts, target: Target) -> Report:
    """From facts to findings; looks at nothing else."""
    here = facts.machine
    real = target.kind != "emulated"
    areas = (
        ("host", (*tools.check(facts.tools, here), *clock.check(facts.clock, here))),
        ("rights", tuple(rights.check(facts.rights, here))),
        ("cache", tuple(cache.check(facts.cache))),
        ("serial", tuple(_serial(facts, target)) if real else _no_need("serial")),
        ("network", tuple(_network(facts, target)) if real else _no_need("network")),
    )
    emulated_usable, real_usable = can_emulate(facts, target), can_reach(facts, target)
    tables: list[tuple[states.BoardKind, tuple[states.Cell, ...]]] = []
    if target.kind != "real":
        able = states.Able("emulated", target.profile, emulated_usable)
        tables.append(("emulated", tuple(states.table(able))))
    if real:
        # Which boards there may be is not this table's matter if none was named.
        able = states.Able(
            kind="real",
            profile=target.profile,
            usable=real_usable or target.kind == "any",
            raw=facts.rights.raw,
            raw_why=rights.raw(facts.rights, here).seen,
            raw_command=rights.raw_remedy(facts.rights, here),
        )
        tables.append(("real", tuple(states.table(able))))
    usable = {
        "any": emulated_usable or real_usable,
        "emulated": emulated_usable,
        "real": real_usable,
    }[target.kind]
    return Report(here, areas, tuple(tables), usable)


def can_emulate(facts: Facts, target: Target) -> bool:
    """QEMU has the machine, and there is firmware, or it could be built."""
    sources = facts.cache.sources or facts.cache.mirror
    buildable = tools.can_build(facts.tools) and sources and facts.cache.writable
    has_machine = tools.can_emulate(facts.tools, target.qemu_machine)
    return has_machine and (cache.has_firmware(facts.cache) or buildable)


def can_reach(facts: Facts, target: Target) -> bool:
    """A serial device may be opened: the named one, or any that may be a board."""
    if target.port is not None:
        ports = tuple(port for port in facts.serial.ports if port.device == target.port)
    else:
        ports = serial_ports.boards(facts.serial)
    return any(map(serial_ports.can_open, ports))


def _serial(facts: Facts, target: Target) -> Iterator[Finding]:
    yield from serial_ports.check(facts.serial, facts.machine, target.port)


def _network(facts: Facts, target: Target) -> Iterator[Finding]:
    here = facts.machine
    yield from addresses.check(facts.network, here, target.ip)
    chosen = addresses.choose(facts.network, target.ip).address
    yield from firewall.check(facts.firewall, here, str(chosen.network) if chosen else "")
    yield from wireless.check(facts.wireless, here)


def _no_need(what: str) -> tuple[Finding, ...]:
    return (unseen(what, "an emulated board's line and wire are private to lwipscope"),)
