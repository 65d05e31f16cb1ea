"""The other end of a board with a network of its own: this machine, on the same network.

Same peers as `Network`: the kernel's TCP, nc, and raw peers through a packet socket, at spare
addresses. Nothing is sent unless `DeskWay` knows that the board's network is beside this machine.
A board can only be sent to this machine if its address is the one that scenarios use; `why_not`
says so.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network

from lwipscope.board.board import Board
from lwipscope.errors import LwipscopeError, WireUnavailable
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.peer.nc import Netcat, find_nc
from lwipscope.peer.raw import RAW_IP, RawPeer
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.exchanges import PORT
from lwipscope.scenario.listening_ports import ListeningPorts, why_taken
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.scenario.scenario import Scenario
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.onlooker import Onlooker
from lwipscope.wire.packet_line import MakeSocket
from lwipscope.wire.spare_wires import SpareWires

_REACH_PORT = 6667
_REACH_S = 3.0
_SCENARIOS_NETWORK = IPv4Network("192.0.2.0/24")


class Desk:
    """What stays the same for all tests of a run: the way to the board, wires beside it, and who
    looks on."""

    def __init__(
        self, keeper: Keeper, way: DeskWay, make_socket: MakeSocket = socket.socket
    ) -> None:
        self.keeper = keeper
        self.way = way
        self._make_socket = make_socket
        self._wires: SpareWires | None = None
        self._onlooker: Onlooker | None = None
        self._why_blind = way.why_not

    @property
    def wires(self) -> SpareWires:
        """Where raw peers can be; WireUnavailable if there is no such place."""
        if self._wires is None:
            if self.way.why_not:
                raise WireUnavailable(self.way.why_not)
            if self.way.network is None:
                raise WireUnavailable(
                    f"no raw peer: {self.way.interface} has no address in the network of the board "
                    f"at {self.way.board_ip}, where the peer would be"
                )
            self._wires = SpareWires(
                self.way.interface, self.way.network, self.way.board_ip, self._make_socket
            )
        return self._wires

    @property
    def onlooker(self) -> Onlooker:
        """Who sees what the board sends and gets; WireUnavailable if this machine can't look."""
        if self._onlooker is None and not self._why_blind:
            try:
                self._onlooker = Onlooker.open(
                    self.way.interface, self.way.board_ip, self._make_socket
                )
            except LwipscopeError as error:
                self._why_blind = str(error)
        if self._onlooker is None:
            raise WireUnavailable(self._why_blind)
        return self._onlooker

    @property
    def why_blind(self) -> str:
        """Why no frames are seen, by really trying; empty if they are."""
        try:
            self.onlooker.catch_up()
        except LwipscopeError as error:
            return str(error)
        return ""

    def why_no_raw(self) -> str:
        """By really opening the wire that most scenarios use; empty if there is one."""
        try:
            self.wires.instead_of(RAW_IP)
        except LwipscopeError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Idempotent."""
        if self._wires is not None:
            self._wires.close()
        if self._onlooker is not None:
            self._onlooker.close()
            self._onlooker, self._why_blind = None, "the desk is closed"


class DeskNetwork(Network):
    """Peers of this machine; made on demand, ended by close()."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._way = desk.way
        self._keeper = desk.keeper
        self._board_ip = desk.way.board_ip
        self._clock = None
        self._stack = ExitStack()
        self._endpoint = None
        self._raw_peers = 0
        self._nc = find_nc()
        self.host_ip = desk.way.host_ip
        # Given back after the peers have ended: entered before them.
        self._ports = ListeningPorts(self.host_ip)
        self._stack.callback(self._ports.close)

    @property
    def whose_tcp(self) -> str:
        return f"this machine's own TCP, at {self.host_ip or 'no address towards the board'}"

    def nc_connect(self, port: int, *args: str) -> Netcat:
        self._need_way()
        if self._way.named:
            args = ("-s", self.host_ip, *args)
        made = Netcat.connect(
            self._keeper, self._board_ip, port, args=args, nc=self._nc, in_namespace=False
        )
        return self._stack.enter_context(made)

    def nc_listen(self, port: int, *args: str) -> Netcat:
        self._need_way()
        self._ports.lease(port)
        made = Netcat.listen(self._keeper, port, args=args, nc=self._nc, in_namespace=False)
        return self._stack.enter_context(made)

    def connect(self, port: int, timeout_s: float = 5.0) -> KernelPeer:
        self._need_way()
        made = KernelPeer.connect(
            socket.socket,
            (self._board_ip, port),
            source=self._way.source,
            timeout_s=timeout_s,
        )
        return self._stack.enter_context(made)

    def listen(self, port: int) -> KernelListener:
        self._need_way()
        self._ports.lease(port)
        return self._stack.enter_context(KernelListener(socket.socket, (self.host_ip, port)))

    def listening_port(self, wanted: int = 0) -> int:
        """Leased: other runs on this machine would like to listen there, too. One that another of
        them has is waited for."""
        self._need_way()
        return self._ports.lease(wanted)

    def raw(self, ip: str = RAW_IP, name: str = "raw") -> RawPeer:
        """At `ip`; at a spare address instead if that is one of the scenarios' and the board's
        network is another. It has the MAC of the interface."""
        self._need_way()
        wires = self._desk.wires
        wire = wires.instead_of(ip) if IPv4Address(ip) in _SCENARIOS_NETWORK else wires.at(ip)
        self._raw_peers += 1
        made = RawPeer(wire, ip=wire.ip, mac=wire.mac, name=name, seed=self._raw_peers)
        return self._stack.enter_context(made)

    def why_not(self, scenario: Scenario, clock: bool) -> str:
        """Why a scenario can't be played here; empty if it can. Raw peers: `Desk.why_no_raw`."""
        calls_kernel = scenario.expected.role == "client" and "raw" not in scenario.needs
        if "switch" in scenario.needs:
            return "needs the board's wire in the host, as emulated boards have it"
        if "power" in scenario.needs:
            # Resets over a prompt end the program first, and its sockets say goodbye.
            return "needs a reset without warning, as emulated boards have it"
        if "clock" in scenario.needs and not clock:
            return "needs board time that can be moved"
        if "nc" in scenario.needs and not self.nc_there:
            return "needs OpenBSD's nc"
        if self._way.why_not:
            return self._way.why_not
        if calls_kernel and self.host_ip != HOST_IP:
            return f"the board connects to {HOST_IP}, and this machine is {self.host_ip} to it"
        if scenario.firmware != "usual":
            return "needs firmware with defects left in"
        return why_taken(self.host_ip, PORT) if calls_kernel else ""

    def reaches(self, board: Board) -> str:
        """Why this machine doesn't reach the board; empty if it does. Takes the board's agent.
        Sends nothing unless the board's network is beside this machine, or the way was named."""
        if self._way.why_not:
            return self._way.why_not
        board.agent.start()
        try:
            listener = board.agent.socket()
            listener.bind(_REACH_PORT)
            listener.listen()
            try:
                self.connect(_REACH_PORT, _REACH_S).reset()
            except (OSError, LwipscopeError) as error:
                return (
                    f"this machine ({self.host_ip or 'no address there'}) does not reach the board "
                    f"at {self._board_ip}: {error}; run this where the board's network is"
                )
            return ""
        finally:
            board.agent.stop()

    def _need_way(self) -> None:
        if self._way.why_not:
            raise WireUnavailable(self._way.why_not)
