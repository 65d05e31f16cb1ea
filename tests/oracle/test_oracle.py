"""The tracer tells every birth, every store to a state and every death, in order, and no other.

Proven by an independent mechanism, watchpoints through QEMU's gdb stub (DESIGN D1), on what the
socket layer can make lwIP do. The last tests show that a tracer that told less would be found out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest

from lwipscope.firmware.generate import STORES
from lwipscope.firmware.selection import choose
from lwipscope.scenario.library import LIBRARY
from lwipscope.scenario.scenario import Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Transition
from lwipscope.wire.keeper import Keeper
from oracle.bench import Bench, Watched
from oracle.comparison import watched
from oracle.rsp import StubError
from oracle.situations import SITUATIONS, Field, board_closes_first, many
from oracle.watcher import Watcher

# close() in SYN_RCVD: the socket layer has no socket for such a pcb.
UNREACHABLE = {"tcp.c:420"}
Situation = Callable[[Field], None]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Keeper.start("auto") as keeper, Bench(choose("roomy").elf, keeper) as made:
        yield made


@pytest.fixture(scope="module")
def watch(bench: Bench) -> Callable[[Situation], Watched]:
    """A situation, played once for all tests that ask for it."""
    return cache(bench.situation)


def prove(found: Watched, least: int = 3) -> None:
    """Equal, and neither side is doubtful or empty."""
    assert found.difference() == ""
    assert found.problems == []
    assert found.failure == ""
    assert len(found.seen) == len(found.events) >= least
    # Every pcb's memory was cleared once, so no store can hide as a clearing.
    assert found.cleared == sum(s.what == "born" and s.pool == "pcb" for s in found.seen)
    assert found.stops == len(found.seen) + found.cleared


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.__name__)
def test_a_situation_is_told_completely(
    situation: Situation, watch: Callable[[Situation], Watched]
) -> None:
    prove(watch(situation))


@pytest.mark.parametrize(
    "scenario", [s for s in LIBRARY if "roomy" in s.profiles], ids=lambda s: s.name
)
def test_a_scenario_is_told_completely(scenario: Scenario, bench: Bench) -> None:
    """With a kernel at the other end, where the machine gives a TAP."""
    if scenario.needs_nc and shutil.which("nc") is None:
        pytest.skip("this scenario is played against nc, which is not installed")
    first, *others = bench.lives(scenario.play)
    prove(first)
    for life in others:
        prove(life, least=0)  # a board that was reset may be asked for nothing more


def test_every_store_that_can_be_reached_was_seen(watch: Callable[[Situation], Watched]) -> None:
    known = {f"{name.rpartition('/')[2]}:{line}" for name in STORES for line in STORES[name]}
    told = {e.at for s in SITUATIONS for e in watch(s).events if isinstance(e, Transition)}
    assert told == known - UNREACHABLE


def test_the_other_profile_is_told_completely() -> None:
    """5 pcbs instead of 16: they are taken from the living."""
    with Keeper.start("none") as keeper, Bench(choose("rp2").elf, keeper) as small:
        assert small.layout.pools[0].count == 5
        for situation in SITUATIONS:
            prove(small.situation(situation))


def test_slots_are_used_again(watch: Callable[[Situation], Watched]) -> None:
    """Otherwise connection ids and slots would be the same thing, and pairing them no test."""
    born = [one.slot for one in watch(many).seen if one.what == "born"]
    assert len(set(born)) < len(born)


# The test can fail.


@pytest.mark.parametrize("situation", [board_closes_first, many], ids=lambda s: s.__name__)
def test_an_event_that_is_left_out_is_noticed(
    situation: Situation, watch: Callable[[Situation], Watched]
) -> None:
    whole = watch(situation)
    for index in range(len(whole.events)):
        rest = [*whole.events[:index], *whole.events[index + 1 :]]
        assert "oracle:" in replace(whole, events=rest).difference(), whole.events[index].text()
    for index in range(len(whole.seen)):
        less = [*whole.seen[:index], *whole.seen[index + 1 :]]
        assert "tracer:" in replace(whole, seen=less).difference()


def test_events_in_another_order_are_noticed(watch: Callable[[Situation], Watched]) -> None:
    whole = watch(board_closes_first)
    for index in range(len(whole.events) - 1):
        events = list(whole.events)
        events[index : index + 2] = reversed(events[index : index + 2])
        assert replace(whole, events=events).difference()


def test_another_state_is_noticed(watch: Callable[[Situation], Watched]) -> None:
    whole = watch(board_closes_first)
    for index, event in enumerate(whole.events):
        if isinstance(event, Transition):
            wrong = replace(event, before=event.after, after=event.before)
            events = [*whole.events[:index], wrong, *whole.events[index + 1 :]]
            assert replace(whole, events=events).difference()


def test_a_store_that_the_tracer_does_not_know_is_seen(bench: Bench) -> None:
    """A program on the board writes to a pcb's state, past lwIP: what was there already."""
    pool = bench.layout.pools[0]

    def poke(stage: Stage) -> None:
        stage.board.agent.stop()
        first = pool.slots[-1] + pool.state_offset  # memp_init: the last one is on top
        code = f"import machine, socket\ns = socket.socket()\nmachine.mem8[{first}] = 0\ns.close()"
        stage.board.repl.run(code, 20.0)

    found = bench.stage(poke)
    assert found.failure == ""
    assert found.problems == []
    assert watched(found.seen)[:2] == ["p1 born in pcb, 1 used", "p1 CLOSED > CLOSED in "]
    assert "oracle: p1 CLOSED > CLOSED" in found.difference()


def test_the_oracle_does_not_begin_in_the_middle(bench: Bench) -> None:
    def late(stage: Stage) -> None:
        stage.board.agent.socket()
        with pytest.raises(StubError, match="15 are free"):
            Watcher(bench.stub, bench.layout)

    bench.board.reset()
    late(Stage(bench.board, None))  # type: ignore[arg-type]  # no network is needed
    # Whoever breaks off leaves a running board.
    assert bench.board.port.sync().ok
