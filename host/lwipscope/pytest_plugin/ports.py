"""Ports of this machine that one test listens on.

Beside an emulated board each worker has a network of its own. A real board's other end is this
machine itself: there a port is leased, so that the tests of two workers don't get the same one.
"""

from __future__ import annotations

from lwipscope import leases
from lwipscope.leases import Lease

WAIT_S = 30.0
_FIRST = 40000


class ListeningPorts:
    """Those of one test, until `close`."""

    def __init__(self, ip: str, shared: bool) -> None:
        """`shared`: other processes listen at `ip`, too."""
        self._ip = ip
        self._shared = shared
        self._leases: dict[int, Lease] = {}
        self._next = _FIRST

    def lease(self, wanted: int = 0) -> int:
        """That port, or any if it is 0. Leased if another test has it for longer than WAIT_S."""
        if not self._shared:
            self._next += 0 if wanted else 1
            return wanted or self._next
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
