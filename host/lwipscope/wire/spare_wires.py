"""Packet wires at spare addresses of one real network, each opened once and used by many peers.

Asking whether an address is spare takes about a second, so a wire lives as long as the run. Its
address is leased: another process of this machine has the same MAC, so ARP tells neither of the
other. The kernel of this machine must not forward what comes for an address that it doesn't have:
a copy would go out, and its complaints would disturb the peer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope import leases
from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.leases import Lease, Leased
from lwipscope.wire.packet_line import MakeSocket
from lwipscope.wire.packet_socket import PacketWire

_TRIES = 8
_MOST_TAKEN = 64


class SpareWires:
    """On one interface; `network` is the board's there."""

    def __init__(
        self, interface: str, network: IPv4Network, board_ip: str, make_socket: MakeSocket
    ) -> None:
        self._interface = interface
        self._network = network
        self._board = IPv4Address(board_ip)
        self._make_socket = make_socket
        self._wires: dict[str, PacketWire] = {}
        self._made_for: dict[str, str] = {}
        self._leases: list[Lease] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def at(self, ip: str) -> PacketWire:
        """The wire of exactly that address; WireUnavailable if somebody has it."""
        address = IPv4Address(ip)
        if address not in self._network or address == self._board:
            raise UsageError(
                f"a raw peer at {ip}: expected a spare address in {self._network}, where the board "
                f"{self._board} is; leave it out to have one chosen"
            )
        return self._open(ip, [ip])

    def instead_of(self, name: str) -> PacketWire:
        """A wire at any spare address, the same one each time for the same name: `name` itself if
        it is in the network, which is where scenarios think they are."""
        try:
            if IPv4Address(name) in self._network:
                return self.at(name)
        except ValueError:
            pass
        return self._open(name, self._candidates())

    def close(self) -> None:
        """Idempotent."""
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()
        self._made_for.clear()
        for lease in self._leases:
            lease.close()
        self._leases.clear()

    def _open(self, name: str, candidates: Iterable[str]) -> PacketWire:
        known = self._wires.get(self._made_for.get(name, name))
        if known is not None:
            return known
        need_no_forwarding(self._interface)
        with ExitStack() as stack:
            leased = self._lease(candidates, stack)
            wire = PacketWire.open(self._interface, list(leased), make_socket=self._make_socket)
            self._leases.append(leased.pop(wire.ip))
            self._wires[wire.ip] = wire
            self._made_for[name] = wire.ip
            return wire

    def _lease(self, candidates: Iterable[str], stack: ExitStack) -> dict[str, Lease]:
        """The first few of them that no other process uses; `stack` gives back what is left."""
        leased: dict[str, Lease] = {}
        taken: list[str] = []
        network = leases.network_id(self._make_socket)
        stack.callback(_give_back, leased)
        for ip in candidates:
            try:
                leased[ip] = leases.address(ip, network)
            except Leased as error:
                taken.append(str(error))
            if len(leased) == _TRIES or len(taken) == _MOST_TAKEN:
                break
        if not leased:
            raise WireUnavailable("no address for a raw peer: " + "; ".join(taken))
        return leased

    def _candidates(self) -> Iterator[str]:
        """From the upper end, where fewer hosts live; never one of the network's own two."""
        last = int(self._network.broadcast_address) - 1
        for number in range(last, int(self._network.network_address), -1):
            address = IPv4Address(number)
            if address != self._board and str(address) not in self._wires:
                yield str(address)


def _give_back(leased: dict[str, Lease]) -> None:
    for lease in leased.values():
        lease.close()


def need_no_forwarding(interface: str, root: Path = Path("/proc/sys/net/ipv4/conf")) -> None:
    """WireUnavailable if this machine is a router there."""
    try:
        forwards = (root / interface / "forwarding").read_text().strip() == "1"
    except OSError:
        return
    if forwards:
        raise WireUnavailable(
            f"no raw peer on {interface}: this machine forwards packets there, and would send on "
            f"what is for the peer; type: sysctl -w net.ipv4.conf.{interface}.forwarding=0"
        )
