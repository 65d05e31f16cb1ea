"""Nothing is sent to a board's address unless its network is beside this machine."""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from lwipscope.board.board import Board
from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.scenario import desk_way
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.wire.interfaces import Interface, listed
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.spare_wires import need_no_forwarding

LO = Interface("lo", "loopback", addresses=(IPv4Interface("127.0.0.1/8"),))
LAN = Interface("eth0", addresses=(IPv4Interface("10.1.2.3/24"),))
BEHIND = Interface("eth0", addresses=(IPv4Interface("192.0.2.2/24"),))
TAP = Interface("lwip0", addresses=(IPv4Interface("192.0.2.1/24"),))
EMULATED = "192.0.2.10"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every address that a socket was pointed at: no socket is really connected."""
    asked: list[object] = []

    class Recording(socket.socket):
        def connect(self, address: Any) -> None:
            asked.append(address)
            raise OSError("no connections in this test")

        def connect_ex(self, address: Any) -> int:
            asked.append(address)
            return 101

        def sendto(self, *args: Any) -> int:
            asked.append(args)
            return 0

        def send(self, *args: Any) -> int:
            asked.append(args)
            return 0

    monkeypatch.setattr(socket, "socket", Recording)
    return asked


@pytest.mark.parametrize("interfaces", [(), (LO,), (LO, LAN), (LO, BEHIND)])
def test_nothing_is_sent_where_the_board_is_not(
    interfaces: tuple[Interface, ...], sent: list[object]
) -> None:
    """The last one: the emulated boards' network is private, whoever else uses the numbers."""
    way = DeskWay.find(EMULATED, interfaces=interfaces)
    assert "no address in" in way.why_not and "lwipscope shell" in way.why_not
    assert (way.host_ip, way.network) == ("", None)
    desk = Desk(cast(Keeper, None), way)
    with DeskNetwork(desk) as network:
        assert network.reaches(cast(Board, None)) == way.why_not
        for call in (
            lambda: network.connect(6666),
            lambda: network.listen(6666),
            lambda: network.nc_connect(6666),
            lambda: network.nc_listen(6666),
            lambda: network.raw(),
        ):
            with pytest.raises(WireUnavailable, match="no address in"):
                call()
    assert desk.why_no_raw() == way.why_not
    assert sent == []


def test_another_network(sent: list[object]) -> None:
    way = DeskWay.find("10.1.3.7", interfaces=[LO, LAN])
    assert "10.1.2.3/24 (eth0)" in way.why_not and "--host-ip" in way.why_not
    down = Interface("eth1", up=False, addresses=(IPv4Interface("10.1.3.1/24"),))
    world = Interface("odd0", addresses=(IPv4Interface("10.1.3.1/0"),))
    assert DeskWay.find("10.1.3.7", interfaces=[down, world]).why_not
    assert "own address" in DeskWay.find("10.1.2.3", interfaces=[LAN]).why_not
    assert "no IPv4" in DeskWay.find("fe80::1", interfaces=[LAN]).why_not
    assert sent == []


def test_beside_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_way, "_towards", lambda _ip: "10.1.2.3")
    way = DeskWay.find("10.1.2.77", interfaces=[LO, LAN])
    assert (way.why_not, way.interface, way.host_ip, way.source) == ("", "eth0", "10.1.2.3", None)
    assert str(way.network) == "10.1.2.0/24"
    # A VPN that takes the traffic.
    monkeypatch.setattr(desk_way, "_towards", lambda _ip: "10.200.0.2")
    assert "from 10.200.0.2" in DeskWay.find("10.1.2.77", interfaces=[LO, LAN]).why_not
    monkeypatch.setattr(desk_way, "_towards", lambda _ip: "192.0.2.1")
    assert DeskWay.find(EMULATED, interfaces=[LO, TAP]).host_ip == "192.0.2.1"


def test_a_way_that_the_user_names() -> None:
    way = DeskWay.find("10.9.9.9", host_ip="10.1.2.3", interfaces=[LO, LAN])
    assert (way.why_not, way.interface, way.source) == ("", "eth0", ("10.1.2.3", 0))
    with pytest.raises(WireUnavailable, match="eth0 has no address in the network"):
        _ = Desk(cast(Keeper, None), way).wires
    two = Interface("eth0", addresses=(*LAN.addresses, IPv4Interface("10.9.9.1/24")))
    assert DeskWay.find("10.9.9.9", interface="eth0", interfaces=[two]).host_ip == "10.9.9.1"
    for named in ({"host_ip": "10.1.2.4"}, {"interface": "eth7"}):
        with pytest.raises(UsageError, match=r"it has 10\.1\.2\.3 \(eth0\)"):
            DeskWay.find("10.9.9.9", interfaces=[LAN], **cast(Any, named))


def test_this_machine_has_loopback() -> None:
    (lo,) = (one for one in listed() if one.kind == "loopback")
    assert lo.up and IPv4Interface("127.0.0.1/8") in lo.addresses


def test_no_raw_peer_on_a_router(tmp_path: Path) -> None:
    (tmp_path / "eth0").mkdir()
    (tmp_path / "eth0/forwarding").write_text("0\n")
    need_no_forwarding("eth0", tmp_path)
    (tmp_path / "eth0/forwarding").write_text("1\n")
    with pytest.raises(WireUnavailable, match=r"sysctl -w net\.ipv4\.conf\.eth0\.forwarding=0"):
        need_no_forwarding("eth0", tmp_path)
    need_no_forwarding("eth1", tmp_path)
