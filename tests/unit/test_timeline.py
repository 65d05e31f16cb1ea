"""One order: the board's own among its events, the host's clock for all else."""

from __future__ import annotations

from lwipscope.trace.event import Event, parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.timeline import Note, Timeline, WireEntry
from lwipscope.trace.trace import ConsoleText, Stamped


def call(seq: int) -> Event:
    return parse_event(Frame(seq, seq * 1000, "call", f"c=1 step {seq}", b""))


def test_everything_stands_where_the_hosts_clock_puts_it() -> None:
    timeline = Timeline(
        [Stamped(1.0, call(0)), Stamped(3.0, call(1))],
        wire=[WireEntry(3.0, "SYN"), WireEntry(0.5, "ARP")],
        notes=[Note(2.0, "nc", "connect")],
        console=[ConsoleText(3.5, b"hello\r\n")],
    )
    told = [(entry.source, entry.text) for entry in timeline]
    assert told == [
        ("wire", "ARP"),
        ("board", "c1 call step(0)"),
        ("nc", "connect"),
        ("wire", "SYN"),
        ("board", "c1 call step(1)"),
        ("console", "hello"),
    ]
    assert [entry.clock_us for entry in timeline] == [None, 0, None, None, 1000, None]


def test_the_boards_order_stands_even_if_arrival_times_do_not_rise() -> None:
    timeline = Timeline([Stamped(2.0, call(0)), Stamped(1.0, call(1))], notes=[Note(1.5, "p", "x")])
    assert [entry.text for entry in timeline] == ["x", "c1 call step(0)", "c1 call step(1)"]
    assert [entry.at_s for entry in timeline] == [1.5, 2.0, 2.0]


def test_console_pieces_are_joined_to_lines() -> None:
    pieces = [ConsoleText(1.0, b"he"), ConsoleText(2.0, b"llo\nwor"), ConsoleText(3.0, b"ld")]
    timeline = Timeline([], console=pieces)
    assert [(entry.at_s, entry.text) for entry in timeline] == [(2.0, "hello"), (3.0, "world")]


def test_around_marks_the_event_and_leaves_out_heartbeats() -> None:
    beat = parse_event(Frame(5, 5000, "beat", "ring=0", b""))
    steps = [call(seq) for seq in range(5)] + [beat] + [call(seq) for seq in range(6, 9)]
    lines = Timeline.of_events(steps).around(steps[4], before=2, after=2).splitlines()
    assert [line[0] for line in lines] == [" ", " ", ">", " ", " "]
    assert lines[2].endswith("c1 call step(4)")
    assert lines[3].endswith("c1 call step(6)")
    assert Timeline.of_events(steps).around(None, 1, 1).splitlines()[0].endswith("step(7)")
