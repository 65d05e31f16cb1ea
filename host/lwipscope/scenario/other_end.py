"""Whether the other end still has a connection: by the kernel's table, or the raw peer itself.

The board can't know: a peer that vanished sends nothing, and MicroPython's lwIP sockets send no
keepalives. The harness made the peers, so it does. Source of the table's format: proc(5),
/proc/net/tcp, whose addresses are in host byte order.
"""

from __future__ import annotations

from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.network import HOST_IP
from lwipscope.trace.event import Endpoint
from lwipscope.wire.keeper import Keeper

# CLOSE and TIME_WAIT: the kernel would answer, but no application is there any more.
_GONE = ("07", "06")


class OtherEnd:
    """The peers of one test."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._raw: dict[str, RawPeer] = {}

    def add(self, peer: RawPeer) -> None:
        """A raw peer of this test."""
        self._raw[peer.ip] = peer

    def has(self, remote: Endpoint) -> bool | None:
        """Whether somebody is at that end of a connection; None where that can't be known."""
        if remote.ip in self._raw:
            return self._raw[remote.ip].is_there
        if remote.ip != HOST_IP or self._keeper.tap is None:
            return None
        return has_row(self._keeper.proc_net("tcp"), remote)


def has_row(table: str, end: Endpoint) -> bool:
    """Whether /proc/net/tcp has a live socket at this end."""
    octets = [int(part) for part in end.ip.split(".")]
    wanted = "".join(f"{octet:02X}" for octet in reversed(octets)) + f":{end.port:04X}"
    rows = (line.split() for line in table.splitlines()[1:])
    return any(row[1] == wanted and row[3] not in _GONE for row in rows)
