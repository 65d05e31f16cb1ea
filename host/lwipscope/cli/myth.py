"""`lwipscope myth [NAME]`: lists the myths about TCP, or settles one by a run on the board."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    log_folder,
    style,
)
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import Inconclusive, UsageError
from lwipscope.glossary.library import MYTHS, myth_named
from lwipscope.glossary.myth_page import as_json, listed, shown, table
from lwipscope.glossary.settling import Settled, settle
from lwipscope.words.catalogue import translator
from lwipscope.words.lang import add_lang_option, console_lang

_EXAMPLES = """\
examples:
  lwipscope myth                         the list
  lwipscope myth closing-lost-ack        play it, show the lines that settle it, tell the truth
  lwipscope myth --all                   play all of them
  lwipscope myth win-342-bytes --lang zh

Each myth has a check that reads what the board and the wire have recorded in this very run. Exit
code: 0 if all that was played is settled, 4 if a run does not show it.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "myth",
        help="what people say of TCP and isn't so: settle it by a run on the board",
        description="Lists what is often said of TCP and is not so, or plays the run that settles\n"
        "it on the emulated board, then and there.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a myth (default: list them)")
    parser.add_argument("--all", action="store_true", help="settle all of them, one after another")
    add_json_option(parser, "myths")
    add_lang_option(parser)
    add_board_options(parser)
    add_log_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List, or play."""
    tr = translator(console_lang(options.lang))
    if options.all and options.name:
        raise UsageError(f"--all, or {options.name}: choose one")
    if options.name:
        myth_named(options.name)  # a wrong name is told before anything is started
    if not options.all and options.name is None:
        if options.json:
            told = [as_json(myth, None, tr) for myth in MYTHS]
            print_json("myths", {"myths": told, "log_folder": None})
        else:
            print(listed(MYTHS, tr))
        return 0
    folder = log_folder(options, "myth")
    results = _settled(options, folder)
    if options.json:
        told = [as_json(result.myth, result, tr) for result in results]
        print_json("myths", {"myths": told, "log_folder": str(folder)})
        return _code(results)
    print(table(results, tr, style()) if options.all else shown(results[0], tr, style()))
    print("\n" + tr("run files, captures and logs: {folder}", folder=folder))
    return _code(results)


def _code(results: Sequence[Settled]) -> int:
    return 0 if all(result.settled for result in results) else Inconclusive.exit_code


def _settled(options: argparse.Namespace, folder: Path) -> list[Settled]:
    chosen = MYTHS if options.all else (myth_named(options.name),)
    with bench(options) as on, ProgressLine() as progress:
        return [
            settle(myth, on.board, on.keeper, folder)
            for myth in progress.each(chosen, "myths", len(chosen))
        ]
