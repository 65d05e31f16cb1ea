"""tcpdump's lines: the same as those of the real tcpdump reading the same frames."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from foreign_tools import read_with
from run_examples import BOARD, BOARD_MAC, PEER, PEER_MAC, served_run

from lwipscope.report.tcpdump_text import Flags, tcpdump_lines
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import About, Run, RunLife, WireFrame
from lwipscope.wire.packet import (
    ARP_REPLY,
    ARP_REQUEST,
    BROADCAST_MAC,
    Arp,
    IcmpEcho,
    TcpSegment,
    build_arp,
    build_echo,
    build_tcp,
)

FLAGS = {
    "-n": Flags(numeric=True),
    "-nS": Flags(numeric=True, absolute=True),
    "-nA": Flags(numeric=True, ascii=True),
    "-nSAl": Flags(numeric=True, absolute=True, ascii=True),
    "-nt": Flags(numeric=True, no_time=1),
    "-ntt": Flags(numeric=True, no_time=2),
}
_OPTIONS = (
    b"",
    b"\x02\x04\x05\xb4",
    b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x00\x00",
    b"\x01\x01\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x09",
    b"\x01\x01\x05\x0a\x00\x00\x03\xe9\x00\x00\x07\xd1",
    b"\x01\x01\x05\x12" + bytes(range(16)),
)
_DATA = (
    b"",
    b"",
    b"x",
    b"hello\r\n",
    b"a\rb\tc\x00\xff \n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"HTTP/1.1 200 OK",
)


def run_of(frames: list[bytes]) -> Run:
    wire = tuple(WireFrame(n * 0.001234567, "raw", data) for n, data in enumerate(frames))
    return Run(About("x", wall_ns=1_700_000_000_123_456_789), (RunLife(0, wire=wire),))


def any_frames(seed: int) -> list[bytes]:
    """Segments of a few conversations, in any state of mind; ARP and echo between them."""
    chance = random.Random(seed)
    frames = []
    for _ in range(120):
        ends = [(BOARD, chance.choice((6666, 80, 8080))), (PEER, chance.choice((40000, 6666, 81)))]
        macs = [BOARD_MAC, PEER_MAC]
        if chance.random() < 0.5:
            ends.reverse()
            macs.reverse()
        segment = TcpSegment(
            *(ends[0][0], ends[1][0], ends[0][1], ends[1][1]),
            seq=chance.choice((0, 1000, 1001, 0xFFFFFFFF, chance.getrandbits(32))),
            ack=chance.choice((0, 1000, 2001, chance.getrandbits(32))),
            flags=chance.choice((2, 18, 16, 24, 17, 4, 20, 25, 0, 1, 48, 255)),
            window=chance.getrandbits(16),
            options=chance.choice(_OPTIONS),
            payload=chance.choice(_DATA),
            urgent=chance.getrandbits(16),
        )
        frames.append(build_tcp(segment, src_mac=macs[0], dst_mac=macs[1]))
    ask = Arp(ARP_REQUEST, PEER_MAC, PEER, bytes(6), BOARD)
    answer = Arp(ARP_REPLY, BOARD_MAC, BOARD, PEER_MAC, PEER)
    macs_of = {"src_mac": PEER_MAC, "dst_mac": BOARD_MAC}
    frames.append(build_arp(ask, src_mac=PEER_MAC, dst_mac=BROADCAST_MAC) + bytes(18))
    frames.append(build_arp(answer, **macs_of))
    frames.append(build_arp(replace(ask, target_mac=BOARD_MAC), **macs_of))
    frames += [build_echo(IcmpEcho(PEER, BOARD, kind, 7, 9, b"ping"), **macs_of) for kind in (8, 0)]
    frames.append(BOARD_MAC + PEER_MAC + b"\x88\xb5" + bytes(range(35, 80)))
    return frames


def ours(run: Run, flags: Flags) -> list[str]:
    lines = [line.partition("  # ")[0] for line in tcpdump_lines(run, flags)]
    return "\n".join(lines).split("\n")


@pytest.mark.parametrize("options", FLAGS)
@pytest.mark.parametrize("seed", range(5))
def test_any_frames_print_as_tcpdump_prints_them(tmp_path: Path, options: str, seed: int) -> None:
    run = run_of(any_frames(seed))
    write_pcapng(run, tmp_path / "x.pcapng")
    theirs = read_with("tcpdump", options, "-r", tmp_path / "x.pcapng").split("\n")[:-1]
    assert ours(run, FLAGS[options]) == theirs


@pytest.mark.parametrize("options", FLAGS)
def test_a_served_run_prints_as_tcpdump_prints_it(tmp_path: Path, options: str) -> None:
    run = served_run(3, 4)
    write_pcapng(run, tmp_path / "x.pcapng")
    theirs = read_with("tcpdump", options, "-r", tmp_path / "x.pcapng").split("\n")[:-1]
    assert ours(run, FLAGS[options]) == theirs


def test_the_column_has_the_board_s_state() -> None:
    lines = [*tcpdump_lines(served_run(), FLAGS["-nt"])]
    column = [line.partition("  # ")[2] for line in lines]
    assert column == [
        "c3 CLOSED > SYN_RCVD",
        "c3 SYN_RCVD",
        "c3 SYN_RCVD > ESTABLISHED",
        "c3 ESTABLISHED",
        "c3 ESTABLISHED",
        "c3 ESTABLISHED > CLOSE_WAIT",
        "c3 CLOSE_WAIT",
        "c3 LAST_ACK",
        "c3 LAST_ACK > CLOSED",
    ]


def test_bytes_never_become_control_codes() -> None:
    segment = TcpSegment(
        PEER, BOARD, 40000, 80, payload=b"GET \x1b]0;owned\x07\x1b[2J\x9b HTTP/1.0"
    )
    frame = build_tcp(segment, src_mac=PEER_MAC, dst_mac=BOARD_MAC)
    text = "\n".join(tcpdump_lines(run_of([frame]), FLAGS["-nA"]))
    assert all(c == "\n" or c.isprintable() for c in text)
