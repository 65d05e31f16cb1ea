"""The packet socket itself: opened silently behind its filter, read with whole checksums.

Used by `PacketWire` and by the search for a spare address. A sender in the same machine leaves the
TCP checksum to its card, so what arrives over a veth pair has none yet; the kernel says so in the
auxiliary data of each frame. Sources: packet(7), Linux if_packet.h, RFC 1071.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from lwipscope.errors import WireUnavailable
from lwipscope.wire.layers import PROTOCOL_TCP, PROTOCOL_UDP
from lwipscope.wire.packet_filter import attach

MakeSocket = Callable[[int, int, int], socket.socket]
"""Family, type, protocol; `Keeper.socket` makes them in its namespace."""

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_AUXDATA = struct.Struct("=IIIHHHH")
_CHECKSUM_NOT_READY = 1 << 3  # TP_STATUS_CSUMNOTREADY
_ARPHRD_ETHER = 1
_FRAME_MAX_BYTES = 65536 + 64


def open_line(interface: str, make_socket: MakeSocket) -> socket.socket:
    """A packet socket that receives nothing yet but what its filter lets in."""
    try:
        # Protocol 0: silent until it is bound, so that nothing gets in before the filter.
        line = make_socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        raise WireUnavailable(
            f"no packet socket on {interface}: {error.strerror}; it needs CAP_NET_RAW (run as root)"
        ) from error
    try:
        attach(line, [])
        line.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        line.setblocking(False)
        line.bind((interface, _ETH_P_ALL))
        hardware = line.getsockname()[3]
    except OSError as error:
        line.close()
        raise WireUnavailable(
            f"no interface {interface}: {error.strerror}; see `ip link`"
        ) from error
    if hardware != _ARPHRD_ETHER:
        line.close()
        raise WireUnavailable(f"{interface} is no Ethernet (hardware type {hardware})")
    return line


def read_frame(line: socket.socket) -> bytes:
    """One frame, with its checksum completed if the sender has left that to its card."""
    frame, extras, _, _ = line.recvmsg(_FRAME_MAX_BYTES, socket.CMSG_SPACE(_AUXDATA.size))
    for level, kind, data in extras:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
            (status, *_) = _AUXDATA.unpack_from(data)
            if status & _CHECKSUM_NOT_READY:
                return complete_checksum(frame)
    return frame


def complete_checksum(frame: bytes) -> bytes:
    """The frame with the true TCP or UDP checksum (RFC 1071), whatever stood there before."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 34:
        return frame
    start = 14 + ((frame[14] & 15) << 2)
    end = 14 + int.from_bytes(frame[16:18], "big")
    at = start + {PROTOCOL_TCP: 16, PROTOCOL_UDP: 6}.get(frame[23], 1 << 16)
    if not start < at + 2 <= end <= len(frame):
        return frame
    body = frame[start:at] + b"\0\0" + frame[at + 2 : end]
    total = int.from_bytes(frame[26:34] + body + bytes(len(body) & 1), "big")
    rest = 0xFFFF - (total + frame[23] + len(body)) % 0xFFFF
    return frame[:at] + rest.to_bytes(2, "big") + frame[at + 2 :]
