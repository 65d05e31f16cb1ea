"""This machine's interfaces with their IPv4 addresses, and which of them is beside a board.

Used before anything is sent to a board's address, and by doctor. Nothing is sent: Linux tells by
netlink, macOS by `ifconfig`; elsewhere nothing is known. Sources: rtnetlink(7), Linux if_addr.h,
netdevice(7).
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal, TypeAlias

from lwipscope.platform_facts import fcntl

Kind: TypeAlias = Literal["ethernet", "wifi", "point-to-point", "virtual", "loopback"]

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_LOOPBACK, _IFF_POINTOPOINT = 0x1, 0x8, 0x10
_NETLINK_ROUTE, _GET_ADDRESSES, _NEW_ADDRESS, _DONE, _ERROR = 0, 22, 20, 3, 2
_REQUEST_ALL = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_HEADER = struct.Struct("=IHHII")
_ADDRESS_MESSAGE = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")
_OF_INTERFACE, _LOCAL = 1, 2  # IFA_ADDRESS is the other end's on point-to-point links
_ANSWER_S = 2.0
_ANSWER_BYTES = 1 << 18
_NARROWEST_WORLD = 8  # a prefix shorter than any real network's is no network beside us


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface with its IPv4 addresses. A VPN is of the kind point-to-point."""

    name: str
    kind: Kind = "ethernet"
    up: bool = True
    addresses: tuple[IPv4Interface, ...] = ()


def listed() -> tuple[Interface, ...]:
    """All of this machine; empty where it does not tell."""
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run(
                ["/sbin/ifconfig"], capture_output=True, text=True, timeout=_ANSWER_S
            )
            return parse_ifconfig(said.stdout)
        return ()
    return by_netlink(lambda _name: None)


def beside(
    ip: IPv4Address, interfaces: Iterable[Interface]
) -> list[tuple[Interface, IPv4Interface]]:
    """Those that are in a network with `ip`: what is sent there passes no router."""
    return [
        (one, address)
        for one in interfaces
        if one.up
        for address in one.addresses
        if address.network.prefixlen >= _NARROWEST_WORLD and ip in address.network
    ]


def by_netlink(kind_of: Callable[[str], Kind | None]) -> tuple[Interface, ...]:
    """Linux's, without any program; `kind_of` knows more of a name than its flags, or nothing."""
    if not hasattr(socket, "AF_NETLINK"):
        return ()
    found = []
    with suppress(OSError):
        addresses = _addresses()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            for index, name in socket.if_nameindex():
                request = struct.pack("16s24x", name.encode())
                try:
                    answer = fcntl.ioctl(asker, _SIOCGIFFLAGS, request)
                except OSError:  # gone meanwhile
                    continue
                flags = struct.unpack_from("=H", answer, 16)[0]
                kind: Kind = kind_of(name) or "ethernet"
                if flags & _IFF_LOOPBACK:
                    kind = "loopback"
                elif flags & _IFF_POINTOPOINT:
                    kind = "point-to-point"
                mine = tuple(address for owner, address in addresses if owner == index)
                found.append(Interface(name, kind, bool(flags & _IFF_UP), mine))
    return tuple(found)


def parse_ifconfig(text: str) -> tuple[Interface, ...]:
    """What macOS's ifconfig prints. Whether an en device is Wi-Fi it does not tell."""
    found = []
    for block in re.split(r"^(?=\S)", text, flags=re.M):
        head = re.match(r"(\S+): flags=\w+<([^>]*)>", block)
        if head is None:
            continue
        name, flags = head[1], head[2].split(",")
        kind: Kind = (
            "virtual" if re.match(r"(bridge|vmenet|vmnet|awdl|llw|anpi)", name) else ("ethernet")
        )
        if "LOOPBACK" in flags:
            kind = "loopback"
        elif "POINTOPOINT" in flags:
            kind = "point-to-point"
        addresses = [
            IPv4Interface(f"{ip}/{bin(int(mask, 16)).count('1')}")
            for ip, mask in re.findall(r"inet ([\d.]+).*?netmask (0x[0-9a-f]{8})", block)
        ]
        up = "UP" in flags and "status: inactive" not in block
        found.append(Interface(name, kind, up, tuple(addresses)))
    return tuple(found)


def _addresses() -> list[tuple[int, IPv4Interface]]:
    """By interface index. A dump may come in several datagrams."""
    found: list[tuple[int, IPv4Interface]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as asker:
        asker.settimeout(_ANSWER_S)
        question = _ADDRESS_MESSAGE.pack(socket.AF_INET, 0, 0, 0, 0)
        length = _HEADER.size + len(question)
        asker.send(_HEADER.pack(length, _GET_ADDRESSES, _REQUEST_ALL, 1, 0) + question)
        while True:
            for kind, body in _messages(asker.recv(_ANSWER_BYTES)):
                if kind in (_DONE, _ERROR):
                    return found
                if kind == _NEW_ADDRESS:
                    _, prefix, _, _, index = _ADDRESS_MESSAGE.unpack_from(body)
                    told = dict(_attributes(body[_ADDRESS_MESSAGE.size :]))
                    own = told.get(_LOCAL) or told.get(_OF_INTERFACE)
                    if own is not None and len(own) == 4:
                        found.append((index, IPv4Interface((own, prefix))))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[length + 3 & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[length + 3 & ~3 :]
