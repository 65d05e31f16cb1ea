"""The kernel's filter for a packet socket: ARP, and IPv4 for some addresses; nothing else wakes us.

Classic BPF as in Linux Documentation/networking/filter.rst and <linux/filter.h>; offsets are those
of an Ethernet II frame (RFC 894, RFC 791 3.1, RFC 826). Used by `PacketWire` (`program`: what comes
for its addresses) and by `Onlooker` (`both_ways`: what one address sends and gets).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

from lwipscope.wire.layers import ETHERTYPE_ARP, ETHERTYPE_IPV4, ip_bytes

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; not in Python's socket module
_LOAD_WORD, _LOAD_HALF = 0x20, 0x28  # BPF_LD | BPF_ABS, with BPF_W or BPF_H
_JUMP_EQUAL, _RETURN = 0x15, 0x06  # BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
_PACKET_TYPE = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
_PACKET_OUTGOING = 4
_ETHERTYPE_AT, _IPV4_SRC_AT, _IPV4_DST_AT = 12, 26, 30
_ARP_SENDER_AT, _ARP_TARGET_AT = 28, 38
_WHOLE = 0x40000


def program(addresses: Sequence[str]) -> bytes:
    """The instructions (struct sock_filter) that let in what is for `addresses`, and ARP."""
    count = len(addresses)
    code = [
        (_LOAD_WORD, 0, 0, _PACKET_TYPE),
        (_JUMP_EQUAL, 4 + count, 0, _PACKET_OUTGOING),
        (_LOAD_HALF, 0, 0, _ETHERTYPE_AT),
        (_JUMP_EQUAL, 3 + count, 0, ETHERTYPE_ARP),
        (_JUMP_EQUAL, 0, 1 + count, ETHERTYPE_IPV4),
        (_LOAD_WORD, 0, 0, _IPV4_DST_AT),
    ]
    for index, address in enumerate(addresses):
        wanted = int.from_bytes(ip_bytes(address), "big")
        code.append((_JUMP_EQUAL, count - index, 0, wanted))
    return _assembled(code)


def both_ways(address: str) -> bytes:
    """The instructions that let in IPv4 and ARP from and to `address`, this machine's own too."""
    wanted = int.from_bytes(ip_bytes(address), "big")
    return _assembled(
        [
            (_LOAD_HALF, 0, 0, _ETHERTYPE_AT),
            (_JUMP_EQUAL, 0, 4, ETHERTYPE_IPV4),
            (_LOAD_WORD, 0, 0, _IPV4_SRC_AT),
            (_JUMP_EQUAL, 8, 0, wanted),
            (_LOAD_WORD, 0, 0, _IPV4_DST_AT),
            (_JUMP_EQUAL, 6, 5, wanted),
            (_JUMP_EQUAL, 0, 4, ETHERTYPE_ARP),
            (_LOAD_WORD, 0, 0, _ARP_SENDER_AT),
            (_JUMP_EQUAL, 3, 0, wanted),
            (_LOAD_WORD, 0, 0, _ARP_TARGET_AT),
            (_JUMP_EQUAL, 1, 0, wanted),
        ]
    )


def attach(line: socket.socket, addresses: Sequence[str]) -> None:
    """Let the kernel apply `program`."""
    attach_code(line, program(addresses))


def attach_code(line: socket.socket, code: bytes) -> None:
    """Let the kernel apply it (struct sock_fprog), in place of one attached before."""
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    line.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)


def _assembled(code: Sequence[tuple[int, int, int, int]]) -> bytes:
    """With the two ends that all jumps lead to: refuse, and let in."""
    ends = [(_RETURN, 0, 0, 0), (_RETURN, 0, 0, _WHOLE)]
    return b"".join(struct.pack("=HBBI", *one) for one in (*code, *ends))
