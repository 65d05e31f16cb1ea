"""pcapng: dpkt, tcpdump and tshark read what we write, with the comments where they belong."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import dpkt
import pytest
from foreign_tools import read_with
from hypothesis import given, settings
from hypothesis import strategies as st
from run_examples import served_run

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.runfile.export import write_pcapng
from lwipscope.wire.pcapng import Capture, Packet, Writer, read_pcapng
from lwipscope.wire.wall_clock import WallClock

CLOCK = WallClock(1_700_000_000_000_000_000)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            Packet,
            st.integers(0, 2**63),
            st.sampled_from(["board", "tap", "ü x"]),
            st.binary(max_size=70),
            st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)).map(tuple),
        ),
        max_size=6,
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, packets: list[Packet]
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.pcapng"
    writer = Writer()
    made = [writer.head(["a run"], hardware="h")]
    made += [writer.packet(p.wall_ns, p.interface, p.data, p.comments) for p in packets]
    path.write_bytes(b"".join(made))
    assert read_pcapng(path) == packets


def test_a_capture_grows_and_a_cut_loses_its_last_frame_only(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcapng", CLOCK) as capture:
        for number in range(5):
            capture.on_frame(number, "tap" if number % 2 else "board", bytes(14 + number))
        whole = capture.path.read_bytes()
        assert len(read_pcapng(capture.path)) == capture.frames == 5
    capture.on_frame(9, "tap", bytes(20))
    assert capture.path.read_bytes() == whole
    capture.path.write_bytes(whole[:-3])
    assert [len(packet.data) for packet in read_pcapng(capture.path)] == [14, 15, 16, 17]


def test_times_names_and_bytes_by_dpkt(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcapng", CLOCK) as capture:
        capture.on_frame(1.25, "board", b"x" * 15)
    with capture.path.open("rb") as file:
        ((stamp, data),) = list(dpkt.pcapng.Reader(file))
    assert abs(float(stamp) - 1_700_000_001.25) < 1e-6
    assert data == b"x" * 15


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"\xd4\xc3\xb2\xa1" + bytes(40), b"\x0a\x0d\x0d\x0a" + bytes(3)):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UsageError, match="no pcapng"):
            read_pcapng(tmp_path / "x")
    with pytest.raises(UsageError, match="cannot write"):
        Capture(tmp_path / "no" / "folder")


def test_tshark_finds_the_transitions_and_nothing_malformed(tmp_path: Path) -> None:
    run, path = served_run(2), tmp_path / "run.pcapng"
    write_pcapng(run, path)
    fields = ("-T", "fields", "-e", "frame.interface_name", "-e", "tcp.flags.str", "-e")
    rows = read_with("tshark", "-r", path, *fields, "frame.comment").splitlines()
    assert len(rows) == len(run.lives[0].wire)
    told = [row.split("\t") for row in rows]
    assert told[0][0] == "tap" and "c3: CLOSED > SYN_RCVD (rx SYN, tcp_in.c:680)" in told[0][2]
    assert told[1][0] == "board" and told[1][2] == ""
    assert told[2][2] == "board c3: SYN_RCVD > ESTABLISHED (rx ACK, tcp_in.c:942)"
    # close() is told at the FIN that it sends.
    assert told[7][1].endswith("F") and "CLOSE_WAIT > LAST_ACK (api close" in told[7][2]
    assert told[8][2] == "board c3: LAST_ACK > CLOSED (rx ACK, freed)"
    assert read_with("tshark", "-r", path, "-Y", "_ws.malformed or tcp.checksum.status==0") == ""
    found = read_with("tshark", "-r", path, "-Y", 'frame.comment contains "LAST_ACK > CLOSED"')
    assert len(found.splitlines()) == 2


def test_the_file_s_own_comment_names_run_verdict_and_board(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    write_pcapng(served_run(), path)
    head = path.read_bytes()[:1000]
    for text in (b"run: served (The board serves)", b"verdict: PASS", b"lwip=2.2.1", b"Arm MPS2"):
        assert text in head


def test_a_capture_of_nothing_opens_everywhere(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcapng") as capture:
        assert read_with("tcpdump", "-n", "-r", capture.path) == ""
        assert read_with("tshark", "-r", capture.path) == ""
        with capture.path.open("rb") as file:
            assert list(dpkt.pcapng.Reader(file)) == []


def test_tcpdump_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    run = served_run(3)
    write_pcapng(run, path)
    assert len(read_with("tcpdump", "-n", "-r", path).splitlines()) == len(run.lives[0].wire)


def test_threads_do_not_mix_packets(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcapng") as capture:

        def write(letter: bytes) -> None:
            for size in range(1, 200):
                capture.on_frame(1.0, letter.decode(), letter * size)

        threads = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    packets = read_pcapng(capture.path)
    assert len(packets) == 4 * 199
    for letter in ("A", "B", "C", "D"):
        mine = [packet.data for packet in packets if packet.interface == letter]
        assert mine == [letter.encode() * size for size in range(1, 200)]


def test_writing_after_close_is_ignored(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "a.pcapng")
    capture.close()
    capture.close()
    capture.on_frame(1.0, "board", b"late")
    assert read_pcapng(capture.path) == []


def test_a_full_disk_is_told_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Capture(tmp_path / "a.pcapng") as capture:
        monkeypatch.setattr(os, "write", lambda _fd, _data: 3)
        with pytest.raises(LwipscopeError, match="cut off after 0 frames"):
            capture.on_frame(1.0, "board", b"frame")
    with pytest.raises(UsageError):
        Capture(tmp_path / "no" / "folder")
