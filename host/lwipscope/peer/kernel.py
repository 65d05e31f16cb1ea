"""The kernel's own TCP as the other end: connections and listeners made of plain sockets.

Scenarios and the gate use them. `factory` makes the sockets: `Keeper.socket` for those inside the
network namespace, `socket.socket` for loopback. Every wait has a deadline in seconds. What the
network does shows as in peer/byte_stream.py. States are the kernel's (TCP_INFO, include/net/
tcp_states.h in Linux), spelled as lwIP spells them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from lwipscope.errors import DeadlineExceeded, PeerError

# As poll(2) has them; not every system does.
_IN, _OUT, _ERR = 1, 4, 8

Address = tuple[str, int]
SocketFactory = Callable[[int, int], socket.socket]

# tcp_states.h, 1..12; the last is TCP_NEW_SYN_RECV.
_STATES = (
    *("ESTABLISHED", "SYN_SENT", "SYN_RCVD", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT"),
    *("CLOSED", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RCVD"),
)


class PortTaken(PeerError):
    """Something else listens there already."""


class _Owner:
    """Owns one socket and closes it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._socket.close()

    def _poll(self, events: int, timeout_s: float) -> int:
        """The events that happened within the time, 0 if none did."""
        if self._socket.fileno() == -1:
            raise PeerError("this end of the connection has been closed already")
        if not hasattr(select, "poll"):  # Windows
            return self._select(events, timeout_s)
        poll = select.poll()
        poll.register(self._socket, events)
        found = poll.poll(max(0.0, timeout_s) * 1000)
        return found[0][1] if found else 0

    def _select(self, events: int, timeout_s: float) -> int:
        one = [self._socket]
        found = select.select(
            one if events & _IN else [], one if events & _OUT else [], one, max(0.0, timeout_s)
        )
        return sum(event for event, ready in zip((_IN, _OUT, _ERR), found, strict=True) if ready)


class KernelPeer(_Owner):
    """One TCP connection of the kernel; a `PatientStream`."""

    def __init__(self, sock: socket.socket, remote: Address) -> None:
        super().__init__(sock)
        self.remote = remote
        self.local: Address = sock.getsockname()
        self._write_shut = False

    @classmethod
    def start_connect(
        cls, factory: SocketFactory, address: Address, *, source: Address | None = None
    ) -> Self:
        """Send the SYN and return: the connection is in SYN_SENT until `finish_connect`."""
        sock = factory(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if source is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(source)
            code = sock.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise _connect_error(code, address)
            return cls(sock, address)
        except BaseException:
            sock.close()
            raise

    @classmethod
    def connect(
        cls,
        factory: SocketFactory,
        address: Address,
        *,
        source: Address | None = None,
        timeout_s: float = 5.0,
    ) -> Self:
        """A connection in ESTABLISHED; ConnectionRefusedError if the answer was RST."""
        peer = cls.start_connect(factory, address, source=source)
        try:
            peer.finish_connect(timeout_s)
        except BaseException:
            peer.close()
            raise
        return peer

    def finish_connect(self, timeout_s: float) -> None:
        """Wait for the answer to our SYN."""
        if not self._poll(_OUT, timeout_s):
            raise DeadlineExceeded(
                f"connect to {text_of(self.remote)}: no answer to the SYN within {timeout_s:g} s"
            )
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise _connect_error(code, self.remote)

    def send(self, data: bytes, timeout_s: float = 10.0) -> int:
        """Hand all of `data` to the kernel; its length."""
        deadline_s = time.monotonic() + timeout_s
        rest = memoryview(data)
        while rest:
            count = self.send_some(rest, deadline_s - time.monotonic())
            if not count and time.monotonic() >= deadline_s:
                raise DeadlineExceeded(
                    f"{len(rest)} of {len(data)} bytes to {text_of(self.remote)} could not be sent "
                    f"within {timeout_s:g} s: its window is closed or it does not answer"
                )
            rest = rest[count:]
        return len(data)

    def send_some(self, data: bytes | memoryview, timeout_s: float) -> int:
        """Hand over as much as the send buffer takes; 0 if it took nothing within the time."""
        if self._write_shut:
            raise PeerError("send after shutdown_write(): our FIN has been sent")
        if not self._poll(_OUT, timeout_s):
            return 0
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except BrokenPipeError as error:
            # The kernel says EPIPE for a RST that came after the peer's FIN.
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from error

    def recv(self, max_bytes: int, timeout_s: float = 10.0) -> bytes:
        """What came next; b"" after the peer's FIN."""
        if not self._poll(_IN, timeout_s):
            raise DeadlineExceeded(f"nothing from {text_of(self.remote)} within {timeout_s:g} s")
        try:
            return self._socket.recv(max_bytes)
        except BrokenPipeError as error:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from error

    def recv_until_fin(self, timeout_s: float = 10.0) -> bytes:
        """Everything up to the peer's FIN."""
        deadline_s = time.monotonic() + timeout_s
        pieces = []
        while piece := self.recv(65536, deadline_s - time.monotonic()):
            pieces.append(piece)
        return b"".join(pieces)

    def shutdown_write(self) -> None:
        """Half-close: FIN after the data."""
        self._write_shut = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            text = f"shutdown_write: the connection to {text_of(self.remote)} is gone"
            raise ConnectionResetError(errno.ECONNRESET, text) from error

    def reset(self) -> None:
        """RST, whatever is still unsent or unread: SO_LINGER with 0 s, then close."""
        if self._socket.fileno() != -1:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close()

    def wait_reset(self, timeout_s: float) -> bool:
        """After the peer's FIN: True if its RST comes within the time."""
        return bool(self._poll(0, timeout_s) & _ERR)

    def interrupt(self) -> None:
        """Wake another thread's recv. SHUT_RD sends nothing."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def send_at_once(self) -> None:
        """TCP_NODELAY: no waiting for acknowledgements before small segments."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def tcp_info_state(self) -> str:
        """The kernel's state of this connection, `CLOSED` after our close() too."""
        if self._socket.fileno() == -1:
            return "CLOSED"
        return _STATES[self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] - 1]


class KernelListener(_Owner):
    """A listening socket of the kernel; an `Acceptor`."""

    def __init__(self, factory: SocketFactory, address: Address, backlog: int = 128) -> None:
        sock = factory(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Else a connection in TIME_WAIT blocks its port for a minute.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(backlog)
        except OSError as error:
            sock.close()
            text = f"can't listen at {text_of(address)}: {error.strerror}"
            raise (PortTaken if error.errno == errno.EADDRINUSE else PeerError)(text) from error
        super().__init__(sock)
        self.address: Address = sock.getsockname()

    @property
    def name(self) -> str:
        """`192.0.2.1:6666`"""
        return text_of(self.address)

    def accept(self, timeout_s: float = 10.0) -> KernelPeer:
        """The next connection in ESTABLISHED."""
        if not self._poll(_IN, timeout_s):
            raise DeadlineExceeded(f"no connection to {self.name} within {timeout_s:g} s")
        sock, remote = self._socket.accept()
        return KernelPeer(sock, remote)

    def interrupt(self) -> None:
        """Make a thread that waits in accept() return, with OSError. Takes no more afterwards."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def text_of(address: Address) -> str:
    """`192.0.2.10:6666`"""
    return f"{address[0]}:{address[1]}"


def _connect_error(code: int, address: Address) -> Exception:
    text = f"connect to {text_of(address)}: {os.strerror(code)}"
    return ConnectionRefusedError(code, text) if code == errno.ECONNREFUSED else PeerError(text)
