"""`lwipscope boards`: lists the board files."""

from __future__ import annotations

import argparse

from lwipscope.board.board_file import BoardFile, names


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "boards",
        help="list the boards",
        description="Lists the boards that can be used, or shows one. boards/README.md tells what "
        "the fields mean; a file of your own can be named wherever a board is.",
    )
    parser.add_argument("name", nargs="?", help="show this board (name, or path of a .toml file)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """One line for each, or all of one."""
    if options.name is None:
        for name in names():
            print(f"{name:<20} {BoardFile.load(name).title}")
        return 0
    board = BoardFile.load(options.name)
    print(f"{board.name}: {board.title}")
    print(f"  emulator  {board.emulator.program} -M {board.emulator.machine}")
    print(f"  address   {board.net.ip}, netmask {board.net.netmask}, {board.net.mac}")
    print(f"  stack     {board.lwip.stack_profile}, options {board.lwip.option_profile}")
    return 0
