"""Frames as bytes: builds and parses Ethernet II with ARP, IPv4, ICMP echo, TCP; parses UDP.

Used by every peer that speaks frames and by every reader of the wire. `parse_frame` never raises,
whatever the bytes: what could be decoded is in `layer`, and `problem` says why a receiver would
not take it. The builders compute true checksums; `*_xor` makes a wrong one on purpose.

Sources: RFC 9293 3.1 (TCP header, pseudo-header), RFC 791 3.1 (IPv4), RFC 826 (ARP), RFC 792
(echo), RFC 768 (UDP), RFC 894 (Ethernet), RFC 1071 (checksum).
"""

from __future__ import annotations

from dataclasses import dataclass
from socket import inet_ntoa
from struct import Struct

from lwipscope.errors import UsageError
from lwipscope.wire.layers import (
    ACK,
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    CWR,
    ECE,
    ECHO_REPLY,
    ECHO_REQUEST,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    FIN,
    PROTOCOL_ICMP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    PSH,
    RST,
    SYN,
    URG,
    Arp,
    IcmpEcho,
    Ipv4,
    TcpSegment,
    Udp,
    flags_from_text,
    flags_text,
    ip_bytes,
    mac_bytes,
    mac_text,
    mss_option,
)

__all__ = [
    "ACK", "ARP_REPLY", "ARP_REQUEST", "BROADCAST_MAC", "CWR", "ECE", "ECHO_REPLY",
    "ECHO_REQUEST", "ETHERTYPE_ARP", "ETHERTYPE_IPV4", "FIN", "PROTOCOL_ICMP", "PROTOCOL_TCP",
    "PROTOCOL_UDP", "PSH", "RST", "SYN", "URG", "Arp", "Frame", "IcmpEcho", "Ipv4", "TcpSegment",
    "Udp", "build_arp", "build_echo", "build_tcp", "flags_from_text", "flags_text", "ip_bytes",
    "mac_bytes", "mac_text", "mss_option", "parse_frame",
]  # fmt: skip

_ETHERNET = Struct("!6s6sH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_TCP = Struct("!HHIIBBHHH")
_UDP = Struct("!HHHH")
_ECHO = Struct("!BBHHH")
_ARP = Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4_TCP = Struct("!6s6sHBBHHHBBH4s4sHHIIBBHHH")
_DONT_FRAGMENT = 0x4000


@dataclass(frozen=True, slots=True)
class Frame:
    """One Ethernet frame. `layer` is as much as could be decoded; `problem` is None when a
    receiver would take it. `tcp`, `arp`, `echo` and `udp` give the layer only without a problem.
    The headers below that layer are decoded when asked for: most readers never ask."""

    data: bytes
    layer: Arp | IcmpEcho | Udp | TcpSegment | None
    problem: str | None

    @property
    def dst_mac(self) -> bytes:
        return self.data[:6]

    @property
    def src_mac(self) -> bytes:
        return self.data[6:12]

    @property
    def ethertype(self) -> int:
        return int.from_bytes(self.data[12:14], "big")

    @property
    def ip(self) -> Ipv4 | None:
        data = self.data
        if self.ethertype != ETHERTYPE_IPV4 or len(data) < 34:
            return None
        first, tos, _, ident, _, ttl, protocol, _, src, dst = _IPV4.unpack_from(data, 14)
        options = data[34 : max(34, 14 + ((first & 15) << 2))]
        return Ipv4(inet_ntoa(src), inet_ntoa(dst), protocol, ttl, ident, tos, options)

    @property
    def tcp(self) -> TcpSegment | None:
        return self.layer if self.problem is None and isinstance(self.layer, TcpSegment) else None

    @property
    def arp(self) -> Arp | None:
        return self.layer if self.problem is None and isinstance(self.layer, Arp) else None

    @property
    def echo(self) -> IcmpEcho | None:
        return self.layer if self.problem is None and isinstance(self.layer, IcmpEcho) else None

    @property
    def udp(self) -> Udp | None:
        return self.layer if self.problem is None and isinstance(self.layer, Udp) else None


def _words(data: bytes) -> int:
    """A number congruent modulo 65535 to the sum of `data`'s 16-bit words (RFC 1071 1 and 2).

    65536 is 1 modulo 65535, so the bytes read as one large number are congruent to that sum: one
    conversion and one division in C instead of a loop over words.
    """
    return int.from_bytes(data, "big") << (8 if len(data) & 1 else 0)


def _checksum(total: int) -> int:
    """The one's complement of a sum of words (RFC 1071); only words all zero add up to 0."""
    rest = total % 0xFFFF
    return 0xFFFF - rest if rest or not total else 0


def build_tcp(
    segment: TcpSegment,
    *,
    src_mac: bytes,
    dst_mac: bytes,
    ttl: int = 64,
    ident: int = 0,
    tos: int = 0,
    ip_checksum_xor: int = 0,
    tcp_checksum_xor: int = 0,
) -> bytes:
    """The frame of a segment. Options are padded to a multiple of four with zeros.

    The `xor`s spoil a checksum on purpose; use 1 and not 0xffff, which may turn 0 into 0xffff: the
    same number in one's complement.
    """
    src, dst = ip_bytes(segment.src), ip_bytes(segment.dst)
    payload, options, flags = segment.payload, segment.options, segment.flags & 0xFF
    seq, ack = segment.seq & 0xFFFFFFFF, segment.ack & 0xFFFFFFFF
    sport, dport, window, urgent = segment.sport, segment.dport, segment.window, segment.urgent
    if options:
        options += bytes(-len(options) % 4)
        if len(options) > 40:
            raise UsageError(f"TCP options take 40 bytes at most, not {len(options)}")
    offset = 0x50 + (len(options) << 2)
    length = 20 + len(options) + len(payload)
    total = 20 + length
    addresses = int.from_bytes(src, "big") + int.from_bytes(dst, "big")
    ip_sum = _checksum(0x4500 + tos + total + ident + _DONT_FRAGMENT + (ttl << 8) + 6 + addresses)
    tcp_sum = (6 + length + addresses + sport + dport + seq + ack + (offset << 8 | flags)) + (
        window + urgent
    )
    if options:
        tcp_sum += int.from_bytes(options, "big")
    if payload:
        tcp_sum += _words(payload)
    header = _ETHERNET_IPV4_TCP.pack(
        *(dst_mac, src_mac, ETHERTYPE_IPV4, 0x45, tos, total, ident, _DONT_FRAGMENT, ttl, 6),
        *(ip_sum ^ ip_checksum_xor, src, dst, sport, dport, seq, ack, offset, flags, window),
        *(_checksum(tcp_sum) ^ tcp_checksum_xor, urgent),
    )
    return header + options + payload


def build_echo(
    echo: IcmpEcho, *, src_mac: bytes, dst_mac: bytes, ttl: int = 64, ident: int = 0
) -> bytes:
    """The frame of an ICMP echo request or reply (RFC 792)."""
    icmp_sum = _checksum((echo.kind << 8) + echo.ident + echo.seq + _words(echo.payload))
    body = _ECHO.pack(echo.kind, 0, icmp_sum, echo.ident, echo.seq) + echo.payload
    src, dst = ip_bytes(echo.src), ip_bytes(echo.dst)
    fields = (0x45, 0, 20 + len(body), ident, _DONT_FRAGMENT, ttl, PROTOCOL_ICMP)
    ip_sum = _checksum(_words(_IPV4.pack(*fields, 0, src, dst)))
    header = _IPV4.pack(*fields, ip_sum, src, dst)
    return _ETHERNET.pack(dst_mac, src_mac, ETHERTYPE_IPV4) + header + body


def build_arp(arp: Arp, *, src_mac: bytes, dst_mac: bytes) -> bytes:
    """The frame of an ARP message (RFC 826)."""
    sender, target = ip_bytes(arp.sender_ip), ip_bytes(arp.target_ip)
    head = _ETHERNET.pack(dst_mac, src_mac, ETHERTYPE_ARP)
    fields = (1, ETHERTYPE_IPV4, 6, 4, arp.op)
    return head + _ARP.pack(*fields, arp.sender_mac, sender, arp.target_mac, target)


def parse_frame(data: bytes) -> Frame:
    """Decode a frame and verify its checksums; never raises, whatever the bytes."""
    kind = data[12:14]
    if kind == b"\x08\x00":
        return Frame(data, *_parse_ipv4(data))
    if kind == b"\x08\x06":
        return Frame(data, *_parse_arp(data))
    if len(data) < 14:
        return Frame(data, None, f"frame of {len(data)} bytes, below 14")
    return Frame(data, None, f"ethertype 0x{kind.hex()}")


def _parse_arp(data: bytes) -> tuple[Arp | None, str | None]:
    if len(data) < 42:
        return None, f"ARP of {len(data) - 14} bytes, below 28"
    fields = _ARP.unpack_from(data, 14)
    if fields[:4] != (1, ETHERTYPE_IPV4, 6, 4):
        return None, "ARP for other addresses than IPv4 over Ethernet"
    op, sender_mac, sender, target_mac, target = fields[4:]
    return Arp(op, sender_mac, inet_ntoa(sender), target_mac, inet_ntoa(target)), None


def _parse_ipv4(data: bytes) -> tuple[IcmpEcho | Udp | TcpSegment | None, str | None]:
    if len(data) < 34:
        return None, f"IPv4 of {len(data) - 14} bytes, below 20"
    first, _, total, _, fragment, _, protocol, _, packed_src, packed_dst = _IPV4.unpack_from(
        data, 14
    )
    header = (first & 15) << 2
    if first >> 4 != 4 or header < 20 or not header <= total <= len(data) - 14:
        return (
            None,
            f"IPv4 version {first >> 4}, header {header}, total {total} in {len(data) - 14}",
        )
    start, end = 14 + header, 14 + total  # bytes after `end` pad the frame (RFC 894)
    if int.from_bytes(data[14:start], "big") % 0xFFFF:
        return None, "wrong IPv4 header checksum"
    if fragment & 0x3FFF:
        return None, "IPv4 fragment"
    src, dst, length = inet_ntoa(packed_src), inet_ntoa(packed_dst), end - start
    # Without IP options the addresses stand directly before the segment: one slice for both.
    summed = data[26:end] if header == 20 else data[26:34] + data[start:end]
    if protocol == PROTOCOL_TCP:
        if length < 20:
            return None, f"TCP of {length} bytes, below 20"
        tcp = _TCP.unpack_from(data, start)
        sport, dport, seq, ack, offset, flags, window, _, urgent = tcp
        body = start + ((offset >> 4) << 2)
        if not start + 20 <= body <= end:
            return None, f"TCP header of {body - start} bytes in {length} bytes"
        layer = TcpSegment(
            src, dst, sport, dport, seq, ack, flags, window, data[start + 20 : body],
            data[body:end], urgent,
        )  # fmt: skip
        wrong = (_words(summed) + PROTOCOL_TCP + length) % 0xFFFF
        return layer, "wrong TCP checksum" if wrong else None
    if protocol == PROTOCOL_UDP:
        return _parse_udp(src, dst, summed)
    if protocol == PROTOCOL_ICMP:
        return _parse_echo(src, dst, data[start:end])
    return None, f"IP protocol {protocol}"


def _parse_udp(src: str, dst: str, summed: bytes) -> tuple[Udp | None, str | None]:
    """`summed` is the datagram behind the addresses of its pseudo-header."""
    if len(summed) < 16:
        return None, f"UDP of {len(summed) - 8} bytes, below 8"
    sport, dport, length, udp_sum = _UDP.unpack_from(summed, 8)
    if not 8 <= length <= len(summed) - 8:
        return None, f"UDP length {length} in {len(summed) - 8} bytes"
    summed = summed[: 8 + length]
    wrong = udp_sum and (_words(summed) + PROTOCOL_UDP + length) % 0xFFFF  # 0: none was made
    return Udp(src, dst, sport, dport, summed[16:]), "wrong UDP checksum" if wrong else None


def _parse_echo(src: str, dst: str, body: bytes) -> tuple[IcmpEcho | None, str | None]:
    if len(body) < 8:
        return None, f"ICMP of {len(body)} bytes, below 8"
    kind, code, _, ident, seq = _ECHO.unpack_from(body)
    if kind not in (ECHO_REPLY, ECHO_REQUEST) or code:
        return None, f"ICMP type {kind} code {code}"
    echo = IcmpEcho(src, dst, kind, ident, seq, body[8:])
    words = _words(body)
    return echo, "wrong ICMP checksum" if not words or words % 0xFFFF else None
