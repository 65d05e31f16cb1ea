"""The DHCP server that refuses: what it answers, byte by byte, and when it is silent."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from lwipscope.peer.dhcp_refusal import SERVER_MAC, DhcpRefusal
from lwipscope.wire.packet import BROADCAST_MAC, parse_frame

BOARD_MAC = bytes.fromhex("026c7700000a")
XID = bytes.fromhex("deadbeef")
COOKIE = bytes.fromhex("63825363")
DISCOVER, OFFER, REQUEST, NAK = 1, 2, 3, 6


class FakePort:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = 0

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed += 1


class FakeWire:
    """Hands frames to the one peer, and keeps what it sends."""

    def __init__(self) -> None:
        self.port = FakePort()

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> FakePort:
        assert (mac, name) == (SERVER_MAC, "dhcp")
        self.receive = receive
        return self.port

    def ask(self, kind: int, *, cookie: bytes = COOKIE, port: int = 67) -> None:
        message = b"\x01\x01\x06\x00" + XID + bytes(20) + BOARD_MAC + bytes(10 + 192) + cookie
        message += bytes((12, 1, 65, 0, 53, 1, kind, 255))
        udp = struct.pack("!HHHH", 68, port, 8 + len(message), 0) + message
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        total = sum(struct.unpack("!8H", head[:10] + b"\0\0" + b"\xff" * 4))
        checksum = struct.pack("!H", 0xFFFF - total % 0xFFFF)
        ip = head[:10] + checksum + bytes(4) + b"\xff" * 4
        self.receive(BROADCAST_MAC + BOARD_MAC + b"\x08\x00" + ip + udp)


@pytest.fixture
def wire() -> FakeWire:
    return FakeWire()


def test_offers_and_then_refuses_once(wire: FakeWire) -> None:
    with DhcpRefusal(wire) as server:
        wire.ask(DISCOVER)
        assert not server.refused
        wire.ask(REQUEST)
        assert server.refused
        wire.ask(DISCOVER)
        wire.ask(REQUEST)
    assert wire.port.closed == 1
    assert len(wire.port.sent) == 2
    for frame, kind, offered in zip(
        wire.port.sent, (OFFER, NAK), (b"\xc0\x00\x02\x32", bytes(4)), strict=True
    ):
        assert frame[:12] == BROADCAST_MAC + SERVER_MAC
        udp = parse_frame(frame).udp
        assert udp is not None, parse_frame(frame).problem
        assert (udp.sport, udp.dport) == (67, 68)
        message = udp.payload
        assert len(message) == 300
        assert (message[0], message[4:8], message[28:34]) == (2, XID, BOARD_MAC)
        assert message[16:20] == offered
        assert message[236:243] == COOKIE + bytes((53, 1, kind))


def test_other_traffic_is_not_answered(wire: FakeWire) -> None:
    with DhcpRefusal(wire):
        wire.ask(DISCOVER, cookie=bytes(4))
        wire.ask(DISCOVER, port=68)
        wire.ask(7)
        wire.receive(b"")
        wire.receive(BROADCAST_MAC + BOARD_MAC + b"\x08\x06" + bytes(28))
    assert wire.port.sent == []
