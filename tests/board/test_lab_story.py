"""The page's rows while a life goes on: the same as those of the whole life, and quickly there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.lab import story
from lwipscope.lab.lab import Lab
from lwipscope.lab.story import Shown, Story
from lwipscope.pytest_plugin.bench import Bench
from lwipscope.words.catalogue import translator

_MOST_LOOK_MS = 50


@pytest.fixture
def lab(lwip_bench: Bench, tmp_path: Path) -> Iterator[Lab]:
    # One TAP carries one board's frames: that of the tests before is ended.
    lwip_bench.dismiss()
    keeper, elf = lwip_bench.keeper, lwip_bench.firmware.elf

    def board() -> EmulatedBoard:
        return EmulatedBoard(BoardFile.load(DEFAULT_BOARD), elf, keeper)

    with Lab(keeper, board, folder=tmp_path, tr=translator("en")) as made:
        yield made


def _do(lab: Lab, *lines: str) -> None:
    for line in lines:
        done = lab.do(line)
        assert done.ok, (line, done.error)


def _exchange(lab: Lab, number: int) -> None:
    """One connection that is reset, and every third one stays."""
    socket, peer = f"s{number + 1}", f"r{number}"
    _do(
        lab, "raw connect 6666", "board accept s1", f"raw send {peer} hello", f"board recv {socket}"
    )
    if number % 3:
        _do(lab, f"raw rst {peer}", f"board close {socket}")
    else:
        _do(lab, f"board close {socket}", f"raw ack {peer}", f"raw rst {peer}")


def _certain(row: dict[str, Any]) -> dict[str, Any]:
    """Without the times of what the board did not stamp: those are guessed."""
    return {k: v for k, v in row.items() if k not in (("t", "u", "life") if "u" in row else ())}


def test_what_was_frozen_is_what_the_whole_life_gives(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "FREEZE_EVENTS", 20)
    told = Story()
    _do(lab, "board listen 6666", "raw connect 6666 withhold-ack", "raw connect 6666")
    _do(lab, "board accept s1")  # this connection lives all the time
    shown: Shown | None = None
    for number in range(3, 15):
        _do(lab, "raw connect 6666", "board accept s1", f"raw send r{number} hello")
        _do(lab, f"board recv s{number}", f"board send s{number} hello", f"raw fin-ack r{number}")
        _do(lab, f"board close s{number}", f"raw ack r{number}", "raw send r2 hi", "board recv s2")
        shown = told.look(lab.lives()[-1], 1)
    assert told._frozen.mark.events > 200, "nothing was frozen"
    _do(lab, "raw ack r1", "board send s2 end", "raw fin-ack r2", "board close s2", "raw ack r2")
    shown = told.look(lab.lives()[-1], 1)
    whole = Story().look(lab.lives()[-1], 1)
    assert [*map(_certain, shown.rows)] == [*map(_certain, whole.rows)]
    assert shown.facts == whole.facts
    assert shown.peers == whole.peers
    assert [each.id for each in story.living(shown.connections)] == [
        each.id for each in story.living(whole.connections)
    ]


def test_a_look_costs_what_is_new_and_not_what_there_was(lab: Lab) -> None:
    told = Story()
    _do(lab, "board listen 6666")
    took_ms: list[float] = []
    for number in range(1, 80):
        _exchange(lab, number)
        began_s = time.perf_counter()
        shown = told.look(lab.lives()[-1], 1)
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    assert len(shown.life.events) > 2000
    assert statistics.median(took_ms[-20:]) < _MOST_LOOK_MS
    began_s = time.perf_counter()
    Story().look(lab.lives()[-1], 1)
    whole_ms = (time.perf_counter() - began_s) * 1e3
    assert statistics.median(took_ms[-20:]) < whole_ms / 2
