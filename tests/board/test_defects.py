"""MicroPython's defects, as boards in the field have them (firmware/README.md has the table).

If one of these tests fails after an update of MicroPython, the defect is gone there: say so in the
table and in the scenarios that count on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from board.helpers import WAIT_S, Peer, run, start, the_one, told, wait_output, wait_state
from lwipscope import toolchain
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware import build
from lwipscope.scenario.defects import SCENARIOS
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import Scenario
from lwipscope.tcp.state import State
from lwipscope.trace.event import Fault
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

PORT = 6666
Dial = Callable[[int], Peer]


def test_closing_a_listener_does_not_assert(board: EmulatedBoard) -> None:
    """Assertions are on: without the wrapped tcp_err() and tcp_recv() the board would stop here."""
    printed = run(
        board,
        """
        import socket
        for i in range(20):
            s = socket.socket()
            s.bind(("", 6666))
            s.listen(1)
            s.close()
        print("alive")
        """,
    )
    assert printed == "alive\n"


def test_fin_before_accept_is_lost_to_python(board: EmulatedBoard, dial: Dial) -> None:
    """The pcb is in CLOSE_WAIT, and recv() waits for an end that it is never told of."""
    start(
        board,
        """
        import errno, socket, sys
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(2)
        print("listening")
        sys.stdin.readline()
        c, a = s.accept()
        c.setblocking(False)
        for again in range(2):
            try:
                print(c.recv(10))
            except OSError as error:
                print(errno.errorcode[error.errno])
            c.settimeout(0.05)
        print("done")
        sys.stdin.readline()
        c.close()
        """,
    )
    wait_output(board, b"listening")
    dial(PORT).close()
    conn = wait_state(board, State.CLOSE_WAIT)
    board.link.write(b"\n")
    output = wait_output(board, b"done")
    assert output.split()[1:3] == [b"EAGAIN", b"ETIMEDOUT"]
    assert [row.state for row in board.port.snapshot() if row.conn == conn] == [State.CLOSE_WAIT]
    board.link.write(b"\n")
    board.repl.wait(WAIT_S)
    assert told(the_one(board, role="server"))[2:4] == [
        "CLOSE_WAIT by=rx:F.",
        "LAST_ACK by=api:close",
    ]


def test_fin_after_accept_is_told(board: EmulatedBoard, dial: Dial) -> None:
    """The other half: it is the order that matters."""
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(2)
        print("listening")
        c, a = s.accept()
        print("accepted")
        print(c.recv(10))
        """,
    )
    wait_output(board, b"listening")
    peer = dial(PORT)
    wait_output(board, b"accepted")
    peer.close()
    assert board.repl.wait(WAIT_S).output.endswith(b"b''\r\n")


@pytest.mark.timeout(200)
@pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_a_defect_that_was_left_in_shows(
    scenario: Scenario, new_board: Callable[..., EmulatedBoard], wire_keeper: Keeper
) -> None:
    board = new_board(image=build.build("roomy", workarounds=False))
    assert board.trace.events[0].fields["workarounds"] == "0"  # type: ignore[attr-defined]
    played = play(scenario, board, wire_keeper)
    assert played.failure == ""
    assert played.verdict is Verdict.PASS, played.check.text
    assert isinstance(played.events[-1], Fault)
    assert not board.alive(WAIT_S)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_a_defect_that_is_worked_around_does_not_show(
    scenario: Scenario, board: EmulatedBoard, wire_keeper: Keeper
) -> None:
    """So the scenario can fail; the board lives on."""
    played = play(scenario, board, wire_keeper)
    assert "the defect is gone" in played.failure
    assert played.verdict is Verdict.FAIL
    assert board.alive()


def test_other_last_words_are_not_those_expected(board: EmulatedBoard, wire_keeper: Keeper) -> None:
    """A board that still runs has none, and its scenario does not pass."""
    scenario = replace(SCENARIOS[0], play=lambda stage: stage.board_stopped("text=x"))
    played = play(scenario, board, wire_keeper)
    assert "expected the board to stop with the words text=x" in played.failure
    assert played.verdict is Verdict.FAIL
