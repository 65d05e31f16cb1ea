"""`lwipscope watch`: the transitions of a running board, live, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import closing, suppress

from lwipscope.board.command_port import CommandPort
from lwipscope.board.link import Link
from lwipscope.cli.common import style
from lwipscope.cli.watch_full import watch_full
from lwipscope.cli.watch_keys import has_keys
from lwipscope.cli.watch_line import BoardLine, add_line_options
from lwipscope.cli.watch_screen import has_rich
from lwipscope.cli.watch_session import Session
from lwipscope.errors import DeadlineExceeded, LwipscopeError, NoBoard
from lwipscope.report.live import Live
from lwipscope.trace.event import Hello

_HELLO_TIMEOUT_S = 2.0
_PING_S = 2.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "watch",
        help="show the transitions of a running board, live",
        description="Opens the serial line of a board that runs firmware with the tracer and shows "
        "its pcb table, each transition with its cause, and the states that are taken now, until q "
        "or Ctrl-C. It does not disturb the program. Where the output is no terminal, or with "
        "--plain, transitions are printed line by line.",
        epilog="The full screen needs rich (pip install lwipscope[tui]). Its keys: q quit, "
        "p pause, f filter by port, s save as a run file, ? help.",
    )
    parser.add_argument(
        "serial",
        nargs="?",
        metavar="BOARD",
        help="device or URL of its line, or its name in the rack file (default: the emulated board "
        "that was started)",
    )
    add_line_options(parser)
    parser.add_argument("--segments", action="store_true", help="show segments too")
    parser.add_argument("--plain", action="store_true", help="lines, also on a terminal")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 on Ctrl-C or when the time is over."""
    place = BoardLine.of(options.serial, options)
    if _on_full_screen(options):
        return _full_screen(place, options)
    with place.held(), closing(place.open()) as line, closing(place.link(line)) as link:
        return _lines(link, place.url, options)


def _lines(link: Link, serial: str, options: argparse.Namespace) -> int:
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
            with suppress(LwipscopeError):
                port.stream("off")


def _on_full_screen(options: argparse.Namespace) -> bool:
    """Whether the terminal can show it, and the user wants it."""
    terminal = sys.stdout.isatty() and has_keys() and os.environ.get("TERM", "dumb") != "dumb"
    if options.plain or not terminal:
        return False
    if not has_rich():
        print(
            "the full screen needs rich: pip install lwipscope[tui]; until then, line by line",
            file=sys.stderr,
        )
        return False
    return True


def _full_screen(place: BoardLine, options: argparse.Namespace) -> int:
    with (
        suppress(KeyboardInterrupt),
        place.held(),
        closing(Session(place, segments=options.segments)) as session,
    ):
        _greet(session.port, place.url)
        watch_full(session, place.url, options.seconds)
    return 0


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
