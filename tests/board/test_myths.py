"""Every myth is settled by a run on the board, and no check is content with a run that lacks it.

The runs are played once. Then they are altered as if the claim were true, or as if the evidence had
not come: each check has to notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from board.conftest import Boards
from lwipscope.glossary.library import MYTHS, myth_named
from lwipscope.glossary.settling import Settled, judged, settle
from lwipscope.runfile.model import BoardEvent, Run, RunLife
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import play
from lwipscope.scenario.run_record import run_of_played
from lwipscope.trace.event import Call, Died, Event, Return, Segment
from lwipscope.trace.integrity import Gap
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import translator

NAMES = [myth.name for myth in MYTHS]
Altered = Callable[[Event], list[Event]]


@pytest.fixture(scope="module")
def results(
    boards: Boards, keeper: Keeper, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Settled]:
    if keeper.tap is None:
        pytest.skip(f"a kernel's window needs a TAP: {'; '.join(keeper.notes)}")
    folder = tmp_path_factory.mktemp("myths")
    return {myth.name: settle(myth, boards.fresh(keeper), keeper, folder) for myth in MYTHS}


@pytest.mark.parametrize("name", NAMES)
def test_every_myth_is_settled(name: str, results: Mapping[str, Settled]) -> None:
    result = results[name]
    english = translator("en")
    assert result.finding is not None, result.reason(english)
    assert "{" not in result.finding.text(english)
    assert "{" not in result.finding.text(translator("zh"))
    # The lines are the run's own, word for word.
    told = "\n".join(result.finding.lines)
    assert re.search(r" board   c\d+ |tap |console ", told)
    said = {e.event.text() for life in result.run.lives for e in life.events}
    for line in result.finding.lines:
        if "  board   c" in line:
            assert line.split("  board   ")[1] in said or "[" in line


def test_nineteen_are_told() -> None:
    assert len(MYTHS) == len(set(NAMES)) == 19


# A run in which it isn't so.


def _changed(run: Run, change: Altered, number: int = -1) -> Run:
    lives = list(run.lives)
    life = lives[number]
    events = [
        BoardEvent(each.at_s, event, each.said)
        for each in life.events
        for event in change(each.event)
    ]
    lives[number] = _life(life, events=tuple(events))
    return replace(run, lives=tuple(lives))


def _life(life: RunLife, **changes: object) -> RunLife:
    return replace(life, **changes)  # type: ignore[arg-type]


def _without(fits: Callable[[Event], bool]) -> Altered:
    return lambda event: [] if fits(event) else [event]


def _segment(event: Event, direction: str, has: str = "") -> bool:
    return (
        isinstance(event, Segment) and event.direction == direction and set(has) <= set(event.flags)
    )


def _bare_lives(run: Run, **changes: object) -> Run:
    return replace(run, lives=tuple(_life(life, **changes) for life in run.lives))


def _acked_fins(event: Event) -> list[Event]:
    """As if no FIN had crossed another: each acknowledges the board's."""
    if isinstance(event, Segment) and event.direction == "rx" and "F" in event.flags:
        return [replace(event, ackno=event.ackno + 1)]
    return [event]


def _speaks_at_the_end(event: Event) -> list[Event]:
    if isinstance(event, Died):
        late = Segment(
            *(event.seq, event.clock_us, event.conn, "tx", ".", 1, 1, 8760, 0, None, None, None)
        )
        return [late, event]
    return [event]


def _acknowledged(event: Event) -> list[Event]:
    if isinstance(event, Died):
        ack = Segment(
            *(event.seq, event.clock_us, event.conn, "rx", ".", 1, 7000, 8760, 0, None, None, None)
        )
        return [ack, event]
    return [event]


def _one_differs() -> Altered:
    seen: list[Event] = []

    def change(event: Event) -> list[Event]:
        if isinstance(event, Return) and event.name == "recv":
            seen.append(event)
            return [replace(event, result="ETIMEDOUT")] if len(seen) == 2 else [event]
        return [event]

    return change


def _same_mss(event: Event) -> list[Event]:
    if isinstance(event, Segment) and event.mss is not None:
        return [replace(event, mss=1460)]
    return [event]


def _kernel_sets_both(run: Run) -> Run:
    life = run.lives[-1]
    notes = tuple(replace(n, text=n.text.replace("=0", "=1")) for n in life.notes)
    return _bare_lives(run, notes=notes)


def _shifted(event: Event) -> list[Event]:
    if _segment(event, "rx", "P") and isinstance(event, Segment):
        return [replace(event, seqno=event.seqno + 1)]
    return [event]


def _pushed(event: Event) -> list[Event]:
    if isinstance(event, Segment) and event.direction == "rx" and event.length:
        return [replace(event, flags="P.")]
    return [event]


def _other_number(event: Event) -> list[Event]:
    if _segment(event, "tx", "S") and isinstance(event, Segment):
        return [replace(event, seqno=event.seqno + 7)]
    return [event]


def _taken_at_once(event: Event) -> list[Event]:
    if isinstance(event, Call) and event.name == "recv":
        return [replace(event, arg="54")]
    return [event]


def _quiet(event: Event) -> list[Event]:
    return [replace(event, clock_us=event.clock_us + 60_000_000)]


def _second_repeat_missing() -> Altered:
    seen: list[Event] = []

    def change(event: Event) -> list[Event]:
        if isinstance(event, Segment) and event.direction == "tx" and event.length:
            seen.append(event)
            return [event] if len(seen) == 1 else []
        return [event]

    return change


CONTRARY: dict[str, tuple[Callable[[Run], Run], str]] = {
    "closing-lost-ack": (lambda r: _changed(r, _acked_fins), "did not cross"),
    "time-wait-sends-ack": (lambda r: _changed(r, _speaks_at_the_end), "something else"),
    "fin-ack-combined": (
        lambda r: _changed(
            r, _without(lambda e: isinstance(e, Segment) and e.flags == "." and e.length == 0)
        ),
        "an ACK and a FIN",
    ),
    "process-per-connection": (lambda r: _bare_lives(r, notes=()), "has threads"),
    "restart-keeps-quiet": (lambda r: _changed(r, _quiet), "kept quiet"),
    "reuse-both-options": (_kernel_sets_both, "has set both"),
    "one-recv-clean-end": (lambda r: _changed(r, _taken_at_once), "has taken all"),
    "retransmission-guarantees": (lambda r: _changed(r, _acknowledged), "were acknowledged"),
    "rst-genuine": (lambda r: _changed(r, _one_differs()), "different things"),
    "mss-agreed": (lambda r: _changed(r, _same_mss), "same MSS"),
    "dot-placeholder": (lambda r: _changed(r, _second_repeat_missing()), "did not repeat"),
    "win-342-bytes": (lambda r: _bare_lives(r, wire=()), "wire was not recorded"),
    "ack-adds-one": (lambda r: _changed(r, _shifted), "has taken a number"),
    "psh-hands-over": (lambda r: _changed(r, _pushed), "without PSH"),
    "isn-random": (lambda r: _changed(r, _other_number), "different"),
}
"""By myth: what makes the claim true, or takes the proof away, and what the check says of it."""

OTHER_RUNS = {
    "fin-wait-client": ("close-four-segments-client", "no accepted connection"),
    "fin-wait-2-for-ever": ("close-four-segments", "FIN_WAIT_2 has not ended"),
    "fin-acked-at-once": ("close-second", "acknowledged this FIN at once"),
    "listener-closes-connections": ("listener-closed-with-waiting", "no data came"),
}
"""By myth: a scenario in which it is otherwise, and what the check says of it."""


def test_each_check_has_its_contrary() -> None:
    assert CONTRARY.keys() | OTHER_RUNS.keys() == set(NAMES)


@pytest.mark.parametrize("name", CONTRARY)
def test_a_check_notices_that_it_is_otherwise(name: str, results: Mapping[str, Settled]) -> None:
    alter, why = CONTRARY[name]
    result = judged(myth_named(name), alter(results[name].run))
    assert not result.settled
    assert why in result.reason(translator("en"))


@pytest.mark.parametrize("name", OTHER_RUNS)
def test_a_check_notices_another_run(
    name: str, boards: Boards, keeper: Keeper, tmp_path: Path
) -> None:
    scenario, why = OTHER_RUNS[name]
    played = play(scenario_named(scenario), boards.fresh(keeper), keeper, tmp_path)
    result = judged(myth_named(name), run_of_played(played))
    assert not result.settled
    assert why in result.reason(translator("en"))


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_evidence_settles_nothing(name: str, results: Mapping[str, Settled]) -> None:
    myth, run = myth_named(name), results[name].run
    assert not judged(myth, _bare_lives(run, events=(), wire=(), notes=(), console=())).settled
    failed = replace(run, about=replace(run.about, verdict="FAIL"))
    assert "the run is FAIL" in judged(myth, failed, "a step").reason(translator("en"))
    hole = replace(run.lives[0].integrity, gaps=(Gap(3, 4),))
    torn = _bare_lives(run, integrity=hole)
    assert "the evidence is incomplete" in judged(myth, torn).reason(translator("en"))
