"""The wire is quiet when nothing moved for two looks and nothing waits on our side."""

from __future__ import annotations

from typing import cast

import pytest

from lwipscope.errors import DeadlineExceeded
from lwipscope.wire.settling import settle
from lwipscope.wire.switch import Switch


class Moving:
    """A switch whose counters change for a number of looks, and then its backlog goes."""

    def __init__(self, moves: int, backlog: list[int]) -> None:
        self.moves, self.backlog = moves, backlog
        self.looks = 0

    def counters(self) -> int:
        self.looks += 1
        return min(self.looks, self.moves)

    def board_backlog_bytes(self) -> int:
        return self.backlog.pop(0) if len(self.backlog) > 1 else self.backlog[0]


def looks(moves: int, backlog: list[int]) -> int:
    switch = Moving(moves, backlog)
    settle(cast(Switch, switch), 1.0)
    return switch.looks


def test_two_looks_without_a_change_are_needed() -> None:
    assert looks(1, [0]) == 3
    assert looks(5, [0]) == 7


def test_a_full_socket_is_waited_for_a_few_frames_in_it_are_not() -> None:
    assert looks(1, [768]) == 3
    assert looks(1, [9000, 9000, 0]) == 5


def test_a_wire_that_never_rests_has_a_deadline() -> None:
    with pytest.raises(DeadlineExceeded, match=r"expected to become quiet within 0\.05 s"):
        settle(cast(Switch, Moving(1 << 60, [0])), 0.05)
