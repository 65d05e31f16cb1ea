"""`lwipscope demo`: plays the first exchanges on the emulated board and explains what is seen."""

from __future__ import annotations

import argparse
import sys
import time

from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    describe,
    log_folder,
    style,
)
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import BoardLost, UsageError
from lwipscope.report.exchange import shown, summary
from lwipscope.report.played_json import played_json, scenario_json
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.scenario import Scenario


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo",
        help="play the first exchanges on the emulated board, and explain them",
        description="Plays who-closes-first in all its forms against real nc: segments and state "
        "transitions side by side in time order, the path of each connection, and the verdict.",
    )
    add_board_options(parser)
    add_log_option(parser)
    parser.add_argument("--only", metavar="NAME", action="append", help="play this exchange only")
    parser.add_argument("--list", action="store_true", help="list the exchanges and end")
    add_json_option(parser, "played", "scenarios")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, sum up."""
    if options.list and options.json:
        print_json("scenarios", {"scenarios": [scenario_json(each) for each in EXCHANGES]})
        return 0
    if options.list:
        for scenario in EXCHANGES:
            print(f"{scenario.name:<34} {scenario.title}")
        return 0
    chosen = _chosen(options.only)
    dress = style()
    started_s = time.monotonic()
    played: list[Played] = []
    with bench(options) as on:
        with Network(on.keeper, on.board.switch, on.board.ip) as network:
            if not options.json:
                print(dress.plain(describe(on, network.whose_tcp)))
            nc_there = network.nc_there
        if not nc_there and not options.json:
            print("no OpenBSD netcat on this machine: exchanges with nc are left out")
        folder = log_folder(options, "demo")
        chosen, left_out = _playable(chosen, nc_there)
        stopped: BoardLost | None = None
        try:
            with ProgressLine() as progress:
                for number, scenario in enumerate(chosen, 1):
                    progress.say(f"playing {scenario.name}", number - 1, len(chosen))
                    played.append(play(scenario, on.board, on.keeper, folder))
                    progress.done()
                    if not options.json:
                        print(shown(played[-1], dress, number), flush=True)
        except BoardLost as error:
            stopped = error  # what was played before it counts
    if options.json:
        told = [played_json(result) for result in played]
        print_json("played", {"played": told, "left_out": left_out, "log_folder": str(folder)})
    else:
        print(summary(played, dress))
        count = "1 exchange" if len(played) == 1 else f"{len(played)} exchanges"
        print(f"\n{count} in {time.monotonic() - started_s:.1f} s")
        print(f"captures (pcapng) and logs: {folder}", flush=True)
    if stopped is not None:
        raise stopped
    if left_out:
        print(f"{len(left_out)} left out: install netcat-openbsd", file=sys.stderr)
    return max((result.verdict.exit_code for result in played), default=3)


def _chosen(names: list[str] | None) -> list[Scenario]:
    if not names:
        return list(EXCHANGES)
    by_name = {scenario.name: scenario for scenario in EXCHANGES}
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no exchange {name!r}; `lwipscope demo --list` names them")
    return [by_name[name] for name in names]


def _playable(chosen: list[Scenario], nc_there: bool) -> tuple[list[Scenario], list[str]]:
    """Those that this machine can play, and the names of those that it can't."""
    playable = [scenario for scenario in chosen if nc_there or not scenario.needs_nc]
    return playable, [each.name for each in chosen if each not in playable]
