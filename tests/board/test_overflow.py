"""More records than the ring takes: the loss is told, and no verdict is given over it."""

from __future__ import annotations

import pytest

from board.helpers import WAIT_S, start, wait_output
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.trace.event import Lost
from lwipscope.trace.verdict import Verdict, check_path

RING_RECORDS = 65536


@pytest.mark.evidence_spoiled("the ring overflows on purpose")
def test_overflow_of_the_ring_is_told_and_spoils_the_verdict(board: EmulatedBoard) -> None:
    """Ctrl-C switched off means that the program owns the line: records wait, and more come."""
    start(
        board,
        """
        import micropython, socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        s.close()
        micropython.kbd_intr(-1)
        s = socket.socket()
        for i in range(66000):
            try:
                s.recv(1)          # a record each: ENOTCONN
            except OSError:
                pass
        print("full")
        """,
    )
    wait_output(board, b"full", 30)
    board.repl.wait(WAIT_S)
    # What waits in the ring is not what this test is about.
    board.port.stream("states")
    events, integrity = board.trace.evidence(board.port.sync())
    (lost,) = (e for e in events if isinstance(e, Lost))
    assert 66000 - RING_RECORDS < lost.n < 66000 - RING_RECORDS + 20
    assert integrity.lost_records == lost.n
    check = check_path(events, integrity, "LISTEN > CLOSED", role="listener")
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "ring was full" in check.text


@pytest.mark.evidence_spoiled("the ring overflows on purpose")
def test_a_sync_never_closes_over_a_loss_before_it(board: EmulatedBoard) -> None:
    """Records that come while the full ring is sent must not let the sync overtake the loss."""
    start(
        board,
        """
        import micropython, socket
        micropython.kbd_intr(-1)
        s = socket.socket()
        def fill(n):
            for i in range(n):
                try:
                    s.recv(1)
                except OSError:
                    pass
        fill(66000)
        micropython.kbd_intr(3)
        print("full")
        while True:
            fill(1)
        """,
    )
    wait_output(board, b"full", 30)
    board.port.stream("states")
    events, integrity = board.trace.evidence(board.port.sync())
    assert [e.n for e in events if isinstance(e, Lost)] != []
    assert not integrity.complete
    board.repl.interrupt()
