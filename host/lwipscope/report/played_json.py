"""Scenarios and what became of them as data for `--json`: shapes in `json_schemas`.

Called by `lwipscope scenarios`, `demo` and `tour`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lwipscope.scenario.coverage import coverage_of, taken_by
from lwipscope.scenario.played import Played
from lwipscope.scenario.scenario import Expected, Scenario
from lwipscope.tcp.edge import Edge
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.state import State


def scenario_json(scenario: Scenario, theme: str = "") -> dict[str, Any]:
    """One of the library."""
    return {
        "name": scenario.name,
        "title": scenario.title,
        "theme": theme,
        "story": scenario.story,
        "shows": scenario.shows,
        "source": scenario.rfc,
        "expected": _expected(scenario.expected),
        "others": [_expected(each) for each in scenario.others],
        "peer_path": scenario.peer_path,
        "needs": sorted(scenario.needs),
        "deviations": list(scenario.deviations),
        "profiles": list(scenario.profiles),
        "boards": list(scenario.boards),
        "firmware": scenario.firmware,
    }


def played_json(result: Played) -> dict[str, Any]:
    """One that was played. The path is that of the connection that the scenario is about."""
    connection = result.check.connection
    return {
        "name": result.scenario.name,
        "title": result.scenario.title,
        "verdict": result.verdict.name,
        "path": _states(connection.path if connection is not None else ()),
        "peer_path": _states(result.peer.path or ()),
        "objections": result.objections(),
        "wall_s": round(result.wall_s, 3),
    }


def coverage_json(played: Sequence[Played], left_out: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Every edge with who took it."""
    covered = coverage_of(played)
    profile = covered.graph.profile
    return {
        "stack": profile,
        "edges": [
            {**_edge(edge), "taken_by": names} for edge, names in taken_by(played, profile).items()
        ],
        "unreachable": [
            {**_edge(edge), "why": edge.unreachable}
            for edge in graph_of(profile).edges
            if edge.unreachable
        ],
        "missing": len(covered.missing),
        "played": [played_json(result) for result in played],
        "left_out": [{"name": name, "why": why} for name, why in left_out],
    }


def _expected(expected: Expected) -> dict[str, Any]:
    return {"path": expected.path, "role": expected.role, "life": expected.life}


def _edge(edge: Edge) -> dict[str, str]:
    return {
        "before": str(edge.before),
        "after": str(edge.after),
        "trigger": str(edge.trigger),
        "source": edge.source,
    }


def _states(path: Iterable[State]) -> list[str]:
    return [str(state) for state in path]
