"""Which edges of a stack's graph scenarios have taken, all lives of all boards added up.

Called by the command line and the tests: an edge that no scenario takes is a transition of which
nothing is known but that it ought to be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lwipscope.scenario.play import Played
from lwipscope.tcp.edge import Edge
from lwipscope.tcp.graph import graph_of
from lwipscope.trace.legality import Coverage, coverage


def coverage_of(played: Iterable[Played], profile: str = "modlwip-2.2.1") -> Coverage:
    """What these took together. Lives of a board with another stack count for nothing."""
    total = coverage((), graph_of(profile))
    for result in played:
        for life in result.lives:
            if life.profile == profile:
                total += coverage(life.events, total.graph)
    return total


def taken_by(played: Iterable[Played], profile: str = "modlwip-2.2.1") -> Mapping[Edge, list[str]]:
    """The scenarios that took each edge, by name, in the order in which they were played; an edge
    that nobody took has an empty list. Unreachable edges are there only if somebody took them."""
    takers: dict[Edge, list[str]] = {edge: [] for edge in graph_of(profile).reachable()}
    for result in played:
        for edge in coverage_of((result,), profile).taken:
            takers.setdefault(edge, []).append(result.scenario.name)
    return takers


def report(played: Iterable[Played], profile: str = "modlwip-2.2.1") -> str:
    """One line for each edge with who took it, what is missing, what can't be, and the sum."""
    results = list(played)
    lines = []
    for edge, names in taken_by(results, profile).items():
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"{edge}\n    {names[0]}{more}" if names else f"{edge}\n    NOT TAKEN")
    unreachable = [edge for edge in graph_of(profile).edges if edge.unreachable]
    lines.append("\nwhat no program can bring about, and why:")
    lines += (f"{edge}\n    {edge.unreachable}" for edge in unreachable)
    lines.append(f"\n{coverage_of(results, profile).text()}")
    return "\n".join(lines)
