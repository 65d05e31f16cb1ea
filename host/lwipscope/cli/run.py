"""`lwipscope run SCRIPT.py`: a MicroPython program on a fresh board, its output and the trace."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lwipscope.board.repl import ProgramEnd, Repl
from lwipscope.board.running import announced
from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    describe,
    log_folder,
    style,
)
from lwipscope.cli.doors import Doors, add_port_option
from lwipscope.errors import UsageError
from lwipscope.report.live import Live
from lwipscope.scenario.network import Network
from lwipscope.scenario.run_log import RunLog
from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import connections
from lwipscope.trace.integrity import Integrity

_READ_S = 0.5
_INTERRUPT_S = 5.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="run a MicroPython program on the board and watch its connections",
        description="Uploads a MicroPython file to a fresh board and runs it, unchanged. What it "
        "prints is on the left, each transition of each connection with its cause on the right. "
        "Ctrl-C interrupts the program on the board; the paths of all connections follow.",
        epilog="The program's own address is 192.0.2.10; it reaches terminals of this machine at "
        "192.0.2.1. Exit code: 0 the program ended or was interrupted, 1 it raised an exception.",
    )
    parser.add_argument("script", type=Path, help="the MicroPython file")
    add_board_options(parser)
    add_port_option(parser, "a port of this machine that the board's clients may connect to")
    add_log_option(parser)
    parser.add_argument("--seconds", type=float, metavar="S", help="interrupt it after so long")
    parser.add_argument("--segments", action="store_true", help="show segments too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run, show, sum up."""
    source = _source(options.script)
    dress = style()
    with bench(options) as on, Network(on.keeper, on.board.switch, on.board.ip) as network:
        folder = log_folder(options, "run")
        print(dress.plain(describe(on, network.whose_tcp)))
        doors = Doors(network, _print)
        doors.to_terminals(options.port)
        live = Live(_print, dress, segments=options.segments)
        with RunLog(on.board, folder), announced(on.board.file.name, on.board.link.url, on.keeper):
            on.board.trace.on_event(live.event)
            on.board.trace.on_event(doors.event)
            print(f"running {options.script} (Ctrl-C ends it)\n", flush=True)
            end = _follow(on.board.repl, source, live, options.seconds)
            events, integrity = on.board.trace.evidence(on.board.port.sync())
        live.finish()
        print("\npaths:")
        for connection in connections(events):
            ends = f"{connection.local}" + (f" - {connection.remote}" if connection.remote else "")
            why = f"; ended by {connection.end_reason.text()}" if connection.end_reason else ""
            print(f"  c{connection.id} {connection.role}, {ends}{why}")
            print(f"     {path_text(connection.path)}")
        print(f"captures and logs: {folder}")
        _complain(integrity)
    interrupted = "KeyboardInterrupt" in end.error
    if end.error and not interrupted:
        print(f"\nthe program ended with an exception:\n{end.error}", file=sys.stderr)
        return 1
    return 0 if integrity.complete else 4


def _source(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError as error:
        raise UsageError(f"{script}: can't be read: {error.strerror}") from error


def _follow(repl: Repl, source: bytes, live: Live, seconds: float | None) -> ProgramEnd:
    """Show the program's output until it ends; Ctrl-C or the time limit interrupts it."""
    end_s = None if seconds is None else time.monotonic() + seconds
    repl.start(source)
    try:
        while repl.running and (end_s is None or time.monotonic() < end_s):
            left_s = _READ_S if end_s is None else min(_READ_S, end_s - time.monotonic())
            live.program_output(repl.read(max(0.0, left_s)))
    except KeyboardInterrupt:
        pass
    if repl.running:
        shown = len(repl.output)
        end = repl.interrupt(_INTERRUPT_S)
        live.program_output(end.output[shown:])
        return end
    return repl.wait(0)


def _complain(integrity: Integrity) -> None:
    for problem in integrity.problems():
        print(f"the evidence is incomplete: {problem}", file=sys.stderr)


def _print(line: str) -> None:
    print(line, flush=True)
