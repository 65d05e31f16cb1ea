"""Leases between two real processes: who holds what, waiting, and a holder that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import cast

import pytest

from lwipscope import leases
from lwipscope.errors import WireUnavailable
from lwipscope.leases import Lease, Leased
from lwipscope.scenario import listening_ports
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.listening_ports import ListeningPorts, why_taken
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper
from lwipscope.wire.spare_wires import SpareWires

HOLD = """
import socket, sys
from lwipscope import leases
from lwipscope.scenario.listening_ports import ListeningPorts
from lwipscope.wire.spare_wires import SpareWires
{}
print("has it", flush=True)
sys.stdin.readline()
if "made" in globals():
    made.close()
"""


class Other:
    """Another process that has done something and waits; `said` is what it printed."""

    def __init__(self, does: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD.format(does)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTEST_XDIST_WORKER": "gw7"},
        )
        assert self.process.stdout is not None
        self.pid = self.process.pid
        self.said: list[str] = []
        while (line := self.process.stdout.readline()) != "has it\n":
            assert line, f"it ended: {self.said}"
            self.said.append(line)

    def tell_to_end(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):
            self.process.stdin.write("go\n")
            self.process.stdin.close()

    def end(self) -> None:
        self.tell_to_end()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


Holding = Callable[[str], Other]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def other() -> Iterator[Holding]:
    made: list[Other] = []

    def start(does: str) -> Other:
        made.append(Other(does))
        return made[-1]

    yield start
    for process in made:
        process.end()


def test_the_holder_is_told_and_its_end_frees_it(other: Holding, tmp_path: Path) -> None:
    process = other("lease = leases.Lease('thing', 'one')")
    with pytest.raises(Leased, match=rf"one is in use by .*gw7 \(process {process.pid}, since"):
        Lease("thing", "one")
    held = leases.holder("thing", "one")
    assert held is not None and held.pid == process.pid
    Lease("thing", "two").close()
    Lease("other", "one").close()
    process.end()
    Lease("thing", "one").close()
    # What a holder that closed nothing left behind is taken over, and goes with the next one.
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_holds_nothing(other: Holding, tmp_path: Path) -> None:
    process = other("lease = leases.Lease('thing', 'one')")
    os.kill(process.pid, signal.SIGKILL)
    process.process.wait(10)
    assert len(list(tmp_path.iterdir())) == 1
    assert leases.holder("thing", "one") is None
    with Lease("thing", "one"):
        held = leases.holder("thing", "one")
        assert held is not None and held.pid == os.getpid()


def test_two_workers_listen_on_different_ports(
    other: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = other("made = ListeningPorts('')\nmade.lease(5555)\nprint(made.lease())")
    theirs = int(process.said[0])
    monkeypatch.setattr(listening_ports, "WAIT_S", 0.1)
    # This process begins its search where the other one did.
    monkeypatch.setattr(os, "getpid", lambda: process.pid)
    ours = ListeningPorts("")
    try:
        assert ours.lease() == theirs + 1
        with pytest.raises(Leased, match=r"port 5555 is in use by .*gw7.*waited 0.1 s"):
            ours.lease(5555)
        monkeypatch.setattr(listening_ports, "WAIT_S", 10.0)
        process.tell_to_end()
        assert ours.lease(5555) == 5555, "it is waited for"
        assert ours.lease(5555) == 5555, "one test may use it again"
    finally:
        ours.close()


def test_a_port_that_somebody_listens_on_is_not_given() -> None:
    number, lease = leases.any_port("")
    lease.close()
    with socket.create_server(("127.0.0.1", number)):
        found, lease = leases.any_port("", "127.0.0.1")
    lease.close()
    assert found > number


def test_a_desk_waits_for_the_port_of_another_run(
    other: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel socket on loopback; the other run has the lease and listens."""
    number, lease = leases.any_port(leases.network_id())
    lease.close()
    process = other(
        "from ipaddress import IPv4Interface\n"
        "from lwipscope.scenario.desk_network import Desk, DeskNetwork\n"
        "from lwipscope.scenario.desk_way import DeskWay\n"
        "way = DeskWay('127.0.0.2', 'lo', IPv4Interface('127.0.0.1/8'))\n"
        f"made = DeskNetwork(Desk(None, way))\nmade.listen({number})"
    )
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", number))
    way = DeskWay("127.0.0.2", "lo", IPv4Interface("127.0.0.1/8"))
    with DeskNetwork(Desk(cast(Keeper, None), way)) as network:
        monkeypatch.setattr(listening_ports, "WAIT_S", 0.1)
        with pytest.raises(Leased, match=rf"port {number} is in use by .*gw7.*waited 0.1 s"):
            network.listen(number)
        assert "gw7" in why_taken("127.0.0.1", number)
        monkeypatch.setattr(listening_ports, "WAIT_S", 10.0)
        process.tell_to_end()
        assert why_taken("127.0.0.1", number) == ""
        assert network.listen(number).address == ("127.0.0.1", number)
        assert leases.holder("port", f"{number}-{leases.network_id()}") is not None
    assert leases.holder("port", f"{number}-{leases.network_id()}") is None
    with socket.create_server(("127.0.0.1", number)):
        assert "is taken: end what listens there" in why_taken("127.0.0.1", number)


@pytest.fixture(scope="module")
def link() -> Iterator[Keeper]:
    """A namespace with an interface of which nobody is at the other end."""
    if shutil.which("ip") is None:
        pytest.skip("no ip on this machine")
    with Keeper.start("auto", tap=None) as keeper:
        if not keeper.has_namespace:
            pytest.skip(f"no namespace: {'; '.join(keeper.notes)}")
        for command in (
            "link add lwa type veth peer name lwb",
            "addr add 192.0.2.1/24 dev lwa",
            "link set lwa up",
            "link set lwb up",
        ):
            with keeper.spawn(["ip", *command.split()], stdout=PIPE, stderr=STDOUT) as process:
                said = process.read(4096, 10.0)
                if process.wait(10.0) != 0:
                    pytest.skip(f"no veth pair: {said!r}")
        yield keeper


def test_two_workers_take_different_raw_addresses(
    link: Keeper,
) -> None:
    """Both ask for the address of the scenarios' raw peer, on one interface."""
    place = ("lwa", IPv4Network("192.0.2.0/24"), "192.0.2.10")
    does = HOLD.format(
        "from ipaddress import IPv4Network\n"
        f"made = SpareWires('lwa', {place[1]!r}, '192.0.2.10', socket.socket)\n"
        "print(made.instead_of('10.9.9.9').ip, flush=True)"
    )
    environment = {**os.environ, "PYTEST_XDIST_WORKER": "gw7"}
    argv = [sys.executable, "-c", does]
    with (
        link.spawn(argv, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=environment) as process,
        SpareWires(*place, link.socket) as wires,
    ):
        said = b""
        while not said.endswith(b"has it\n"):
            more = process.read(4096, 10.0)
            assert more, said
            said += more
        theirs = said.split()[0].decode()
        assert theirs == "192.0.2.254"
        assert wires.instead_of("10.9.9.9").ip == "192.0.2.253"
        with pytest.raises(WireUnavailable, match=rf"address {theirs} is in use by .*gw7"):
            wires.at(theirs)
        process.write(b"go\n", 10.0)
        assert process.wait(10.0) == 0
        assert wires.at(theirs).ip == theirs, "its end gives it back"
