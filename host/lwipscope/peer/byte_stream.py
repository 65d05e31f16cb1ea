"""What the gate needs of a TCP, whoever's TCP it is: the interfaces between peers.

`KernelPeer` (peer/kernel.py) and our own endpoint's `Stream` (peer/stream.py) satisfy `ByteStream`;
the gate copies between any two. What the kernel's network does shows as Python's own errors: a
peer's RST is ConnectionResetError from recv and send, a refused connection ConnectionRefusedError;
a deadline of ours that passed is DeadlineExceeded. Times in seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

# Until reset() is called, that is.
_FOREVER_S = 7 * 86400.0


class ByteStream(Protocol):
    """One TCP connection; usable from two threads, and reset() wakes one that waits."""

    def send(self, data: bytes, timeout_s: float, /) -> int | None:
        """Hand over all of `data` (waits while the other end's window is closed)."""
        ...

    def recv(self, max_bytes: int, timeout_s: float, /) -> bytes:
        """What came next; b"" once the peer's FIN has come; DeadlineExceeded if nothing did."""
        ...

    def shutdown_write(self) -> None:
        """Half-close: FIN after the data; receiving goes on."""
        ...

    def close(self) -> None:
        """FIN (if not sent) and forget. Idempotent."""
        ...

    def reset(self) -> None:
        """RST and forget. Idempotent, also after close()."""
        ...


@runtime_checkable
class PatientStream(ByteStream, Protocol):
    """A stream that can also send piece by piece and watch for a late RST."""

    def send_some(self, data: bytes | memoryview, timeout_s: float, /) -> int:
        """Hand over as much as the send buffer takes; 0 if it took nothing within the time."""
        ...

    def wait_reset(self, timeout_s: float, /) -> bool:
        """After the peer's FIN: True if its RST comes within the time."""
        ...

    def interrupt(self) -> None:
        """Wake other threads; only reset() makes sense afterwards."""
        ...


class Dialer(Protocol):
    """Makes connections to one place."""

    @property
    def name(self) -> str:
        """The place, for messages: `192.0.2.10:6666`."""
        ...

    def dial(self, timeout_s: float, cancelled: Callable[[], bool], /) -> ByteStream:
        """Connect; ConnectionRefusedError, DeadlineExceeded, PeerError; gives up if cancelled."""
        ...


class Acceptor(Protocol):
    """Takes connections that come to one place."""

    @property
    def name(self) -> str:
        """The place, for messages: `192.0.2.1:6666`."""
        ...

    def accept(self, timeout_s: float, /) -> ByteStream:
        """The next connection; DeadlineExceeded if none came."""
        ...

    def close(self) -> None:
        """Take no more. Idempotent."""
        ...


class _Patient:
    """Makes do with a plain ByteStream: notices a RST after the peer's FIN only when sending."""

    def __init__(self, stream: ByteStream) -> None:
        self._woken = threading.Event()
        self.send = stream.send
        self.recv = stream.recv
        self.shutdown_write = stream.shutdown_write
        self.close = stream.close
        self.reset = stream.reset

    def send_some(self, data: bytes | memoryview, _timeout_s: float, /) -> int:
        # How much of a piece was taken before a deadline can't be known: so, no deadline.
        self.send(bytes(data), _FOREVER_S)
        return len(data)

    def wait_reset(self, timeout_s: float, /) -> bool:
        self._woken.wait(timeout_s)
        return False

    def interrupt(self) -> None:
        self._woken.set()
        self.reset()


def patient(stream: ByteStream) -> PatientStream:
    """`stream` itself if it can do all that, else wrapped."""
    return stream if isinstance(stream, PatientStream) else _Patient(stream)
