"""The burst of `lwipscope bench`, small: the way it is measured works, and it would notice."""

from __future__ import annotations

import pytest

from lwipscope.benchmark.connecting import burst_of, judge
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError


def test_a_burst_of_100_connections_is_recorded_whole(board: EmulatedBoard) -> None:
    connections_per_s, frames_per_s = burst_of(board, 100)
    # Seven segments each: SYN, SYN-ACK, ACK, both FINs and their ACKs. Few ACKs can be spared.
    assert 6 * connections_per_s <= frames_per_s <= 8 * connections_per_s


def test_a_connection_that_is_missing_in_the_records_is_noticed(board: EmulatedBoard) -> None:
    burst_of(board, 10)
    with pytest.raises(LwipscopeError, match="11 connections were made, the records tell of 10"):
        judge(board, 11)
