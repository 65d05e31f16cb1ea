"""`lwipscope clock`: the time of a running board: let it run, stop it, move it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lwipscope.board.board_time import UNACKNOWLEDGED, elapse, leads_to, run_until
from lwipscope.board.command_port import ClockMode, CommandPort, CommandRefused
from lwipscope.board.link import Link
from lwipscope.board.running import running
from lwipscope.errors import (
    BoardLost,
    DeadlineExceeded,
    LwipscopeError,
    NoBoard,
    UsageError,
)
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, PcbRow, Transition
from lwipscope.trace.trace import Trace

_HELLO_TIMEOUT_S = 2.0
_PATIENCE_S = 1.0  # host time that a peer gets to acknowledge what it was sent
_MOST_MS = 24 * 3_600_000  # firmware/tcptrace/command.c, ADVANCE_MAX_MS
_ABOUT = """\
Board time is one clock for lwIP's timers, sleep() and every timeout of the program. Moving it
makes minutes of waiting pass at once, in the board's own code: from one of lwIP's timers to the
next, none left out. BOARD is the serial port that `lwipscope start` prints, or the name of a
board that runs.
"""
_EXAMPLES = """\
examples, with a board that `lwipscope start` keeps running (PORT is its serial port):
  lwipscope clock PORT until TIME_WAIT            on, until the connection at 6666 is in TIME_WAIT
  lwipscope clock PORT until CLOSED --limit 130   and through 2MSL, to its end
  lwipscope clock PORT advance 5000               five seconds
  lwipscope clock PORT manual                     time stands still, but for `advance` and `until`
  lwipscope clock PORT running                    as usual again

With the manual clock time moves whatever is under way; nc and other kernel peers go by the host's
clock all the same, so it is for peers without one. With the running clock the board refuses to
move time while a connection has unacknowledged data (--forced: all the same).
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "clock",
        help="stop, run or move the time of a running board",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("board", metavar="BOARD", help="serial port, or name, of a running board")
    parser.add_argument("--baud", type=int, default=115200, help="speed of the line [%(default)s]")
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    what.add_parser("running", help="time runs").set_defaults(run=_set_mode)
    what.add_parser("manual", help="time stands still until it is moved").set_defaults(
        run=_set_mode
    )
    advance = what.add_parser(
        "advance",
        help="move time on by MS milliseconds",
        description="Moves board time on and tells which transitions that brought.",
    )
    advance.add_argument("ms", type=_milliseconds, metavar="MS", help="milliseconds of board time")
    _add_forced(advance)
    advance.set_defaults(run=_advance)
    until = what.add_parser(
        "until",
        help="move time on until a connection is in STATE",
        description="Moves board time on until a connection is in STATE (any tool's spelling; "
        "CLOSED is its end). It looks at connections at one port, the board's or the peer's.",
    )
    until.add_argument("state", metavar="STATE", help="a TCP state: CLOSED, TIME_WAIT, FIN-WAIT-2")
    until.add_argument(
        "--port", type=_port, default=6666, metavar="N", help="the connections' port [%(default)s]"
    )
    until.add_argument(
        "--limit",
        type=_limit,
        default=600.0,
        metavar="S",
        help="give up after so many seconds of board time [%(default)g]",
    )
    _add_forced(until)
    until.set_defaults(run=_until)


def _add_forced(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--forced", action="store_true", help="also while something is unacknowledged"
    )


def _set_mode(options: argparse.Namespace) -> int:
    mode: ClockMode = options.what
    with _spoken_with(options) as (port, _trace, before):
        port.clock(mode)
        now_s = port.sync().clock_us / 1e6
        was = "" if before != mode else ", as before"
    if mode == "manual":
        print(f"board time stands still at {now_s:.3f} s{was}; `advance` and `until` move it")
    else:
        print(f"board time runs{was}; it is {now_s:.3f} s now")
    return 0


def _advance(options: argparse.Namespace) -> int:
    with _spoken_with(options) as (port, trace, _mode), _told(port, trace):
        elapse(port, options.ms, forced=options.forced, patience_s=_PATIENCE_S)
    return 0


def _until(options: argparse.Namespace) -> int:
    state = State.parse(options.state)
    with _spoken_with(options) as (port, trace, _mode):
        rows = port.snapshot()
        there = [row for row in rows if _at_port(row, options.port)]
        _need_connection(options.port, state, rows, there)
        done = [row for row in there if row.state is state]
        if done:
            print(f"{done[0].text()} already; board time was not moved")
            return 0
        # Its listener lives on and is none of those whose end is waited for.
        conns = {row.conn for row in there if row.state is not State.LISTEN}
        listeners = {row.conn for row in there if row.state is State.LISTEN}

        def reached(event: Event) -> bool:
            if isinstance(event, Transition) and event.listener in listeners:
                conns.add(event.conn)
            return event.conn in conns and leads_to(event, state)

        who = "a connection" if len(conns) != 1 else f"connection c{next(iter(conns))}"
        aim = "end" if state is State.CLOSED else f"be in {state}"
        expected = f"{who} at port {options.port} was expected to {aim}"
        with _told(port, trace):
            try:
                found = run_until(
                    port,
                    trace,
                    reached,
                    round(options.limit * 1000),
                    expected,
                    forced=options.forced,
                    patience_s=_PATIENCE_S,
                )
            except DeadlineExceeded as error:
                now = [row.text() for row in port.snapshot() if _at_port(row, options.port)]
                listed = "; ".join(now) or "no connection is left there"
                raise DeadlineExceeded(
                    f"{error}: {listed}. Does its way lead there without a segment of the peer? "
                    "A longer --limit?"
                ) from error
        print(f"c{found.event.conn} {_in(state)} after {found.after_ms / 1000:.3f} s of board time")
    return 0


def _in(state: State) -> str:
    return "has ended" if state is State.CLOSED else f"is in {state}"


@contextmanager
def _spoken_with(options: argparse.Namespace) -> Iterator[tuple[CommandPort, Trace, ClockMode]]:
    """The board at that port, and whose its time is. It is left as it was, but for its clock."""
    serial = _serial(options.board)
    link = Link(serial, options.baud, trace=Trace(first_seq=None))
    port = CommandPort(link)
    stream = "off"
    try:
        try:
            hello = port.hello(_HELLO_TIMEOUT_S)
        except DeadlineExceeded as error:
            raise NoBoard(
                f"{serial}: the board did not answer within {_HELLO_TIMEOUT_S:g} s. Expected one "
                "with lwipscope's firmware that is running; is it another port, or another speed?"
            ) from error
        stream = hello.fields.get("stream", "off")
        yield port, link.trace, port.clock_mode()
    except CommandRefused as refusal:
        if refusal.reason != UNACKNOWLEDGED:
            raise
        raise UsageError(
            "the board refused to move time: a connection has data or a FIN that its peer has not "
            "acknowledged, and the peer's clock would not move along. Try again when it has, or "
            "with --forced if the peer has no clock of its own or is gone"
        ) from refusal
    finally:
        if stream == "all" and link.trace.lost is None:
            # The first command that a board hears switches its stream on; the next program at the
            # line may be mpremote.
            with contextlib.suppress(LwipscopeError):
                port.stream("off")
        link.close()


@contextmanager
def _told(port: CommandPort, trace: Trace) -> Iterator[None]:
    """Tell how far time moved meanwhile and what came, also if that ends with an error."""
    start_us = port.sync().clock_us
    since = trace.mark()
    try:
        yield
    finally:
        if trace.lost is None:
            with contextlib.suppress(BoardLost, DeadlineExceeded):
                end_us = port.sync().clock_us
                for event in trace.events[since:]:
                    if isinstance(event, Transition | Died) and event.clock_us <= end_us:
                        print(f"{(event.clock_us - start_us) / 1e6:>+12.3f} s  {event.text()}")
                print(
                    f"board time moved by {(end_us - start_us) / 1e6:.3f} s, "
                    f"from {start_us / 1e6:.3f} s to {end_us / 1e6:.3f} s"
                )
                sys.stdout.flush()


def _serial(board: str) -> str:
    """The serial port meant: that of a running board of this name, or the port itself."""
    if "/" in board or ":" in board:
        return board
    boards = running()
    named = [each for each in boards if each.name == board]
    if len(named) == 1:
        return named[0].serial
    if named:
        listed = "\n".join(f"  {each.serial}" for each in named)
        raise UsageError(f"{len(named)} boards called {board!r} run; say at which port:\n{listed}")
    there = ", ".join(f"{each.name} at {each.serial}" for each in boards) or "none"
    raise NoBoard(
        f"no board called {board!r} runs here (running: {there}). Expected the serial port that "
        "`lwipscope start` prints, or such a board's name"
    )


def _at_port(row: PcbRow, port: int) -> bool:
    return any(end is not None and end.port == port for end in (row.local, row.remote))


def _need_connection(port: int, state: State, rows: list[PcbRow], there: list[PcbRow]) -> None:
    if any(row.state is not State.LISTEN or state is State.LISTEN for row in there):
        return
    what = "a listener, but no connection" if there else "nothing"
    listed = "".join(f"\n  {row.text()}" for row in rows) or " none"
    raise UsageError(
        f"there is {what} at port {port}, so time would bring nothing there. Make a connection, or "
        f"say another --port. The board's pcbs:{listed}"
    )


def _milliseconds(text: str) -> int:
    return _whole(text, "milliseconds", _MOST_MS)


def _port(text: str) -> int:
    return _whole(text, "a port", 65535)


def _whole(text: str, what: str, most: int) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected {what}, 1 to {most}, not {text!r}")


def _limit(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= _MOST_MS / 1000:
        raise argparse.ArgumentTypeError(
            f"expected seconds, 0.001 to {_MOST_MS // 1000}, not {text!r}"
        )
    return seconds
