"""DHCP: a small server on the wire hands out an address, and connections of the old one end.

Source: RFC 2131 section 2 (message), 4.3 (server); RFC 2132 (options).
"""

from __future__ import annotations

import dataclasses
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import inet_aton

from board.helpers import WAIT_S, Peer, closed_events, start, told, wait_output
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.trace.connection import connections
from lwipscope.wire.packet import BROADCAST_MAC, parse_frame
from lwipscope.wire.switch import Switch

SERVER_IP, SERVER_MAC = "192.0.2.103", bytes.fromhex("026c77000067")
OFFERED = "192.0.2.50"
COOKIE = bytes.fromhex("63825363")
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def message_type(options: bytes) -> int:
    at = 0
    while at < len(options) and options[at] != 255:
        if options[at] == 53:
            return options[at + 2]
        at += 1 if options[at] == 0 else 2 + options[at + 1]
    return 0


def ip_checksum(header: bytes) -> int:
    total: int = sum(struct.unpack("!10H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer_to(request: bytes) -> bytes | None:
    """The frame that answers a DHCP message, if it asks for something."""
    kind = {DISCOVER: OFFER, REQUEST: ACK}.get(message_type(request[240:]))
    if kind is None or request[236:240] != COOKIE:
        return None
    head = b"\x02" + request[1:12] + bytes(4) + inet_aton(OFFERED) + inet_aton(SERVER_IP) + bytes(4)
    options = (
        bytes([53, 1, kind, 54, 4]) + inet_aton(SERVER_IP) + b"\x33\x04" + bytes([0, 0, 14, 16])
    )
    options += b"\x01\x04" + inet_aton("255.255.255.0") + b"\x03\x04" + inet_aton("192.0.2.1")
    body = head + request[28:44] + bytes(192) + COOKIE + options + b"\xff"
    body += bytes(max(0, 300 - len(body)))
    udp = struct.pack("!HHHH", 67, 68, 8 + len(body), 0) + body
    fields = (0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, inet_aton(SERVER_IP), b"\xff" * 4)
    header = struct.pack("!BBHHHBBH4s4s", *fields)
    header = header[:10] + struct.pack("!H", ip_checksum(header)) + header[12:]
    return BROADCAST_MAC + SERVER_MAC + b"\x08\x00" + header + udp


@contextmanager
def dhcp_server(switch: Switch) -> Iterator[list[int]]:
    """Serves one address; the list has the types of the messages that came."""
    asked: list[int] = []

    def receive(frame: bytes) -> None:
        udp = parse_frame(frame).udp
        if udp is not None and udp.dport == 67:
            asked.append(message_type(udp.payload[240:]))
            answer = answer_to(udp.payload)
            if answer is not None:
                port.send(answer)

    port = switch.attach(SERVER_MAC, receive, name="dhcp")
    try:
        yield asked
    finally:
        port.close()


def wait_address(board: EmulatedBoard, ip: str) -> None:
    """lwIP asks whether anybody has the address already (RFC 5227): seconds of board time."""
    end_s = time.monotonic() + WAIT_S
    while board.port.hello().fields["ip"] != ip:
        assert time.monotonic() < end_s, "no address"
        board.port.advance(500, forced=True)


def test_board_takes_the_address_that_is_offered(
    new_board: Callable[..., EmulatedBoard],
) -> None:
    file = BoardFile.load(DEFAULT_BOARD)
    file = dataclasses.replace(file, net=dataclasses.replace(file.net, dhcp=True))
    board = new_board(file=file)
    with dhcp_server(board.switch) as asked:
        assert board.port.hello().fields["ip"] == "0.0.0.0"
        wait_address(board, OFFERED)
        assert asked[0] == DISCOVER
        assert REQUEST in asked
        printed = board.repl.run("import network; n = network.LAN(); print(n.ifconfig()[:3])")
    assert printed == b"('192.0.2.50', '255.255.255.0', '192.0.2.1')\r\n"


def test_a_new_address_aborts_the_connections_of_the_old_one(
    board: EmulatedBoard, dial: Callable[[int], Peer]
) -> None:
    start(
        board,
        """
        import network, socket, time
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        print("listening")
        c, a = s.accept()
        network.LAN().ipconfig(dhcp4=True)
        print("asked")
        time.sleep(1000)
        """,
    )
    wait_output(board, b"listening")
    with dhcp_server(board.switch):
        dial(6666)
        wait_output(board, b"asked")
        wait_address(board, OFFERED)
    (server,) = connections(closed_events(board), role="server")
    assert told(server)[-1] == "CLOSED by=netif:address"
    (listener,) = connections(board.trace.events, role="listener")
    assert not listener.ended
    board.repl.interrupt()
