"""The run file: what is saved comes back, and what is no run file is refused in plain words."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_examples import OFFSET_S, Maker, served_run

from lwipscope.errors import UsageError
from lwipscope.runfile import store
from lwipscope.runfile.merged import merged
from lwipscope.runfile.model import About, Run
from lwipscope.runfile.peer_track import peer_track
from lwipscope.runfile.remarks import UNRECORDED, remarks
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment
from lwipscope.trace.integrity import Gap, Integrity

HOSTILE = b"\x1b]0;owned\x07\x1b[2J<script>\r\n\xff\xfe\x00 \xe2\x80\xae\n"


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = served_run(3, 2, HOSTILE)
    path = tmp_path / "a.lwiprun"
    run.save(path)
    again = Run.load(path)
    assert again.about == run.about
    assert again.lives[0].plain_events == run.lives[0].plain_events
    assert [f.data for f in again.lives[0].wire] == [f.data for f in run.lives[0].wire]
    assert [f.event_seq for f in again.lives[0].wire] == [f.event_seq for f in run.lives[0].wire]
    assert again.lives[0].console[0].data == HOSTILE
    assert again.lives[0].notes == run.lives[0].notes
    assert again.lives[0].integrity == run.lives[0].integrity
    assert (again.cut, again.problems()) == ("", [])
    assert [p.name for p in tmp_path.iterdir()] == ["a.lwiprun"]


def test_equal_runs_make_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        served_run().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_run(tmp_path: Path) -> None:
    path = tmp_path / "empty.lwiprun"
    Run(About("nothing")).save(path)
    assert Run.load(path) == Run(About("nothing"))


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    served_run().save(path)
    data = path.read_bytes()
    salvaged = 0
    for size in range(0, len(data) - 1, 7):
        path.write_bytes(data[:size])
        try:
            run = Run.load(path)
        except UsageError as error:
            assert str(path) in str(error)
        else:
            assert "cut off" in run.cut
            assert run.problems()
            salvaged += bool(run.lives)
    assert salvaged > 0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.lwiprun"
    for content in (data, gzip.compress(data, 1)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="run file"):
            Run.load(path)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_line_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.lwiprun"
    served_run().save(path)
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 2))
    junk = st.one_of(st.binary(max_size=40), st.sampled_from(JUNK))
    lines[number] = data.draw(junk)
    path.write_bytes(gzip.compress(b"\n".join(lines), 1))
    with contextlib.suppress(UsageError):
        Run.load(path).problems()


JUNK = [b"[]", b"{}", b'["e",1,"1 2"]', b'["e","x","1 2 beat"]', b'["w",1,"a","!!",null]']
JUNK += [b'["life",0]', b'["end",3]', b"[" * 5000, b'["n",1]', b'["e",1,7]', b'["end"]', b"null"]


def test_a_newer_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "newer.lwiprun"
    head = {"format": store.FORMAT, "version": store.VERSION + 1, "about": {"name": "x"}}
    path.write_bytes(gzip.compress(json.dumps(head).encode() + b"\n"))
    with pytest.raises(UsageError, match="version 2; this lwipscope reads version 1"):
        Run.load(path)


def test_a_capture_is_no_run_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(bytes.fromhex("0a0d0d0a1c0000004d3c2b1a"))
    with pytest.raises(UsageError, match="a capture, which tcpdump"):
        Run.load(path)


def test_a_line_that_is_missing_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "short.lwiprun"
    served_run().save(path)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:9] + lines[10:])))
    with pytest.raises(UsageError, match="lines were written"):
        Run.load(path)


def test_unknown_lines_and_fields_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "later.lwiprun"
    served_run().save(path)
    lines = gzip.decompress(path.read_bytes()).splitlines()
    head = json.loads(lines[0])
    head["about"]["colour"] = "green"
    lines[0] = json.dumps(head).encode()
    lines.insert(1, b'["later",1,2]')
    lines[-1] = json.dumps(["end", len(lines) - 1]).encode()
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    assert Run.load(path).lives[0].plain_events == served_run().lives[0].plain_events


def test_a_bomb_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 100_000)
    path = tmp_path / "bomb.lwiprun"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(UsageError, match="too much"):
        Run.load(path)


# What belongs together.


def test_every_segment_finds_its_frame() -> None:
    life = served_run(5, 3).lives[0]
    segments = [e for e in life.plain_events if isinstance(e, Segment)]
    assert len(life.frame_of) == len(segments) == len(life.wire)
    for segment in segments:
        tcp = life.frame_of[segment.seq].tcp
        assert tcp is not None and (tcp.seq, tcp.flags_text()) == (segment.seqno, segment.flags)


def test_of_two_equal_frames_the_lost_one_has_no_record() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    # The peer's data segment was repeated: the first try never came to the board.
    data = next(n for n, f in enumerate(maker.frames) if f.tcp is not None and f.tcp.payload)
    first = maker.frames[data]
    earlier = type(first)(first.at_s - 0.003, first.origin, first.data)
    maker.frames.insert(data, earlier)
    life = maker.life()
    assert (life.wire[data].event_seq, life.wire[data + 1].event_seq is None) == (None, False)
    assert remarks(life)[data] == [UNRECORDED]


def test_the_clocks_are_tied_within_what_is_stated() -> None:
    life = served_run().lives[0]
    assert len(life.clock_map.pieces) == 1
    for number, each in enumerate(life.events):
        placed = life.clock_map.of_event(number, each.event.clock_us)
        true_s = OFFSET_S + each.event.clock_us / 1e6
        assert abs(placed.at_s - true_s) <= placed.give_or_take_s + 1e-9
        assert placed.give_or_take_s <= 60e-6
        assert life.clock_map.clock_us(placed.at_s) == each.event.clock_us


def test_moved_board_time_begins_another_piece() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    before = len(maker.stamped)
    # 120 s of board time pass in no host time.
    host_s = maker.stamped[-1].at_s
    maker.event("beat ring=0", 120_000_000)
    maker.stamped[-1] = type(maker.stamped[-1])(
        host_s + 0.001, maker.stamped[-1].event, "beat ring=0"
    )
    life = maker.life()
    assert [piece.first for piece in life.clock_map.pieces] == [0, before]
    assert life.clock_map.of_event(before, maker.clock_us).at_s <= host_s + 0.001


def test_the_merged_order() -> None:
    life = served_run(console=b"hello ").lives[0]
    moments = merged(life)
    assert [m.event for m in moments if m.event is not None] == list(life.plain_events)
    assert [m.at_s for m in moments] == sorted(m.at_s for m in moments)
    kinds = [m.kind for m in moments]
    assert (kinds.count("note"), kinds.count("console"), kinds.count("frame")) == (1, 1, 0)


def test_gaps_are_shown_and_nothing_is_joined_over_them() -> None:
    maker = Maker()
    maker.listener()
    maker.segment(2, "rx", "S", 100, 0, port=40000)
    maker.skip(3)
    maker.event("state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942")
    gap = Gap(maker.seq - 4, maker.seq - 2)
    life = maker.life(Integrity(gaps=(gap,), synced_through=maker.seq))
    texts = [m.text for m in merged(life) if m.kind == "gap"]
    assert texts == [f"3 records of the board never arrived ({gap})"]
    # The SYN is not told to have caused what happened behind the gap.
    assert all("ESTABLISHED" not in text for text in remarks(life).get(0, []))


def test_the_other_end_s_states_by_segment() -> None:
    life = served_run().lives[0]
    connection = life.connection(3)
    assert connection is not None
    steps = peer_track(life, connection)
    assert [step.state for step in steps] == [
        State.SYN_SENT,
        State.ESTABLISHED,
        State.FIN_WAIT_1,
        State.FIN_WAIT_2,
        State.TIME_WAIT,
    ]
    by_seq = {e.seq: e for e in life.plain_events if isinstance(e, Segment)}
    flags = [by_seq[s.event_seq].flags for s in steps if s.event_seq is not None]
    assert flags == ["S", "S.", "F.", ".", "F."]
