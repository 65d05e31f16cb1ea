"""`lwipscope test`: plays all scenarios that a board can decide; a table, JUnit, runs and logs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from lwipscope.board.board import Board, wired
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.board_access import SPECS, Access, accessed, add_access_options
from lwipscope.cli.common import add_log_option, log_folder
from lwipscope.cli.flash import add_flash_options, flash_first
from lwipscope.cli.identify import show
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.errors import Inconclusive, LwipscopeError
from lwipscope.firmware.firmware import PROFILES
from lwipscope.report.junit import Case, write_junit
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import Played, play
from lwipscope.scenario.scenario import Scenario
from lwipscope.trace.event import Hello
from lwipscope.wire.keeper import Keeper

_WIDTH = 34


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "test",
        help="identify a board and play every scenario that it can decide",
        description="Identifies the board, flashes it if an image is given, brings the agent into\n"
        "its RAM, plays the scenarios of the library that this board and this machine can decide,\n"
        "and prints a table. The others are listed with what they need. On a board with a network\n"
        "of its own the peers are this machine's, so it has to be on the board's network:\n"
        "if it has no address there, nothing is sent. Raw peers need CAP_NET_RAW; with it the\n"
        "frames are seen, too: each run gets a capture, and the other end's path is judged.",
        epilog=f"{SPECS}\nExit codes: 0 all that was played passed, 1 one failed, 2 usage, 3 no "
        "board, 4 board lost,\nevidence incomplete, or nothing could be decided.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_access_options(parser)
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only this scenario; repeatable"
    )
    group = parser.add_argument_group("a board with a network of its own")
    group.add_argument(
        "--host-ip",
        default="",
        metavar="IP",
        help="this machine's address for the board; without it, the one in the board's network",
    )
    group.add_argument(
        "--interface",
        default="",
        metavar="IFACE",
        help="where the board and the raw peers are; without it, by the board's address",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML there, too")
    add_flash_options(parser)
    add_log_option(parser)
    add_json_option(
        parser, "test", what="the table as JSON; each line of it meanwhile on standard error"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, judge."""
    with redirect_stdout(sys.stderr) if options.json else nullcontext():
        cases, properties, folder = _all_played(options)
    outcomes = [case.outcome for case in cases]
    played = len(cases) - outcomes.count("SKIP")
    if options.json:
        told = [asdict(case) for case in cases]
        print_json("test", {"board": properties, "cases": told, "log_folder": str(folder)})
    else:
        counts = dict.fromkeys(sorted(outcomes))
        counted = ", ".join(f"{outcomes.count(each)} {each}" for each in counts)
        print(f"\n{played} of {len(cases)} scenarios played: {counted}")
        print(f"logs and junit.xml: {folder}")
    if not played:
        raise Inconclusive("nothing could be decided on this board; the table says what is missing")
    if set(outcomes) & {"INCONCLUSIVE", "ERROR"}:
        return Inconclusive.exit_code
    return 1 if "FAIL" in outcomes else 0


def _all_played(options: argparse.Namespace) -> tuple[list[Case], dict[str, str], Path]:
    """The table's lines as they come, the board's properties, and where the logs are."""
    chosen = [scenario_named(name) for name in options.only] or list(LIBRARY)
    flash_first(options)
    folder = log_folder(options, "test")
    with accessed(options) as access, ExitStack() as stack:
        board = access.board
        show(board)
        table = _Table(access, _deciding(options, access, stack), folder)
        print(f"wire: {table.wire}", flush=True)
        cases = [table.case(scenario) for scenario in chosen]
        properties = {**_properties(board), "wire": table.wire}
    for path in filter(None, (folder / "junit.xml", options.junit)):
        write_junit(path, f"lwipscope.{properties['board']}", cases, properties)
    return cases, properties, folder


@dataclass(frozen=True, slots=True)
class _Deciding:
    """Why a scenario can't be played, and what is at the board's other end."""

    why_not: Callable[[Scenario], str]
    beside: Keeper | Desk


class _Table:
    """Plays one scenario after the other and prints a line for each."""

    def __init__(self, access: Access, deciding: _Deciding, folder: Path) -> None:
        self._board = access.board
        self._deciding = deciding
        self._folder = folder
        self._lost = ""
        self.wire = _what_is_seen(deciding.beside)

    def case(self, scenario: Scenario) -> Case:
        """What came of it, or why it is not played."""
        told = ""
        reason = self._deciding.why_not(scenario)
        if self._lost:
            case = Case(scenario.name, "ERROR", f"not played: {self._lost}")
        elif reason:
            case = Case(scenario.name, "SKIP", reason)
        else:
            try:
                played = play(scenario, self._board, self._deciding.beside, self._folder)
                why = "\n".join(played.objections())
                case = Case(scenario.name, played.verdict.name, why, played.wall_s)
                told = _path(played)
            except LwipscopeError as error:
                case = Case(scenario.name, "ERROR", str(error))
                # What a reset could not bring back will not come back for the next one.
                self._lost = str(error).splitlines()[0] if not self._board.alive() else ""
        short = case.text.partition("\n")[0] if case.outcome != "PASS" else told
        print(f"{case.outcome:<12} {case.name:<{_WIDTH}} {short}"[:160], flush=True)
        return case


def _path(played: Played) -> str:
    seen = played.check.connection
    return seen.text() if seen is not None else ""


def _what_is_seen(beside: Keeper | Desk) -> str:
    if not isinstance(beside, Desk):
        return "all frames are seen"
    if not beside.why_blind:
        return f"frames from and to {beside.way.board_ip} are seen at {beside.way.interface}"
    return f"no captures, and the other end's paths are not judged: {beside.why_blind}"


def _deciding(options: argparse.Namespace, access: Access, stack: ExitStack) -> _Deciding:
    board, keeper = access.board, access.keeper
    if wired(board):
        with Network(keeper, board.switch, board.ip) as wired_network:
            nc_there = wired_network.nc_there
        return _Deciding(
            lambda scenario: (
                "needs OpenBSD's nc"
                if "nc" in scenario.needs and not nc_there
                else _not_this_board(scenario, board)
            ),
            keeper,
        )
    from lwipscope.doctor.needs import why_not as why_no_right  # --help need not wait for it

    if not board.capabilities.tracer:
        no_tracer = "the firmware has no tracer, without which no path is proven"
        return _Deciding(lambda _: no_tracer, Desk(keeper, DeskWay("", why_not=no_tracer)))
    way = DeskWay.find(board.ip, host_ip=options.host_ip, interface=options.interface)
    desk = Desk(keeper, way)
    stack.callback(desk.close)
    network = DeskNetwork(desk)
    stack.callback(network.close)
    if unreachable := network.reaches(board):
        return _Deciding(lambda _: unreachable, desk)
    clock = board.capabilities.clock
    # Asked for once: it takes a second, and a right that doctor knows how to get.
    no_raw = cache(lambda: why_no_right("raw", keeper) or desk.why_no_raw())

    def why_not(scenario: Scenario) -> str:
        said = network.why_not(scenario, clock) or _not_this_board(scenario, board)
        if said or "raw" not in scenario.needs:
            return said
        return f"needs the raw peer: {no_raw()}" if no_raw() else ""

    return _Deciding(why_not, desk)


def _not_this_board(scenario: Scenario, board: Board) -> str:
    """Why it is not for this board and its firmware. All are for profiles that are none of ours,
    and for all boards of the world's: the tables of those are not known."""
    profile = _hello(board).get("profile", "")
    if profile in PROFILES and profile not in scenario.profiles:
        return f"needs the profile {' or '.join(scenario.profiles)}"
    if wired(board) and board.file.name not in scenario.boards:
        return f"is for the board {' or '.join(scenario.boards)}"
    if scenario.firmware != "usual":
        return "needs firmware with defects left in"
    return ""


def _hello(board: Board) -> dict[str, str]:
    for event in board.trace.events:
        if isinstance(event, Hello):
            return dict(event.fields)
    return {}


def _properties(board: Board) -> dict[str, str]:
    hello = _hello(board)
    told = {"board": board.file.name, "can": board.capabilities.text()}
    if isinstance(board, SerialBoard):
        told["place"] = board.place.name
    return told | {key: hello[key] for key in ("mp", "lwip", "profile", "build") if key in hello}
