"""`lwipscope scenarios`: the library of scenarios, all or one explained, and what it covers."""

from __future__ import annotations

import argparse
import sys
import textwrap

from lwipscope.cli.common import add_board_options, bench
from lwipscope.scenario.coverage import coverage_of, report
from lwipscope.scenario.library import EVERY, LIBRARY, THEMES, scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.scenario import NEED_TEXTS, Expected, Scenario
from lwipscope.tcp.deviations import deviation
from lwipscope.trace.verdict import Verdict

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
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="play them all, and list every edge of the stack's graph with who took it; exit code "
        "1 if one was not taken or a scenario failed",
    )
    add_board_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print."""
    if options.coverage:
        return _coverage(options)
    if options.name is not None:
        print(_explained(scenario_named(options.name)))
        return 0
    width = max(len(scenario.name) for scenario in EVERY)
    unusual = tuple(scenario for scenario in EVERY if scenario not in LIBRARY)
    for theme, scenarios in (*THEMES, ("defects left in (with --no-workarounds)", unusual)):
        print(f"{theme}:")
        for scenario in scenarios:
            print(f"  {scenario.name:<{width}}  {scenario.title}")
    print(f"\n{len(EVERY)} scenarios; `lwipscope scenarios NAME` explains one")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    """Play all that can be played here, one line of progress each."""
    played: list[Played] = []
    with bench(options) as on:
        with Network(on.keeper, on.board.switch, on.board.ip) as network:
            there = network.nc_there
        profile = on.firmware.profile
        for scenario in LIBRARY:
            if profile not in scenario.profiles or options.board not in scenario.boards:
                continue
            if scenario.needs_nc and not there:
                print(f"left out, as there is no OpenBSD nc: {scenario.name}", file=sys.stderr)
                continue
            played.append(play(scenario, on.board, on.keeper))
            if played[-1].verdict is not Verdict.PASS:
                print(f"{played[-1].verdict.name}: {scenario.name}", file=sys.stderr)
    print(report(played))
    failed = sum(1 for result in played if result.verdict is not Verdict.PASS)
    print(f"{len(played)} scenarios played, {failed} of them not PASS")
    return 1 if failed or coverage_of(played).missing else 0


def _told(expected: Expected) -> str:
    """The role, and which of the board's lives, if it is not the last."""
    life = "" if expected.life == -1 else f", in the board's life {expected.life + 1}"
    return f"{expected.role}{life}"


def _explained(scenario: Scenario) -> str:
    needs = [text for need, text in NEED_TEXTS.items() if need in scenario.needs]
    lines = [f"{scenario.name}: {scenario.title}", ""]
    lines += [*textwrap.wrap(scenario.story, _WIDTH), ""]
    for label, text in (
        ("shows", scenario.shows),
        ("source", scenario.rfc),
        ("path", f"{scenario.expected.path} ({_told(scenario.expected)})"),
        *(("beside it", f"{each.path} ({_told(each)})") for each in scenario.others),
        ("peer", scenario.peer_path),
        ("needs", "; ".join(needs)),
        ("profiles", ", ".join(scenario.profiles)),
        ("boards", ", ".join(scenario.boards)),
        ("firmware", "" if scenario.firmware == "usual" else f"--{scenario.firmware}"),
        *(("deviation", f"{name}: {deviation(name).explanation}") for name in scenario.deviations),
    ):
        if text:
            indent = " " * _LABEL
            lines += textwrap.wrap(f"{label:<{_LABEL}}{text}", _WIDTH, subsequent_indent=indent)
    return "\n".join(lines)
