"""Moving board time: in steps, with patience, until something happens or a limit."""

from __future__ import annotations

from typing import cast

import pytest

from lwipscope.board.board_time import elapse, leads_to, run_until, step
from lwipscope.board.command_port import CommandPort, CommandRefused
from lwipscope.errors import DeadlineExceeded
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Reply, parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.trace import Trace


class Board:
    """Its time moves by 3 s at most in a step; its connection c1 ends at 10 s."""

    def __init__(self, refusals: int = 0) -> None:
        self.trace = Trace()
        self.now_ms = 0
        self.refusals = refusals
        self.tries = 0
        self.seq = 0

    def advance(self, ms: int, *, forced: bool = False) -> int:
        self.tries += 1
        if self.refusals and not forced:
            self.refusals -= 1
            raise CommandRefused("advance", "unacknowledged")
        moved_ms = min(ms, 3_000)
        if self.now_ms < 10_000 <= self.now_ms + moved_ms:
            self._say(10_000, "died", "c=1 in=TIME_WAIT by=timer:2MSL used=0")
        self.now_ms += moved_ms
        return moved_ms

    def sync(self) -> Reply:
        return Reply(0, self.now_ms * 1000, 0, 1, True, (), {})

    def _say(self, at_ms: int, kind: str, tail: str) -> None:
        self.trace.feed(Frame(self.seq, at_ms * 1000, kind, tail, b""), 0.0)
        self.seq += 1


def port_of(board: Board) -> CommandPort:
    return cast(CommandPort, board)


def ends(event: Event) -> bool:
    return leads_to(event, State.CLOSED)


def test_it_tells_when_it_happened_not_when_the_step_ended() -> None:
    board = Board()
    found = run_until(port_of(board), board.trace, ends, 60_000, "c1 was expected to end")
    assert isinstance(found.event, Died) and found.after_ms == 10_000
    assert board.now_ms == 12_000


def test_the_limit_is_kept_to_the_millisecond() -> None:
    board = Board()
    with pytest.raises(DeadlineExceeded, match=r"^c1 was expected to end within 8.5 s of board"):
        run_until(port_of(board), board.trace, ends, 8_500, "c1 was expected to end")
    assert board.now_ms == 8_500
    # What happened before does not count.
    elapse(port_of(board), 5_000)
    assert board.now_ms == 13_500
    with pytest.raises(DeadlineExceeded):
        run_until(port_of(board), board.trace, ends, 1_000, "c1 was expected to end")


def test_a_refusal_is_final_without_patience_and_tried_again_with_it() -> None:
    with pytest.raises(CommandRefused):
        step(port_of(Board(refusals=1)), 1_000, False, 0.0)
    patient = Board(refusals=3)
    assert step(port_of(patient), 1_000, False, 5.0) == 1_000
    assert patient.tries == 4
    assert step(port_of(Board(refusals=9)), 1_000, True, 0.0) == 1_000
    with pytest.raises(CommandRefused):
        step(port_of(Board(refusals=1 << 60)), 1_000, False, 0.05)


def test_closed_is_the_end_of_a_connection() -> None:
    died = parse_event(Frame(0, 0, "died", "c=1 in=LAST_ACK by=rx:. used=0", b""))
    store = "c=1 LAST_ACK>CLOSED by=rx:. at=tcp_in.c:1 "
    state = parse_event(Frame(0, 0, "state", store, b""))
    assert leads_to(died, State.CLOSED) and not leads_to(died, State.LAST_ACK)
    assert not leads_to(state, State.CLOSED)
