"""The network between host and board: tables of other hosts, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from lwipscope.doctor import addresses, firewall, interfaces, wireless
from lwipscope.doctor.finding import Finding, Mark
from lwipscope.doctor.firewall import FirewallFacts
from lwipscope.doctor.interfaces import Interface, Kind, Neighbour, NetworkFacts, Route
from lwipscope.doctor.machine import Machine
from lwipscope.doctor.wireless import WirelessFacts

EVE = Machine(user="eve")
ROOT = Machine(root=True)
MAC = Machine(system="Darwin", family="macos")
BOARD = IPv4Address("192.168.1.50")
EVERYWHERE = IPv4Network("0.0.0.0/0")
LAN = IPv4Network("192.168.1.0/24")


def interface(name: str, address: str, kind: Kind = "ethernet", *, up: bool = True) -> Interface:
    return Interface(name, kind, up, (IPv4Interface(address),))


LO = interface("lo", "127.0.0.1/8", "loopback")
ETH0 = interface("eth0", "192.168.1.10/24")
WLAN0 = interface("wlan0", "192.168.1.11/24", "wifi")
LAB = interface("eth1", "10.0.0.1/24")
TUN0 = interface("tun0", "10.8.0.2/24", "point-to-point")
DOCKER = interface("docker0", "172.17.0.1/16", "virtual")
ONE = NetworkFacts((LO, ETH0, DOCKER), (Route(EVERYWHERE, "eth0", True), Route(LAN, "eth0")))


def found(facts: NetworkFacts, name: str, ip: IPv4Address | None = None) -> Finding:
    return next(one for one in addresses.check(facts, EVE, ip) if one.name == name)


def chosen(facts: NetworkFacts, ip: IPv4Address | None = None) -> str:
    choice = addresses.choose(facts, ip)
    return str(choice.address.ip) if choice.address else f"none: {choice.why}"


# The address for the board.


def test_the_only_one() -> None:
    assert chosen(ONE) == chosen(ONE, BOARD) == "192.168.1.10"
    assert found(ONE, "VPN").mark is Mark.OK


def test_several_networks_the_boards_own_decides() -> None:
    facts = NetworkFacts((LO, ETH0, LAB), ONE.routes)
    assert chosen(facts, IPv4Address("10.0.0.7")) == "10.0.0.1"
    assert chosen(facts, BOARD) == "192.168.1.10"
    assert chosen(facts) == "192.168.1.10", "the default route's"
    finding = found(replace(facts, routes=()), "address for boards")
    assert finding.mark is Mark.WARNING and "10.0.0.1 (eth1)" in finding.seen
    assert finding.remedy.startswith("lwipscope doctor --ip ")


def test_cable_and_wifi_in_one_network() -> None:
    routes = (Route(LAN, "eth0", metric=100), Route(LAN, "wlan0", metric=600))
    facts = NetworkFacts((WLAN0, ETH0), routes)
    assert chosen(facts, BOARD) == "192.168.1.10"
    assert "leave by eth0" in addresses.choose(facts, BOARD).why
    swapped = replace(facts, routes=(Route(LAN, "wlan0"),))
    assert chosen(swapped, BOARD) == "192.168.1.11"


def test_board_in_no_network_of_this_host() -> None:
    finding = found(ONE, "address for boards", IPv4Address("192.168.7.7"))
    assert finding.mark is Mark.PROBLEM
    assert "in no subnet of this host; the way to it is eth0" in finding.seen


def test_vpn_is_no_place_for_a_board() -> None:
    facts = NetworkFacts((ETH0, TUN0), ONE.routes)
    assert "in no subnet" in chosen(facts, IPv4Address("10.8.0.9"))


def test_the_nearest_route_wins_whatever_its_metric() -> None:
    far, near = Route(EVERYWHERE, "eth0", metric=1), Route(LAN, "wlan0", metric=600)
    found_ = addresses.way_to(NetworkFacts((), (far, near)), BOARD)
    assert found_ is near
    cheaper = replace(near, interface="eth0", metric=100)
    assert addresses.way_to(NetworkFacts((), (near, cheaper)), BOARD) is cheaper


def test_address_of_the_host_itself() -> None:
    assert "own address" in chosen(ONE, IPv4Address("192.168.1.10"))


def test_interface_that_is_down_and_link_local_do_not_count() -> None:
    down = interface("eth0", "192.168.1.10/24", up=False)
    assert chosen(NetworkFacts((down,)), BOARD).startswith("none")
    local = interface("eth0", "169.254.3.4/16")
    assert chosen(NetworkFacts((local,))).startswith("none")


def test_vpn_that_is_not_in_the_way() -> None:
    facts = replace(ONE, interfaces=(*ONE.interfaces, TUN0))
    vpn = found(facts, "VPN", BOARD)
    assert vpn.mark is Mark.OK and "never tell a board this address" in vpn.seen
    assert chosen(facts) == "192.168.1.10"


def test_vpn_that_takes_everything() -> None:
    halves = [IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")]
    facts = NetworkFacts((ETH0, TUN0), (*ONE.routes, *(Route(one, "tun0") for one in halves)))
    assert found(facts, "VPN").mark is Mark.WARNING
    assert found(facts, "VPN", BOARD).mark is Mark.OK, "its own network is nearer"


def test_vpn_with_a_route_to_the_boards_network() -> None:
    half = Route(IPv4Network("192.168.1.0/25"), "tun0")
    facts = NetworkFacts((ETH0, TUN0), (*ONE.routes, half))
    vpn = found(facts, "VPN", BOARD)
    assert vpn.mark is Mark.WARNING
    assert vpn.remedy == "sudo ip route add 192.168.1.50/32 dev eth0"


@pytest.mark.parametrize(
    ("rows", "mark", "words"),
    [
        ((), Mark.UNSEEN, ("doctor sends nothing",)),
        ((Neighbour(BOARD, "wlan0", "02:00:00:00:00:01"),), Mark.OK, ("02:00:00:00:00:01",)),
        ((Neighbour(BOARD, "wlan0"),), Mark.PROBLEM, ("ARP", "keeps its stations apart")),
        ((Neighbour(BOARD, "eth0"),), Mark.PROBLEM, ("ARP", "switched off")),
    ],
)
def test_whether_the_board_was_heard(
    rows: tuple[Neighbour, ...], mark: Mark, words: tuple[str, ...]
) -> None:
    finding = found(NetworkFacts((ETH0, WLAN0), (), rows), "board's answer", BOARD)
    assert finding.mark is mark
    assert all(word in finding.seen for word in words)
    if rows and rows[0].interface == "eth0":
        assert "access point" not in finding.seen


# The tables.


def test_ip_json() -> None:
    rows = [
        {"ifname": "lo", "flags": ["LOOPBACK", "UP"], "link_type": "loopback", "addr_info": []},
        {
            "ifname": "wlp2s0",
            "flags": ["BROADCAST", "UP"],
            "link_type": "ether",
            "operstate": "UP",
            "addr_info": [
                {"family": "inet", "local": "192.168.1.11", "prefixlen": 24},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
            ],
        },
        {"ifname": "wg0", "flags": ["POINTOPOINT", "UP"], "link_type": "none", "addr_info": []},
        {"ifname": "eth9", "flags": ["UP"], "link_type": "ether", "operstate": "DOWN"},
    ]
    kinds: dict[str, Kind] = {"wlp2s0": "wifi"}
    read = interfaces.parse_ip_json(json.dumps(rows), kinds.get)
    assert [(one.name, one.kind, one.up) for one in read] == [
        ("lo", "loopback", True),
        ("wlp2s0", "wifi", True),
        ("wg0", "point-to-point", True),
        ("eth9", "ethernet", False),
    ]
    assert read[1].addresses == (IPv4Interface("192.168.1.11/24"),)
    assert interfaces.parse_ip_json("Option -j is unknown", kinds.get) == ()


def test_macos_tables() -> None:
    text = (
        "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n"
        "\tinet 127.0.0.1 netmask 0xff000000\n"
        "en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        "\tinet 192.168.1.10 netmask 0xffffff00 broadcast 192.168.1.255\n\tstatus: active\n"
        "en5: flags=8863<UP,BROADCAST> mtu 1500\n\tstatus: inactive\n"
        "utun3: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380\n"
        "\tinet 10.8.0.2 --> 10.8.0.2 netmask 0xffffff00\n"
    )
    read = interfaces.parse_ifconfig(text)
    assert [(one.name, one.kind, one.up, len(one.addresses)) for one in read] == [
        ("lo0", "loopback", True, 1),
        ("en0", "ethernet", True, 1),
        ("en5", "ethernet", False, 0),
        ("utun3", "point-to-point", True, 1),
    ]
    routes = interfaces.parse_netstat("Destination Gateway\ndefault  192.168.1.1  UGScg  en0\n")
    facts = NetworkFacts(read, routes)
    assert chosen(facts) == chosen(facts, BOARD) == "192.168.1.10"
    assert "utun3 10.8.0.2" in found(facts, "VPN").seen
    (known, unknown) = interfaces.parse_arp_an(
        "? (192.168.1.1) at 2:0:0:0:0:9 on en0 ifscope [ethernet]\n"
        "? (192.168.1.50) at (incomplete) on en0 ifscope [ethernet]\n"
    )
    assert known.mac == "2:0:0:0:0:9" and unknown == Neighbour(BOARD, "en0")


def test_proc_tables() -> None:
    head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    rows = "eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0\n"
    rows += "eth0 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0\n"
    assert interfaces.parse_routes(head + rows) == (
        Route(EVERYWHERE, "eth0", True, 100),
        Route(LAN, "eth0", False, 100),
    )
    arp = "IP address HW type Flags HW address Mask Device\n"
    arp += "192.168.1.50 0x1 0x0 00:00:00:00:00:00 * wlan0\n"
    assert interfaces.parse_arp(arp) == (Neighbour(BOARD, "wlan0"),)


def test_this_machine_with_and_without_ip(monkeypatch: pytest.MonkeyPatch) -> None:
    by_ip = interfaces.collect("Linux")
    monkeypatch.setattr(interfaces, "ask", lambda _argv: None)
    by_netlink = interfaces.collect("Linux")
    first = {one.name: one.addresses for one in by_ip.interfaces}
    assert {one.name: one.addresses for one in by_netlink.interfaces} == first
    kinds = {one.name: one.kind for one in by_ip.interfaces}
    assert kinds["lo"] == "loopback"
    assert {one.name: one.kind for one in by_netlink.interfaces}["lo"] == "loopback"


# The firewall.

DROPS = {
    "nftables": [
        {"chain": {"family": "inet", "table": "f", "name": "input", "hook": "input"}
         | {"policy": "drop"}},
        {"rule": {"family": "inet", "table": "f", "chain": "input",
                  "expr": [{"match": {"left": {"ct": {"key": "state"}}}}, {"accept": None}]}},
    ]
}  # fmt: skip
OPEN_RULE = {"rule": {"family": "inet", "table": "f", "chain": "input", "expr": [
    {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}},
               "right": 6666}}, {"accept": None}]}}  # fmt: skip
REJECTS = {
    "nftables": [
        {"chain": {"family": "ip", "table": "f", "name": "in", "hook": "input"}
         | {"policy": "accept"}},
        {"rule": {"family": "ip", "table": "f", "chain": "in", "expr": [{"reject": None}]}},
    ]
}  # fmt: skip


def wall(facts: FirewallFacts, here: Machine = EVE, subnet: str = "") -> Finding:
    (finding,) = firewall.check(facts, here, subnet)
    return finding


def test_nft_that_drops() -> None:
    finding = wall(FirewallFacts(nft=json.dumps(DROPS)), EVE, "192.168.1.0/24")
    assert finding.mark is Mark.WARNING and "nft chain inet f input drops" in finding.seen
    assert finding.remedy == (
        "sudo nft insert rule inet f input ip saddr 192.168.1.0/24 tcp dport 6666 accept"
    )
    opened = {"nftables": [*DROPS["nftables"], OPEN_RULE]}
    assert wall(FirewallFacts(nft=json.dumps(opened))).mark is Mark.OK
    assert wall(FirewallFacts(nft=json.dumps(REJECTS))).mark is Mark.WARNING
    assert wall(FirewallFacts(nft='{"nftables": []}')).mark is Mark.OK


@pytest.mark.parametrize(
    ("rules", "drops"),
    [
        ("-P INPUT ACCEPT", False),
        ("-P INPUT DROP", True),
        ("-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j REJECT --reject-with x", True),
        ("-P INPUT ACCEPT\n-A INPUT -s 10.0.0.0/8 -j DROP", False),
        ("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 6666 -j ACCEPT", False),
        ("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 66660 -j ACCEPT", True),
    ],
)
def test_iptables(rules: str, drops: bool) -> None:
    finding = wall(FirewallFacts(iptables=rules), ROOT)
    assert finding.mark is (Mark.WARNING if drops else Mark.OK)
    if drops:
        assert finding.remedy == "iptables -I INPUT -p tcp --dport 6666 -j ACCEPT"


def test_ufw_firewalld_and_what_only_root_may_see() -> None:
    near = wall(FirewallFacts(ufw=True), EVE, "192.168.1.0/24").remedy
    assert near == "sudo ufw allow from 192.168.1.0/24 to any port 6666 proto tcp"
    assert wall(FirewallFacts(ufw=True)).remedy == "sudo ufw allow 6666/tcp"
    zone = wall(FirewallFacts(firewalld=True))
    assert zone.remedy.startswith("sudo firewall-cmd --add-port=6666/tcp")
    hidden = wall(FirewallFacts(rules_refused=True))
    assert hidden.mark is Mark.UNSEEN and hidden.remedy == "sudo nft list ruleset"
    assert "without root" in hidden.seen
    assert wall(FirewallFacts()).mark is Mark.UNSEEN


@pytest.mark.parametrize(
    ("state", "mark"), [(True, Mark.WARNING), (False, Mark.OK), (None, Mark.UNSEEN)]
)
def test_macos_firewall(state: bool | None, mark: Mark) -> None:
    assert wall(FirewallFacts(macos=state), MAC).mark is mark


# Wi-Fi.


@pytest.mark.parametrize(("says", "state"), [("on", True), ("off", False), ("?", None)])
def test_what_iw_says(
    says: str, state: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake iw: no Wi-Fi is needed to test this."""
    fake = tmp_path / "iw"
    text = "command failed: No such device" if state is None else f"Power save: {says}"
    fake.write_text(f'#!/bin/sh\n[ "$*" = "dev wlan0 get power_save" ] && echo "{text}"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    down = interface("wlan1", "10.1.1.1/24", "wifi", up=False)
    facts = wireless.collect(NetworkFacts((LO, WLAN0, ETH0, down)))
    assert facts == WirelessFacts((("wlan0", state),), True)


@pytest.mark.parametrize(
    ("facts", "mark", "remedy"),
    [
        (WirelessFacts(), Mark.UNSEEN, ""),
        (WirelessFacts((("wlan0", False),)), Mark.OK, ""),
        (
            WirelessFacts((("wlan0", True),)),
            Mark.WARNING,
            "sudo iw dev wlan0 set power_save off",
        ),
        (WirelessFacts((("wlan0", None),), False), Mark.UNSEEN, "sudo apt-get install iw"),
    ],
)
def test_power_save(facts: WirelessFacts, mark: Mark, remedy: str) -> None:
    (finding,) = wireless.check(facts, EVE)
    assert (finding.mark, finding.remedy) == (mark, remedy)
