"""Places to connect to, and to be connected to, for the gate.

With the kernel's TCP (in the namespace, or on loopback) or with our own endpoint's. They satisfy
`Dialer` and `Acceptor` of peer/byte_stream.py. Times in seconds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from lwipscope.errors import DeadlineExceeded
from lwipscope.peer.byte_stream import ByteStream
from lwipscope.peer.kernel import Address, KernelPeer, SocketFactory, text_of

_CANCEL_STEP_S = 0.1


class KernelDialer:
    """Connects to one address with the kernel's TCP; a `Dialer`."""

    def __init__(self, factory: SocketFactory, address: Address) -> None:
        self._factory = factory
        self._address = address

    @property
    def name(self) -> str:
        """`192.0.2.10:6666`"""
        return text_of(self._address)

    def dial(self, timeout_s: float, cancelled: Callable[[], bool] = lambda: False) -> KernelPeer:
        """A connection in ESTABLISHED."""
        deadline_s = time.monotonic() + timeout_s
        peer = KernelPeer.start_connect(self._factory, self._address)
        try:
            while not cancelled() and (left_s := deadline_s - time.monotonic()) > 0:
                with contextlib.suppress(DeadlineExceeded):
                    peer.finish_connect(min(_CANCEL_STEP_S, left_s))
                    return peer
            raise DeadlineExceeded(
                f"connect to {self.name}: no answer to the SYN (waited up to {timeout_s:g} s)"
            )
        except BaseException:
            # Not close(): the answer may just have come, and a FIN would look like a success.
            peer.reset()
            raise


class Connects(Protocol):
    """What `EndpointDialer` needs of our own endpoint."""

    def connect(self, ip: str, port: int, timeout_s: float, /) -> ByteStream:
        """A connection in ESTABLISHED."""
        ...


class Accepts(Protocol):
    """What `EndpointAcceptor` needs of our own endpoint's listener."""

    def accept(self, timeout_s: float, /) -> ByteStream:
        """The next connection."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class EndpointDialer:
    """Connects to one address with our own TCP; a `Dialer`. Can't be cancelled while it waits."""

    def __init__(self, endpoint: Connects, address: Address) -> None:
        self._endpoint = endpoint
        self._address = address
        self.name = text_of(address)

    def dial(self, timeout_s: float, _cancelled: Callable[[], bool] = lambda: False) -> ByteStream:
        """A connection in ESTABLISHED."""
        return self._endpoint.connect(*self._address, timeout_s)


class EndpointAcceptor:
    """A listener of our own TCP with a name; an `Acceptor`."""

    def __init__(self, listener: Accepts, address: Address) -> None:
        self.accept = listener.accept
        self.close = listener.close
        self.name = text_of(address)
