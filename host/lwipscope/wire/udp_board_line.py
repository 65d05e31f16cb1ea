"""The board's end of the wire over 127.0.0.1: one UDP datagram is one Ethernet frame.

For systems without unix sockets. Our socket is connected to QEMU's port, so the kernel hands over
what comes from there alone; the two ports are taken anew for each board. QEMU takes its own port by
itself, and reads what any program of this machine sends to it: that can't be helped here.
UDP tells nobody when QEMU is too slow, so frames can be lost where a unix socket makes them wait;
TCP repeats them. Sources: udp(7), QEMU net/dgram.c.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress

from lwipscope.wire.board_line import FRAME_MAX_BYTES, BoardLine

LOOPBACK = "127.0.0.1"
_BUFFER_BYTES = 1 << 20


class UdpBoardLine(BoardLine):
    """`switch_port` is ours; `board_port` is a free one, for QEMU."""

    def __init__(self) -> None:
        self.paused = False
        self.queue: deque[bytes] = deque()
        self.sent = self.dropped_paused = self.dropped_no_board = self.dropped_full = 0
        self.receiver = _socket()
        self.switch_port: int = self.receiver.getsockname()[1]
        # Free now, and QEMU takes it at once; if another program is faster, QEMU says so and ends.
        with _socket() as place:
            self.board_port: int = place.getsockname()[1]
        self.receiver.connect((LOOPBACK, self.board_port))
        # A descriptor of its own: it is waited for by itself.
        self.sender = self.receiver.dup()
        self.sender.setblocking(False)

    def receive(self) -> bytes:
        while True:
            # What comes instead of a frame tells that a former one found nobody (ICMP).
            with suppress(ConnectionError):
                return self.receiver.recv(FRAME_MAX_BYTES)

    def backlog_bytes(self) -> int:
        """What waits here; how much QEMU has not read yet nobody tells."""
        return sum(map(len, self.queue))

    def close(self) -> None:
        self.receiver.close()
        self.sender.close()

    def _connect(self) -> None:
        """It stays connected, whether QEMU is there or not."""


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    made.bind((LOOPBACK, 0))
    return made
