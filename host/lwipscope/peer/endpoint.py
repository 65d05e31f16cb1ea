"""A small well-behaved TCP/IP host on the wire, for where the kernel cannot be the peer.

Answers ARP and ICMP echo for one address, listens and connects; the connections are `Stream`s
around the pure `tcp_core.Connection`. Frames are processed on the wire's thread, timers on one
thread of our own; users' calls wait on conditions with deadlines. One lock for all of it, never
held while anything blocks. Times are `time.monotonic()` seconds.

Sources: RFC 826 (ARP), RFC 1122 3.2.2.6 (echo) and 4.2.2.13 (SYN in TIME_WAIT), RFC 9293 3.10.7
(segments without a connection), RFC 6335 (ephemeral ports).
"""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.stream import Listener, Stream, StreamRefused, wait_until
from lwipscope.peer.tcp_core import Connection, TcpConfig, reset_for
from lwipscope.tcp.state import State
from lwipscope.wire.packet import (
    ACK,
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    ECHO_REPLY,
    ECHO_REQUEST,
    RST,
    SYN,
    Arp,
    IcmpEcho,
    TcpSegment,
    build_arp,
    build_echo,
    build_tcp,
    ip_bytes,
    parse_frame,
)  # fmt: skip
from lwipscope.wire.station import Wire

HOST_IP = "192.0.2.1"
HOST_MAC = bytes.fromhex("026c77000001")
_ARP_RETRY_S = 0.2
_EPHEMERAL = range(49152, 65536)

_Key = tuple[int, str, int]  # local port, remote address, remote port


class Endpoint:
    """`seed` makes initial sequence numbers and ephemeral ports the same in every run; `name` is
    the origin of our frames in captures."""

    def __init__(
        self,
        wire: Wire,
        *,
        ip: str = HOST_IP,
        mac: bytes = HOST_MAC,
        config: TcpConfig | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        ip_bytes(ip)  # complains about a wrong address here rather than on the wire's thread
        self.ip = ip
        self.mac = mac
        self.config = config or TcpConfig()
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._arp_changed = threading.Condition(self._lock)
        self._timer_changed = threading.Condition(self._lock)
        self._macs: dict[str, bytes] = {}
        self._listeners: dict[int, Listener] = {}
        self._streams: dict[_Key, Stream] = {}
        self._next_port = self._random.randrange(len(_EPHEMERAL))
        self._ident = 0
        self._wake_s: float | None = None
        self._closed = False
        self._port = wire.attach(mac, self._receive, name=name)
        self._timer = threading.Thread(target=self._run_timer, name="lwipscope-endpoint")
        self._timer.start()

    def listen(self, port: int, backlog: int = 16) -> Listener:
        """Accept connections to `port`; at most `backlog` wait to be accepted."""
        with self._lock:
            self._need_open()
            if port in self._listeners or not 0 < port < 65536:
                raise UsageError(f"port {port} of {self.ip} is in use or no port; choose another")
            listener = Listener(port, backlog, self._lock, self._unlisten)
            self._listeners[port] = listener
            return listener

    def connect(
        self, ip: str, port: int, timeout_s: float = 10.0, *, local_port: int | None = None
    ) -> Stream:
        """Open a connection. StreamRefused on RST, DeadlineExceeded without an answer."""
        ip_bytes(ip)
        end_s = time.monotonic() + timeout_s
        with self._lock:
            self._need_open()
            self._resolve(ip, end_s)
            key = (local_port or self._ephemeral(ip, port), ip, port)
            if key in self._streams:
                raise UsageError(f"port {key[0]} already has a connection to {ip}:{port}")
            stream = self._new_stream(key)
            stream.core.open_active(time.monotonic())
            self._settle(stream)
            opening = (State.SYN_SENT, State.SYN_RCVD)
            left_s = max(0.0, end_s - time.monotonic())
            try:
                what = f"{ip}:{port} to answer the SYN"
                wait_until(stream.changed, lambda: stream.state not in opening, left_s, what)
            except DeadlineExceeded:
                stream.reset()
                raise
            if stream.reason == "refused":
                raise StreamRefused(f"{ip}:{port} refused the connection: it answered with RST")
            if stream.closed and stream.reason != "closed":
                raise PeerError(f"no connection to {ip}:{port}: {stream.reason}")
            return stream

    def close(self) -> None:
        """Reset all connections, end the timer, leave the wire."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for stream in list(self._streams.values()):
                stream.reset()
            self._listeners.clear()
            self._timer_changed.notify()
        self._timer.join()
        self._port.close()  # not under the lock: waits for `_receive` to return

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _need_open(self) -> None:
        if self._closed:
            raise UsageError("this endpoint is closed; make a new one")

    def _unlisten(self, listener: Listener) -> None:
        with self._lock:
            if self._listeners.get(listener.port) is listener:
                del self._listeners[listener.port]
            while listener.waiting:
                listener.waiting.popleft().reset()

    def _ephemeral(self, ip: str, port: int) -> int:
        for _ in _EPHEMERAL:
            candidate = _EPHEMERAL[self._next_port]
            self._next_port = (self._next_port + 1) % len(_EPHEMERAL)
            if (candidate, ip, port) not in self._streams and candidate not in self._listeners:
                return candidate
        raise PeerError(f"all ephemeral ports towards {ip}:{port} are in use")

    def _new_stream(self, key: _Key) -> Stream:
        local, remote = (self.ip, key[0]), (key[1], key[2])
        core = Connection(local, remote, self._random.getrandbits(32), self.config)
        stream = Stream(core, self._lock, self._settle)
        self._streams[key] = stream
        return stream

    def _resolve(self, ip: str, end_s: float) -> None:
        """Ask for the MAC of `ip` until it is known. The lock is held."""
        while ip not in self._macs:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(f"nobody on the wire answered ARP for {ip}; is it up?")
            request = Arp(ARP_REQUEST, self.mac, self.ip, bytes(6), ip)
            self._port.send(build_arp(request, src_mac=self.mac, dst_mac=BROADCAST_MAC))
            self._arp_changed.wait_for(lambda: ip in self._macs, min(left_s, _ARP_RETRY_S))

    # After every input to a connection, with the lock held.

    def _settle(self, stream: Stream) -> None:
        """Send what the connection wants sent, wake who waits, keep table and timer right."""
        core = stream.core
        for segment in core.take_output():
            self._transmit(segment)
        if core.state is State.CLOSED:
            key = (core.local[1], *core.remote)
            if self._streams.get(key) is stream:
                del self._streams[key]
        if stream.on_settled is not None:
            stream.on_settled()
        stream.changed.notify_all()
        due_s = core.deadline_s
        if due_s is not None and (self._wake_s is None or due_s < self._wake_s):
            self._timer_changed.notify()

    def _transmit(self, segment: TcpSegment) -> None:
        mac = self._macs.get(segment.dst)
        if mac is None:
            return  # cannot be: whoever we answer has sent a frame, whom we open to was resolved
        self._ident = self._ident + 1 & 0xFFFF
        self._port.send(build_tcp(segment, src_mac=self.mac, dst_mac=mac, ident=self._ident))

    def _run_timer(self) -> None:
        with self._lock:
            while not self._closed:
                now_s = time.monotonic()
                due = [s.core.deadline_s for s in self._streams.values()]
                self._wake_s = min((at_s for at_s in due if at_s is not None), default=None)
                if self._wake_s is None or self._wake_s > now_s:
                    left_s = None if self._wake_s is None else self._wake_s - now_s
                    self._timer_changed.wait(left_s)
                    continue
                for stream in list(self._streams.values()):
                    if stream.core.deadline_s is not None and stream.core.deadline_s <= now_s:
                        stream.core.tick(now_s)
                        self._settle(stream)

    # On the wire's thread.

    def _receive(self, data: bytes) -> None:
        frame = parse_frame(data)
        arp, tcp, echo = frame.arp, frame.tcp, frame.echo
        with self._lock:
            if self._closed:
                return
            if arp is not None:
                self._receive_arp(arp)
            elif tcp is not None and tcp.dst == self.ip and frame.dst_mac == self.mac:
                self._macs[tcp.src] = frame.src_mac
                self._receive_tcp(tcp)
            elif echo is not None and echo.dst == self.ip and echo.kind == ECHO_REQUEST:
                answer = IcmpEcho(self.ip, echo.src, ECHO_REPLY, echo.ident, echo.seq, echo.payload)
                self._port.send(build_echo(answer, src_mac=self.mac, dst_mac=frame.src_mac))

    def _receive_arp(self, arp: Arp) -> None:
        if arp.sender_ip != "0.0.0.0":  # a probe (RFC 5227) tells nothing about its sender
            self._macs[arp.sender_ip] = arp.sender_mac
            self._arp_changed.notify_all()
        if arp.op == ARP_REQUEST and arp.target_ip == self.ip:
            answer = Arp(ARP_REPLY, self.mac, self.ip, arp.sender_mac, arp.sender_ip)
            self._port.send(build_arp(answer, src_mac=self.mac, dst_mac=arp.sender_mac))

    def _receive_tcp(self, segment: TcpSegment) -> None:
        now_s = time.monotonic()
        key = (segment.dport, segment.src, segment.sport)
        stream = self._streams.get(key)
        opens = segment.flags & (SYN | ACK | RST) == SYN
        if stream is not None and opens and stream.core.gives_way_to(segment):
            del self._streams[key]
            stream = None
        if stream is not None:
            stream.core.segment(now_s, segment)
            self._settle(stream)
            return
        listener = self._listeners.get(segment.dport)
        if listener is not None and not segment.flags & ACK:
            if opens and listener.has_room():
                self._accept(listener, key, segment, now_s)
            return  # RST, or SYN beyond the backlog: the peer will try again
        answer = reset_for(segment)
        if answer is not None:
            self._transmit(answer)

    def _accept(self, listener: Listener, key: _Key, syn: TcpSegment, now_s: float) -> None:
        stream = self._new_stream(key)
        listener.expect(stream)
        stream.core.open_passive(now_s, syn)
        self._settle(stream)
