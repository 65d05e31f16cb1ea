"""`lwipscope probe BOARD APP.py`: a program on stock firmware, its TCP states by sampling."""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from lwipscope.board.board import Board
from lwipscope.board.probe import Probe
from lwipscope.board.repl import ProgramEnd
from lwipscope.cli import interrupts
from lwipscope.cli.board_access import SPECS, add_access_options, opened
from lwipscope.cli.common import style
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError, UsageError
from lwipscope.firmware import elf_layout
from lwipscope.report.live import Live
from lwipscope.scenario.program import Program
from lwipscope.trace.sampled import how_sampled, sampled_connections

_READ_S = 0.2
_EPILOG = f"""\
{SPECS}
The probe is MicroPython that runs beside the program and walks lwIP's lists of pcbs in memory, some
hundred times a second. It needs the layout of the image on the board:

  lwipscope identify /dev/ttyUSB0                     which release it is, where its ELF file is
  lwipscope layout firmware.elf -o layout.json        what the probe has to know of it
  lwipscope probe /dev/ttyUSB0 app.py --layout layout.json

It samples: a state that lasts less than the time between two walks may be missed, its cause is
not known, and a socket that was never bound is in no list. A layout of another image is refused.
The board is reset before. Its network is brought up by its boot.py, by the program itself, or with
LWIP_WIFI_SSID and LWIP_WIFI_PASSWORD from the environment.
Exit codes: 0 the program ended or was interrupted, 1 it raised an exception, 2 usage or another
image's layout, 3 no board, 4 board lost or evidence incomplete.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "probe",
        help="run a program on a board with stock firmware and sample its TCP states",
        description="Runs a MicroPython file, unchanged, on a board whose firmware has no tracer,\n"
        "and samples the TCP states of all connections meanwhile. What it prints is on the left,\n"
        "what was sampled on the right. Ctrl-C interrupts it; the sampled paths follow.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_access_options(parser, emulated=False)
    parser.add_argument("script", type=Path, help="the MicroPython file, or a folder with main.py")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--layout", type=Path, metavar="FILE", help="from `lwipscope layout`")
    which.add_argument("--elf", type=Path, metavar="FIRMWARE.elf", help="the image's ELF file")
    parser.add_argument("--seconds", type=float, metavar="S", help="interrupt it after so long")
    parser.add_argument(
        "--no-reset",
        dest="reset",
        action="store_false",
        help="start on the board as it is, with what earlier programs have left in lwIP",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run, show, sum up."""
    layout = elf_layout.load(options.layout or options.elf)
    program = Program.load(options.script)
    with opened(options) as board:
        if board.capabilities.tracer:
            raise UsageError(
                f"the firmware on {options.board} has the tracer, which records every transition: "
                f"nothing needs to be sampled; lwipscope watch {options.board}"
            )
        if options.reset:
            board.reset()
        print(f"board:   {options.board}, {_address(board)}")
        return _watch(board, Probe(board.link, board.repl, layout), program, options.seconds)


def _address(board: Board) -> str:
    try:
        return f"at {board.ip}"
    except LwipscopeError:
        return "without a network so far"  # the program may bring it up itself


def _watch(board: Board, probe: Probe, program: Program, seconds: float | None) -> int:
    live = Live(_print, style())
    stopped: BaseException | None = None
    end = ProgramEnd(b"", "")
    stop_telling = board.trace.on_event(live.event)
    print(f"running {program.name}, its TCP states are sampled (Ctrl-C ends it)\n", flush=True)
    try:
        source = program.prepared(board)
        end = _follow(board, probe, live, source, math.inf if seconds is None else seconds)
    except (BoardLost, DeadlineExceeded, KeyboardInterrupt) as error:
        stopped = error  # what came before is shown all the same
    finally:
        stop_telling()
    live.finish()
    events, integrity = probe.evidence()
    print("\nsampled paths:")
    found = sampled_connections(events)
    for connection in found:
        print(f"  {connection.text()}")
    if not found:
        print("  nothing was sampled in any of lwIP's lists")
    print(how_sampled(events), flush=True)
    if stopped is not None:
        raise stopped
    for problem in integrity.problems():
        print(f"the evidence is incomplete: {problem}", file=sys.stderr)
    if end.error and not end.error.rstrip().endswith("\nKeyboardInterrupt:"):
        blamed = program.blamed(end.error)
        print(f"\nthe program ended with an exception:\n{blamed}", file=sys.stderr)
        return 1
    return 4 if integrity.problems() else 0


def _follow(board: Board, probe: Probe, live: Live, source: str, seconds: float) -> ProgramEnd:
    """Start it, show its output until it ends; Ctrl-C or the time limit interrupts it."""
    repl = board.repl
    shown = 0
    try:
        probe.start(source)
        end_s = time.monotonic() + seconds
        while repl.running and (left_s := end_s - time.monotonic()) > 0:
            shown = _show(live, repl.output, shown)
            repl.read(min(_READ_S, left_s))
    except KeyboardInterrupt:
        interrupts.again()  # who is in a hurry need not wait for the rest
        if not repl.running:  # it had not been started
            raise
    end = probe.stop()
    _show(live, end.output, shown)
    return end


def _show(live: Live, output: bytes, shown: int) -> int:
    live.program_output(output[shown:])
    return len(output)


def _print(line: str) -> None:
    # One write: Ctrl-C must not come between a line and its end, where output is unbuffered.
    print(f"{line}\n", end="", flush=True)
