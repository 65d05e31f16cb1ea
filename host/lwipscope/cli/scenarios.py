"""`lwipscope scenarios`: the library of scenarios, all or one explained."""

from __future__ import annotations

import argparse
import textwrap

from lwipscope.scenario.library import LIBRARY, THEMES, scenario_named
from lwipscope.scenario.scenario import NEED_TEXTS, Scenario
from lwipscope.tcp.deviations import deviation

_WIDTH = 98
_LABEL = 11


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "scenarios",
        help="list the scenarios, or explain one",
        description="Lists the library of scenarios: each brings a connection into one situation, "
        "on purpose, and checks the path. `lwipscope run-scenario NAME` plays one.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="explain this one")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print."""
    if options.name is not None:
        print(_explained(scenario_named(options.name)))
        return 0
    width = max(len(scenario.name) for scenario in LIBRARY)
    for theme, scenarios in THEMES:
        print(f"{theme}:")
        for scenario in scenarios:
            print(f"  {scenario.name:<{width}}  {scenario.title}")
    print(f"\n{len(LIBRARY)} scenarios; `lwipscope scenarios NAME` explains one")
    return 0


def _explained(scenario: Scenario) -> str:
    needs = [text for need, text in NEED_TEXTS.items() if need in scenario.needs]
    lines = [f"{scenario.name}: {scenario.title}", ""]
    lines += [*textwrap.wrap(scenario.story, _WIDTH), ""]
    for label, text in (
        ("shows", scenario.shows),
        ("source", scenario.rfc),
        ("path", f"{scenario.expected.path} ({scenario.expected.role})"),
        *(("beside it", f"{each.path} ({each.role})") for each in scenario.others),
        ("peer", scenario.peer_path),
        ("needs", "; ".join(needs)),
        ("profiles", ", ".join(scenario.profiles)),
        ("boards", ", ".join(scenario.boards)),
        *(("deviation", f"{name}: {deviation(name).explanation}") for name in scenario.deviations),
    ):
        if text:
            indent = " " * _LABEL
            lines += textwrap.wrap(f"{label:<{_LABEL}}{text}", _WIDTH, subsequent_indent=indent)
    return "\n".join(lines)
