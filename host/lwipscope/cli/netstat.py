"""`lwipscope netstat [BOARD]`: the board's connections in netstat's columns, and the host's."""

from __future__ import annotations

import argparse
import contextlib
from contextlib import closing

from lwipscope.board.command_port import CommandPort
from lwipscope.board.kernel_table import KernelRow, at_gates, in_network
from lwipscope.board.link import Link
from lwipscope.board.opening import resolve
from lwipscope.board.rack import Rack
from lwipscope.board.running import RunningBoard, nearest, running
from lwipscope.board.table_desk import ask
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.watch_line import BoardLine, add_line_options, is_name
from lwipscope.errors import DeadlineExceeded, LwipscopeError, NoBoard
from lwipscope.report.netstat_text import STYLES, Row, Where, as_json, board_row, table
from lwipscope.tcp.state import State
from lwipscope.trace.event import PcbRow

_HELLO_TIMEOUT_S = 2.0
_EXAMPLES = """\
examples, beside a board that `lwipscope start` or `lwipscope run` keeps running:
  lwipscope netstat                     as netstat -tan on Linux
  lwipscope netstat --style windows --find 6666
                                        as netstat -ano | findstr 6666
  lwipscope netstat --style ss          as ss -tan
  lwipscope netstat /dev/ttyACM0        a board of your own, with lwipscope's firmware

The last column says where a row was seen: in the board's own pcb table (with its connection id,
and how long it has been in that state), in this machine's kernel (host), or at the gate, which
has a connection with your terminal and another one with the board. Queues of the board are not
known (-).
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "netstat",
        help="list the board's connections as netstat or ss would",
        description="Asks a running board for its pcb table and prints it in the columns and "
        "spellings of netstat or ss, beside what this machine's kernel has at the other end.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "board",
        nargs="?",
        metavar="BOARD",
        help="serial port, or name, of a running board (default: the one that was started)",
    )
    add_line_options(parser)
    parser.add_argument(
        "--style", choices=STYLES, default="linux", help="whose columns [%(default)s]"
    )
    parser.add_argument("--find", default="", metavar="TEXT", help="only rows with this text")
    add_json_option(parser, "netstat", what="the rows as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, print."""
    known = _known(options)
    rows = [board_row(row) for row in _table(known, options)]
    if known is not None:
        rows += _host_rows(known, rows)
    if options.json:
        print_json("netstat", as_json(rows, options.style, options.find))
    else:
        print(table(rows, options.style, options.find))
    return 0


def _table(known: RunningBoard | None, options: argparse.Namespace) -> list[PcbRow]:
    """Of the board, from who has its line, or over the line."""
    if known is not None and known.desk:
        return ask(known.desk)
    place = BoardLine.of(known.serial if known is not None else options.board, options)
    with place.held(), closing(place.open()) as line, closing(place.link(line)) as link:
        return _snapshot(link)


def _known(options: argparse.Namespace) -> RunningBoard | None:
    """The emulated board that is meant; None for one on a port of its own."""
    board, pid = options.board, options.pid
    boards = [each for each in running() if pid is None or each.pid == pid]
    fitting = [each for each in boards if board is None or board in (each.name, each.serial)]
    if fitting:
        return nearest(fitting)
    listed = "\n".join(f"  --pid {each.pid}: {each.name} on {each.serial}" for each in boards)
    if board is not None and _elsewhere(board, options):
        return None
    called = f" called {board!r}" if board is not None else ""
    raise NoBoard(
        f"no board{called} runs here; `lwipscope start` starts one, or give the serial port of "
        f"your own" + (f". Running:\n{listed}" if listed else "")
    )


def _elsewhere(board: str, options: argparse.Namespace) -> bool:
    """A port, or a real board that the rack or a board file names."""
    if "/" in board or ":" in board or board.upper().startswith("COM"):
        return True
    rack = Rack.load(options.rack)
    return is_name(board, rack) and resolve(board, rack).kind == "device"


def _snapshot(link: Link) -> list[PcbRow]:
    port = CommandPort(link)
    stream = "off"
    try:
        try:
            hello = port.hello(_HELLO_TIMEOUT_S)
        except DeadlineExceeded as error:
            raise NoBoard(
                f"{link.url}: nobody answered within {_HELLO_TIMEOUT_S:g} s. Expected a board with "
                "lwipscope's firmware that is running; is it another port, or another speed?"
            ) from error
        stream = hello.fields.get("stream", "off")
        return port.snapshot()
    finally:
        if stream == "all" and link.trace.lost is None:
            # The first command switches the stream on; the next program here may be mpremote.
            with contextlib.suppress(LwipscopeError):
                port.stream("off")


def _host_rows(board: RunningBoard, of_board: list[Row]) -> list[Row]:
    """The kernel's rows. The one that belongs to a connection of the board says to which."""
    conns = {
        (row.remote, row.local): row.conn
        for row in of_board
        if row.remote is not None and row.remote.port
    }
    found = []
    for row in in_network(board):
        conn = conns.get((row.local, row.remote))
        found.append(_row("host", row, f"other end of c{conn}" if conn else ""))
    for row in at_gates(board):
        ends = (
            "waits for terminals" if row.state is State.LISTEN else "ends there, not at the board"
        )
        found.append(_row("gate", row, ends))
    return found


def _row(where: Where, row: KernelRow, note: str) -> Row:
    remote = row.remote if row.remote.port else None
    return Row(
        *(where, row.state, row.local, remote),
        recv_queue=row.recv_queue,
        send_queue=row.send_queue,
        note=note,
    )
