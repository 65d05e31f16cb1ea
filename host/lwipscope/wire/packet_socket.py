"""A wire for peers on a real interface: the frames of one spare address, through a packet socket.

For boards on a real network, where no switch of ours stands between. The same peers run on it as
on `Switch`. They use the interface's own MAC (no promiscuous mode) and an address that nobody has:
`open` asks by ARP first (RFC 5227 2.1). The kernel has no such address, so it answers nothing that
is sent to it, neither ARP nor RST; it must not forward packets (ip_forward) on this interface. The
filter keeps its own traffic out of here, and it never sees ours. Times are `time.monotonic()`
seconds. Sources: packet(7), Linux if_packet.h, RFC 5227.

A network card that merges segments (GRO, LRO) shows several as one: `ethtool -K IF gro off lro
off`. Checksums that the sender left to its card are completed (`packet_line`).
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.wire.layers import mac_text
from lwipscope.wire.loop import Loop
from lwipscope.wire.packet_filter import attach
from lwipscope.wire.packet_line import MakeSocket, open_line, read_frame
from lwipscope.wire.spare_address import owner_of

PROBES = 3  # RFC 5227 1.1, PROBE_NUM; its waits (1 to 2 s) are for networks slower than a bench
PROBE_WAIT_S = 0.3
INBOX_FRAMES = 4096
_BATCH = 64
_log = logging.getLogger(__name__)

FrameWatcher = Callable[[float, str, bytes], None]


class PacketPort:
    """A peer's place on the wire."""

    def __init__(self, wire: PacketWire, name: str, deliver: Callable[[bytes], None]) -> None:
        self.name = name
        self.deliver = deliver
        self._wire = wire

    def send(self, frame: bytes) -> None:
        """Hand over a frame, from any thread; never waits."""
        self._wire.put(self, frame)

    def close(self) -> None:
        """Leave; `receive` is not called after this returned."""
        self._wire.detach(self)


class PacketWire:
    """Made by `open`. Peers attach with `mac=wire.mac` and take `wire.ip`."""

    def __init__(self, line: socket.socket, interface: str, ip: str) -> None:
        """Not to be called: use `PacketWire.open`."""
        self.interface = interface
        self.ip = ip
        self.mac = bytes(line.getsockname()[4])
        self.dropped = 0
        self.first_failure: Exception | None = None
        self._line = line
        self._ports: tuple[PacketPort, ...] = ()
        self._watchers: tuple[FrameWatcher, ...] = ()
        self._names = 0
        self._loop = Loop("lwipscope-packets", self._transmit, lambda: None)
        self._loop.selector.register(line, selectors.EVENT_READ, self._read)
        self._loop.start()

    @classmethod
    def open(
        cls,
        interface: str,
        candidates: str | Iterable[str],
        *,
        make_socket: MakeSocket = socket.socket,
        probes: int = PROBES,
        probe_wait_s: float = PROBE_WAIT_S,
    ) -> PacketWire:
        """A wire with the first of `candidates` that nobody has.

        Takes `probes` times `probe_wait_s` for a free address. `make_socket` makes the sockets in
        another network namespace (`Keeper.socket`). WireUnavailable says what each try found.
        """
        wanted = [candidates] if isinstance(candidates, str) else list(candidates)
        if not wanted:
            raise UsageError("an address for the peer is needed: give at least one candidate")
        line = open_line(interface, make_socket)
        try:
            taken = []
            for ip in wanted:
                attach(line, [ip])
                owner = owner_of(line, ip, make_socket, probes, probe_wait_s)
                if owner is None:
                    return cls(line, interface, ip)
                taken.append(f"{ip} belongs to {owner}")
            raise WireUnavailable(
                f"no spare address on {interface}: {'; '.join(taken)}. Name one of the board's "
                "network that nobody uses"
            )
        except OSError as error:
            line.close()
            raise WireUnavailable(f"{interface}: {error.strerror}; is it up?") from error
        except BaseException:
            line.close()
            raise

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> PacketPort:
        """A place for a peer; `receive` runs on this wire's thread."""
        if mac != self.mac:
            raise UsageError(
                f"on {self.interface} peers use its own MAC: {mac_text(self.mac)}, not "
                f"{mac_text(mac)} (pass mac=wire.mac)"
            )

        def enter() -> PacketPort:
            self._names += 1
            port = PacketPort(self, name or f"peer-{self._names}", receive)
            self._ports = (*self._ports, port)
            return port

        return self._loop.call(enter)

    def on_frame(self, watcher: FrameWatcher) -> None:
        """Call `watcher(at_s, origin, data)` for every frame, in order, on this wire's thread;
        origin is `wire` for what came, or a peer's name."""

        def add() -> None:
            self._watchers = (*self._watchers, watcher)

        self._loop.call(add)

    def close(self) -> None:
        """Send what waits, end the thread, close the socket. Idempotent."""
        self._loop.close()
        self._line.close()

    def __enter__(self) -> PacketWire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # For ports.

    def put(self, port: PacketPort, frame: bytes) -> None:
        if self._loop.closed:
            return
        if self._loop.waiting() < INBOX_FRAMES:
            self._loop.put((port, frame))
        else:
            self.dropped += 1

    def detach(self, port: PacketPort) -> None:
        def leave() -> None:
            self._ports = tuple(one for one in self._ports if one is not port)

        if not self._loop.closed:
            self._loop.call(leave)

    # On the loop's thread.

    def _transmit(self, item: tuple[PacketPort, bytes]) -> None:
        port, frame = item
        self._show(port.name, frame)
        try:
            self._line.send(frame)
        except OSError as error:  # queue full, interface down or too long a frame: as a wire does
            self.dropped += 1
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                self._failed(f"{self.interface} did not take a frame", error)

    def _read(self) -> None:
        try:
            for _ in range(_BATCH):
                frame = read_frame(self._line)
                self._show("wire", frame)
                for port in self._ports:
                    try:
                        port.deliver(frame)
                    except Exception as error:
                        self._failed(f"the receive function of {port.name} failed", error)
        except BlockingIOError:
            pass
        except OSError as error:  # ENETDOWN once when the interface goes down; it may come back
            self._failed(f"{self.interface} gives no frames", error)
            if error.errno != errno.ENETDOWN:
                self._loop.selector.unregister(self._line)

    def _show(self, origin: str, frame: bytes) -> None:
        at_s = time.monotonic()
        for watcher in self._watchers:
            try:
                watcher(at_s, origin, frame)
            except Exception as error:
                self._failed("a watcher of frames failed", error)

    def _failed(self, what: str, error: Exception) -> None:
        self.first_failure = self.first_failure or error
        _log.error("%s: %r", what, error)
