"""`lwipscope identify`: who is at the other end of a serial port, without disturbing it."""

from __future__ import annotations

import argparse

from lwipscope.board.board import Board
from lwipscope.board.device_file import DeviceFile
from lwipscope.board.identify import Identity, identify
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.board_access import SPECS, add_access_options, opened
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.trace.event import Hello


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "identify",
        help="tell what a board is and what runs on it",
        description="Asks a board on a serial port what it is: firmware, lwIP, address, memory,\n"
        "modules, files; and tells where that differs from its board file. A program that runs on\n"
        "the board is not interrupted: then only what its command port tells is shown.",
        epilog=f"{SPECS}\nNothing on the board is changed. DTR and RTS are held as the board file "
        "says.\nExit codes: 0 as the board file says, 1 there are differences, 3 no answer.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_access_options(parser)
    add_json_option(parser, "identity")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print; 1 if the board file says otherwise."""
    with opened(options, must_be_idle=False) as board:
        return _as_json(board) if options.json else show(board)


def show(board: Board) -> int:
    """Print what it is; 1 if the board file says otherwise."""
    hello: Hello | None
    if isinstance(board, SerialBoard):
        print(f"{board.place.name}: {board.file.title}")
        hello = board.presence.hello
        if board.presence.silent:
            board.presence.require_idle(board.url)  # says what to try
        if not board.presence.at_prompt and not board.taken_over:
            for line in Identity({}, hello).lines():
                print(f"  {line}")
            print(f"  {'program':<9} {board.presence.runs}; --take-over would tell more")
            return 0
    else:
        print(f"{board.file.name}: {board.file.title}")
        hello = next((e for e in board.trace.events if isinstance(e, Hello)), None)
    identity = identify(board.repl, hello)
    for line in identity.lines():
        print(f"  {line}")
    print(f"  {'can':<9} {board.capabilities.text()}")
    if not isinstance(board.file, DeviceFile):
        return 0
    found = identity.differences(board.file)
    for line in found:
        print(f"  differs   {line}")
    return 1 if found else 0


def _as_json(board: Board) -> int:
    """The same for programs."""
    runs, complete = "", True
    if isinstance(board, SerialBoard):
        hello, runs = board.presence.hello, board.presence.runs
        if board.presence.silent:
            board.presence.require_idle(board.url)
        complete = board.presence.at_prompt or board.taken_over
    else:
        hello = next((e for e in board.trace.events if isinstance(e, Hello)), None)
    found = identify(board.repl, hello) if complete else Identity({}, hello)
    file = board.file
    differences = found.differences(file) if complete and isinstance(file, DeviceFile) else []
    about = {
        "board": board.place.name if isinstance(board, SerialBoard) else board.file.name,
        "title": board.file.title,
        "complete": complete,
        "runs": "" if complete else runs,
        "told": dict(found.told),
        "hello": dict(hello.fields) if hello is not None else {},
        "can": board.capabilities.text() if complete else "",
        "differences": differences,
    }
    print_json("identity", about)
    return 1 if differences else 0
