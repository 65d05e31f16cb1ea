"""Resets: fast, many, and nothing of the old life gets into the new one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from board.helpers import Peer, closed_events, run, start, wait_output, wait_state
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import UsageError
from lwipscope.tcp.state import State
from lwipscope.trace.event import Beat, Hello, Reply
from lwipscope.wire.keeper import Keeper

PORT = 6666
Dial = Callable[[int], Peer]


def test_fifty_resets_in_a_row_under_traffic(board: EmulatedBoard, dial: Dial) -> None:
    """The old life prints, answers commands and sends segments up to the last moment."""
    host, before = (board.trace.boot or "").split(".")
    counts = []
    for number in range(50):
        start(
            board,
            f"""
            import socket
            s = socket.socket()
            s.bind(("", {PORT}))
            s.listen(2)
            print("listening")
            while True:
                print("OLD LIFE {number} " * 8)
            """,
        )
        wait_output(board, b"listening")
        if number % 10 == 0:
            dial(PORT).send(b"x" * 1000)
        old_trace = board.trace
        hello = board.reset()
        counts.append(hello.boot)
        assert board.trace is not old_trace
        assert isinstance(board.trace.events[0], Hello)
        assert board.trace.events[0].seq == 0
        events = closed_events(board)
        assert board.port.snapshot() == []
        # The old peer may still speak; its segments find no pcb.
        assert {e.conn for e in events} <= {0}
        console = b"".join(text.data for text in board.trace.console)
        assert b"OLD LIFE" not in console
        board.trace.evidence(board.port.sync())
        assert board.trace.integrity.complete, board.trace.integrity.problems()
    assert counts == [f"{host}.{int(before) + 1 + n}" for n in range(50)]


def test_boot_counter_begins_at_power_up_and_survives_resets(
    new_board: Callable[..., EmulatedBoard],
) -> None:
    for _ in range(2):
        with new_board(StartOptions(number=4711)) as board:
            assert board.trace.boot == "4711.0"
            assert run(board, "import machine; print(machine.reset_cause())") == "1\n"
            assert board.reset().boot == "4711.1"
            assert run(board, "import machine; print(machine.reset_cause())") == "2\n"


def test_a_reset_forgets_python_and_the_agent(board: EmulatedBoard, dial: Dial) -> None:
    board.agent.start()
    listener = board.agent.socket()
    listener.bind(PORT)
    listener.listen()
    dial(PORT)
    wait_state(board, State.ESTABLISHED)
    run_before = board.agent
    board.reset()
    assert board.agent is not run_before
    assert board.port.snapshot() == []
    assert run(board, "print('lwip_agent' in globals())") == "False\n"
    board.agent.start()
    again = board.agent.socket()
    again.bind(PORT)
    kinds = {type(e) for e in closed_events(board)} - {Beat}
    assert Hello in kinds and Reply in kinds


def test_resets_give_other_ephemeral_ports(board: EmulatedBoard) -> None:
    """Else the peer's memory of the last life (TIME_WAIT) gets in the way of the next."""
    ports = set()
    for _ in range(4):
        board.agent.start()
        client = board.agent.socket()
        client.connect("192.0.2.250", 1)
        conn = wait_state(board, State.SYN_SENT)
        (row,) = board.port.snapshot()
        assert row.conn == conn and row.local is not None
        ports.add(row.local.port)
        board.reset()
    assert len(ports) == 4


def test_two_boards_cannot_share_a_tap(board: EmulatedBoard, keeper: Keeper) -> None:
    """They would steal each other's frames."""
    if keeper.tap is None:
        pytest.skip("; ".join(keeper.notes))
    with pytest.raises(UsageError, match="another board"):
        EmulatedBoard(board.file, board.elf, keeper)
