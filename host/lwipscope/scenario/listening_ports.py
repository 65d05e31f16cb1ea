"""Ports of this machine on which peers of a board with a network of its own listen.

Such a board's other end is this machine itself, so that other runs beside it, or other workers of
pytest, would like to listen there, too. A port is leased (leases.py) as long as somebody here may
listen on it; one that another process has is waited for. Times in seconds. Used by `DeskNetwork`.
"""

from __future__ import annotations

from lwipscope import leases
from lwipscope.leases import Lease, Leased

WAIT_S = 30.0


class ListeningPorts:
    """Those of one network, until `close`."""

    def __init__(self, ip: str) -> None:
        """`ip`: where they listen."""
        self._ip = ip
        self._leases: dict[int, Lease] = {}

    def lease(self, wanted: int = 0) -> int:
        """That port, or any if it is 0. Leased if another process has it for longer than WAIT_S."""
        network = leases.network_id()
        if not wanted:
            wanted, lease = leases.any_port(network, self._ip)
            self._leases[wanted] = lease
        elif wanted not in self._leases:
            self._leases[wanted] = leases.port(wanted, network, WAIT_S)
        return wanted

    def close(self) -> None:
        """Give them back. Idempotent."""
        for lease in self._leases.values():
            lease.close()
        self._leases.clear()


def why_taken(ip: str, number: int) -> str:
    """Why nobody can listen there; empty if it can be done. Whoever of us has it is waited for, so
    what is in the way then is another program."""
    try:
        with leases.port(number, leases.network_id(), WAIT_S):
            if leases.is_free(ip, number):
                return ""
    except Leased as error:
        return str(error)
    return (
        f"port {number} of this machine, where the board connects to, is taken: end what listens "
        "there; if it is `lwipscope start`, give that one --port 7777"
    )
