"""`lwipscope run-scenario`: plays one scenario and shows it; for `git bisect run`, too."""

from __future__ import annotations

import argparse
import sys

from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    describe,
    log_folder,
    style,
)
from lwipscope.errors import LwipscopeError, UsageError, WireUnavailable
from lwipscope.report.exchange import shown
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import Scenario
from lwipscope.trace.verdict import Verdict

CANNOT_TELL = 125


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run-scenario",
        help="play one scenario of the library and show it",
        description="Plays one scenario on a fresh board: segments and states side by side, the "
        "path, and the verdict. `lwipscope scenarios` lists the names.",
    )
    parser.add_argument("name", metavar="NAME", help="the scenario")
    parser.add_argument(
        "--bisect",
        action="store_true",
        help="exit codes for `git bisect run`: 0 good, 1 bad, 125 cannot tell",
    )
    add_board_options(parser)
    add_log_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, judge."""
    if not options.bisect:
        return _play(options).exit_code
    try:
        verdict = _play(options)
    except (LwipscopeError, OSError) as error:
        # Whatever it is, it says nothing about the tree: git would take any other code for bad.
        print(f"lwipscope: {error}", file=sys.stderr)
        return CANNOT_TELL
    return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(verdict, CANNOT_TELL)


def _play(options: argparse.Namespace) -> Verdict:
    scenario = scenario_named(options.name)
    _need_board(scenario, options)
    dress = style()
    with bench(options) as on:
        with Network(on.keeper, on.board.switch, on.board.ip) as network:
            if scenario.needs_nc and not network.nc_there:
                raise WireUnavailable(
                    f"{scenario.name} is played against OpenBSD's nc, which is not on this "
                    "machine; install netcat-openbsd"
                )
            print(dress.plain(describe(on, network.whose_tcp)))
        folder = log_folder(options, "scenario")
        played = play(scenario, on.board, on.keeper, folder)
        print(shown(played, dress))
        print(f"\ncaptures (pcap) and logs: {folder}", flush=True)
    return played.verdict


def _need_board(scenario: Scenario, options: argparse.Namespace) -> None:
    if options.profile is not None and options.profile not in scenario.profiles:
        raise UsageError(
            f"{scenario.name} can't be played with the profile {options.profile}: it is for "
            f"{', '.join(scenario.profiles)}"
        )
    if options.board not in scenario.boards:
        raise UsageError(
            f"{scenario.name} can't be played on the board {options.board}: it is for "
            f"{', '.join(scenario.boards)}"
        )
