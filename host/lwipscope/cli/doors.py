"""The gates that `run` and `start` open: the board's ports, reachable from any terminal.

`nc 127.0.0.1 6666` reaches the board's server on 6666; a board that connects to 192.0.2.1:6666
reaches `nc -l -p 6666` in a terminal.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from lwipscope.peer.gate import Gate
from lwipscope.scenario.network import HOST_IP, Network

DEFAULT_PORT = 6666


def add_port_option(parser: argparse.ArgumentParser) -> None:
    """Which ports."""
    parser.add_argument(
        "--port",
        type=_port,
        action="append",
        metavar="N",
        help=f"a port of the board to make reachable, both ways; repeat for more ({DEFAULT_PORT})",
    )


def open_doors(
    network: Network, ports: list[int] | None, tell: Callable[[str], None]
) -> list[tuple[int, Gate]]:
    """Open a gate for each port in each direction and say how to use them."""
    gates = []
    for port in ports or [DEFAULT_PORT]:
        gate = network.serve(port, port, on_event=_nothing)
        tell(f"the board's port {port}:  nc 127.0.0.1 {gate.port}")
        if gate.port != port:
            tell(f"  ({port} is taken on this machine)")
        network.dial_out(port, port, on_event=_nothing)
        tell(f"the board connects to {HOST_IP}:{port}:  nc -l -p {port}  (start it before)")
        gates.append((port, gate))
    return gates


def _nothing(_text: str) -> None:
    """The trace tells more than the gate could."""


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port (1 to 65535)")
    return number
