"""The ladder as text: both widths, gaps, segments without a record, hostile text, plain ASCII."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from run_examples import Maker, served_run

from lwipscope.report.explain import explain
from lwipscope.report.ladder import ladder
from lwipscope.report.run_text import excerpt, run_text
from lwipscope.report.style import Style
from lwipscope.report.tcpdump_text import Flags, tcpdump_lines
from lwipscope.runfile.model import DROPPED, About, Run, RunLife
from lwipscope.runfile.peer_track import peer_track
from lwipscope.runfile.remarks import LOST, remarks
from lwipscope.tcp.state import State
from lwipscope.trace.integrity import Gap, Integrity
from lwipscope.trace.timeline import Note


def drawn(life: RunLife, width: int = 100, style: Style | None = None, conn: int = 3) -> str:
    connection = life.connection(conn)
    assert connection is not None
    return ladder(life, connection, style or Style(), width=width)


@pytest.mark.parametrize("width", [80, 90, 100, 140])
def test_it_fits(width: int) -> None:
    text = run_text(served_run(3, 4), Style(), width=width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("SYN_RCVD", "rx SYN", "LAST_ACK", "TIME_WAIT", "CLOSE_WAIT", "accept: c3"):
        assert word in text


def test_both_ends_states_stand_at_their_segments() -> None:
    text = drawn(served_run().lives[0])
    for row in (
        r"SYN_SENT +── SYN seq=0 mss=1460 ─+▶  SYN_RCVD +rx SYN",
        r"ESTABLISHED +◀─+ SYN\+ACK seq=0 ack=1 mss=1460 ──",
        r"── ACK seq=1 ack=1 ─+▶  ESTABLISHED rx ACK",
        r"FIN_WAIT_1 +── FIN\+ACK seq=7 ack=1 ─+▶  CLOSE_WAIT  rx FIN\+ACK",
        r"FIN_WAIT_2 +◀─+ ACK seq=1 ack=8 ──",
        r"TIME_WAIT +◀─+ FIN\+ACK seq=1 ack=8 ──",
        r"── ACK seq=8 ack=2 ─+▶  CLOSED      rx ACK, freed",
    ):
        assert re.search(row + "$", text, re.M), row


def test_only_its_own_accept() -> None:
    text = drawn(served_run(4).lives[0], conn=5)
    assert text.count("accept()") == 1
    assert text.index("accept()") < text.index("accept: c5")


def test_a_syn_that_the_listener_let_pass_is_where_the_peers_story_begins() -> None:
    maker = Maker()
    maker.listener()
    maker.segment(2, "rx", "S", 3_000_000, 0, port=40000, mss=1460)
    maker.served(3, 40000)
    text = drawn(maker.life())
    assert text.count("SYN seq=0") == 2
    assert re.search(r"SYN_SENT +── SYN seq=0 mss=1460 ─+▶$", text, re.M)


def test_a_gap_is_a_row_and_breaks_what_would_be_joined() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    number = next(i for i, s in enumerate(maker.stamped) if "ESTABLISHED>CLOSE_WAIT" in s.said)
    lost = maker.stamped.pop(number)
    gap = Gap(lost.event.seq, lost.event.seq)
    life = maker.life(Integrity(gaps=(gap,), synced_through=maker.seq))
    text = drawn(life)
    assert f"~~~ 1 record of the board never arrived ({gap}) ~~~" in text
    assert re.search(r"FIN\+ACK seq=7 ack=1 ─+▶$", text, re.M)
    shown = run_text(Run(About("x"), (life,)), Style())
    assert "the evidence is incomplete: 1 frame never arrived" in shown


def test_a_segment_without_a_record_is_shown_as_such() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    maker.segment(3, "rx", "R", 3_000_008, 0, port=40000, recorded=False)
    text = drawn(maker.life())
    assert re.search(r"── RST seq=8 ─+▶  \(the board has no record of it\)", text)


def test_hostile_text_is_no_control_code() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202e"
    run = served_run(console=evil.encode())
    life = replace(run.lives[0], notes=(Note(0.51, evil, evil),))
    about = replace(run.about, name=evil, title=evil, story=evil, verdict=evil, ended=evil)
    about = replace(about, remarks=(evil,), board_title=evil, whose_tcp=evil)
    judged = replace(about.judged[0], verdict=evil, text=evil, seen=evil, expected=evil)
    about = replace(about, judged=(judged,))
    text = run_text(Run(about, (life,)), Style(), console=True)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "\\x1b[2J" in text


def test_a_hostile_run_file_s_events_are_no_control_codes() -> None:
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    maker.event("call c=3 \x1b[2J \x1b]0;x\x07")
    maker.event("ret c=3 \x1b[2J \x9b31m")
    maker.event("state c=3 ESTABLISHED>CLOSE_WAIT by=\x1b[2J:\x1b[3J at=\x07")
    run = Run(About("x", source="\x1b[2J"), (maker.life(),))
    shown = run_text(run, Style()) + "".join(explain(str(n), run) for n in range(1, 9))
    shown += explain("CLOSE_WAIT", run) + "".join(tcpdump_lines(run, Flags()))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert "\\x1b[2J" in shown


def test_ascii_only() -> None:
    text = run_text(served_run(), Style(unicode=False))
    assert text.isascii()
    assert "-- SYN seq=0 mss=1460 --" in text
    assert "ok PASS" in text


def test_colour_does_not_move_anything() -> None:
    run = served_run(2)
    painted = run_text(run, Style(colour=True))
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == run_text(run, Style())


def test_an_empty_run_and_an_empty_life() -> None:
    assert "not judged" in run_text(Run(About("")), Style())
    text = run_text(Run(About("x"), (RunLife(0),)), Style())
    assert "no connection was seen" in text
    assert "the evidence is incomplete: no sync has been answered" in text


def test_two_states_by_one_segment_are_both_shown() -> None:
    """The board's FIN comes with the ACK of its SYN: the peer is ESTABLISHED, then CLOSE_WAIT."""
    maker = Maker()
    maker.event("born c=3 pool=pcb used=1")
    ends = "l=192.0.2.10:6666 r=192.0.2.1:40000"
    maker.segment(3, "rx", "S", 100, 0)
    maker.event(f"state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 {ends} p=2")
    maker.segment(3, "tx", "SF.", 500, 101)
    maker.segment(3, "rx", ".", 101, 502)
    text = drawn(maker.life())
    rows = text.splitlines()
    first = next(n for n, row in enumerate(rows) if "ESTABLISHED" in row)
    assert re.search(r"ESTABLISHED +◀─+ SYN\+FIN\+ACK", rows[first]) or "◀" in rows[first]
    assert rows[first + 1].split()[1:] == ["CLOSE_WAIT"]


def test_what_was_dropped_on_its_way_never_arrived() -> None:
    maker = Maker()
    maker.listener()
    maker.segment(2, "rx", "S", 1000, 0, mss=1460)
    maker.event("born c=3 pool=pcb used=1")
    ends = "l=192.0.2.10:6666 r=192.0.2.1:40000"
    maker.event(f"state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 {ends} p=2")
    maker.segment(3, "tx", "S.", 5000, 1001, mss=1460)
    maker.segment(3, "tx", "S.", 5000, 1001, mss=1460)
    maker.frames[-2] = replace(maker.frames[-2], fate=DROPPED)
    maker.segment(3, "rx", ".", 1001, 5001)
    life = maker.life()
    text = drawn(life)
    assert re.search(r"^ +[\d.]+ +✗─+ SYN\+ACK seq=0 ack=1 mss=1460 ──  \(dropped", text, re.M)
    assert re.search(r"ESTABLISHED +◀─+ SYN\+ACK seq=0 ack=1 mss=1460 ──$", text, re.M)
    assert remarks(life)[1] == [LOST]
    connection = life.connection(3)
    assert connection is not None
    # The last one, dropped: the peer never hears of the connection.
    gone = replace(life, wire=tuple(replace(f, fate=DROPPED) for f in life.wire))
    assert [step.state for step in peer_track(gone, connection)] == [State.SYN_SENT]


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_in_ascii_too(width: int) -> None:
    """Three dots are longer than an ellipsis."""
    maker = Maker()
    maker.listener()
    maker.served(3, 40000)
    maker.event("ret c=2 accept " + "E" * 60)
    life = maker.life(console=b"x" * 200 + b"\n")
    text = run_text(Run(About("x"), (life,)), Style(unicode=False), width=width, console=True)
    assert text.isascii() and "..." in text
    assert max(map(len, text.splitlines())) <= width


def test_of_a_long_run_that_failed_the_end_is_shown() -> None:
    lines = excerpt(served_run(5, 200), Style(), most=20)
    assert len(lines) <= 3 * 26 + 2 and lines[0] == "(2 connections before)"
    assert sum("rows before)" in line for line in lines) == 3
    assert any("LAST_ACK" in line for line in lines) and any("c7 server" in line for line in lines)
    short = "\n".join(excerpt(served_run(), Style()))
    assert "rows before" not in short and "SYN_RCVD" in short
