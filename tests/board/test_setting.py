"""The same scenarios on the emulated board and on the same board at a serial port: one judgement.

The board at the port has a network of its own (its TAP), of which this machine sees what a packet
socket shows. Frames are seen or not: what is judged, and what is left behind, follows from that.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from board.conftest import Boards
from lwipscope.board import quarantine
from lwipscope.board.board import wired
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.opening import open_board
from lwipscope.board.serial_board import SerialBoard
from lwipscope.errors import UsageError
from lwipscope.firmware.firmware import Firmware
from lwipscope.runfile.model import Run
from lwipscope.scenario.desk_network import Desk
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.run_record import run_of_played
from lwipscope.trace.event import Segment
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.rule_text import parse_rule
from unit.foreign_tools import read_with

pytestmark = pytest.mark.evidence_spoiled("the line belongs to others")
BOARD_IP, HOST = "192.0.2.10", IPv4Interface("192.0.2.1/24")
CLOSES, DEVIATES = "close-crossing", "data-after-close"


@pytest.fixture(scope="module")
def tap_keeper(keeper: Keeper, boards: Boards) -> Keeper:
    """One TAP carries one board's frames: the other board goes."""
    if keeper.tap is None:
        pytest.skip(f"no TAP on this machine: {'; '.join(keeper.notes)}")
    boards.dismiss(keeper)
    return keeper


@pytest.fixture(scope="module")
def port(
    tap_keeper: Keeper, firmware: Firmware, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SerialBoard]:
    """A board with the tracer at a serial port, on a network of its own."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(cache))
        patch.setattr(quarantine, "cache_dir", lambda: cache)
        file = BoardFile.load(DEFAULT_BOARD)
        with EmulatedBoard(file, firmware.elf, tap_keeper) as emulated:
            emulated.port.stream("off")
            with open_board(emulated.release_line()) as board:
                assert isinstance(board, SerialBoard)
                yield board


@pytest.fixture
def desk(tap_keeper: Keeper) -> Iterator[Desk]:
    """This machine's end of that network, in the namespace where it is. One at a time: it holds the
    raw peer's address."""
    made = Desk(tap_keeper, DeskWay(BOARD_IP, "lwip0", HOST), tap_keeper.socket)
    yield made
    made.close()


@pytest.fixture
def blind_desk(tap_keeper: Keeper) -> Iterator[Desk]:
    """A fake in one thing: the kernel refuses the first packet socket, the one that looks on."""
    asked: list[int] = []

    def make_socket(family: int, kind: int, protocol: int) -> socket.socket:
        asked.append(family)
        if len(asked) == 1:
            raise PermissionError(1, "Operation not permitted")
        return tap_keeper.socket(family, kind, protocol)

    made = Desk(tap_keeper, DeskWay(BOARD_IP, "lwip0", HOST), make_socket)
    yield made
    made.close()


def judged(played: Played) -> dict[str, object]:
    """What must not depend on where the board is."""
    found = played.check.connection
    return {
        "verdict": played.verdict,
        "path": found.path if found is not None else None,
        "peer": (played.peer.expected, played.peer.path, played.peer.verdict),
        "deviations": played.deviations,
        "subjects": [(each.subject, each.verdict) for each in run_of_played(played).about.judged],
    }


@pytest.mark.parametrize("name", [CLOSES, DEVIATES, "connect-send-close"])
def test_judged_as_the_emulated_board_is(
    name: str,
    port: SerialBoard,
    desk: Desk,
    boards: Boards,
    gate_keeper: Keeper,
    tmp_path: Path,
) -> None:
    assert not wired(port)
    scenario = scenario_named(name)
    emulated = play(scenario, boards.fresh(gate_keeper), gate_keeper)
    played = play(scenario, port, desk, tmp_path)
    assert judged(played) == judged(emulated)
    assert played.verdict is Verdict.PASS and played.peer.path and played.remarks == ()
    run = Run.load(tmp_path / f"{name}.lwiprun")
    (life,) = run.lives
    assert {"board", "lwip0"} == {frame.origin for frame in life.wire}
    segments = [e for e in life.plain_events if isinstance(e, Segment)]
    assert segments and all(each.seq in life.frame_of for each in segments)
    said = read_with("tshark", "-r", tmp_path / f"{name}.wire.pcapng", "-Y", "frame.comment")
    assert len(said.splitlines()) >= 3
    assert (tmp_path / f"{name}.serial.log").stat().st_size > 1000


def test_what_the_frames_contradict_fails(port: SerialBoard, desk: Desk) -> None:
    scenario = scenario_named(CLOSES)
    wrong = replace(scenario, peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED")
    played = play(wrong, port, desk)
    assert (played.verdict, played.peer.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert "CLOSING" in "\n".join(played.objections())
    gone = replace(scenario, deviations=("time-wait-refuses-syn",))
    played = play(gone, port, desk)
    assert played.verdict is Verdict.FAIL
    assert "time-wait-refuses-syn no longer seen" in "\n".join(played.objections())


def test_what_was_not_seen_is_not_claimed(
    port: SerialBoard, blind_desk: Desk, tmp_path: Path
) -> None:
    scenario = replace(scenario_named(CLOSES), peer_path="LISTEN > SYN_RCVD")
    assert "Operation not permitted" in blind_desk.why_blind
    played = play(scenario, port, blind_desk, tmp_path)
    assert played.objections() == []
    assert (played.verdict, played.peer.expected, played.peer.path) == (Verdict.PASS, "", None)
    about = Run.load(tmp_path / f"{CLOSES}.lwiprun").about
    assert "peer" not in [each.subject for each in about.judged]
    assert "no frames of the wire were seen: no packet socket on lwip0" in about.remarks[-2]
    assert about.remarks[-1].endswith("was not judged; expected of it: LISTEN > SYN_RCVD")
    assert list(tmp_path.glob("*.pcapng")) == []


def test_frames_that_came_too_fast_leave_the_path_open(
    port: SerialBoard, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake: the kernel's count of frames that it had to drop goes up by one."""
    counts = iter((0, 1))
    monkeypatch.setattr(type(desk.onlooker), "dropped", property(lambda _: next(counts)))
    played = play(scenario_named(CLOSES), port, desk)
    assert (played.check.verdict, played.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_no_trouble_on_a_wire_that_is_not_ours(port: SerialBoard, desk: Desk) -> None:
    with pytest.raises(UsageError, match="wire passes through the host"):
        play(scenario_named(CLOSES), port, desk, rules=[parse_rule("drop 1 S to-board")])
    with pytest.raises(UsageError, match="a network of its own"):
        play(scenario_named(CLOSES), port, desk.keeper)
