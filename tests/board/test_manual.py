"""With the manual clock a run is the same each time: every byte of the line, every frame."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from board.helpers import start, wait_output
from lwipscope.benchmark.repeating import (
    FIXED,
    REPEATED,
    Recording,
    identical_repeats,
    record,
    recordings,
    repeatable,
)
from lwipscope.board.command_port import CommandRefused
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import UsageError
from lwipscope.firmware.firmware import Firmware
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.pair import opened
from lwipscope.scenario.play import play
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Beat, Segment
from lwipscope.trace.frame import Frame, FrameSplitter
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

NewBoard = Callable[..., EmulatedBoard]


def without_boot(serial: bytes) -> list[object]:
    """What came, frame by frame; hello without the count of resets, which is in the boot id."""
    return [
        (item.seq, item.clock_us, re.sub(r"boot=7\.\d+ ", "", item.tail))
        if isinstance(item, Frame) and item.kind == "hello"
        else item
        for item in FrameSplitter().feed(serial)
    ]


def test_most_of_the_library_needs_no_clock_but_the_boards() -> None:
    """Or the tests below would compare next to nothing."""
    assert set(REPEATED) <= {each.name for each in LIBRARY if repeatable(each)}
    assert sum(map(repeatable, LIBRARY)) > 50


@pytest.mark.parametrize("name", REPEATED)
def test_two_boards_say_the_same_bytes(name: str, firmware: Firmware, gate_keeper: Keeper) -> None:
    scenario = scenario_named(name)
    first, second = recordings((scenario, scenario), firmware.elf, gate_keeper)
    assert first.failure == ""
    assert first.serial == second.serial
    assert first.frames == second.frames
    assert dict(first.frames).keys() >= {"board", "raw"}


def test_every_scenario_is_the_same_after_a_reset(new_board: NewBoard, wire_keeper: Keeper) -> None:
    """One process, so only the boot id may differ; through the TAP, if there is one."""
    chosen = [each for each in LIBRARY if repeatable(each)][:: max(1, len(LIBRARY) // 6)]
    board = new_board(FIXED)
    for scenario in chosen:
        first, second = (record(scenario, board, wire_keeper) for _ in range(2))
        assert (scenario.name, first.failure) == (scenario.name, "")
        assert without_boot(first.serial) == without_boot(second.serial)
        assert first.frames == second.frames


def test_identical_repeats_counts_what_differs(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = scenario_named("rst-in-established")
    assert identical_repeats(2, [scenario], firmware.elf) == (2, 2)
    # Each recording told apart: then no two are equal.
    told = iter(range(100))
    monkeypatch.setattr(Recording, "digest", lambda _self: str(next(told)))
    assert identical_repeats(2, [scenario], firmware.elf) == (1, 2)


def test_no_heartbeat_while_time_is_the_hosts(board: EmulatedBoard) -> None:
    """A heart that beats by real time would take frame numbers by chance. It beats again later."""
    board.port.clock("manual")
    start(board, "import machine\nprint('runs')\nwhile True: machine.idle()")
    wait_output(board, b"runs")
    since = board.trace.mark()
    board.port.advance(10_000)
    board.port.sync()
    assert not any(isinstance(e, Beat) for e in board.trace.events[since:])
    assert board.port.request("ping").ok  # who wants to know whether it lives can ask
    board.port.clock("running")
    board.trace.wait_for(lambda e: isinstance(e, Beat), 3.0, "a heartbeat", since)


def test_console_text_has_its_place_among_the_frames(new_board: NewBoard) -> None:
    """What was recorded before a print() comes before its text, however slow the line is."""
    board = new_board(FIXED)
    source = """
        import socket
        for i in range(40):
            s = socket.socket()
            s.bind(("", 7000 + i))
            s.close()
            print("made", i)
        """
    seen = []
    for _ in range(2):
        said = bytearray()
        board.reset()
        stop = board.link.on_bytes(lambda data, _at_s, said=said: said.extend(data))  # type: ignore[misc]
        start(board, source)
        assert board.repl.wait(10.0).error == ""
        board.port.sync()
        stop()
        seen.append(bytes(said))
    assert seen[0] == seen[1]
    items = FrameSplitter().feed(seen[0])
    text_at = [i for i, item in enumerate(items) if b"made 39" in getattr(item, "data", b"")]
    deaths = [i for i, item in enumerate(items) if isinstance(item, Frame) and item.kind == "died"]
    assert len(deaths) == 40 and max(deaths) < text_at[0]


def test_a_frame_that_was_sent_before_a_command_comes_before_it(
    new_board: NewBoard, network_of: Callable[[EmulatedBoard], Network]
) -> None:
    """No fence, no waiting: the order in which the host did it is the board's."""
    board = new_board(FIXED)
    peer = network_of(board).raw()
    for number in range(50):
        sent = peer.connection(40000 + number, board.ip, 6667).send("S")
        reply = board.port.sync()
        before = board.trace.events[: board.trace.after(reply)]
        assert any(isinstance(e, Segment) and e.seqno == sent.seq for e in before)


def test_command_ids_begin_anew_with_each_life(board: EmulatedBoard) -> None:
    """They are in the answers, so a second run on the same board would have other bytes."""
    first = [board.port.sync().re for _ in range(3)]
    board.reset()
    assert [board.port.sync().re for _ in range(3)] == first


def refusals(network: Network) -> list[str]:
    calls: list[Callable[[], object]] = [
        lambda: network.connect(6666),
        lambda: network.listen(6666),
        lambda: network.nc_connect(6666),
        lambda: network.nc_listen(6666),
        lambda: network.serve(6666, 0),
        lambda: network.dial_out(6666, 6666),
    ]
    said = []
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        said.append(str(caught.value))
    return said


def test_peers_with_a_clock_of_their_own_are_refused(
    board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    with Network(wire_keeper, board.switch, board.ip, board.port.clock_mode) as network:
        network.listen(7001)  # the clock runs: nobody is refused
        board.port.clock("manual")
        for text in refusals(network):
            assert "expected the board's clock to run, but it is manual" in text
            assert "raw peer" in text and 'clock("running")' in text
        network.raw().connection(40000, board.ip, 6666)
        board.port.clock("running")
        network.listen(7002)


def test_the_clock_of_a_new_life_is_the_one_it_was_started_with(
    new_board: NewBoard, wire_keeper: Keeper
) -> None:
    board = new_board(StartOptions(clock="manual"))
    with Network(wire_keeper, board.switch, board.ip, board.port.clock_mode) as network:
        refusals(network)
        board.port.clock("running")
        network.listen(7001)
        board.reset()
        refusals(network)


def test_a_scenario_with_nc_is_refused_not_failed_silently(
    new_board: NewBoard, wire_keeper: Keeper
) -> None:
    scenario = next(each for each in LIBRARY if each.needs_nc)
    played = play(scenario, new_board(FIXED), wire_keeper)
    assert played.verdict is not Verdict.PASS
    assert "expected the board's clock to run, but it is manual" in played.failure


def test_advance_waits_for_acknowledgements_with_the_running_clock(stage: Stage) -> None:
    """A peer with a clock of its own would repeat what the board has not answered yet."""
    pair = opened(stage)
    assert stage.board.port.advance(1_000) == 1_000
    pair.socket.send(b"unacknowledged")
    pair.raw.expect("P.", length=14)
    with pytest.raises(CommandRefused, match="unacknowledged"):
        stage.board.port.advance(1_000)
    with pytest.raises(CommandRefused, match="unacknowledged"):
        stage.advance_until_end(pair.conn, 1_000)
    stage.board.port.clock("manual")
    assert stage.board.port.advance(100) == 100
    stage.board.port.clock("running")
    pair.raw.send(".")
    pair.nothing()
    assert stage.board.port.advance(1_000) == 1_000
    pair.socket.send(b"again")
    pair.raw.expect("P.", length=5)
    assert stage.board.port.advance(100, forced=True) == 100
