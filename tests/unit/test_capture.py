"""The pcap writer and reader: stamps, crash safety, threads."""

from __future__ import annotations

import io
import os
import struct
import threading
from pathlib import Path

import dpkt
import pytest

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.wire.capture import Capture, WallClock, read_pcap

CLOCK = WallClock(1_700_000_000_000_000_000)


def test_frames_and_stamps_come_back(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcap", CLOCK) as capture:
        capture.write(1.5, b"one")
        capture.on_frame(2.000000001, "board", b"two")
        assert capture.frames == 2
    first, second = read_pcap(capture.path)
    assert (first.wall_ns, first.data) == (1_700_000_001_500_000_000, b"one")
    assert (second.wall_ns, second.data) == (1_700_000_002_000_000_001, b"two")
    assert CLOCK.at_s(first.wall_ns) == 1.5


def test_dpkt_reads_the_file(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcap", CLOCK) as capture:
        capture.write(1.25, b"x" * 60)
    reader = dpkt.pcap.Reader(io.BytesIO(capture.path.read_bytes()))
    assert reader.datalink() == 1
    assert [(float(at_s), data) for at_s, data in reader] == [(1_700_000_001.25, b"x" * 60)]


def test_records_are_in_the_file_before_close(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcap") as capture:
        capture.write(1.0, b"kept")
        assert [record.data for record in read_pcap(capture.path)] == [b"kept"]


def test_a_cut_last_record_is_left_out(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcap") as capture:
        capture.write(1.0, b"whole")
        capture.write(2.0, b"cut off")
    data = capture.path.read_bytes()
    for size in range(24 + 16 + 5, len(data)):
        capture.path.write_bytes(data[:size])
        assert [record.data for record in read_pcap(capture.path)] == [b"whole"]


def test_threads_do_not_mix_records(tmp_path: Path) -> None:
    with Capture(tmp_path / "a.pcap") as capture:

        def write(letter: bytes) -> None:
            for size in range(1, 200):
                capture.write(1.0, letter * size)

        threads = [threading.Thread(target=write, args=(bytes([65 + n]),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = [record.data for record in read_pcap(capture.path)]
    assert len(records) == 4 * 199
    for n in range(4):
        mine = [data for data in records if data[0] == 65 + n]
        assert mine == [bytes([65 + n]) * size for size in range(1, 200)]


def test_writing_after_close_is_ignored(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "a.pcap")
    capture.close()
    capture.close()
    capture.write(1.0, b"late")
    assert read_pcap(capture.path) == []


def test_a_full_disk_is_told_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Capture(tmp_path / "a.pcap") as capture:
        monkeypatch.setattr(os, "write", lambda _fd, _data: 3)
        with pytest.raises(LwipscopeError, match="cut off after 0 frames"):
            capture.write(1.0, b"frame")


@pytest.mark.parametrize(
    ("order", "magic", "unit_ns"), [("<", 0xA1B2C3D4, 1000), (">", 0xA1B23C4D, 1)]
)
def test_files_of_other_tools_are_read(
    tmp_path: Path, order: str, magic: int, unit_ns: int
) -> None:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    record = struct.pack(order + "IIII", 7, 9, 3, 3) + b"abc"
    (tmp_path / "x").write_bytes(header + record)
    (found,) = read_pcap(tmp_path / "x")
    assert (found.wall_ns, found.data) == (7_000_000_000 + 9 * unit_ns, b"abc")


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a capture, but long enough to hold a header")
    other = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)
    (tmp_path / "raw").write_bytes(other)
    for name in ("text", "raw", "missing"):
        with pytest.raises(UsageError):
            read_pcap(tmp_path / name)
    with pytest.raises(UsageError):
        Capture(tmp_path / "no" / "folder")
