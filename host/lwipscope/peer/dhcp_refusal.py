"""A DHCP server that offers an address and then refuses it (DHCPNAK), once.

Who asks has to give up the address it has. Called by the scenarios of a lost address; it attaches
to the wire like any other peer and answers on the wire's thread. Sources: RFC 2131 sections 2, 3.2
and 4.3.2; RFC 2132 (options 53 and 54).
"""

from __future__ import annotations

import struct
from types import TracebackType

from lwipscope.wire.layers import BROADCAST_MAC, ip_bytes
from lwipscope.wire.packet import parse_frame
from lwipscope.wire.station import Wire

SERVER_IP = "192.0.2.103"
SERVER_MAC = bytes.fromhex("026c77000067")
_OFFERED = "192.0.2.50"
_COOKIE = bytes.fromhex("63825363")
_DISCOVER, _OFFER, _REQUEST, _NAK = 1, 2, 3, 6
_OPTIONS_AT = 240
_LEAST = 300  # bytes of a BOOTP message (RFC 1542 2.1)


class DhcpRefusal:
    """`refused` is True once the refusal has been sent; from then on nothing is answered."""

    def __init__(self, wire: Wire) -> None:
        self.refused = False
        self._port = wire.attach(SERVER_MAC, self._receive, name="dhcp")

    def close(self) -> None:
        """Leave the wire. Idempotent."""
        self._port.close()

    def __enter__(self) -> DhcpRefusal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self, frame: bytes) -> None:
        udp = parse_frame(frame).udp
        if udp is None or udp.dport != 67 or self.refused:
            return
        kind = {_DISCOVER: _OFFER, _REQUEST: _NAK}.get(_message_type(udp.payload))
        if kind is not None:
            self._port.send(_answer(udp.payload, kind))
            self.refused = kind == _NAK


def _message_type(message: bytes) -> int:
    """Option 53; 0 if it is no DHCP message."""
    if message[236:_OPTIONS_AT] != _COOKIE:
        return 0
    at = _OPTIONS_AT
    while at + 2 < len(message) and message[at] != 255:
        if message[at] == 53:
            return message[at + 2]
        at += 1 if message[at] == 0 else 2 + message[at + 1]
    return 0


def _answer(request: bytes, kind: int) -> bytes:
    """The frame that answers: the request's transaction and hardware address, and two options."""
    server = ip_bytes(SERVER_IP)
    offered = ip_bytes(_OFFERED) if kind == _OFFER else bytes(4)
    message = b"\x02" + request[1:12] + bytes(4) + offered + server + bytes(4) + request[28:44]
    options = bytes((53, 1, kind, 54, 4)) + server + b"\xff"
    message = (message + bytes(192) + _COOKIE + options).ljust(_LEAST, b"\0")
    udp = struct.pack("!HHHH", 67, 68, 8 + len(message), 0) + message
    words = (0x4500, 20 + len(udp), 1, 0, 64 << 8 | 17, 0, *struct.unpack("!HH", server))
    ip = struct.pack("!10H", *words[:5], _checksum(words), *words[6:], 0xFFFF, 0xFFFF)
    return BROADCAST_MAC + SERVER_MAC + b"\x08\x00" + ip + udp


def _checksum(words: tuple[int, ...]) -> int:
    """Of the header of a broadcast (RFC 1071); its address is 0xffffffff, that is 0."""
    return 0xFFFF - sum(words) % 0xFFFF
