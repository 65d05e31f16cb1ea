"""What `lwipscope watch` folds from events, and how it draws that: no terminal, no board."""

from __future__ import annotations

import pytest

from lwipscope.cli.watch_keys import keys_in
from lwipscope.report.small_diagram import HEIGHT, WIDTH, small_diagram
from lwipscope.report.spans import Span, fitted, text_of
from lwipscope.report.watch_page import Scene, page
from lwipscope.report.watched import Watched
from lwipscope.tcp.graph import PROFILES, graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import PcbRow, parse_event
from lwipscope.trace.frame import Frame

HELLO = "hello re=1 proto=1 boot=1.0 board=b mp=1.25.0 lwip=2.2.1 profile=roomy pcb=16 lpcb=8"
LISTEN = (
    "born c=2 pool=lpcb used=1",
    "state CLOSED>LISTEN c=2 by=api:listen at=tcp.c:1 l=0.0.0.0:80",
)
ACCEPT = (
    "born c=3 pool=pcb used=1",
    "state CLOSED>SYN_RCVD c=3 by=rx:S at=tcp_in.c:1 l=192.0.2.10:80 r=192.0.2.1:4000 p=2",
    "state SYN_RCVD>ESTABLISHED c=3 by=rx:. at=tcp_in.c:2",
)
END = ("died c=3 in=LAST_ACK by=rx:. used=0",)


def fed(*told: str, watched: Watched | None = None, first: int = 0) -> Watched:
    """Frames one second apart."""
    watched = watched or Watched()
    for number, text in enumerate(told, first):
        kind, _, tail = text.partition(" ")
        watched.event(parse_event(Frame(number, number * 1_000_000, kind, tail, b"")))
    return watched


def drawn(watched: Watched, width: int = 120, height: int = 30, **more: object) -> str:
    scene = Scene("/dev/ttyX", watched.clock_us, **more)  # type: ignore[arg-type]
    lines = page(watched, scene, width, height)
    texts = [text_of(line) for line in lines]
    assert len(texts) == height
    assert {len(text) for text in texts} == {width}
    return "\n".join(texts)


def test_a_connection_is_followed_to_its_end() -> None:
    watched = fed(HELLO, *LISTEN, *ACCEPT)
    assert {c: p.state for c, p in watched.pcbs.items()} == {
        2: State.LISTEN,
        3: State.ESTABLISHED,
    }
    assert str(watched.pcbs[3].remote) == "192.0.2.1:4000"  # told once, at the first transition
    assert watched.pcbs[3].since_us == 5_000_000
    assert watched.used == {"lpcb": 1, "pcb": 1}
    fed(*END, watched=watched, first=6)
    assert list(watched.pcbs) == [2]
    assert watched.used == {"lpcb": 1, "pcb": 0}
    assert [str(move.after) for move in watched.moves][-2:] == ["ESTABLISHED", "CLOSED"]
    assert watched.counts["transitions"] == 4
    assert watched.counts["frames_lost"] == 0
    assert not watched.doubtful


def test_what_is_lost_is_counted_and_makes_the_table_doubtful() -> None:
    watched = fed(HELLO, *LISTEN)
    fed(*ACCEPT, watched=watched, first=10)
    assert watched.counts["frames_lost"] == 7
    assert watched.doubtful
    fed("lost n=5", watched=watched, first=13)
    assert watched.counts["records_lost"] == 5
    row = PcbRow(14, 14_000_000, 9, 7, State.TIME_WAIT, None, None, 4000)
    watched.snapshot([row], 14_000_000)
    assert list(watched.pcbs) == [9]
    assert watched.pcbs[9].since_us == 10_000_000
    assert watched.used == {"pcb": 1, "lpcb": 0}
    assert not watched.doubtful


def test_a_snapshot_does_not_undo_what_came_after_it() -> None:
    watched = fed(HELLO, *LISTEN, *ACCEPT)
    watched.snapshot([PcbRow(2, 2_500_000, 2, 7, State.LISTEN, None, None, 100)], 2_500_000)
    assert watched.pcbs[3].state is State.ESTABLISHED
    assert watched.pcbs[2].since_us == 2_000_000


def test_a_restart_empties_the_table_and_keeps_the_story() -> None:
    watched = fed(HELLO, *LISTEN, *ACCEPT)
    watched.begin()
    assert not watched.pcbs
    fed(HELLO.replace("boot=1.0", "boot=1.1"), watched=watched)
    assert (watched.boot, watched.counts["resets"], watched.counts["frames_lost"]) == ("1.1", 1, 0)
    assert len(watched.moves) == 3
    assert "resets 1" in drawn(watched)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_page_at_usual_widths(width: int) -> None:
    text = drawn(fed(HELLO, *LISTEN, *ACCEPT), width, 24)
    assert "b roomy lwIP 2.2.1  /dev/ttyX  boot 1.0  5.0 s" in text
    assert "c2    LISTEN           3.0 s  0.0.0.0:80            -" in text
    assert "c3    ESTABLISHED      0.0 s  192.0.2.10:80         192.0.2.1:4000" in text
    assert "pcb 1/16  lpcb 1/8" in text
    assert "╣ ESTABLISHED ╠" in text and "(  SYN_RCVD   )" in text and "[ CLOSE_WAIT  ]" in text
    assert "> ESTABLISHED" in text
    assert ("c3 SYN_RCVD > ESTABLISHED  rx ACK" in text) is (width == 120)
    assert "q quit" in text.splitlines()[-1]


@pytest.mark.parametrize(("width", "height"), [(40, 10), (79, 24), (80, 12), (20, 3), (1, 1)])
def test_a_small_terminal_has_no_diagram(width: int, height: int) -> None:
    text = drawn(fed(HELLO, *LISTEN, *ACCEPT), width, height)
    assert "CLOSING" not in text
    if height >= 10 and width >= 40:
        assert "ESTABLISHED" in text


def test_a_filter_a_pause_help_and_messages() -> None:
    watched = fed(HELLO, *LISTEN, *ACCEPT)
    assert "c3 " in drawn(watched, port=4000)
    assert "c2 " not in drawn(watched, port=4000)
    assert "no pcb with port 9" in drawn(watched, port=9)
    assert "PAUSED, 7 events since" in drawn(watched, paused=True, missed=7)
    assert "run file" in drawn(watched, help=True)
    assert "port (Enter alone: all): 66_" in drawn(watched, prompt="66")
    assert "it restarted" in drawn(watched, status="it restarted", message="saved")


def test_more_pcbs_than_rows() -> None:
    watched = fed(HELLO)
    for number in range(1, 30):
        fed(f"born c={number} pool=pcb used={number}", watched=watched, first=number)
    text = drawn(watched, 80, 24)
    assert "c29 " in text and "c1 " not in text
    assert "more, which changed longer ago" in text


def test_hostile_text_never_becomes_a_control_code() -> None:
    evil = "\x1b]0;x\x07\x9b2J\r\n\t\u202e"
    watched = fed(HELLO, *LISTEN, *ACCEPT)
    watched.fields["board"] = evil
    watched.boot = evil
    text = drawn(watched, 120, 30, status=evil, paused=True)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\\x1b]0;x" in text


def test_the_diagram_has_all_states_and_only_edges_of_the_graph() -> None:
    for profile in PROFILES:
        lines = [text_of(line) for line in small_diagram(graph_of(profile), {State.LISTEN: 3})]
        assert len(lines) == HEIGHT
        assert {len(line) for line in lines} == {WIDTH}
        text = "\n".join(lines)
        for state in State:
            assert state.name in text
        assert "╣  LISTEN 3   ╠" in text
        # Only RFC 9293 goes from SYN_SENT to SYN_RCVD (both ends open at once).
        crosses = bool(graph_of(profile).between(State.SYN_SENT, State.SYN_RCVD))
        reachable = crosses and any(
            not e.unreachable for e in graph_of(profile).between(State.SYN_SENT, State.SYN_RCVD)
        )
        assert ("◀───" in text) is reachable


def test_spans_are_cut_and_filled() -> None:
    assert text_of(fitted([Span("abc"), Span("def", "bold")], 5)) == "abcde"
    assert text_of(fitted([Span("abc")], 5)) == "abc  "
    assert fitted([Span("abc")], 0) == [Span("")]


def test_keys_of_a_terminal() -> None:
    assert keys_in(b"q\x1b[A\x1bOPp\x1b[200~\xff") == "qp"
    assert keys_in(b"\x1b") == "\x1b"
