"""The other end's network: the kernel's TCP behind a TAP, or our own TCP where there is no TAP.

Scenarios ask for peers here and don't care which of the two it is. With the TAP, `nc` and kernel
sockets live in the private namespace and speak with the board themselves. Without it they speak
with the gate on loopback, and the gate's board side is our own well-behaved endpoint: then it is
that TCP which the board sees, and `whose_tcp` says so in every report.

Both have clocks of their own, the kernel's and the host's, so with the board's manual clock they
are refused (DESIGN D7): their retransmissions would come whenever the machine likes, and a run
would not be the same twice. The raw peer has none. Timeouts in seconds of host time.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property

from lwipscope.board.command_port import ClockMode
from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.peer.dialer import EndpointAcceptor, EndpointDialer, KernelDialer
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.gate import Gate
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.peer.nc import Netcat, Variant, find_nc
from lwipscope.peer.raw import RAW_IP, RawPeer
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.switch import Switch

HOST_IP = "192.0.2.1"
LOOPBACK = "127.0.0.1"
_FIRST_LISTENING = 40001


class Network:
    """Peers for one board, made on demand, ended by close()."""

    def __init__(
        self,
        keeper: Keeper,
        switch: Switch,
        board_ip: str,
        clock: Callable[[], ClockMode] | None = None,
    ) -> None:
        """`clock` tells whose the board's time is at that moment: `board.port.clock_mode`. Without
        it the network can't know, and refuses nobody."""
        self._keeper = keeper
        self._clock = clock
        self._board_ip = board_ip
        self._switch = switch
        self._stack = ExitStack()
        self._endpoint: Endpoint | None = None
        self._raw_peers = 0
        self._listening = itertools.count(_FIRST_LISTENING)
        if keeper.tap is None:
            self._endpoint = self._stack.enter_context(Endpoint(switch, ip=HOST_IP))

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every peer and gate. Idempotent."""
        self._stack.close()

    @cached_property
    def _nc(self) -> tuple[str, Variant] | None:
        # Asking costs a process, which most tests don't need.
        return find_nc()

    @property
    def has_tap(self) -> bool:
        """True if the board speaks with the kernel's TCP."""
        return self._endpoint is None

    @property
    def whose_tcp(self) -> str:
        """Whose TCP the board speaks with, for reports."""
        if self.has_tap:
            return "the Linux kernel's TCP, behind a TAP"
        return "lwipscope's own TCP endpoint; peers reach it through the gate (no TAP here)"

    @property
    def nc_there(self) -> bool:
        """True if this machine has OpenBSD's nc, whose flags the exchanges use."""
        return self._nc is not None and self._nc[1] is Variant.OPENBSD

    def nc_connect(self, port: int, *args: str) -> Netcat:
        """`nc ARGS BOARD PORT`."""
        self._refuse_manual("nc")
        if self.has_tap:
            made = Netcat.connect(self._keeper, self._board_ip, port, args=args, nc=self._nc)
        else:
            gate = self.serve(port, 0)
            made = Netcat.connect(
                self._keeper, LOOPBACK, gate.port, args=args, nc=self._nc, in_namespace=False
            )
        return self._stack.enter_context(made)

    def nc_listen(self, port: int, *args: str) -> Netcat:
        """`nc ARGS -l -p PORT`, where the board reaches it at 192.0.2.1:PORT."""
        self._refuse_manual("nc")
        if self.has_tap:
            made = Netcat.listen(self._keeper, port, args=args, nc=self._nc)
        else:
            near = free_port()
            made = Netcat.listen(self._keeper, near, args=args, nc=self._nc, in_namespace=False)
            self.dial_out(port, near)
        return self._stack.enter_context(made)

    def connect(self, port: int, timeout_s: float = 5.0) -> KernelPeer:
        """A kernel socket connected to the board's port."""
        self._refuse_manual("a kernel socket")
        if self.has_tap:
            made = KernelPeer.connect(
                self._keeper.socket, (self._board_ip, port), timeout_s=timeout_s
            )
        else:
            gate = self.serve(port, 0)
            made = KernelPeer.connect(socket.socket, (LOOPBACK, gate.port), timeout_s=timeout_s)
        return self._stack.enter_context(made)

    def listen(self, port: int) -> KernelListener:
        """A kernel socket that listens where the board reaches it at 192.0.2.1:PORT."""
        self._refuse_manual("a kernel socket")
        if self.has_tap:
            made = KernelListener(self._keeper.socket, (HOST_IP, port))
        else:
            made = KernelListener(socket.socket, (LOOPBACK, 0))
            self.dial_out(port, made.address[1])
        return self._stack.enter_context(made)

    def listening_port(self, wanted: int = 0) -> int:
        """Where a peer may listen: that port, or one that is free if it is 0."""
        return wanted or next(self._listening)

    def raw(self, ip: str = RAW_IP, name: str = "raw") -> RawPeer:
        """A peer that sends what it is told, at an address of its own. The first one of a network
        always takes the same initial sequence numbers, so does the second one, and so on."""
        self._raw_peers += 1
        made = RawPeer(self._switch, ip=ip, name=name, seed=self._raw_peers)
        return self._stack.enter_context(made)

    def serve(
        self,
        board_port: int,
        loopback_port: int,
        *,
        exact: bool = False,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> Gate:
        """Make the board's port reachable at 127.0.0.1:`loopback_port` (0: any)."""
        self._refuse_manual("a gate")
        place = (self._board_ip, board_port)
        dialer = (
            KernelDialer(self._keeper.socket, place)
            if self._endpoint is None
            else EndpointDialer(self._endpoint, place)
        )
        gate = Gate.serve(dialer, loopback_port, exact=exact, on_event=on_event)
        return self._stack.enter_context(gate)

    def dial_out(
        self,
        board_side_port: int,
        loopback_port: int,
        *,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> Gate:
        """What the board sends to 192.0.2.1:`board_side_port` goes to 127.0.0.1:`loopback_port`."""
        self._refuse_manual("a gate")
        place = (HOST_IP, board_side_port)
        acceptor = (
            KernelListener(self._keeper.socket, place)
            if self._endpoint is None
            else EndpointAcceptor(self._endpoint.listen(board_side_port), place)
        )
        gate = Gate.dial_out(acceptor, loopback_port, on_event=on_event)
        return self._stack.enter_context(gate)

    def _refuse_manual(self, peer: str) -> None:
        if self._clock is not None and self._clock() == "manual":
            raise UsageError(
                f"{peer} can't be the other end now: expected the board's clock to run, but it is "
                "manual (hello says time=manual), and that peer's clock would go on by itself. "
                "Take the raw peer, which has no clock (Network.raw), or let the board's time run: "
                'board.port.clock("running"), `lwipscope clock PORT running`'
            )


def free_port() -> int:
    """A port on loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


__all__ = ["HOST_IP", "LOOPBACK", "Network", "WireUnavailable", "free_port"]
