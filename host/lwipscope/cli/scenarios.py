"""`lwipscope scenarios`: the library of scenarios, all or one explained, and what it covers."""

from __future__ import annotations

import argparse
import sys
import textwrap

from lwipscope.cli.common import add_board_options, bench
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import UsageError
from lwipscope.report.played_json import coverage_json, scenario_json
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
    add_json_option(parser, "scenarios", "coverage")
    add_board_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print."""
    if options.coverage:
        if options.name is not None:
            raise UsageError(f"--coverage plays them all: leave out {options.name}")
        return _coverage(options)
    unusual = tuple(scenario for scenario in EVERY if scenario not in LIBRARY)
    themes = (*THEMES, ("defects left in (with --no-workarounds)", unusual))
    named = None if options.name is None else scenario_named(options.name)
    if options.json:
        told = [
            scenario_json(scenario, theme)
            for theme, scenarios in themes
            for scenario in scenarios
            if named in (None, scenario)
        ]
        print_json("scenarios", {"scenarios": told})
        return 0
    if named is not None:
        print(_explained(named))
        return 0
    width = max(len(scenario.name) for scenario in EVERY)
    for theme, scenarios in themes:
        print(f"{theme}:")
        for scenario in scenarios:
            print(f"  {scenario.name:<{width}}  {scenario.title}")
    print(f"\n{len(EVERY)} scenarios; `lwipscope scenarios NAME` explains one")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    """Play all that can be played here."""
    played: list[Played] = []
    left_out: list[tuple[str, str]] = []
    with bench(options) as on:
        with Network(on.keeper, on.board.switch, on.board.ip) as network:
            there = network.nc_there
        profile = on.firmware.profile
        with ProgressLine() as progress:
            for number, scenario in enumerate(LIBRARY):
                progress.say(f"playing {scenario.name}", number, len(LIBRARY))
                if profile not in scenario.profiles or options.board not in scenario.boards:
                    left_out.append((scenario.name, "is for another profile or board"))
                    continue
                if scenario.needs_nc and not there:
                    left_out.append((scenario.name, "there is no OpenBSD nc"))
                    progress.done()
                    print(f"left out, as there is no OpenBSD nc: {scenario.name}", file=sys.stderr)
                    continue
                played.append(play(scenario, on.board, on.keeper))
                if played[-1].verdict is not Verdict.PASS:
                    progress.done()
                    print(f"{played[-1].verdict.name}: {scenario.name}", file=sys.stderr)
    failed = sum(1 for result in played if result.verdict is not Verdict.PASS)
    if options.json:
        print_json("coverage", coverage_json(played, left_out))
    else:
        print(report(played))
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
