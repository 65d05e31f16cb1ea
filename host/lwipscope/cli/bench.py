"""`lwipscope bench`: measures how fast the board and the host are, against the targets."""

from __future__ import annotations

import argparse
import platform
from contextlib import closing
from pathlib import Path

from lwipscope.benchmark.catalogue import MEASUREMENTS, Entry
from lwipscope.benchmark.figure import Result, exit_code, results_of, table
from lwipscope.benchmark.workshop import Workshop
from lwipscope.board.board_file import BoardFile
from lwipscope.cli.common import NETWORK, add_board_options, firmware_of
from lwipscope.cli.json_output import add_schema_option, json_text
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import LwipscopeError, UsageError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "bench",
        help="measure how fast the board and the host are",
        description="Measures each figure several times and compares the median with its target. "
        "Takes about five minutes; the machine should do nothing else. Exit code 1 if a target is "
        "missed.",
        epilog="measurements: "
        + ", ".join(entry.name for entry in MEASUREMENTS)
        + ". Whether the oracle agrees with the tracer on every scenario is decided by `make test`",
    )
    add_board_options(parser)
    parser.add_argument("--only", metavar="NAME", action="append", help="measure this only")
    parser.add_argument("--quick", action="store_true", help="measure fewer times")
    parser.add_argument(
        "--builds", type=int, default=None, metavar="N", help="how many clean builds (1)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=Path("-"),
        metavar="FILE",
        help="write all values there as well; without FILE, print them instead of the table",
    )
    add_schema_option(parser, "bench")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, print the table."""
    chosen = _chosen(options.only)
    if options.builds is not None and options.builds < 1:
        raise UsageError(f"--builds {options.builds}: at least one build is needed")
    board_file = BoardFile.load(options.board)
    firmware = firmware_of(options, board_file)
    shop = Workshop(board_file, firmware.elf, firmware.profile, NETWORK[options.wire])
    results: list[Result] = []
    with ProgressLine() as progress:
        for entry in chosen:
            times = entry.quick_times if options.quick else entry.times
            if entry.name == "build" and options.builds is not None:
                times = options.builds
            results += _measured(entry, shop, times, progress)
    told = json_text("bench", _told(results))
    if options.json == Path("-"):
        print(told)
        return exit_code(results)
    print(table(results))
    if options.json is not None:
        try:
            options.json.write_text(told + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{options.json}: can't be written: {error.strerror}") from error
    return exit_code(results)


def _chosen(names: list[str] | None) -> list[Entry]:
    by_name = {entry.name: entry for entry in MEASUREMENTS}
    for name in names or ():
        if name not in by_name:
            raise UsageError(f"there is no measurement {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in names] if names else list(MEASUREMENTS)


def _measured(
    entry: Entry, shop: Workshop, times: int, progress: ProgressLine | None = None
) -> list[Result]:
    """The values, as many as there are: one that can't be measured must not cost the others."""
    rows: list[tuple[float, ...]] = []
    failure = ""
    progress = progress or ProgressLine()
    try:
        progress.say(entry.name, 0, times)
        with closing(entry.measure(shop, times)) as measured:
            for row in measured:
                rows.append(row)
                said = ", ".join(
                    f"{value:.4g} {figure.unit}"
                    for value, figure in zip(row, entry.figures, strict=True)
                )
                progress.say(f"{entry.name}: {said}", len(rows), times)
    except LwipscopeError as error:
        failure = f"{entry.name}: {error}"
    return results_of(entry.figures, rows, failure)


def _told(results: list[Result]) -> dict[str, object]:
    return {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "figures": [result.as_json() for result in results],
    }
