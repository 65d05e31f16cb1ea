"""A TCP peer under the test's control: it owns an address on the wire and sends what it is told.

Segment level: `connection()` or `listen()` and `expect_syn()`, then `send` and `expect`. Polite
level: `polite()` makes a connection behave by itself until told not to. ARP and echo requests are
answered at both levels; segments are answered by the polite level only. Frames are processed on
the wire's thread under one lock that nobody holds while waiting. Times in seconds.

Sources: RFC 826 (ARP), RFC 1122 3.2.2.6 (echo), RFC 9293 3.10.7.1 (segments for no connection).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from types import TracebackType

from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.peer.polite import PoliteConnection
from lwipscope.peer.raw_connection import STEP_S, RawConnection
from lwipscope.peer.raw_neighbour import Neighbours
from lwipscope.peer.raw_notices import Notices
from lwipscope.peer.tcp_core import TcpConfig, reset_for
from lwipscope.wire.packet import (
    ACK,
    ECHO_REPLY,
    ECHO_REQUEST,
    RST,
    SYN,
    Frame,
    IcmpEcho,
    TcpSegment,
    build_echo,
    build_tcp,
    ip_bytes,
    parse_frame,
)
from lwipscope.wire.station import Wire

RAW_IP = "192.0.2.100"
_ASK_AGAIN_S = 0.2

_Key = tuple[int, str, int]  # local port, remote address, remote port


class RawPeer:
    """`mac=None` makes 02:6c:77:00:00:NN of the address's last byte. `seed` fixes the initial
    numbers; `name` is the origin of our frames in captures. `refuses`: answer segments that
    belong to no connection with RST, as a host does; otherwise nothing answers them."""

    def __init__(
        self,
        wire: Wire,
        *,
        ip: str = RAW_IP,
        mac: bytes | None = None,
        seed: int | None = None,
        name: str | None = None,
        refuses: bool = False,
    ) -> None:
        self.ip = ip
        self.mac = mac if mac is not None else b"\x02\x6c\x77\x00\x00" + ip_bytes(ip)[3:]
        self.refuses = refuses
        self.changed = threading.Condition(threading.RLock())
        self._random = random.Random(seed)
        self._connections: dict[_Key, RawConnection] = {}
        self._listening: dict[int, deque[RawConnection]] = {}
        self._isns: dict[int, int | None] = {}
        self._notices = Notices()
        self._echoed = self._echoes = self._ident = 0
        self._here = True
        self._closed = False
        self._neighbours = Neighbours(ip, self.mac, self._put)
        self._port = wire.attach(self.mac, self._receive, name=name)

    # Connections.

    def connection(
        self,
        local_port: int,
        board_ip: str,
        board_port: int,
        *,
        isn: int | None = None,
        timeout_s: float = STEP_S,
    ) -> RawConnection:
        """A connection to the board's port, on which nothing has been sent yet."""
        with self.changed:
            self._resolve(board_ip, timeout_s)
            key = (local_port, board_ip, board_port)
            if key in self._connections:
                raise UsageError(
                    f"this peer already has a connection from port {local_port} to "
                    f"{board_ip}:{board_port}; forget() it first, or use another port"
                )
            return self._add(key, isn)

    def listen(self, port: int, *, isn: int | None = None) -> None:
        """Take the board's SYNs to `port`; nothing answers them. `isn` is for the next one."""
        with self.changed:
            self._need_open()
            self._listening.setdefault(port, deque())
            self._isns[port] = isn

    def expect_syn(self, port: int, *, timeout_s: float = STEP_S) -> RawConnection:
        """The next connection that the board opens to `port`: its SYN has come, unanswered."""
        end_s = time.monotonic() + timeout_s
        with self.changed:
            self._need_open()
            if port not in self._listening:
                raise UsageError(f"listen({port}) first: SYNs that came before are not kept")
            waiting = self._listening[port]
            if not self.changed.wait_for(lambda: bool(waiting), max(0.0, end_s - time.monotonic())):
                said = [f"{self.ip}:{port}: no SYN came within {timeout_s:g} s", *self.oddities()]
                raise PeerError("\n".join(said))
            made = waiting.popleft()
        made.expect(seq=0, timeout_s=0.0)
        return made

    def polite(
        self, connection: RawConnection, config: TcpConfig | None = None
    ) -> PoliteConnection:
        """Let `connection` behave by itself from here on, at whatever point it is."""
        return PoliteConnection(self, connection, config or TcpConfig())

    def forget(self, connection: RawConnection) -> None:
        """Its segments belong to no connection from now on; nothing is sent."""
        with self.changed:
            self._connections.pop(self._key(connection), None)

    # The host.

    def vanish(self) -> None:
        """The whole host is gone: it sends nothing, hears nothing and answers no ARP."""
        with self.changed:
            self._here = False

    @property
    def is_there(self) -> bool:
        """False once it has vanished or was closed."""
        with self.changed:
            return self._here and not self._closed

    def come_back(self, *, rebooted: bool = False) -> None:
        """End `vanish`. `rebooted`: without memory, so that old connections are refused."""
        with self.changed:
            self._here = True
            if rebooted:
                self._connections.clear()
                self._listening.clear()
                self.refuses = True

    def fence(self, ip: str, timeout_s: float = STEP_S) -> None:
        """When this returns, `ip` has processed all that was sent to it before, and every segment
        with which it answered at once has come: an echo request follows the same way, and hosts
        serve the wire in order."""
        with self.changed:
            self._need_open()
            if not self._here:
                raise UsageError("this peer has vanished: let it come_back() before it asks")
            self._resolve(ip, timeout_s)
            self._echoes = number = self._echoes + 1
            request = IcmpEcho(self.ip, ip, ECHO_REQUEST, 0x6C77, number & 0xFFFF, b"fence")
            mac = self._neighbours.mac_of(ip)
            assert mac is not None
            self._put(build_echo(request, src_mac=self.mac, dst_mac=mac))
            if not self.changed.wait_for(lambda: self._echoed >= number, timeout_s):
                raise DeadlineExceeded(
                    f"{ip} did not answer an echo request of {self.ip} within {timeout_s:g} s: "
                    "is it up, and does a rule hold its frames back?"
                )

    @property
    def strays(self) -> tuple[str, ...]:
        """The last segments that came for no connection, as text."""
        with self.changed:
            return self._notices.strays

    def oddities(self) -> list[str]:
        """What else was noticed, for the messages of failed expectations."""
        with self.changed:
            said = self._notices.lines()
            return said if self._here else [*said, "this peer has vanished (vanish())"]

    def transmit(self, segment: TcpSegment, *, bad_checksum: bool = False) -> bool:
        """Put a segment on the wire; False if the host has vanished."""
        with self.changed:
            self._need_open()
            mac = self._neighbours.mac_of(segment.dst)
            if mac is None:
                raise UsageError(f"the MAC of {segment.dst} is not known; use connection()")
            self._ident = self._ident + 1 & 0xFFFF
            frame = build_tcp(
                segment,
                src_mac=self.mac,
                dst_mac=mac,
                ident=self._ident,
                tcp_checksum_xor=int(bad_checksum),
            )
            self._put(frame)
            return self._here

    def close(self) -> None:
        """Leave the wire; nothing is sent. Idempotent."""
        with self.changed:
            if self._closed:
                return
            self._closed = True
            self.changed.notify_all()
        self._port.close()  # not under the lock: waits for `_receive` to return

    def __enter__(self) -> RawPeer:
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
            raise UsageError("this peer is closed; make a new one")

    def _put(self, frame: bytes) -> None:
        if self._here:
            self._port.send(frame)

    @staticmethod
    def _key(connection: RawConnection) -> _Key:
        return (connection.local[1], *connection.remote)

    def _add(self, key: _Key, isn: int | None) -> RawConnection:
        number = self._random.getrandbits(32) if isn is None else isn
        made = RawConnection(self, (self.ip, key[0]), (key[1], key[2]), number)
        self._connections[key] = made
        return made

    def _resolve(self, ip: str, timeout_s: float) -> None:
        """Ask for the MAC of `ip` until it is known. The lock is held."""
        self._need_open()
        ip_bytes(ip)
        end_s = time.monotonic() + timeout_s
        while self._neighbours.mac_of(ip) is None:
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(
                    f"nobody on the wire answered {self.ip}'s ARP for {ip} within {timeout_s:g} s; "
                    "is the board up?"
                )
            self._neighbours.ask(ip)
            self.changed.wait_for(
                lambda: self._neighbours.mac_of(ip) is not None, min(left_s, _ASK_AGAIN_S)
            )

    # On the wire's thread.

    def _receive(self, data: bytes) -> None:
        frame = parse_frame(data)
        with self.changed:
            if self._closed or not self._here:
                return
            tcp = frame.tcp
            if tcp is not None:
                if tcp.dst == self.ip and frame.dst_mac == self.mac:
                    self._neighbours.learn(tcp.src, frame.src_mac)
                    self._receive_tcp(tcp)
            elif frame.arp is not None:
                self._neighbours.receive(frame.arp)
                self.changed.notify_all()
            else:
                self._receive_other(frame)

    def _receive_other(self, frame: Frame) -> None:
        echo = frame.echo
        if echo is not None and echo.dst == self.ip:
            if echo.kind == ECHO_REQUEST:
                answer = IcmpEcho(self.ip, echo.src, ECHO_REPLY, echo.ident, echo.seq, echo.payload)
                self._put(build_echo(answer, src_mac=self.mac, dst_mac=frame.src_mac))
            elif echo.seq == self._echoes & 0xFFFF:
                self._echoed = self._echoes
                self.changed.notify_all()
        elif isinstance(frame.layer, TcpSegment) and frame.layer.dst == self.ip:
            self._notices.defect(frame)

    def _receive_tcp(self, segment: TcpSegment) -> None:
        key = (segment.dport, segment.src, segment.sport)
        connection = self._connections.get(key)
        waiting = self._listening.get(segment.dport)
        opens = waiting is not None and segment.flags & (SYN | ACK | RST) == SYN
        # The board has used the same port again, after a reboot for instance.
        anew = opens and connection is not None and connection.board_isn != segment.seq
        if connection is not None and not anew:
            connection.arrived(segment)
            return
        if waiting is not None and opens:
            connection = self._add(key, self._isns[segment.dport])
            self._isns[segment.dport] = None
            connection.arrived(segment)
            waiting.append(connection)
            self.changed.notify_all()
            return
        self._notices.stray(segment)
        answer = reset_for(segment) if self.refuses else None
        if answer is not None:
            self.transmit(answer)
