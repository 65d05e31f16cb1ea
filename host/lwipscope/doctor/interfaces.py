"""The machine's network interfaces, addresses, routes and neighbours, from its own tables.

`parse_*` read what `ip -j addr`, `ifconfig` (macOS), /proc/net/route and /proc/net/arp say; where
`ip` is absent, the addresses come by netlink. Nothing is sent. Sources: ip-address(8), proc(5).
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from lwipscope.doctor.asking import ask, read
from lwipscope.wire.interfaces import Interface, Kind, by_netlink, parse_ifconfig


@dataclass(frozen=True, slots=True)
class Route:
    """To where, by which interface; a lower metric wins among equals."""

    network: IPv4Network
    interface: str
    gateway: bool = False
    metric: int = 0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A row of the ARP table; `mac` is empty if the question was not answered."""

    ip: IPv4Address
    interface: str
    mac: str = ""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """The tables."""

    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    neighbours: tuple[Neighbour, ...] = field(default=())


def collect(system: str) -> NetworkFacts:
    """This machine's."""
    if system == "Darwin":
        said, table, known = (
            ask(["ifconfig"]),
            ask(["netstat", "-rn", "-f", "inet"]),
            ask(["arp", "-an"]),
        )
        return NetworkFacts(
            parse_ifconfig(said.out) if said else (),
            parse_netstat(table.out) if table else (),
            parse_arp_an(known.out) if known else (),
        )
    said = ask(["ip", "-j", "addr", "show"])
    return NetworkFacts(
        parse_ip_json(said.out if said and said.code == 0 else "", _kind_of)
        or by_netlink(_kind_of),
        parse_routes(read("/proc/net/route") or ""),
        parse_arp(read("/proc/net/arp") or ""),
    )


def parse_ip_json(text: str, kind_of: Callable[[str], Kind | None]) -> tuple[Interface, ...]:
    """`ip -j addr show`; `kind_of` knows more of a name than ip tells, or nothing."""
    found = []
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        return ()
    for row in rows:
        flags = row.get("flags", [])
        kind: Kind = "ethernet" if row.get("link_type") == "ether" else "point-to-point"
        if "LOOPBACK" in flags:
            kind = "loopback"
        elif "POINTOPOINT" in flags:
            kind = "point-to-point"
        found.append(
            Interface(
                row["ifname"],
                kind if kind == "loopback" else kind_of(row["ifname"]) or kind,
                "UP" in flags and row.get("operstate") != "DOWN",
                tuple(
                    IPv4Interface(f"{one['local']}/{one['prefixlen']}")
                    for one in row.get("addr_info", [])
                    if one.get("family") == "inet"
                ),
            )
        )
    return tuple(found)


def parse_routes(text: str) -> tuple[Route, ...]:
    """/proc/net/route: addresses are the words of memory, in hexadecimal."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not int(words[3], 16) & 1:  # RTF_UP
            continue
        to, mask, via = (socket.inet_ntoa(struct.pack("=I", int(words[i], 16))) for i in (1, 7, 2))
        network = IPv4Network(f"{to}/{mask}")
        found.append(Route(network, words[0], via != "0.0.0.0", int(words[6])))
    return tuple(found)


def parse_arp(text: str) -> tuple[Neighbour, ...]:
    """/proc/net/arp: flag 2 says that the address is known."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 6:
            known = int(words[2], 16) & 2
            found.append(Neighbour(IPv4Address(words[0]), words[5], words[3] if known else ""))
    return tuple(found)


def parse_netstat(text: str) -> tuple[Route, ...]:
    """The default routes that macOS's `netstat -rn -f inet` shows, the first one first."""
    found = re.findall(r"^default\s+\S+\s+\S+\s+(\S+)", text, re.M)
    return tuple(
        Route(IPv4Network("0.0.0.0/0"), name, True, metric) for metric, name in enumerate(found)
    )


def parse_arp_an(text: str) -> tuple[Neighbour, ...]:
    """macOS's `arp -an`."""
    rows = re.findall(r"\(([\d.]+)\) at (\S+) on (\S+)", text)
    return tuple(
        Neighbour(IPv4Address(ip), name, "" if "incomplete" in mac else mac)
        for ip, mac, name in rows
    )


def _kind_of(name: str) -> Kind | None:
    home = Path("/sys/class/net") / name
    if (home / "wireless").exists() or (home / "phy80211").exists():
        return "wifi"
    about = read(home / "uevent") or ""
    if (home / "tun_flags").exists() or "DEVTYPE=wireguard" in about:
        return "point-to-point"
    if (home / "bridge").exists():
        # A bridge that has a card of the machine in it stands for that card.
        cards = [one for one in home.glob("brif/*") if (home.parent / one.name / "device").exists()]
        return "ethernet" if cards else "virtual"
    if (home / "brport").exists() or "DEVTYPE=veth" in about:
        return "virtual"
    return None


__all__ = [
    "Interface",
    "Kind",
    "Neighbour",
    "NetworkFacts",
    "Route",
    "collect",
    "parse_arp",
    "parse_arp_an",
    "parse_ifconfig",
    "parse_ip_json",
    "parse_netstat",
    "parse_routes",
]
