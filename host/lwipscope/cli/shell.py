"""`lwipscope shell [-- COMMAND]`: a shell, or one command, in the board's network."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from lwipscope.board.running import RunningBoard, running, the_one
from lwipscope.cli.common import add_board_options, bench, describe
from lwipscope.errors import WireUnavailable
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.wire import enter
from lwipscope.wire.keeper import Keeper

_LOOK_S = 60.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "shell",
        help="enter the board's network, for nc, tcpdump, ss, curl",
        description="Runs a shell, or the command after --, in the private network namespace of a "
        "running board (see `lwipscope start`). If none runs, one is started for the time.",
        epilog="Examples: lwipscope shell -- nc 192.0.2.10 6666; lwipscope shell -- tcpdump -n -i "
        "lwip0; lwipscope shell -- ss -tan",
    )
    add_board_options(parser)
    parser.add_argument("--pid", type=int, help="the lwipscope process whose board it is")
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="run this instead of a shell")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The command's exit code."""
    command = options.words or [os.environ.get("SHELL") or "/bin/sh"]
    if options.pid is not None or running():
        return _enter(the_one(options.pid), command)
    with bench(options) as on, Network(on.keeper, on.board.switch, on.board.ip) as network:
        print(describe(on, network.whose_tcp), file=sys.stderr)
        inner = on.keeper.pids[1] if on.keeper.has_namespace else 0
        on.board.port.stream("off")
        board = RunningBoard(os.getpid(), on.board.file.name, on.board.link.url, inner)
        return _enter(board, command)


def _enter(board: RunningBoard, command: list[str]) -> int:
    if board.inner_pid == 0:
        raise WireUnavailable(
            "this board has no network namespace to enter; from any terminal its ports are "
            "reachable through the gate: nc 127.0.0.1 6666"
        )
    if shutil.which(command[0]) is None:
        raise WireUnavailable(f"{command[0]}: not found; is it installed?")
    if not command[1:] and sys.stdin.isatty():
        print(
            f"in the network of {board.name}: board 192.0.2.10, this side {HOST_IP} (lwip0); "
            "leave with exit",
            file=sys.stderr,
        )
    helper = [sys.executable, "-I", str(Path(enter.__file__)), str(board.inner_pid)]
    # A keeper, so that the command ends with us even if we are killed.
    with Keeper.start("none") as keeper:
        process = keeper.spawn(
            [*helper, *command],
            stdin=0,
            stdout=1,
            stderr=2,
            new_session=False,
            in_namespace=False,
        )
        # Ctrl-C is for the command. SIGTERM and SIGHUP end us, and it.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        while (code := process.poll(_LOOK_S)) is None:
            pass
    return code if code >= 0 else 128 - code
