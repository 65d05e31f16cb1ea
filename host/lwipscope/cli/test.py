"""`lwipscope test`: plays all scenarios that a board can decide; a table, JUnit and logs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TypeAlias

from lwipscope.board.board import Board
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.board_access import SPECS, Access, accessed, add_access_options
from lwipscope.cli.common import add_log_option, log_folder
from lwipscope.cli.flash import add_flash_options, flash_first
from lwipscope.cli.identify import show
from lwipscope.errors import Inconclusive, LwipscopeError, NoBoard
from lwipscope.report.junit import Case, write_junit
from lwipscope.scenario.desk_network import Desk, DeskNetwork
from lwipscope.scenario.desk_way import DeskWay
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import play
from lwipscope.scenario.port_play import Judged, play_on_port
from lwipscope.scenario.scenario import Scenario
from lwipscope.trace.event import Hello

_WIDTH = 34
_Player: TypeAlias = tuple[Callable[[Scenario], str], Callable[[Scenario], Judged]]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "test",
        help="identify a board and play every scenario that it can decide",
        description="Identifies the board, flashes it if an image is given, brings the agent into\n"
        "its RAM, plays the scenarios of the library that this board and this machine can decide,\n"
        "and prints a table. The others are listed with what they need. On a board with a network\n"
        "of its own the peers are this machine's, so it has to be on the board's network:\n"
        "if it has no address there, nothing is sent. Raw peers need CAP_NET_RAW.",
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play, print, judge."""
    chosen = [scenario_named(name) for name in options.only] or list(LIBRARY)
    flash_first(options)
    folder = log_folder(options, "test")
    with accessed(options) as access:
        board = access.board
        show(board)
        with ExitStack() as stack:
            cases = _play_all(access, chosen, _player(options, access, folder, stack))
        properties = _properties(board)
    for path in filter(None, (folder / "junit.xml", options.junit)):
        write_junit(path, f"lwipscope.{properties['board']}", cases, properties)
    outcomes = [case.outcome for case in cases]
    played = len(cases) - outcomes.count("SKIP")
    counted = ", ".join(
        f"{outcomes.count(each)} {each}" for each in dict.fromkeys(sorted(outcomes))
    )
    print(f"\n{played} of {len(cases)} scenarios played: {counted}\nlogs and junit.xml: {folder}")
    if not played:
        raise Inconclusive("nothing could be decided on this board; the table says what is missing")
    if set(outcomes) & {"INCONCLUSIVE", "ERROR"}:
        return Inconclusive.exit_code
    return 1 if "FAIL" in outcomes else 0


def _play_all(access: Access, chosen: list[Scenario], how: _Player) -> list[Case]:
    board = access.board
    why_not, player = how
    cases = []
    lost = ""
    for scenario in chosen:
        reason = why_not(scenario)
        if lost:
            case = Case(scenario.name, "ERROR", f"not played: {lost}")
        elif reason:
            case = Case(scenario.name, "SKIP", reason)
        else:
            try:
                judged = player(scenario)
                case = Case(judged.name, judged.verdict.name, judged.why, judged.wall_s)
                told = judged.path
            except LwipscopeError as error:
                case = Case(scenario.name, "ERROR", str(error))
                # What a reset could not bring back will not come back for the next one.
                lost = str(error).splitlines()[0] if not board.alive() else ""
        short = case.text.partition("\n")[0] if case.outcome != "PASS" else told
        print(f"{case.outcome:<12} {case.name:<{_WIDTH}} {short}"[:160], flush=True)
        cases.append(case)
    return cases


def _player(options: argparse.Namespace, access: Access, folder: Path, stack: ExitStack) -> _Player:
    """Why a scenario can't be played, and how it is played."""
    board, keeper = access.board, access.keeper
    if isinstance(board, SerialBoard):
        from lwipscope.doctor.needs import why_not as why_no_right  # --help need not wait for it

        if not board.capabilities.tracer:
            return (
                lambda _: "the firmware has no tracer, without which no path is proven",
                _never,
            )
        way = DeskWay.find(board.ip, host_ip=options.host_ip, interface=options.interface)
        desk = Desk(keeper, way)
        stack.callback(desk.close)
        network = DeskNetwork(desk)
        stack.callback(network.close)
        if unreachable := network.reaches(board):
            return lambda _: unreachable, _never
        clock = board.capabilities.clock
        # Asked for once: it takes a second, and a right that doctor knows how to get.
        no_raw = cache(lambda: why_no_right("raw", keeper) or desk.why_no_raw())

        def why_not_here(scenario: Scenario) -> str:
            said = network.why_not(scenario, clock)
            if said or "raw" not in scenario.needs:
                return said
            return f"needs the raw peer: {no_raw()}" if no_raw() else ""

        return why_not_here, lambda scenario: play_on_port(scenario, board, desk, folder)
    assert isinstance(board, EmulatedBoard)
    emulated = board
    with Network(keeper, emulated.switch, emulated.ip) as wired:
        nc_there = wired.nc_there
    profile = _hello(board).get("profile", "")

    def why_not(scenario: Scenario) -> str:
        if "nc" in scenario.needs and not nc_there:
            return "needs OpenBSD's nc"
        if profile not in scenario.profiles:
            return f"needs the profile {' or '.join(scenario.profiles)}"
        if emulated.file.name not in scenario.boards:
            return f"is for the board {' or '.join(scenario.boards)}"
        if scenario.firmware != "usual":
            return "needs firmware with defects left in"
        return ""

    return why_not, lambda scenario: Judged.of(play(scenario, emulated, keeper, folder))


def _never(_scenario: Scenario) -> Judged:
    raise NoBoard("this board decides no scenario")


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
