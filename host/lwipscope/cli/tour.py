"""`lwipscope tour`: all eleven states in both roles, and how each was reached."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

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
from lwipscope.report.exchange import shown
from lwipscope.report.played_json import played_json
from lwipscope.report.style import Style
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import RAW_TCP, Played, play
from lwipscope.scenario.tour import STOPS, Cell, cells
from lwipscope.trace.verdict import Verdict


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "tour",
        help="drive the board through all eleven states, in both roles",
        description="Plays scenarios that together lead the board through all eleven states of "
        "TCP, as server and as client, and prints how each state was reached, or why lwIP can't.",
    )
    add_board_options(parser)
    add_log_option(parser)
    add_json_option(parser, "tour")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print the table."""
    dress = style()
    started_s = time.monotonic()
    with bench(options) as on:
        if not options.json:
            print(dress.plain(describe(on, RAW_TCP)), flush=True)
        folder = log_folder(options, "tour")
        played: list[Played] = []
        with ProgressLine() as progress:
            for number, name in enumerate(STOPS):
                progress.say(f"playing {name}", number, len(STOPS))
                result = play(scenario_named(name), on.board, on.keeper, folder)
                played.append(result)
                if result.verdict is not Verdict.PASS and not options.json:
                    progress.done()
                    print(shown(result, dress), flush=True)
    table = cells(played)
    missed = int(not all(cell.good for cell in table))
    code = max(missed, *(result.verdict.exit_code for result in played))
    if options.json:
        print_json("tour", _data(table, played, folder))
        return code
    print(_table(table, dress))
    reached = sum(cell.reached for cell in table)
    absent = sum(cell.good and not cell.reached for cell in table)
    print(
        f"\n{reached} of {len(table)} reached, {absent} that lwIP does not have, in "
        f"{len(played)} scenarios and {time.monotonic() - started_s:.1f} s"
    )
    print(f"captures (pcapng) and logs: {folder}", flush=True)
    return code


def _data(table: list[Cell], played: list[Played], folder: Path) -> dict[str, object]:
    return {
        "cells": [
            {
                "state": str(cell.state),
                "role": cell.role,
                "reached": cell.reached,
                "expected": cell.good,
                "how": cell.how,
                "scenario": cell.scenario,
            }
            for cell in table
        ],
        "played": [played_json(result) for result in played],
        "log_folder": str(folder),
    }


def _table(table: list[Cell], dress: Style) -> str:
    lines = ["", f"{'state':<12}  {'role':<6}  {'how it was reached':<60}  scenario"]
    for cell in table:
        mark = "✓" if cell.reached else "-" if cell.good else "✗"
        text = f"{cell.state!s:<12}  {cell.role:<6}  {mark} {cell.how:<58}  {cell.scenario}"
        lines.append(text.rstrip() if cell.good else dress.paint(text.rstrip(), "red", "bold"))
    return "\n".join(dress.plain(line) for line in lines)
