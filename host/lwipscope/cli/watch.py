"""`lwipscope watch`: the transitions of a running board, live, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from lwipscope.board.command_port import CommandPort
from lwipscope.board.link import Link
from lwipscope.board.running import the_one
from lwipscope.cli.common import style
from lwipscope.errors import DeadlineExceeded, LwipscopeError, NoBoard
from lwipscope.report.live import Live
from lwipscope.trace.event import Hello
from lwipscope.trace.trace import Trace

_HELLO_TIMEOUT_S = 2.0
_PING_S = 2.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "watch",
        help="show the transitions of a running board, live",
        description="Opens the serial line of a board that runs firmware with the tracer and "
        "prints each transition with its cause, until Ctrl-C. It does not disturb the program.",
    )
    parser.add_argument(
        "serial", nargs="?", help="device or URL of the line (default: the board that was started)"
    )
    parser.add_argument("--pid", type=int, help="the lwipscope process whose board it is")
    parser.add_argument("--baud", type=int, default=115200, help="speed of the line [%(default)s]")
    parser.add_argument("--segments", action="store_true", help="show segments too")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 on Ctrl-C or when the time is over."""
    serial = options.serial or the_one(options.pid).serial
    link = Link(serial, options.baud, trace=Trace(first_seq=None))
    port = CommandPort(link)
    live = Live(_print, style(), console=False, segments=options.segments)
    try:
        hello = _greet(port, serial)
        print(f"watching {serial}: {hello.text()}; Ctrl-C ends", file=sys.stderr)
        link.trace.on_event(live.event)
        port.stream("all" if options.segments else "states")
        for row in port.snapshot():
            _print(f"               now  {row.text()}")
        end_s = None if options.seconds is None else time.monotonic() + options.seconds
        while end_s is None or time.monotonic() < end_s:
            _pause(link, _PING_S if end_s is None else min(_PING_S, end_s - time.monotonic()))
            port.hello()  # silence would be an error, and so would a restart of the board
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        if link.trace.integrity.started and link.trace.lost is None:
            with contextlib.suppress(LwipscopeError):
                port.stream("off")
        link.close()


def _pause(link: Link, seconds: float) -> None:
    """Let events come; a board that is lost ends it at once."""
    try:
        link.trace.wait_for(lambda _event: False, max(0.0, seconds), "the end", link.trace.mark())
    except DeadlineExceeded:
        return


def _greet(port: CommandPort, serial: str) -> Hello:
    try:
        return port.hello(_HELLO_TIMEOUT_S)
    except DeadlineExceeded as error:
        raise NoBoard(
            f"{serial}: nobody answered within {_HELLO_TIMEOUT_S:g} s. Expected a board with "
            "lwipscope's firmware that is running; is it another port, or another speed?"
        ) from error


def _print(line: str) -> None:
    # One write: Ctrl-C must not come between a line and its end, where output is unbuffered.
    print(f"{line}\n", end="", flush=True)
