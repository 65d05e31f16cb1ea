"""The gate: makes the board reachable from any terminal, and terminals from the board.

Two directions, one copying machine. `Gate.serve`: whoever connects to 127.0.0.1:PORT is connected
to the board's server. `Gate.dial_out`: when the board connects to 192.0.2.1:PORT, the gate connects
to 127.0.0.1:PORT, where the user's `nc -l` waits. A FIN is passed on as half-close, a RST as RST,
each way; a slow reader slows the writer down.

What a gate can't hide: the side that connects is accepted *before* the other side is tried. If the
other side refuses, the first sees its connection made and then reset, not refused.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from lwipscope.errors import DeadlineExceeded, LwipscopeError, WireUnavailable
from lwipscope.peer.byte_stream import Acceptor, ByteStream, Dialer, PatientStream, patient
from lwipscope.peer.dialer import KernelDialer
from lwipscope.peer.kernel import KernelListener, KernelPeer, PortTaken

LOOPBACK = "127.0.0.1"
# How long a thread may be deaf to close() where the stream can't be interrupted.
STEP_S = 0.2
CHUNK_BYTES = 65536
PORTS_TRIED = 100


class Gate:
    """One listening place, one place to connect to, any number of connections between them."""

    def __init__(
        self,
        acceptor: Acceptor,
        dialer: Dialer,
        *,
        port: int,
        dial_timeout_s: float = 10.0,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`on_event` gets one line per connection made, ended or refused, from gate threads."""
        self.port = port
        self._acceptor = acceptor
        self._dialer = dialer
        self._dial_timeout_s = dial_timeout_s
        self._on_event = on_event
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._crossings: set[_Crossing] = set()
        self._thread = threading.Thread(target=self._run, name=f"gate {acceptor.name}")
        self._thread.start()

    @classmethod
    def serve(
        cls,
        dialer: Dialer,
        port: int,
        *,
        exact: bool = False,
        dial_timeout_s: float = 10.0,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> Self:
        """127.0.0.1:`port` leads to the dialer's place. A taken port: the next free one is used
        (see `gate.port`), or WireUnavailable if `exact`. Port 0: any."""
        listener = _listen_near(port, exact)
        return cls(
            listener,
            dialer,
            port=listener.address[1],
            dial_timeout_s=dial_timeout_s,
            on_event=on_event,
        )

    @classmethod
    def dial_out(
        cls,
        acceptor: Acceptor,
        port: int,
        *,
        dial_timeout_s: float = 10.0,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> Self:
        """What comes to `acceptor` (the board's side) leads to 127.0.0.1:`port`. If nothing
        listens there the board sees its connection made and at once reset."""
        dialer = KernelDialer(socket.socket, (LOOPBACK, port))
        return cls(acceptor, dialer, port=port, dial_timeout_s=dial_timeout_s, on_event=on_event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many are open now."""
        with self._lock:
            return len(self._crossings)

    def close(self) -> None:
        """Take no more, reset what is open, join all threads. Idempotent."""
        self._stop.set()
        if isinstance(self._acceptor, KernelListener):
            self._acceptor.interrupt()
        self._thread.join()
        self._acceptor.close()
        with self._lock:
            crossings = list(self._crossings)
        for crossing in crossings:
            crossing.call_off()
        for crossing in crossings:
            crossing.thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                near = self._acceptor.accept(STEP_S)
            except DeadlineExceeded:
                continue
            except OSError as error:
                if self._stop.is_set():
                    return
                # Out of descriptors, or the client gave up: the next one may be luckier.
                self._on_event(f"{self._acceptor.name}: not accepted: {error.strerror}")
                self._stop.wait(STEP_S)
                continue
            crossing = _Crossing(self._name(near), patient(near), self._serve)
            with self._lock:
                self._crossings.add(crossing)
            crossing.thread.start()

    def _name(self, near: ByteStream) -> str:
        remote = getattr(near, "remote", None)
        start = f"{remote[0]}:{remote[1]}" if isinstance(remote, tuple) else self._acceptor.name
        return f"{start} > {self._dialer.name}"

    def _serve(self, crossing: _Crossing) -> None:
        """All of one connection's life; runs in the crossing's thread."""
        try:
            try:
                far = self._dialer.dial(self._dial_timeout_s, self._stop.is_set)
            except (OSError, LwipscopeError) as error:
                crossing.near.reset()
                text = (isinstance(error, OSError) and error.strerror) or error
                self._on_event(f"{crossing.name}: reset: {text}")
                return
            self._on_event(f"{crossing.name}: connected")
            self._on_event(f"{crossing.name}: {crossing.run(patient(far))}")
        finally:
            with self._lock:
                self._crossings.discard(crossing)


class _Crossing:
    """Two streams, two threads: each copies one way; the last one closes both."""

    def __init__(self, name: str, near: PatientStream, serve: Callable[[_Crossing], None]) -> None:
        self.name = name
        self.near = near
        self.thread = threading.Thread(target=serve, args=(self,), name=f"gate {name}")
        self._far: PatientStream | None = None
        # A RST came, or the gate is closing: both sides are to be reset.
        self._broken = threading.Event()
        self._why = "closed by the gate"
        self._bytes = {True: 0, False: 0}
        self._ended = {True: threading.Event(), False: threading.Event()}

    def call_off(self) -> None:
        """Make both threads end soon; they reset the streams."""
        self._broken.set()
        for stream in (self.near, self._far):
            if stream is not None:
                stream.interrupt()

    def run(self, far: PatientStream) -> str:
        """Copy both ways until both ended or one was reset; how it went."""
        self._far = far
        for stream in (self.near, far):
            if isinstance(stream, KernelPeer):
                # The other side's sender has done its own waiting already.
                stream.send_at_once()
        back = threading.Thread(target=self._copy, args=(False,), name=f"{self.thread.name} back")
        back.start()
        self._copy(True)
        back.join()
        for stream in (self.near, far):
            # Here and not in the copying threads: no other thread can be inside poll() now.
            stream.reset() if self._broken.is_set() else stream.close()
        end = self._why if self._broken.is_set() else "FIN both ways"
        return f"{end}; {self._bytes[True]} bytes there, {self._bytes[False]} back"

    def _copy(self, forth: bool) -> None:
        assert self._far is not None
        source, sink = (self.near, self._far) if forth else (self._far, self.near)
        other_ended = self._ended[not forth]
        try:
            while not self._broken.is_set():
                try:
                    data = source.recv(CHUNK_BYTES, STEP_S)
                except DeadlineExceeded:
                    continue
                if not data:
                    break
                rest = memoryview(data)
                while rest and not self._broken.is_set():
                    rest = rest[sink.send_some(rest, STEP_S) :]
                self._bytes[forth] += len(data) - len(rest)
            if not self._broken.is_set():
                sink.shutdown_write()
            self._ended[forth].set()
            # The source said FIN; it may still say RST, which concerns the other direction.
            while not self._broken.is_set() and not other_ended.is_set():
                if source.wait_reset(STEP_S):
                    raise ConnectionResetError
        except (OSError, LwipscopeError) as error:
            if not self._broken.is_set():
                reset = isinstance(error, ConnectionResetError)
                self._why = "RST" if reset else f"reset: {error}"
                self.call_off()
        finally:
            self._ended[forth].set()


def _listen_near(port: int, exact: bool) -> KernelListener:
    last = min(port + PORTS_TRIED, 65536) if port and not exact else port + 1
    for number in range(port, last):
        with contextlib.suppress(PortTaken):
            return KernelListener(socket.socket, (LOOPBACK, number))
    tried = f"{port} to {last - 1} are" if last > port + 1 else f"{port} is"
    raise WireUnavailable(
        f"the gate can't listen: port {tried} taken on {LOOPBACK}; see who has it with "
        f"`ss -ltnp 'sport = :{port}'`, or choose another port"
    )
