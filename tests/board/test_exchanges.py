"""The first exchanges on both wires, and a capture that tells the same story as the trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from board.helpers import WAIT_S
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Segment, Transition
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper
from lwipscope.wire.packet import flags_text, parse_frame
from lwipscope.wire.pcapng import Capture, read_pcapng

_PROBE = """
import fcntl, os, struct
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"probe0", 0x1002))  # TUNSETIFF, a TAP
"""

Told = tuple[str, str, int, int, int]


def segments_of(capture: Path, board_ip: str) -> list[Told]:
    """Direction as the board sees it, flags, numbers and length of each segment of the board."""
    found = []
    for record in read_pcapng(capture):
        frame = parse_frame(record.data)
        tcp, ip = frame.tcp, frame.ip
        if tcp is not None and ip is not None and board_ip in (ip.src, ip.dst):
            direction = "tx" if ip.src == board_ip else "rx"
            numbers = (tcp.seq, tcp.ack if "." in flags_text(tcp.flags) else 0)
            found.append((direction, flags_text(tcp.flags), *numbers, len(tcp.payload)))
    return found


def told_segments(board: EmulatedBoard) -> list[Told]:
    return [
        (e.direction, e.flags, e.seqno, e.ackno, e.length)
        for e in board.trace.events
        if isinstance(e, Segment)
    ]


@pytest.mark.parametrize("scenario", EXCHANGES, ids=lambda s: s.name)
def test_every_exchange_passes_on_both_wires(
    scenario: Scenario, board: EmulatedBoard, wire_keeper: Keeper, wire: str, tmp_path: Path
) -> None:
    if scenario.needs_nc and shutil.which("nc") is None:
        pytest.skip("this exchange is played against nc, which is not installed")
    played = play(scenario, board, wire_keeper, tmp_path)
    assert played.failure == ""
    assert played.verdict is Verdict.PASS, played.check.text
    connection = played.check.connection
    assert connection is not None
    assert all(step in played.events for step in connection.steps)
    assert ("kernel" in played.whose_tcp) == (wire == "tap")
    assert (len(played.endings) > 0) == scenario.needs_nc
    captured = segments_of(tmp_path / f"{scenario.name}.wire.pcapng", board.ip)
    opening = "rx" if scenario.expected.role == "server" else "tx"
    assert (opening, "S") in [told[:2] for told in captured]
    log = (tmp_path / f"{scenario.name}.serial.log").read_text()
    transitions = [e for e in played.events if isinstance(e, Transition)]
    assert transitions
    assert all(event.text() in log for event in transitions)


def test_a_wrong_path_fails_on_a_real_board(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """The verdict depends on what was expected."""
    refused = next(s for s in EXCHANGES if s.name == "client-refused")
    wrong = next(s for s in EXCHANGES if s.name == "client-peer-closes-first").expected
    mixed = Scenario("wrong", "", "", "", wrong, refused.play, needs=frozenset())
    played = play(mixed, board, wire_keeper)
    assert played.verdict is Verdict.FAIL
    assert "SYN_SENT > CLOSED" in played.check.text


def test_a_step_that_fails_is_not_a_pass(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    refused = next(s for s in EXCHANGES if s.name == "client-refused")

    def refused_then_stuck(stage: Stage) -> None:
        refused.play(stage)
        stage.board.agent.call("recv", 99, 1)

    stuck = Scenario("stuck", "", "", "", refused.expected, refused_then_stuck, needs=frozenset())
    played = play(stuck, board, wire_keeper)
    assert "no-such-socket" in played.failure
    assert played.verdict is Verdict.FAIL


@pytest.mark.parametrize("name", ["server-closes-first-textbook", "client-refused"])
def test_capture_and_trace_have_the_same_segments(
    name: str, board: EmulatedBoard, wire_keeper: Keeper, wire: str, tmp_path: Path
) -> None:
    assert wire in ("tap", "gate")
    scenario = next(s for s in EXCHANGES if s.name == name)
    path = tmp_path / "wire.pcapng"
    with Capture(path) as capture:
        board.switch.on_frame(capture.on_frame)
        with Network(wire_keeper, board.switch, board.ip) as network:
            scenario.play(Stage(board, network))
        # Frames that left before the last sync may still be on their way through the switch.
        wait_until_equal(
            lambda: Counter(told_segments(board)),
            lambda: Counter(segments_of(path, board.ip)),
            board.port.sync,
        )
        assert "tx" in {told[0] for told in told_segments(board)}


def wait_until_equal(
    left: Callable[[], object], right: Callable[[], object], step: Callable[[], object]
) -> None:
    """Both sides are the same within the deadline; `step` makes a round trip between looks."""
    end_s = time.monotonic() + WAIT_S
    while left() != right() and time.monotonic() < end_s:
        step()
    assert left() == right()


def test_the_tap_is_used_where_this_machine_gives_one(keeper: Keeper) -> None:
    """Asked independently of the keeper: a namespace by unshare(1), in it a TAP by ioctl."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare (util-linux) is not installed")
    options = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    probe = subprocess.run(
        [unshare, *options, sys.executable, "-c", _PROBE],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    possible = probe.returncode == 0
    if os.environ.get("LWIPSCOPE_REQUIRE_TAP") == "1":
        assert keeper.tap is not None, f"required, but: {'; '.join(keeper.notes)}"
    assert (keeper.tap is not None) == possible, (keeper.notes, probe.stderr)
