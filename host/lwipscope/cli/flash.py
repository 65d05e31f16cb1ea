"""`lwipscope flash`: puts firmware onto a board, and looks whether it is what runs then."""

from __future__ import annotations

import argparse
import copy
import shlex
import time
from pathlib import Path

from lwipscope.board import qemu
from lwipscope.board.board_file import BoardFile
from lwipscope.board.device_file import DeviceFile
from lwipscope.board.flash import ANY_VOLUME, content, plan
from lwipscope.board.identify import identify
from lwipscope.board.lock import BoardLock
from lwipscope.board.opening import Target, open_serial, resolve
from lwipscope.board.qemu import QemuFiles
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.board_access import SPECS, add_access_options, opened, rack_of
from lwipscope.cli.identify import show
from lwipscope.errors import NoBoard, UsageError

_BACK_S = 20.0
_AGAIN_S = 0.5
_ANY_PORT, _ANY_FOLDER = "PORT", "FOLDER"


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
    dry = getattr(options, "dry_run", False)
    target = _target(options, dry)
    if target.kind == "emulated":
        return _emulated(options, target.type, dry)
    file = DeviceFile.load(target.type)
    if len(target.places) > 1:
        raise UsageError(f"{options.board}: name one board to flash, not any")
    # A board whose bootloader shows a volume has no serial port.
    name, port = target.type, None
    for place in target.places:
        name, port = place.name, place.locate()
    if port is None and file.flash.method != "uf2" and not dry:
        raise NoBoard(f"{name}: there is no such serial port now; is it plugged in?")
    flashing = plan(
        file,
        port or _ANY_PORT,
        options.image,
        elf=options.elf,
        volume=options.volume,
        erase_all=options.erase_all,
        dry=dry,
    )
    print(f"{'would do' if dry else 'flash'}: {flashing.text()}", flush=True)
    if dry:
        for each, what in (
            (_ANY_PORT, "the board's serial port"),
            (ANY_VOLUME, "where the UF2 volume is mounted"),
        ):
            if each in flashing.text().replace("/", " ").split():
                print(f"{each} stands for {what}: {name} is not there now")
        return 0
    with BoardLock(name if port is None else port):
        said = flashing.do()
    for line in said.splitlines()[-3:]:
        print(f"  {line}")
    return _verify(options, options.elf or options.image)


def _emulated(options: argparse.Namespace, board_type: str, dry: bool) -> int:
    """The image is what a new QEMU process runs."""
    if not options.image.is_file():
        raise UsageError(f"{options.image}: there is no such image")
    if dry:
        file = BoardFile.load(board_type)
        files = QemuFiles(Path(_ANY_FOLDER))
        program, ways = file.emulator.program, qemu.local_ways(files)
        command = qemu.command_line(program, file, options.image, files, ways, ())
        print(f"would do: {shlex.join(command)}")
        print(f"{_ANY_FOLDER} stands for the folder that each run makes for its sockets")
        return 0
    emulated = copy.copy(options)
    emulated.firmware = options.firmware = options.image
    with opened(emulated) as board:
        return show(board)


def _target(options: argparse.Namespace, dry: bool) -> Target:
    """Also a board of a named type that isn't there, if it need not be: for a dry run, or because
    its bootloader shows a volume and no serial port."""
    try:
        return resolve(options.board, rack_of(options))
    except NoBoard:
        name = options.board.removeprefix("any:")
        if dry or DeviceFile.load(name).flash.method == "uf2":
            return Target("device", name)
        raise


def _verify(options: argparse.Namespace, image: Path) -> int:
    """Whether the version that the board tells is in the image."""
    with _back(options) as board:
        found = identify(board.repl, board.presence.hello)
    said = found.text("release") or found.text("version")
    for line in found.lines():
        print(f"  {line}")
    if said and said.encode() in content(image):
        print(f"verified: the board runs {said!r}, which is in {image.name}")
        return 0
    print(f"NOT verified: the board says {said!r}, which is not in {image.name}")
    return 1


def _back(options: argparse.Namespace) -> SerialBoard:
    """The board, once it has restarted."""
    deadline_s = time.monotonic() + _BACK_S
    while True:
        try:
            target = resolve(options.board, rack_of(options))
            return open_serial(target, may_take_over=True)
        except NoBoard:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_AGAIN_S)
