"""Sees what one address sends and gets on a real interface, and sends nothing.

For boards with a network of their own: a packet socket shows this machine's frames to the board
(its kernel's and its raw peers' alike) as they were sent, and the board's as they came. Watchers
are those of `Switch.on_frame`: origin is `board`, or the interface's name for everybody else. Times
are `time.monotonic()` seconds. Needs CAP_NET_RAW. Sources: packet(7), Linux if_packet.h.

A card that merges or cuts segments (GRO, TSO) shows several as one; checksums that are left to the
card are completed (`packet_line`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from lwipscope.errors import WireUnavailable
from lwipscope.wire.layers import ip_bytes
from lwipscope.wire.loop import Loop
from lwipscope.wire.packet_filter import attach_code, both_ways
from lwipscope.wire.packet_line import MakeSocket, open_line, read_frame
from lwipscope.wire.packet_socket import FrameWatcher

BOARD = "board"
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; beyond the machine's limit, for who may
_BUFFER_BYTES = 8 << 20
_STATISTICS = struct.Struct("=II")
_BATCH = 64
_ARP, _SENDER, _SOURCE = b"\x08\x06", slice(28, 32), slice(26, 30)
_log = logging.getLogger(__name__)


class Onlooker:
    """Made by `open`; watches until `close`."""

    def __init__(self, line: socket.socket, interface: str, ip: str) -> None:
        """Not to be called: use `Onlooker.open`."""
        self.interface = interface
        self.ip = ip
        self.first_failure: Exception | None = None
        self._line = line
        self._address = ip_bytes(ip)
        self._watchers: tuple[FrameWatcher, ...] = ()
        self._dropped = 0
        self._loop: Loop[None] = Loop("lwipscope-onlooker", lambda _: None, lambda: None)
        self._loop.selector.register(line, selectors.EVENT_READ, self._read_some)
        self._loop.start()

    @classmethod
    def open(cls, interface: str, ip: str, make_socket: MakeSocket = socket.socket) -> Self:
        """What `ip` sends and gets on `interface`; WireUnavailable says why that can't be seen."""
        if not hasattr(socket, "AF_PACKET"):
            raise WireUnavailable("this system has no packet sockets, so no frames are seen")
        line = open_line(interface, make_socket)
        try:
            attach_code(line, both_ways(ip))
            for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
                with contextlib.suppress(PermissionError):
                    line.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            return cls(line, interface, ip)
        except OSError as error:
            line.close()
            raise WireUnavailable(f"{interface}: {error.strerror}") from error

    def on_frame(self, watcher: FrameWatcher) -> Callable[[], None]:
        """Call `watcher(at_s, origin, data)` for every frame from now on, in order, on this one's
        own thread. Returns how to stop, which shows it first what has come until then."""

        def add() -> None:
            self._read_all()  # what came before is not for it
            self._watchers = (*self._watchers, watcher)

        def remove() -> None:
            self._read_all()
            self._watchers = tuple(each for each in self._watchers if each != watcher)

        def stop() -> None:
            if not self._loop.closed:
                self._loop.call(remove)

        self._loop.call(add)
        return stop

    def catch_up(self) -> None:
        """Show the watchers all frames that have come until now."""
        self._loop.call(self._read_all)

    @property
    def dropped(self) -> int:
        """Frames that came too fast to be seen."""

        def ask() -> int:
            data = self._line.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
            self._dropped += _STATISTICS.unpack(data)[1]  # asking sets the kernel's count to 0
            return self._dropped

        return self._dropped if self._loop.closed else self._loop.call(ask)

    def close(self) -> None:
        """End the thread, close the socket. Idempotent."""
        self._loop.close()
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # On the loop's thread.

    def _read_some(self) -> None:
        self._read(_BATCH)

    def _read_all(self) -> None:
        while self._read(_BATCH):
            pass

    def _read(self, most: int) -> bool:
        """False once there is nothing left."""
        try:
            for _ in range(most):
                self._show(read_frame(self._line))
        except BlockingIOError:
            return False
        except OSError as error:
            self._failed(f"{self.interface} gives no frames", error)
            if error.errno != errno.ENETDOWN:  # that is told once, and it may come back
                self._loop.selector.unregister(self._line)
            return False
        return True

    def _show(self, frame: bytes) -> None:
        at_s = time.monotonic()
        source = frame[_SENDER if frame[12:14] == _ARP else _SOURCE]
        origin = BOARD if source == self._address else self.interface
        for watcher in self._watchers:
            try:
                watcher(at_s, origin, frame)
            except Exception as error:
                self._failed("a watcher of frames failed", error)

    def _failed(self, what: str, error: Exception) -> None:
        self.first_failure = self.first_failure or error
        _log.error("%s: %r", what, error)
