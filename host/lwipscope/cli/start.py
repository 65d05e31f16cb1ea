"""`lwipscope start`: an emulated board that runs until Ctrl-C, for mpremote and other terminals."""

from __future__ import annotations

import argparse

from lwipscope.board.running import announced
from lwipscope.cli.common import add_board_options, add_log_option, bench, describe, log_folder
from lwipscope.cli.doors import Doors, add_port_option
from lwipscope.errors import BoardLost
from lwipscope.runfile.model import About
from lwipscope.scenario.network import Network
from lwipscope.scenario.run_log import RunLog

_LOOK_S = 1.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "start",
        help="start a board and keep it running, for mpremote",
        description="Starts the emulated board with its network and prints the serial port, which "
        "mpremote and `lwipscope watch` open like any other. Ends with Ctrl-C.",
        epilog="Then: mpremote connect PORT run app.py; nc 127.0.0.1 6666; lwipscope watch",
    )
    add_board_options(parser)
    add_port_option(parser, "a port to make reachable, both ways")
    add_log_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    with bench(options) as on, Network(on.keeper, on.board.switch, on.board.ip) as network:
        folder = log_folder(options, "start")
        print(describe(on, network.whose_tcp))
        about = About("start", "start", "a board kept running", whose_tcp=network.whose_tcp)
        with RunLog(on.board, folder, about=about):
            # The line is for others now: nothing is sent on it until somebody asks.
            on.board.port.stream("off")
            serial = on.board.release_line()
            print(f"serial:  {serial}")
            print(f"  mpremote connect {serial} run --no-follow firmware/scripts/tcp_server.py")
            print(f"  lwipscope watch {serial}")
            doors = Doors(network, print)
            doors.to_terminals(options.port)
            doors.to_board(options.port)
            with announced(on.board.file.name, serial, on.keeper):
                try:
                    print(f"captures: {folder}\nCtrl-C ends it", flush=True)
                    while on.board.alive(_LOOK_S):
                        pass
                except KeyboardInterrupt:
                    print("\nended")
                    return 0
            ended = on.board.why_ended("")
        raise BoardLost(
            f"the board is lost: {ended}. Its last words went to the program at the serial line"
        )
