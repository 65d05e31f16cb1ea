"""`lwipscope clean`: removes from a board what lwipscope left on it."""

from __future__ import annotations

import argparse

from lwipscope.board.storage import FOLDER, clean
from lwipscope.cli.board_access import SPECS, add_access_options, opened


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "clean",
        help="remove from a board what lwipscope left on it",
        description=f"Removes the folder {FOLDER} from a board's files, then restarts it softly.\n"
        "Usually there is nothing: the agent and programs run from RAM and go with a reset. Other\n"
        "files are never touched.",
        epilog=SPECS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_access_options(parser, emulated=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was removed."""
    with opened(options) as board:
        removed = clean(board.repl)
    for path in removed:
        print(f"removed {path}")
    print(f"{len(removed)} removed" if removed else "nothing of ours is on the board")
    return 0
