"""What several commands share: options, progress, a board with its wire, log folders."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.cli.progress import ProgressLine as ProgressLine
from lwipscope.errors import UsageError
from lwipscope.firmware.firmware import PROFILES, Firmware
from lwipscope.firmware.selection import choose
from lwipscope.report.style import Style
from lwipscope.wire.keeper import Keeper

NETWORK: dict[str, Literal["auto", "require", "none"]] = {
    "auto": "auto",
    "tap": "require",
    "gate": "none",
}


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Which board, which firmware, which wire."""
    group = parser.add_argument_group("board")
    group.add_argument(
        "--board",
        default=DEFAULT_BOARD,
        metavar="NAME",
        help="see `lwipscope boards` (%(default)s)",
    )
    group.add_argument(
        "--profile",
        choices=PROFILES,
        help="lwIP's sizes: roomy, or rp2 as on a Pico W (default: the board's)",
    )
    group.add_argument(
        "--firmware",
        type=Path,
        metavar="FILE",
        help="firmware to run: a pack, or an ELF file with its provenance.json",
    )
    group.add_argument(
        "--no-workarounds",
        dest="workarounds",
        action="store_false",
        help="run firmware that has MicroPython's defects left in; it is built if need be",
    )
    group.add_argument(
        "--wire",
        choices=list(NETWORK),
        default="auto",
        help="tap: the kernel's TCP in a private namespace; gate: our own TCP, no privileges; "
        "auto: tap if it can be had (default)",
    )


def add_log_option(parser: argparse.ArgumentParser) -> None:
    """Where captures and logs go."""
    parser.add_argument(
        "--log-dir",
        type=Path,
        metavar="DIR",
        help="where captures and logs go (default: lwipscope-logs/ here, one folder a run)",
    )


def firmware_of(options: argparse.Namespace, board_file: BoardFile) -> Firmware:
    """The firmware to run, built if there is none yet."""
    profile = options.profile or board_file.lwip.option_profile
    if profile not in PROFILES:
        raise UsageError(
            f"{board_file.name}.toml: lwip.option_profile: {profile!r} is none of "
            f"{', '.join(PROFILES)}"
        )
    with ProgressLine() as progress:
        return choose(
            profile,
            file=options.firmware,
            # Commands with a firmware of their own choice have no such option.
            workarounds=getattr(options, "workarounds", True),
            progress=progress,
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """A running board and the keeper of its network."""

    board: EmulatedBoard
    keeper: Keeper
    firmware: Firmware


@contextmanager
def bench(
    options: argparse.Namespace,
    start: StartOptions = StartOptions(),  # noqa: B008
) -> Iterator[Bench]:
    """Start keeper and board as the options say; end both."""
    board_file = BoardFile.load(options.board)
    firmware = firmware_of(options, board_file)
    with Keeper.start(NETWORK[options.wire]) as keeper:
        with EmulatedBoard(board_file, firmware.elf, keeper, start) as board:
            yield Bench(board, keeper, firmware)


def describe(bench_: Bench, whose_tcp: str) -> str:
    """The board, and the network and why."""
    hello = bench_.board.trace.events[0]
    fields = getattr(hello, "fields", {})
    about = (
        f"{bench_.board.file.title}\n         MicroPython {fields.get('mp')}, lwIP "
        f"{fields.get('lwip')}, profile {fields.get('profile')}: {fields.get('pcb')} pcbs, MSS "
        f"{fields.get('mss')}"
    )
    about += "".join(f"\n         {remark}" for remark in bench_.firmware.remarks())
    notes = "".join(f"\n         {note}" for note in bench_.keeper.notes)
    return f"board:   {about}\nnetwork: {whose_tcp}{notes}"


def log_folder(options: argparse.Namespace, command: str) -> Path:
    """A new folder for this run."""
    if options.log_dir is not None:
        folder: Path = options.log_dir
    else:
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = Path("lwipscope-logs") / f"{command}-{now}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: can't be made: {error.strerror}; try --log-dir") from error
    return folder


def style() -> Style:
    """How standard output is dressed."""
    return Style.of(sys.stdout)
