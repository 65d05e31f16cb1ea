"""The packet codec: against dpkt, against itself, against any bytes."""

from __future__ import annotations

import socket
from dataclasses import replace

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.wire import packet
from lwipscope.wire.packet import TcpSegment, build_tcp, parse_frame

BOARD = packet.mac_bytes("02:6c:77:00:00:0a")
HOST = packet.mac_bytes("02:6c:77:00:00:01")
SYN = TcpSegment(
    "192.0.2.1", "192.0.2.10", 40312, 6666, 7, 0, packet.SYN, 64240, packet.mss_option(1460)
)

ips = st.integers(0, 0xFFFFFFFF).map(lambda n: socket.inet_ntoa(n.to_bytes(4, "big")))
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
segments = st.builds(
    TcpSegment,
    src=ips,
    dst=ips,
    sport=u16,
    dport=u16,
    seq=u32,
    ack=u32,
    flags=st.integers(0, 255),
    window=u16,
    options=st.integers(0, 10).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
    payload=st.binary(max_size=80),
    urgent=u16,
)


def frame_of(segment: TcpSegment, **options: int) -> bytes:
    return build_tcp(segment, src_mac=HOST, dst_mac=BOARD, **options)


@given(segments)
def test_a_built_segment_parses_to_itself(segment: TcpSegment) -> None:
    frame = parse_frame(frame_of(segment))
    assert frame.problem is None
    assert frame.tcp == segment
    assert (frame.dst_mac, frame.src_mac) == (BOARD, HOST)


@given(segments)
def test_dpkt_reads_and_would_write_the_same_bytes(segment: TcpSegment) -> None:
    data = frame_of(segment, ident=0x1234, ttl=7)
    theirs = dpkt.ethernet.Ethernet(data)
    tcp = theirs.data.data
    assert (tcp.sport, tcp.dport, tcp.seq, tcp.ack) == (
        *(segment.sport, segment.dport),
        *(segment.seq, segment.ack),
    )
    assert (bytes(tcp.opts), bytes(tcp.data)) == (segment.options, segment.payload)
    ours = theirs.data.sum, tcp.sum
    theirs.data.sum = tcp.sum = 0  # dpkt computes checksums that are 0
    again = dpkt.ethernet.Ethernet(bytes(theirs))
    assert ours == (again.data.sum, again.data.data.sum)


@given(st.binary(max_size=120))
def test_any_bytes_parse_without_raising(data: bytes) -> None:
    frame = parse_frame(data)
    assert frame.layer is not None or frame.problem
    assert frame.ip is None or frame.ip.ttl >= 0
    assert isinstance(frame.tcp.mss if frame.tcp else None, int | None)


@given(segments, st.data())
def test_a_damaged_frame_parses_without_raising(segment: TcpSegment, data: st.DataObject) -> None:
    raw = bytearray(frame_of(segment))
    at = data.draw(st.integers(12, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    frame = parse_frame(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    # 16-bit sums see every change of one byte; the IP header's ident, ttl, tos are covered too.
    assert frame.tcp is None
    if frame.layer is not None and isinstance(frame.layer, TcpSegment):
        assert isinstance(frame.layer.mss, int | None)


@pytest.mark.parametrize("which", ["ip", "tcp"])
def test_a_wrong_checksum_on_purpose_is_found(which: str) -> None:
    data = frame_of(SYN, **{f"{which}_checksum_xor": 1})
    frame = parse_frame(data)
    assert frame.tcp is None
    assert "checksum" in (frame.problem or "")
    if which == "tcp":
        assert frame.layer == SYN  # still readable for reports


def test_padding_of_short_frames_is_no_payload() -> None:
    bare = replace(SYN, options=b"", flags=packet.ACK)
    assert parse_frame(frame_of(bare).ljust(60, b"\0")).tcp == bare


def test_ip_options_are_skipped_and_summed() -> None:
    inner = dpkt.tcp.TCP(sport=1, dport=2, seq=3, flags=packet.SYN, data=b"")
    ip = dpkt.ip.IP(src=b"\xc0\0\2\1", dst=b"\xc0\0\2\n", p=6, opts=b"\1\1\1\0", data=inner)
    ip.hl, ip.len = 6, len(ip)
    frame = parse_frame(BOARD + HOST + b"\x08\x00" + bytes(ip))
    assert frame.tcp is not None and frame.tcp.seq == 3
    assert frame.ip is not None and frame.ip.options == b"\1\1\1\0"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (0, "none"),
        (packet.SYN, "S"),
        (packet.SYN | packet.ACK, "S."),
        (packet.FIN | packet.PSH | packet.ACK, "FP."),
        (packet.RST | packet.ACK, "R."),
        (255, "FSRP.UEW"),
    ],
)
def test_flags_in_tcpdump_letters(flags: int, text: str) -> None:
    assert packet.flags_text(flags) == text == TcpSegment("", "", 0, 0, flags=flags).flags_text()
    assert packet.flags_from_text(text) == flags


def test_wrong_texts_are_usage_errors() -> None:
    for call in (
        lambda: packet.flags_from_text("SX"),
        lambda: packet.mac_bytes("02:6c"),
        lambda: packet.mac_bytes("zz:00:00:00:00:00"),
        lambda: frame_of(replace(SYN, dst="192.0.2")),
        lambda: frame_of(replace(SYN, options=bytes(41))),
    ):
        with pytest.raises(UsageError):
            call()


@pytest.mark.parametrize(
    ("options", "mss"),
    [
        (b"", None),
        (b"\x02\x04\x05\xb4", 1460),
        (b"\x01\x01\x02\x04\x02\x18", 536),
        (b"\x03\x03\x07\x01\x02\x04\x05\xb4", 1460),
        (b"\x00\x02\x04\x05\xb4\x00\x00\x00", None),
        (b"\x02\x04\x05", None),
        (b"\x02\x00", None),
        (b"\x02", None),
    ],
)
def test_mss_is_found_in_options(options: bytes, mss: int | None) -> None:
    assert replace(SYN, options=options).mss == mss


def test_seq_len_counts_syn_and_fin() -> None:
    assert SYN.seq_len == 1
    assert replace(SYN, flags=packet.FIN | packet.ACK, payload=b"abc").seq_len == 4


def test_arp_round_trip_and_dpkt() -> None:
    arp = packet.Arp(packet.ARP_REQUEST, HOST, "192.0.2.1", bytes(6), "192.0.2.10")
    data = packet.build_arp(arp, src_mac=HOST, dst_mac=packet.BROADCAST_MAC)
    assert parse_frame(data).arp == arp
    theirs = dpkt.ethernet.Ethernet(data).data
    assert (theirs.op, theirs.spa, theirs.tpa) == (1, b"\xc0\0\2\1", b"\xc0\0\2\n")


@given(u16, u16, st.binary(max_size=40), st.sampled_from([0, 8]))
def test_echo_round_trip_and_dpkt(ident: int, seq: int, payload: bytes, kind: int) -> None:
    echo = packet.IcmpEcho("192.0.2.1", "192.0.2.10", kind, ident, seq, payload)
    data = packet.build_echo(echo, src_mac=HOST, dst_mac=BOARD)
    assert parse_frame(data).echo == echo
    icmp = dpkt.ethernet.Ethernet(data).data.data
    ours, icmp.sum = icmp.sum, 0
    assert ours == dpkt.icmp.ICMP(bytes(icmp)).sum


@given(u16, u16, st.binary(max_size=40))
def test_udp_made_by_dpkt_parses(sport: int, dport: int, payload: bytes) -> None:
    inner = dpkt.udp.UDP(sport=sport, dport=dport, ulen=8 + len(payload), data=payload)
    ip = dpkt.ip.IP(src=b"\xc0\0\2\1", dst=b"\xc0\0\2\n", p=17, data=inner)
    ip.len = len(ip)
    data = BOARD + HOST + b"\x08\x00" + bytes(ip)
    assert parse_frame(data).udp == packet.Udp("192.0.2.1", "192.0.2.10", sport, dport, payload)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    assert parse_frame(damaged).udp is None
