"""Whether an address of a real network is spare: nobody answers for it (RFC 5227 2.1.1).

Used by `PacketWire.open`. The probes name no sender address, so that nobody learns anything from
them. RFC 5227 waits 1 to 2 s after each; a bench needs less. Times in seconds.
"""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import suppress

from lwipscope.wire.layers import ARP_REQUEST, BROADCAST_MAC, Arp, mac_text
from lwipscope.wire.packet import build_arp, parse_frame
from lwipscope.wire.packet_line import MakeSocket, read_frame

_NOBODY = "0.0.0.0"


def owner_of(
    line: socket.socket, ip: str, make_socket: MakeSocket, probes: int, wait_s: float
) -> str | None:
    """Who has `ip`, or None: asks as RFC 5227 2.1.1 does, which nobody learns from."""
    with suppress(OSError), make_socket(socket.AF_INET, socket.SOCK_DGRAM, 0) as local:
        local.bind((ip, 0))  # only the machine's own addresses can be bound
        return "this machine"
    mac = bytes(line.getsockname()[4])
    probe = build_arp(
        Arp(ARP_REQUEST, mac, _NOBODY, bytes(6), ip), src_mac=mac, dst_mac=BROADCAST_MAC
    )
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        for _ in range(probes):
            line.send(probe)
            end_s = time.monotonic() + wait_s
            while (left_s := end_s - time.monotonic()) > 0:
                if not selector.select(left_s):
                    continue
                arp = parse_frame(read_frame(line)).arp
                if arp is None or arp.sender_mac == mac:
                    continue
                # Its user, or another host that is probing for it at this moment.
                if ip == (arp.target_ip if arp.sender_ip == _NOBODY else arp.sender_ip):
                    return mac_text(arp.sender_mac)
    return None
