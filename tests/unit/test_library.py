"""The library's data: names, paths, needs and deviations are what they claim to be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lwipscope.errors import UsageError
from lwipscope.firmware.firmware import PROFILES
from lwipscope.scenario.library import EVERY, LIBRARY, THEMES, scenario_named
from lwipscope.scenario.scenario import NEED_TEXTS, Scenario
from lwipscope.scenario.tour import STOPS, cells
from lwipscope.tcp.deviations import deviation
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State

BOARDS = Path(__file__).parents[2] / "boards"
ALL = pytest.mark.parametrize("scenario", EVERY, ids=lambda s: s.name)


def test_names_are_unique_and_found() -> None:
    names = [scenario.name for scenario in LIBRARY]
    assert len(set(names)) == len(names)
    assert all(scenario_named(name).name == name for name in names)
    assert len({scenario.title for scenario in LIBRARY}) == len(names)
    assert sum(len(scenarios) for _, scenarios in THEMES) == len(names)


@ALL
def test_every_scenario_explains_itself(scenario: Scenario) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", scenario.name)
    assert len(scenario.story.split()) >= 10
    assert scenario.story.endswith(".")
    assert "  " not in scenario.story
    assert re.search(r"RFC \d+|MicroPython|lwIP", scenario.rfc)
    assert scenario.needs <= set(NEED_TEXTS)
    assert len(scenario.title) <= 60


@ALL
def test_paths_can_be_read_and_fit_the_role(scenario: Scenario) -> None:
    first = {"server": "LISTEN", "listener": "LISTEN", "client": "SYN_SENT"}
    for expected in (scenario.expected, *scenario.others):
        text = str(PathPattern.parse(expected.path))
        assert text.removeprefix("CLOSED > ").startswith(first[expected.role]), text
    if scenario.peer_path:
        PathPattern.parse(scenario.peer_path)
    # Several connections have to be told apart.
    all_expected = (scenario.expected, *scenario.others)
    apart = [(each.life, each.remote_port) for each in all_expected]
    assert len(set(apart)) == len(apart)
    assert not scenario.others or None not in [each.remote_port for each in all_expected]


@ALL
def test_what_it_runs_with_exists(scenario: Scenario) -> None:
    assert scenario.profiles
    assert set(scenario.profiles) <= set(PROFILES)
    for board in scenario.boards:
        tomllib.loads((BOARDS / f"{board}.toml").read_text())
    for name in scenario.deviations:
        assert deviation(name).name == name


def test_there_is_an_rst_for_every_state_of_a_connection() -> None:
    """Outside the window, inside it, and exactly; only TIME_WAIT outlives the last one."""
    for state in State:
        if state in (State.CLOSED, State.LISTEN):
            continue
        scenario = scenario_named(f"rst-in-{state.name.lower().replace('_', '-')}")
        *_, before, last = scenario.expected.path.split(" > ")
        assert (before, last) == (state.name, "CLOSED")
        assert ("clock" in scenario.needs) is (state is State.TIME_WAIT)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("syn-rcvd-hold", "syn-rcvd-held"),
        ("time_wait_recycled", "time-wait-recycled"),
        ("zero", "zero-window"),
        ("closing", "closing-held"),
    ],
)
def test_near_names_are_suggested(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        scenario_named(typed)
    assert f"{typed!r}" in str(caught.value)
    assert meant in str(caught.value)


def test_a_name_far_from_all_points_to_the_list() -> None:
    with pytest.raises(UsageError, match="`lwipscope scenarios` lists them"):
        scenario_named("qqqqqq")


def test_the_tours_stops_can_reach_every_state() -> None:
    """By their paths alone: what the table has to show when all of them pass."""
    paths = {"server": "", "client": ""}
    for name in STOPS:
        expected = scenario_named(name).expected
        role = "client" if expected.role == "client" else "server"
        paths[role] += f" {expected.path} "
    never = {("LISTEN", "client"), ("SYN_SENT", "server"), ("SYN_RCVD", "client")}
    for state in State:
        for role, path in paths.items():
            assert (f" {state.name} " in path) != ((state.name, role) in never)


def test_nothing_played_is_nothing_reached() -> None:
    table = cells([])
    assert len(table) == 22
    assert not any(cell.reached or cell.good for cell in table)
