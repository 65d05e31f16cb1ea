"""The ladder as text: both widths, gaps, segments without a record, hostile text, plain ASCII."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from run_examples import Maker, served_run

from lwipscope.report.explain import explain
from lwipscope.report.ladder import ladder
from lwipscope.report.run_text import run_text
from lwipscope.report.style import Style
from lwipscope.report.tcpdump_text import Flags, tcpdump_lines
from lwipscope.runfile.model import About, Run, RunLife
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
