"""How long scenarios take: one, the tour, the whole library; and whether repeats are identical.

A time counts only if everything that was played passed. Each measurement has a limit, so that a
board which hangs can't hold up the rest.
"""

from __future__ import annotations

import time

from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.repeating import identical_repeats
from lwipscope.benchmark.starting import temporary_folder
from lwipscope.benchmark.workshop import Workshop, lwipscope
from lwipscope.errors import LwipscopeError
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.play import Played, play
from lwipscope.trace.verdict import Verdict

# A handshake and an orderly close, the peer first, and nothing else; no time has to be moved.
ONE_SCENARIO = "close-second"
REPEATS = 20
_TOUR_TIMEOUT_S = 60.0
_LIBRARY_TIMEOUT_S = 300.0


def one_scenario(shop: Workshop, times: int) -> Rows:
    """Milliseconds for a board's system reset, the exchange and its verdict; Python and the board
    run already, and have played it once."""
    scenario = scenario_named(ONE_SCENARIO)
    with shop.board() as (board, keeper):
        for number in range(times + 1):
            started_s = time.monotonic()
            played = play(scenario, board, keeper)
            took_ms = (time.monotonic() - started_s) * 1e3
            need_passes([played])
            if number:
                yield (took_ms,)


def tour(shop: Workshop, times: int) -> Rows:
    """Seconds for `lwipscope tour`, with everything that it starts and ends."""
    with temporary_folder() as folder:
        for _ in range(times):
            started_s = time.monotonic()
            lwipscope("tour", *shop.options, "--log-dir", str(folder), timeout_s=_TOUR_TIMEOUT_S)
            yield (time.monotonic() - started_s,)


def library(shop: Workshop, times: int) -> Rows:
    """Seconds for all scenarios of this board and profile, one after the other on one board."""
    chosen = [
        scenario
        for scenario in LIBRARY
        if shop.profile in scenario.profiles and shop.board_file.name in scenario.boards
    ]
    end_s = time.monotonic() + _LIBRARY_TIMEOUT_S
    with shop.board() as (board, keeper):
        for _ in range(times):
            played: list[Played] = []
            started_s = time.monotonic()
            for scenario in chosen:
                if time.monotonic() > end_s:
                    raise LwipscopeError(
                        f"{len(played)} of {len(chosen)} scenarios were played when the limit of "
                        f"{_LIBRARY_TIMEOUT_S:g} s for all rounds was over"
                    )
                played.append(play(scenario, board, keeper))
            took_s = time.monotonic() - started_s
            need_passes(played)
            yield (took_s,)


def repeats(shop: Workshop, times: int) -> Rows:
    """How many of REPEATS rounds with the manual clock gave the same bytes and frames."""
    for _ in range(times):
        identical, _total = identical_repeats(REPEATS, elf=shop.elf)
        yield (float(identical),)


def need_passes(played: list[Played]) -> None:
    """LwipscopeError that names whatever did not pass."""
    others = [one for one in played if one.verdict is not Verdict.PASS]
    if others:
        said = ", ".join(f"{one.scenario.name} ({one.verdict.name})" for one in others)
        raise LwipscopeError(
            f"{len(others)} of {len(played)} scenarios did not pass: {said}. "
            f"`lwipscope run-scenario {others[0].scenario.name}` shows why"
        )
