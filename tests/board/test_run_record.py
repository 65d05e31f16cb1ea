"""What a played scenario leaves: a run file in which wire and trace belong together, a capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.report.exchange import shown
from lwipscope.report.style import Style
from lwipscope.report.tcpdump_text import Flags, tcpdump_lines
from lwipscope.runfile.model import DROPPED, Run
from lwipscope.runfile.peer_track import peer_track
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import play
from lwipscope.trace.event import Segment
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rule_text import parse_rule
from unit.foreign_tools import read_with

NAMES = (
    "server-closes-first-textbook",
    "client-closes-first",
    "client-refused",
    "close-crossing",
    "board-reboots-and-listens",
)


@pytest.mark.parametrize("name", NAMES)
def test_wire_and_trace_belong_together(
    name: str, board: EmulatedBoard, wire_keeper: Keeper, wire: str, tmp_path: Path
) -> None:
    assert wire in ("tap", "gate")
    played = play(scenario_named(name), board, wire_keeper, tmp_path)
    run = Run.load(tmp_path / f"{name}.lwiprun")
    assert (run.about.verdict, run.problems()) == ("PASS", [])
    assert len(run.lives) == len(played.lives)
    for life, lived in zip(run.lives, played.lives, strict=True):
        assert list(life.plain_events) == list(lived.events)
        segments = [e for e in life.plain_events if isinstance(e, Segment)]
        assert segments
        for segment in segments:
            tcp = life.frame_of[segment.seq].tcp
            assert tcp is not None
            assert (tcp.seq, tcp.flags_text()) == (segment.seqno, segment.flags)
        # A frame can't come in after it was recorded, nor go out before.
        for number, each in enumerate(life.events):
            frame = life.frame_of.get(each.event.seq)
            placed = life.clock_map.of_event(number, each.event.clock_us)
            if isinstance(each.event, Segment) and frame is not None:
                late_s = frame.at_s - placed.at_s
                if each.event.direction == "rx":
                    assert late_s <= placed.give_or_take_s + 1e-6
                else:
                    assert late_s >= -placed.give_or_take_s - 1e-6
    found = played.check.connection
    if found is not None and played.peer.path is not None:
        life = run.lives[-1] if len(run.lives) == 1 else run.lives[played.lives.index(played.life)]
        connection = life.connection(found.id)
        assert connection is not None
        path = tuple(step.state for step in peer_track(life, connection))
        assert path == played.peer.path
        text = shown(played, Style())
        assert all(str(state) in text for state in path)


@pytest.mark.parametrize("name", NAMES)
def test_the_capture_says_what_the_board_did(
    name: str, board: EmulatedBoard, wire_keeper: Keeper, tmp_path: Path
) -> None:
    played = play(scenario_named(name), board, wire_keeper, tmp_path)
    run = Run.load(tmp_path / f"{name}.lwiprun")
    paths = sorted(tmp_path.glob("*.pcapng"))
    assert len(paths) == len(played.lives)
    theirs = "".join(read_with("tcpdump", "-n", "-r", path) for path in reversed(paths))
    lines = [line.partition("  # ")[0] for line in tcpdump_lines(run, Flags(numeric=True))]
    if len(paths) == 1:
        assert "\n".join(lines) + "\n" == theirs
    comments = "".join(
        read_with("tshark", "-r", path, "-T", "fields", "-e", "frame.comment") for path in paths
    )
    connection = played.check.connection
    assert connection is not None
    for before, after in zip(connection.path[1:], connection.path[2:], strict=False):
        assert f"board c{connection.id}: {before} > {after} (" in comments
    for path in paths:
        assert read_with("tshark", "-r", path, "-Y", "_ws.malformed") == ""


def test_a_segment_that_the_wire_lost_has_no_record(
    board: EmulatedBoard, wire_keeper: Keeper, tmp_path: Path
) -> None:
    name = "server-closes-first-textbook"
    rules = [parse_rule("drop 1 S to-board")]
    played = play(scenario_named(name), board, wire_keeper, tmp_path, rules=rules)
    assert played.verdict is Verdict.PASS
    life = Run.load(tmp_path / f"{name}.lwiprun").lives[0]
    syns = [f for f in life.wire if f.tcp is not None and f.tcp.flags_text() == "S"]
    assert [frame.event_seq is None for frame in syns] == [True, False]
    assert [frame.fate for frame in syns] == [DROPPED, ""]
    assert "(dropped on its way)" in shown(played, Style())


def test_without_a_folder_nothing_is_written_and_the_ladder_is_there(
    board: EmulatedBoard, wire_keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    played = play(scenario_named("server-closes-first-textbook"), board, wire_keeper)
    text = shown(played, Style())
    assert "LAST_ACK " in text and "CLOSE_WAIT " in text
    assert list(tmp_path.iterdir()) == []
