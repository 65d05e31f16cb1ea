"""A serial line behind a TCP server that passes bytes and nothing else: `socket://host:port`.

Servers such as ser2net in raw mode, or QEMU's own chardev. pyserial has such a port too, but reads
one byte a call. There are no modem lines and no speed here. Times in seconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from urllib.parse import urlsplit

from lwipscope.board.line import READ_TIMEOUT_S, WRITE_TIMEOUT_S, LineEnded
from lwipscope.errors import NoBoard, UsageError

CONNECT_S = 5.0
_CHUNK_BYTES = 1 << 16


class TcpLine:
    """An open line (lwipscope.board.line.Line)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            place = (parts.hostname or "", parts.port or 0)
        except ValueError as error:
            raise UsageError(f"{url}: {error}; expected socket://HOST:PORT") from error
        if not (place[0] and place[1]):
            raise UsageError(f"{url}: expected socket://HOST:PORT")
        try:
            self._socket = socket.create_connection(place, CONNECT_S)
        except OSError as error:
            raise NoBoard(
                f"the serial port {url} can't be opened: {error}. Does its server run there, and "
                "does nobody else use it?"
            ) from error
        # Commands are short, and each waits for its answer.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(WRITE_TIMEOUT_S)
        self._wake_read, self._wake_write = os.pipe()
        self._open = True

    def read(self) -> bytes:
        line, wake = self._socket.fileno(), self._wake_read
        ready, _, _ = select.select([line, wake], [], [], READ_TIMEOUT_S)
        if wake in ready:
            os.read(wake, _CHUNK_BYTES)
        if line not in ready:
            return b""
        data = self._socket.recv(_CHUNK_BYTES)
        if not data:
            raise LineEnded("the server has closed it")
        return data

    def cancel_read(self) -> None:
        os.write(self._wake_write, b"x")

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            while select.select([self._socket], [], [], 0)[0]:
                if not self._socket.recv(_CHUNK_BYTES):
                    return  # the next read tells

    def close(self) -> None:
        if self._open:
            self._open = False
            self._socket.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
