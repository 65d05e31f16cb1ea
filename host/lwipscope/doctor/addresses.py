"""Which of the host's addresses a real board should use, and what stands between the two.

The board's address decides if it is known; else the candidates are named. A VPN is never one: it
is another network, and some take all of the host's traffic with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from lwipscope.doctor.finding import Finding, good, problem, unseen, warning
from lwipscope.doctor.interfaces import Interface, NetworkFacts, Route
from lwipscope.doctor.machine import Machine, listed

_LIKELY = ("ethernet", "wifi")


@dataclass(frozen=True, slots=True)
class Choice:
    """An address of this host, and why it is the one; None if there is none."""

    interface: Interface | None
    address: IPv4Interface | None
    why: str

    @property
    def sure(self) -> bool:
        return self.address is not None


def choose(facts: NetworkFacts, board_ip: IPv4Address | None) -> Choice:
    """The address that the board should be told."""
    if board_ip is not None:
        return _in_subnet(facts, board_ip)
    usable = _usable(facts)
    if not usable:
        return Choice(None, None, "no interface that is up has an address that a board can reach")
    if len(usable) == 1:
        return Choice(*usable[0], "the only one that a board can reach")
    leading = _default(facts)
    names = listed([f"{address.ip} ({one.name})" for one, address in usable])
    for one, address in usable:
        if leading is not None and one.name == leading.interface:
            return Choice(one, address, f"of {names}: the default route goes there")
    return Choice(None, None, f"one of {names}: the one in the board's own subnet")


def check(facts: NetworkFacts, machine: Machine, board_ip: IPv4Address | None) -> Iterator[Finding]:
    """Interfaces, the address for the board, VPNs, and whether the board was heard."""
    yield _interfaces(facts)
    yield _chosen(choose(facts, board_ip), board_ip)
    yield _vpn(facts, machine, board_ip)
    yield _heard(facts, board_ip)


def way_to(facts: NetworkFacts, ip: IPv4Address) -> Route | None:
    """The route that the system's main table has for an address."""
    fitting = [route for route in facts.routes if ip in route.network]
    return max(fitting, key=lambda one: (one.network.prefixlen, -one.metric), default=None)


def _usable(facts: NetworkFacts) -> list[tuple[Interface, IPv4Interface]]:
    return [
        (one, address)
        for one in facts.interfaces
        if one.up and one.kind in _LIKELY
        for address in one.addresses
        if not address.is_link_local
    ]


def _default(facts: NetworkFacts) -> Route | None:
    defaults = [route for route in facts.routes if route.network.prefixlen == 0]
    return min(defaults, key=lambda one: one.metric, default=None)


def _in_subnet(facts: NetworkFacts, board_ip: IPv4Address) -> Choice:
    fitting = [
        (one, address)
        for one in facts.interfaces
        if one.up and one.kind not in ("loopback", "point-to-point")
        for address in one.addresses
        if board_ip in address.network
    ]
    if not fitting:
        route = way_to(facts, board_ip)
        by = f"; the way to it is {route.interface}" if route else "; there is no way to it"
        return Choice(None, None, f"{board_ip} is in no subnet of this host{by}")
    if any(address.ip == board_ip for _, address in fitting):
        return Choice(None, None, f"{board_ip} is this host's own address, not the board's")
    if len(fitting) == 1:
        return Choice(*fitting[0], f"the only one in the board's subnet, {fitting[0][1].network}")
    names = listed([f"{address.ip} ({one.name})" for one, address in fitting])
    route = way_to(facts, board_ip)
    for one, address in fitting:
        if route is not None and one.name == route.interface:
            why = f"of {names}: this host's own segments to the board leave by {one.name}"
            return Choice(one, address, why)
    longest = max(fitting, key=lambda pair: pair[1].network.prefixlen)
    return Choice(*longest, f"of {names}: the smallest subnet that has the board")


def _interfaces(facts: NetworkFacts) -> Finding:
    shown = [
        f"{one.name} {address} ({one.kind}{'' if one.up else ', down'})"
        for one in facts.interfaces
        if one.kind != "loopback"
        for address in one.addresses
    ]
    if not shown:
        return warning("addresses", "this host has none but loopback's", "ip -br addr")
    return good("addresses", listed(shown))


def _chosen(choice: Choice, board_ip: IPv4Address | None) -> Finding:
    name = "address for boards"
    if choice.address is not None and choice.interface is not None:
        seen = f"{choice.address.ip} ({choice.interface.name}), {choice.why}"
        return good(name, seen)
    if board_ip is None:
        return warning(name, choice.why, "lwipscope doctor --ip BOARD'S-ADDRESS")
    remedy = "join the board's network with this host; compare: ip -br addr"
    return problem(name, choice.why, remedy)


def _vpn(facts: NetworkFacts, machine: Machine, board_ip: IPv4Address | None) -> Finding:
    tunnels = [one for one in facts.interfaces if one.kind == "point-to-point" and one.addresses]
    if not tunnels:
        return good("VPN", "no point-to-point interface has an address")
    names = {one.name for one in tunnels}
    seen = listed([f"{one.name} {one.addresses[0].ip}" for one in tunnels])
    route = way_to(facts, board_ip) if board_ip is not None else _widest(facts)
    if route is not None and route.interface in names:
        what = f"the way to {board_ip}" if board_ip is not None else "the default route"
        remedy = "disconnect the VPN while boards are tested"
        chosen = choose(facts, board_ip).interface
        if machine.system == "Linux" and board_ip is not None and chosen is not None:
            remedy = machine.as_root(f"ip route add {board_ip}/32 dev {chosen.name}")
        return warning("VPN", f"{seen}: {what} goes into it", remedy)
    return good("VPN", f"{seen}: not the way to boards; never tell a board this address")


def _widest(facts: NetworkFacts) -> Route | None:
    """The default route; a VPN often has two halves of it (0.0.0.0/1) instead."""
    wide = [route for route in facts.routes if route.network.prefixlen <= 1]
    return max(wide, key=lambda one: (one.network.prefixlen, -one.metric), default=None)


def _heard(facts: NetworkFacts, board_ip: IPv4Address | None) -> Finding:
    name = "board's answer"
    if board_ip is None:
        return unseen(name, "no address of a board is known", "lwipscope doctor --ip ADDRESS")
    rows = [one for one in facts.neighbours if one.ip == board_ip]
    if not rows:
        seen = f"this host has not asked for {board_ip} yet, and doctor sends nothing"
        return unseen(name, seen, f"ping -c 1 {board_ip}; lwipscope doctor --ip {board_ip}")
    row = rows[0]
    if row.mac:
        return good(name, f"{board_ip} is {row.mac} on {row.interface}")
    kinds = {one.name: one.kind for one in facts.interfaces}
    seen = f"{board_ip} does not answer ARP on {row.interface}: switched off, or another network"
    remedy = "compare the board's address: network.WLAN().ifconfig() at its prompt"
    if kinds.get(row.interface) == "wifi":
        seen += ", or the access point keeps its stations apart"
        remedy = "switch off client (AP) isolation there, or connect this host by cable; " + remedy
    return problem(name, seen, remedy)
