"""The switch's side of QEMU's `-netdev dgram`: one unix datagram is one Ethernet frame.

Used by `Switch` only, on its thread. Frames come in on a socket bound to the switch's path; they
go out through a second one that is connected to QEMU's path. Two sockets, because a connected one
takes datagrams from its peer alone (a restarted QEMU would be refused), and because only a
connected one can wait with epoll until QEMU has read: Linux lets 10 datagrams wait per unix
socket (net.unix.max_dgram_qlen) and answers EAGAIN to more.

Frames beyond those wait here, as in a real switch, up to QUEUE_FRAMES; more are dropped. QEMU
reads at once and drops by itself what does not fit into the LAN9118's FIFO (7 full-size or 165
minimum frames), so a longer queue would only hide that. Sources: unix(7), Linux af_unix.c
(unix_dgram_sendmsg, unix_dgram_poll), QEMU net/dgram.c.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from contextlib import suppress
from pathlib import Path

from lwipscope.errors import WireUnavailable
from lwipscope.platform_facts import fcntl, termios

QUEUE_FRAMES = 256
FRAME_MAX_BYTES = 4096  # LAN9118 takes 2 KiB; a longer datagram is cut and thereby recognised
_BUFFER_BYTES = 1 << 20
_PATH_MAX_BYTES = 107  # sun_path of unix(7), without its closing zero


class BoardLine:
    """Both sockets and the queue towards the board. Never blocks."""

    name = "board"

    def __init__(self, switch_path: Path, board_path: Path) -> None:
        for path in (switch_path, board_path):
            if len(os.fsencode(path)) > _PATH_MAX_BYTES:
                raise WireUnavailable(
                    f"the socket path {path} is longer than the {_PATH_MAX_BYTES} bytes that the "
                    "system allows; use a shorter temporary directory (TMPDIR)"
                )
        self.switch_path = switch_path
        self.board_path = board_path
        self.paused = False
        self.queue: deque[bytes] = deque()
        self.sent = self.dropped_paused = self.dropped_no_board = self.dropped_full = 0
        self.receiver = _socket()
        self.sender = _socket()
        try:
            self.receiver.bind(str(switch_path))
        except OSError as error:
            self.receiver.close()
            self.sender.close()
            raise WireUnavailable(
                f"cannot make the socket {switch_path} for the board's frames: {error.strerror}; "
                "expected a free name in a folder that can be written"
            ) from error

    def receive(self) -> bytes:
        """The next frame from QEMU; BlockingIOError if none waits."""
        return self.receiver.recv(FRAME_MAX_BYTES)

    def deliver(self, frame: bytes) -> None:
        """Send a frame, keep it until QEMU reads again, or drop it and count why."""
        if self.paused:
            self.dropped_paused += 1
        elif not self.queue:
            if not self._transmit(frame):
                self.queue.append(frame)
        elif len(self.queue) < QUEUE_FRAMES:
            self.queue.append(frame)
        else:
            self.dropped_full += 1

    def flush(self) -> None:
        """QEMU reads again: send what waits."""
        while self.queue and self._transmit(self.queue[0]):
            self.queue.popleft()

    def drain(self) -> int:
        """Throw away all frames that wait on either side of the switch; how many."""
        count = len(self.queue)
        self.queue.clear()
        with suppress(BlockingIOError):
            while True:
                self.receive()
                count += 1
        self.dropped_paused += count
        return count

    def backlog_bytes(self) -> int:
        """Buffer space of frames that QEMU has not read yet; 0: it has read all (SIOCOUTQ)."""
        answer = fcntl.ioctl(self.sender, termios.TIOCOUTQ, bytes(4))
        waiting: int = struct.unpack("i", answer)[0]
        return waiting + sum(map(len, self.queue))

    def close(self) -> None:
        """Close both sockets and remove the switch's socket file."""
        self.receiver.close()
        self.sender.close()
        self.switch_path.unlink(missing_ok=True)

    def _connect(self) -> None:
        self.sender.connect(str(self.board_path))

    def _transmit(self, frame: bytes) -> bool:
        """True when done with the frame, False when it has to wait for QEMU."""
        try:
            self.sender.send(frame)
        except BlockingIOError:
            return False
        except OSError:  # not connected yet, or QEMU ended (ECONNREFUSED) and may be back
            try:
                self._connect()
                self.sender.send(frame)
            except BlockingIOError:
                return False
            except OSError:
                self.dropped_no_board += 1
                return True
        self.sent += 1
        return True


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    return made
