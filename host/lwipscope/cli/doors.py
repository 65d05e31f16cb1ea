"""The gates that `run` and `start` open between the board and any terminal of this machine.

`nc 127.0.0.1 6666` reaches the board's server on 6666; a board that connects to 192.0.2.1:6666
reaches `nc -l -p 6666`. Both want port 6666 of this machine, so `run` opens the first kind only
when the trace says that the board listens: until then the port is free for `nc -l`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from lwipscope.errors import LwipscopeError
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Transition

DEFAULT_PORT = 6666


def add_port_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Which ports, and for what."""
    parser.add_argument(
        "--port",
        type=_port,
        action="append",
        metavar="N",
        help=f"{what}; repeat for more [{DEFAULT_PORT}]",
    )


class Doors:
    """Opens gates and tells how to use them. The gates end with the network."""

    def __init__(self, network: Network, tell: Callable[[str], None]) -> None:
        self._network = network
        self._tell = tell
        self._open: set[int] = set()

    def to_terminals(self, ports: list[int] | None) -> None:
        """Let the board's clients reach these ports of this machine."""
        for port in dict.fromkeys(ports or [DEFAULT_PORT]):
            self._network.dial_out(port, port)
            self._tell(f"the board's clients:  {HOST_IP}:{port} leads to  nc -l -p {port}")

    def to_board(self, ports: list[int] | None) -> None:
        """Make these ports of the board reachable."""
        for port in dict.fromkeys(ports or [DEFAULT_PORT]):
            self._to_board(port)

    def event(self, event: Event, _at_s: float) -> None:
        """A watcher of the trace: a port on which the board listens becomes reachable."""
        if isinstance(event, Transition) and event.after is State.LISTEN and event.local:
            try:
                self._to_board(event.local.port)
            except LwipscopeError as error:
                self._tell(f"no way to the board's port {event.local.port}: {error}")

    def _to_board(self, port: int) -> None:
        if port in self._open or port == 0:
            return
        self._open.add(port)
        gate = self._network.serve(port, port)
        why = "" if gate.port == port else f"  ({port} is taken on this machine)"
        self._tell(f"the board's port {port}:  nc 127.0.0.1 {gate.port}{why}")


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port (1 to 65535)")
    return number
