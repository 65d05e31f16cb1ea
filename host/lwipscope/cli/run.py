"""`lwipscope run SCRIPT.py`: a MicroPython program on a fresh board, its output and the trace."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.repl import ProgramEnd
from lwipscope.board.running import announced
from lwipscope.cli import interrupts
from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    describe,
    log_folder,
    style,
)
from lwipscope.cli.doors import Doors, add_port_option
from lwipscope.errors import BoardLost, DeadlineExceeded
from lwipscope.report.live import Live
from lwipscope.report.run_text import connections_text
from lwipscope.report.style import Style
from lwipscope.runfile.model import About, Run
from lwipscope.scenario.network import Network
from lwipscope.scenario.program import Program
from lwipscope.scenario.run_log import RunLog, why
from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Event

_READ_S = 0.5
_INTERRUPT_S = 3.0
_LADDERS = 4  # a page; more would hide what the program printed
_SILENCE_S = 2.5  # a heart beats once a second


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="run a MicroPython program on the board and watch its connections",
        description="Uploads a MicroPython file to a fresh board and runs it, unchanged. What it "
        "prints is on the left, each transition of each connection with its cause on the right. "
        "Ctrl-C interrupts the program on the board; the paths of all connections follow.",
        epilog="The program's own address is 192.0.2.10. A port on which it listens is reachable "
        "from any terminal: nc 127.0.0.1 6666. What it connects to at 192.0.2.1:6666 is a "
        "terminal's nc -l -p 6666. Exit code: 0 the program ended or was interrupted, 1 it "
        "raised an exception.",
    )
    parser.add_argument("script", type=Path, help="the MicroPython file, or a folder with main.py")
    add_board_options(parser)
    add_port_option(parser, "a port of this machine that the board's clients may connect to")
    add_log_option(parser)
    parser.add_argument("--seconds", type=float, metavar="S", help="interrupt it after so long")
    parser.add_argument("--segments", action="store_true", help="show segments too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run, show, sum up."""
    program = Program.load(options.script)
    dress = style()
    stopped: BaseException | None = None
    end = ProgramEnd(b"", "")
    with bench(options) as on, Network(on.keeper, on.board.switch, on.board.ip) as network:
        folder = log_folder(options, "run")
        print(dress.plain(describe(on, network.whose_tcp)))
        doors = Doors(network, _print)
        doors.to_terminals(options.port)
        live = Live(_print, dress, segments=options.segments)
        name = options.script.resolve().name
        about = About(name, "run", f"{name} on the board", whose_tcp=network.whose_tcp)
        with (
            RunLog(on.board, folder, about=about) as log,
            announced(on.board.file.name, on.board.link.url, on.keeper, on.board.port.snapshot),
        ):
            on.board.trace.on_event(live.event)
            on.board.trace.on_event(doors.event)
            print(f"running {options.script} (Ctrl-C ends it)\n", flush=True)
            try:
                end = _follow(on.board, program, live, options.seconds)
                through = on.board.port.sync()
                events, integrity = on.board.trace.evidence(through)
                log.evidence_ends(through)
            except (BoardLost, DeadlineExceeded, KeyboardInterrupt) as error:
                # What came before is shown all the same.
                stopped = error
                events, integrity = on.board.trace.evidence()
                log.ended(why(error))
        live.finish()
        if log.saved is not None:
            _print_ladders(log.saved, dress)
        _print_paths(events)
        print(f"captures and logs: {folder}", flush=True)
    if stopped is not None:
        raise stopped
    problems = [*integrity.problems(), *log.problems]
    for problem in problems:
        print(f"the evidence is incomplete: {problem}", file=sys.stderr)
    if end.error and not end.error.rstrip().endswith("\nKeyboardInterrupt:"):
        print(
            f"\nthe program ended with an exception:\n{program.blamed(end.error)}", file=sys.stderr
        )
        return 1
    return 4 if problems else 0


def _print_ladders(run_: Run, dress: Style) -> None:
    """Of the first connections; `lwipscope show` has all."""
    found = [c for life in run_.lives for c in life.connections if c.role != "listener"]
    for connection in found[:_LADDERS]:
        print()
        for line in connections_text(run_, dress, conn=connection.id)[:-1]:
            print(line)
    if len(found) > _LADDERS:
        print(f"\n{len(found) - _LADDERS} more connections: lwipscope show --connection cN")


def _print_paths(events: Sequence[Event]) -> None:
    print("\npaths:")
    for connection in connections(events):
        ends = f"{connection.local}" + (f" - {connection.remote}" if connection.remote else "")
        why = f"; ended by {connection.end_reason.text()}" if connection.end_reason else ""
        print(f"  c{connection.id} {connection.role}, {ends}{why}")
        print(f"     {path_text(connection.path)}")


def _follow(
    board: EmulatedBoard, program: Program, live: Live, seconds: float | None
) -> ProgramEnd:
    """Show the program's output until it ends; Ctrl-C or the time limit interrupts it."""
    repl = board.repl
    program.start_on(board)
    try:
        _show(board, live, math.inf if seconds is None else seconds)
    except KeyboardInterrupt:
        interrupts.again()  # who is in a hurry need not wait for the rest
    if repl.running:
        repl.press_ctrl_c()
        _show(board, live, _INTERRUPT_S)
    if repl.running:
        print("the program goes on after Ctrl-C; its board ends now", file=sys.stderr)
        return ProgramEnd(repl.output, "")
    return repl.wait(0)


def _show(board: EmulatedBoard, live: Live, seconds: float) -> None:
    started_s = time.monotonic()
    while board.repl.running and (left_s := started_s + seconds - time.monotonic()) > 0:
        live.program_output(board.repl.read(min(_READ_S, left_s)))
        heard_s = max(started_s, board.trace.last_heard_s or 0.0)
        if time.monotonic() - heard_s > _SILENCE_S:
            # A running program lets the board's heart beat. Has it restarted the board?
            board.port.hello()


def _print(line: str) -> None:
    # One write: Ctrl-C must not come between a line and its end, where output is unbuffered.
    print(f"{line}\n", end="", flush=True)
