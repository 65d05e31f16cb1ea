"""The layers of a frame as values, and the names of their fields: flags, types, addresses.

`packet` turns them into bytes and back and re-exports all of this; nothing here knows offsets.
All IP addresses are dotted text, MACs are 6 bytes, sequence numbers are absolute, lengths are
bytes. Sources: RFC 9293 3.1-3.2 (TCP header, options), RFC 791 3.1 (IPv4), RFC 826 (ARP), RFC 792
(echo), RFC 768 (UDP); the letters of the flags are tcpdump's.
"""

from __future__ import annotations

from dataclasses import dataclass
from socket import AF_INET, inet_pton

from lwipscope.errors import UsageError

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
ETHERTYPE_IPV4, ETHERTYPE_ARP = 0x0800, 0x0806
PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP = 1, 6, 17
ARP_REQUEST, ARP_REPLY = 1, 2
ECHO_REPLY, ECHO_REQUEST = 0, 8
BROADCAST_MAC = b"\xff" * 6

_LETTERS = (
    *((FIN, "F"), (SYN, "S"), (RST, "R"), (PSH, "P")),
    *((ACK, "."), (URG, "U"), (ECE, "E"), (CWR, "W")),
)
_FLAGS_TEXT = tuple(
    "".join(letter for bit, letter in _LETTERS if flags & bit) or "none" for flags in range(256)
)


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP message for IPv4 over Ethernet (RFC 826); op is ARP_REQUEST or ARP_REPLY."""

    op: int
    sender_mac: bytes
    sender_ip: str
    target_mac: bytes
    target_ip: str


@dataclass(frozen=True, slots=True)
class Ipv4:
    """The header of an IPv4 packet (RFC 791 3.1); `options` are the raw bytes after 20."""

    src: str
    dst: str
    protocol: int
    ttl: int
    ident: int
    tos: int
    options: bytes


@dataclass(frozen=True, slots=True)
class IcmpEcho:
    """An echo request (kind 8) or reply (kind 0), RFC 792."""

    src: str
    dst: str
    kind: int
    ident: int
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP datagram (RFC 768)."""

    src: str
    dst: str
    sport: int
    dport: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """A TCP segment with the addresses of its pseudo-header; `options` are raw, padding included.

    >>> TcpSegment("192.0.2.1", "192.0.2.10", 40312, 6666, flags=SYN, options=mss_option(1460))
    """

    src: str
    dst: str
    sport: int
    dport: int
    seq: int = 0
    ack: int = 0
    flags: int = ACK
    window: int = 65535
    options: bytes = b""
    payload: bytes = b""
    urgent: int = 0

    @property
    def seq_len(self) -> int:
        """SEG.LEN of RFC 9293 3.3.1: payload bytes, plus one for each of SYN and FIN."""
        return len(self.payload) + (self.flags & 1) + (self.flags >> 1 & 1)

    @property
    def mss(self) -> int | None:
        """The value of the maximum segment size option, None without one (RFC 9293 3.2)."""
        options, at = self.options, 0
        while at < len(options) and options[at] != 0:
            if options[at] == 1:
                at += 1
                continue
            size = options[at + 1] if at + 1 < len(options) else 0
            if size < 2 or at + size > len(options):
                return None
            if options[at] == 2 and size == 4:
                return options[at + 2] << 8 | options[at + 3]
            at += size
        return None

    def flags_text(self) -> str:
        """The flags in tcpdump's letters: `S`, `S.`, `FP.`, `none`."""
        return _FLAGS_TEXT[self.flags & 0xFF]


def flags_text(flags: int) -> str:
    """The flags in tcpdump's letters, in the order F S R P . U E W; `none` when there are none."""
    return _FLAGS_TEXT[flags & 0xFF]


def flags_from_text(text: str) -> int:
    """The opposite of `flags_text`; the letters may stand in any order."""
    bits = {letter: bit for bit, letter in _LETTERS}
    flags = 0
    for letter in "" if text == "none" else text:
        if letter not in bits:
            raise UsageError(f"TCP flags are letters out of FSRP.UEW or 'none', not {text!r}")
        flags |= bits[letter]
    return flags


def mac_bytes(text: str) -> bytes:
    """`02:6c:77:00:00:0a` as 6 bytes."""
    try:
        mac = bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise UsageError(f"a MAC address looks like 02:6c:77:00:00:0a, not like {text!r}")
    return mac


def mac_text(mac: bytes) -> str:
    """6 bytes as `02:6c:77:00:00:0a`."""
    return mac.hex(":")


def mss_option(mss: int) -> bytes:
    """The maximum segment size option (RFC 9293 3.2), to be put into a SYN's `options`."""
    return b"\x02\x04" + mss.to_bytes(2, "big")


def ip_bytes(text: str) -> bytes:
    """`192.0.2.10` as 4 bytes."""
    try:
        return inet_pton(AF_INET, text)
    except OSError:
        raise UsageError(f"an IPv4 address looks like 192.0.2.10, not like {text!r}") from None
