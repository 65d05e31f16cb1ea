"""A client that connects and closes as fast as a board can take it, and does nothing else.

For measurements only: it keeps no TCP state but the step that each connection is at, sends nothing
twice and believes what it reads. Each connection is SYN, ACK, FIN from us; the board's FIN is
acknowledged. The frames are made before the clock starts but for the acknowledgement numbers.
`at_once` bounds the connections that are open together: the LAN9118's FIFO holds 165 small frames,
and the board's backlog and pcbs are few. Runs on the switch's thread; times in seconds.
Sources: RFC 9293 3.1 (header), RFC 1624 (a checksum after a changed field).
"""

from __future__ import annotations

import threading
import time
from struct import Struct

from lwipscope.errors import DeadlineExceeded, PeerError
from lwipscope.wire.packet import (
    ACK,
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    FIN,
    RST,
    SYN,
    Arp,
    TcpSegment,
    build_arp,
    build_tcp,
    mss_option,
    parse_frame,
)
from lwipscope.wire.station import Wire

CLIENT_IP = "192.0.2.100"
CLIENT_MAC = bytes.fromhex("026c77000064")
_FIRST_PORT = 10_000
_FIRST_SEQ = 1_000_000
_ACK_AT, _CHECKSUM_AT = 42, 50  # in a frame: Ethernet 14, IPv4 20, then RFC 9293 3.1
# Of a frame that came: source port, destination port, sequence number, acknowledgement, flags.
_TCP = Struct("!HHIIxB")
_TCP_AT = 34


class CycleClient:
    """`run()` any number of times; its ports go on where the last run ended.

    `segments_out` and `segments_in` count TCP segments, of all runs together.
    """

    def __init__(
        self, wire: Wire, board_ip: str, port: int, *, ip: str = CLIENT_IP, mac: bytes = CLIENT_MAC
    ) -> None:
        self.ip = ip
        self.mac = mac
        self._board_ip = board_ip
        self._port = port
        self._board_mac = b""
        self._met = threading.Event()
        self._done = threading.Event()
        self._next_port = _FIRST_PORT
        self._syns: list[bytes] = []
        self._answers: dict[int, tuple[_Answer, _Answer, _Answer]] = {}
        self._sent = self._closed = self._count = 0
        self._refused = 0
        self._ended_s = 0.0
        self.segments_out = self.segments_in = 0
        self._line = wire.attach(mac, self._receive, name="cycles")

    def __enter__(self) -> CycleClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the wire."""
        self._line.close()

    def meet(self, timeout_s: float = 5.0) -> None:
        """Find out the board's MAC, as each ARP cache has to be filled before the clock starts."""
        question = Arp(ARP_REQUEST, self.mac, self.ip, bytes(6), self._board_ip)
        self._line.send(build_arp(question, src_mac=self.mac, dst_mac=BROADCAST_MAC))
        if not self._met.wait(timeout_s):
            raise DeadlineExceeded(f"nobody answered ARP for {self._board_ip} in {timeout_s:g} s")

    def run(self, count: int, *, at_once: int, timeout_s: float) -> float:
        """Connect and close `count` times: the seconds from the first SYN to the last ACK."""
        self._prepare(count)
        self._done.clear()
        # Booked before the first is sent: from then on the wire's thread counts.
        first = self._syns[:at_once]
        self._sent = len(first)
        self.segments_out += len(first)
        started_s = time.monotonic()
        for frame in first:
            self._line.send(frame)
        finished = self._done.wait(timeout_s)
        if self._refused:
            raise PeerError(f"the board reset {self._refused} of {count} connections")
        if not finished:
            raise DeadlineExceeded(
                f"{self._closed} of {count} connections were over after {timeout_s:g} s, "
                f"{self._sent} had been opened"
            )
        return self._ended_s - started_s

    def _prepare(self, count: int) -> None:
        self._syns.clear()
        self._answers.clear()
        self._sent = self._closed = self._refused = 0
        self._count = count
        for _ in range(count):
            port, self._next_port = self._next_port, self._next_port + 1
            if self._next_port == 65536:
                self._next_port = _FIRST_PORT
            self._syns.append(self._frame(port, 0, SYN, mss_option(1460)))
            self._answers[port] = (
                _Answer(self._frame(port, 1, ACK)),
                _Answer(self._frame(port, 1, FIN | ACK)),
                _Answer(self._frame(port, 2, ACK)),
            )

    def _frame(self, port: int, ahead: int, flags: int, options: bytes = b"") -> bytes:
        segment = TcpSegment(
            *(self.ip, self._board_ip, port, self._port),
            seq=_FIRST_SEQ + ahead,
            flags=flags,
            options=options,
        )
        return build_tcp(segment, src_mac=self.mac, dst_mac=self._board_mac)

    def _open_next(self) -> None:
        frame = self._syns[self._sent]
        self._sent += 1
        self._send(frame)

    def _send(self, frame: bytes) -> None:
        self.segments_out += 1
        self._line.send(frame)

    # On the wire's thread.

    def _receive(self, data: bytes) -> None:
        if data[12:14] == b"\x08\x06":
            self._receive_arp(data)
            return
        self.segments_in += 1
        _, port, seq, _, flags = _TCP.unpack_from(data, _TCP_AT)
        answers = self._answers.get(port)
        if answers is None:
            return
        if flags & SYN:
            self._send(answers[0].to(seq + 1))
            self._send(answers[1].to(seq + 1))
        elif flags & FIN:
            self._send(answers[2].to(seq + 1))
            del self._answers[port]  # a repeated FIN is not counted twice
            self._closed += 1
            if self._sent < self._count:
                self._open_next()
            elif self._closed == self._count:
                self._ended_s = time.monotonic()
                self._done.set()
        elif flags & RST:
            self._refused += 1
            self._done.set()

    def _receive_arp(self, data: bytes) -> None:
        arp = parse_frame(data).arp
        if arp is None or arp.sender_ip != self._board_ip:
            return
        self._board_mac = arp.sender_mac
        self._met.set()
        if arp.op == ARP_REQUEST and arp.target_ip == self.ip:
            answer = Arp(ARP_REPLY, self.mac, self.ip, arp.sender_mac, arp.sender_ip)
            self._line.send(build_arp(answer, src_mac=self.mac, dst_mac=arp.sender_mac))


class _Answer:
    """A frame that lacks its acknowledgement number."""

    __slots__ = ("_frame", "_sum")

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._sum = int.from_bytes(frame[_CHECKSUM_AT : _CHECKSUM_AT + 2], "big")

    def to(self, ack: int) -> bytes:
        """The frame with this acknowledgement number, checksum included (RFC 1624, eqn. 3)."""
        ack &= 0xFFFFFFFF
        changed = (~self._sum & 0xFFFF) + (ack >> 16) + (ack & 0xFFFF)
        changed = (changed & 0xFFFF) + (changed >> 16)
        changed = (changed & 0xFFFF) + (changed >> 16)
        frame = self._frame
        return b"".join(
            (
                frame[:_ACK_AT],
                ack.to_bytes(4, "big"),
                frame[_ACK_AT + 4 : _CHECKSUM_AT],
                (~changed & 0xFFFF).to_bytes(2, "big"),
                frame[_CHECKSUM_AT + 2 :],
            )
        )
