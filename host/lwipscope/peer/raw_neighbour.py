"""ARP for one address: answers who asks for it, and finds out who has another (RFC 826).

Used by `RawPeer`, which holds its lock around every call. A probe (RFC 5227: sender 0.0.0.0) is
answered but teaches nothing. No retry here: the caller asks again while it waits.
"""

from __future__ import annotations

from collections.abc import Callable

from lwipscope.wire.packet import (
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    Arp,
    build_arp,
)

_NOBODY = "0.0.0.0"


class Neighbours:
    """The MACs of whoever was heard, and the answers for `ip`."""

    def __init__(self, ip: str, mac: bytes, send: Callable[[bytes], None]) -> None:
        self._ip = ip
        self._mac = mac
        self._send = send
        self._macs: dict[str, bytes] = {}

    def mac_of(self, ip: str) -> bytes | None:
        """None if it has not been heard yet."""
        return self._macs.get(ip)

    def learn(self, ip: str, mac: bytes) -> None:
        """A frame came from there."""
        self._macs[ip] = mac

    def ask(self, ip: str) -> None:
        """Who has `ip`?"""
        request = Arp(ARP_REQUEST, self._mac, self._ip, bytes(6), ip)
        self._send(build_arp(request, src_mac=self._mac, dst_mac=BROADCAST_MAC))

    def receive(self, arp: Arp) -> None:
        """Learn the sender; answer if it is us who is wanted."""
        if arp.sender_ip != _NOBODY:
            self._macs[arp.sender_ip] = arp.sender_mac
        if arp.op == ARP_REQUEST and arp.target_ip == self._ip:
            answer = Arp(ARP_REPLY, self._mac, self._ip, arp.sender_mac, arp.sender_ip)
            self._send(build_arp(answer, src_mac=self._mac, dst_mac=arp.sender_mac))
