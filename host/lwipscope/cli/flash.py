"""`lwipscope flash`: puts firmware onto a board, and looks whether it is what runs then."""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

from lwipscope.board.device_file import DeviceFile
from lwipscope.board.flash import content, plan
from lwipscope.board.identify import identify
from lwipscope.board.lock import BoardLock
from lwipscope.board.opening import Target, open_serial, resolve
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.board_access import SPECS, add_access_options, opened, rack_of
from lwipscope.cli.identify import show
from lwipscope.errors import NoBoard, UsageError

_BACK_S = 20.0
_AGAIN_S = 0.5


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "flash",
        help="put firmware onto a board",
        description="Puts an image onto a board as its board file says: esptool for ESP32\n"
        "families, a copy to the bootloader's volume for UF2 boards, a command otherwise, a new\n"
        "process for the emulated board. Afterwards it asks the board what runs, and compares.\n"
        "--dry-run prints the exact command and does nothing.",
        epilog=f"{SPECS}\nThe board's files are not erased unless you say --erase-all.\n"
        "Exit codes: 0 flashed and verified, 1 something else runs than the image, 2 usage, 3 no "
        "board.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_access_options(parser, take_over=False)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the firmware file")
    _add_ways(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the command, do nothing")
    parser.set_defaults(run=run, take_over=True)


def add_flash_options(parser: argparse.ArgumentParser) -> None:
    """For commands that flash first."""
    parser.add_argument(
        "--flash", type=Path, metavar="IMAGE", dest="image", help="flash this image first"
    )
    _add_ways(parser)


def _add_ways(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("flashing")
    group.add_argument("--elf", type=Path, metavar="FILE", help="the image's ELF file")
    group.add_argument("--volume", type=Path, metavar="DIR", help="where the UF2 volume is mounted")
    group.add_argument(
        "--erase-all", action="store_true", help="erase the whole flash first, with the files on it"
    )


def run(options: argparse.Namespace) -> int:
    """Flash, verify."""
    return flash_first(options)


def flash_first(options: argparse.Namespace) -> int:
    """Flash if an image is given: 0, or 1 if something else runs afterwards."""
    if options.image is None:
        return 0
    target = resolve(options.board, rack_of(options))
    dry = getattr(options, "dry_run", False)
    if target.kind == "emulated":
        return _emulated(options, dry)
    file = DeviceFile.load(target.type)
    if len(target.places) != 1:
        raise UsageError(f"{options.board}: name one board to flash, not any")
    place = target.places[0]
    port = place.locate()
    if port is None and file.flash.method != "uf2":
        raise NoBoard(f"{place.name}: there is no such serial port now; is it plugged in?")
    flashing = plan(
        file,
        port or "",
        options.image,
        elf=options.elf,
        volume=options.volume,
        erase_all=options.erase_all,
    )
    print(f"{'would do' if dry else 'flash'}: {flashing.text()}", flush=True)
    if dry:
        return 0
    with BoardLock(place.name if port is None else port):
        said = flashing.do()
    for line in said.splitlines()[-3:]:
        print(f"  {line}")
    return _verify(target, options.elf or options.image)


def _emulated(options: argparse.Namespace, dry: bool) -> int:
    """The image is what a new QEMU process runs."""
    if dry:
        print(f"would do: start a new QEMU process with -kernel {options.image}")
        return 0
    emulated = copy.copy(options)
    emulated.firmware = options.firmware = options.image
    with opened(emulated) as board:
        return show(board)


def _verify(target: Target, image: Path) -> int:
    """Whether the version that the board tells is in the image."""
    with _back(target) as board:
        found = identify(board.repl, board.presence.hello)
    said = found.text("release") or found.text("version")
    for line in found.lines():
        print(f"  {line}")
    if said and said.encode() in content(image):
        print(f"verified: the board runs {said!r}, which is in {image.name}")
        return 0
    print(f"NOT verified: the board says {said!r}, which is not in {image.name}")
    return 1


def _back(target: Target) -> SerialBoard:
    """The board, once it has restarted."""
    deadline_s = time.monotonic() + _BACK_S
    while True:
        try:
            return open_serial(target, may_take_over=True)
        except NoBoard:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_AGAIN_S)
