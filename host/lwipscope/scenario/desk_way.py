"""How this machine reaches a real board: only where the board's network is beside it.

Asked before anything is sent to the board's address. A packet for a network that is not beside
this machine would leave by the default route, towards whoever has that address elsewhere. So there
has to be an interface with an address in one network with the board, or the user names one. The
emulated boards' 192.0.2.0/24 (TEST-NET-1, RFC 5737) is beside nobody but their own namespace.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network
from typing import Self

from lwipscope.errors import UsageError
from lwipscope.wire.interfaces import Interface, beside, listed
from lwipscope.wire.keeper import TapAddress

_OUR_OWN = IPv4Network("192.0.2.0/24")
_ANY_PORT = 9


@dataclass(frozen=True, slots=True)
class DeskWay:
    """Found by `find`. If `why_not` is set, nothing may be sent to the board."""

    board_ip: str
    interface: str = ""
    address: IPv4Interface | None = None
    named: bool = False
    """The user said so; it need not be in the board's network."""
    why_not: str = ""

    @property
    def host_ip(self) -> str:
        """This machine's address towards the board; empty if there is no way."""
        return str(self.address.ip) if self.address is not None and not self.why_not else ""

    @property
    def network(self) -> IPv4Network | None:
        """The one in which both are; None if they are not known to be in one."""
        if self.address is None or IPv4Address(self.board_ip) not in self.address.network:
            return None
        return self.address.network

    @property
    def source(self) -> tuple[str, int] | None:
        """What sockets are bound to, if the user has named it."""
        return (self.host_ip, 0) if self.named else None

    @classmethod
    def find(
        cls,
        board_ip: str,
        *,
        host_ip: str = "",
        interface: str = "",
        interfaces: Sequence[Interface] | None = None,
    ) -> Self:
        """By the machine's tables; sends nothing. UsageError for a named one that is not there."""
        found = listed() if interfaces is None else interfaces
        try:
            board = IPv4Address(board_ip)
        except AddressValueError:
            return cls(board_ip, why_not=f"the board's address {board_ip!r} is no IPv4 address")
        if host_ip or interface:
            chosen, address = _named(board, host_ip, interface, found)
            return cls(board_ip, chosen.name, address, named=True)
        fitting = [
            (one, address)
            for one, address in beside(board, found)
            if board not in _OUR_OWN or one.name == TapAddress().name
        ]
        if not fitting:
            return cls(board_ip, why_not=_nowhere(board, found))
        if any(address.ip == board for _, address in fitting):
            return cls(board_ip, why_not=f"{board_ip} is this machine's own address")
        used = _towards(board_ip)
        for one, address in fitting:
            if str(address.ip) == used:
                return cls(board_ip, one.name, address)
        told = ", ".join(f"{address.ip} ({one.name})" for one, address in fitting)
        return cls(
            board_ip,
            why_not=f"{told} is beside the board, but this machine sends what is for {board_ip} "
            f"from {used or 'nowhere'}; name the way: {_REMEDY}",
        )


_REMEDY = "--host-ip or --interface (in pytest --lwip-host-ip or --lwip-interface)"


def _nowhere(board: IPv4Address, found: Sequence[Interface]) -> str:
    if board in _OUR_OWN:
        return (
            f"this machine has no address in {_OUR_OWN}, the private network of emulated boards, "
            f"where the board at {board} is; run this inside it: `lwipscope shell -- COMMAND`"
        )
    own = [f"{each} ({one.name})" for one in found if one.up for each in one.addresses]
    has = ", ".join(own) or "no address that could be found out"
    return (
        f"this machine has no address in one network with the board at {board}; it has {has}. "
        f"Nothing was sent. Run this where the board's network is, or name a way: {_REMEDY}"
    )


def _named(
    board: IPv4Address, host_ip: str, interface: str, found: Sequence[Interface]
) -> tuple[Interface, IPv4Interface]:
    fitting = [
        (one, address)
        for one in found
        for address in one.addresses
        if one.up and host_ip in ("", str(address.ip)) and interface in ("", one.name)
    ]
    if not fitting:
        asked = " and ".join(
            f"{what} {name}"
            for what, name in (("address", host_ip), ("interface", interface))
            if name
        )
        own = ", ".join(f"{each.ip} ({one.name})" for one in found for each in one.addresses)
        raise UsageError(
            f"{asked}: expected an IPv4 address of this machine on an interface that is up; it "
            f"has {own or 'none'}"
        )
    return next((pair for pair in fitting if board in pair[1].network), fitting[0])


def _towards(ip: str) -> str:
    """This machine's address on the way, by the kernel's routes; a datagram socket that is only
    connected sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((ip, _ANY_PORT))
        except OSError:
            return ""
        return str(asking.getsockname()[0])
