"""Puts an image onto a board, by the method of its board file; nothing is erased unasked.

esptool is run as a program of its own, a UF2 file is copied to the volume that the bootloader
shows, anything else is a command of the board file. `Flashing.text` is exactly what would be done.
Times in seconds. Sources: esptool's documentation (write-flash), microsoft/uf2 (file format,
INFO_UF2.TXT).
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.device_file import DeviceFile
from lwipscope.board.power import PowerFailed, run
from lwipscope.errors import LwipscopeError, NoBoard, UsageError

FLASH_S = 300.0
INFO = "INFO_UF2.TXT"
ANY_VOLUME = "VOLUME"
_UF2_BLOCK_BYTES = 512
_UF2_MAGIC = b"UF2\n"
_UF2_SIZE_AT, _UF2_DATA_AT = 16, 32


class FlashFailed(LwipscopeError):
    """The image did not get onto the board."""


@dataclass(frozen=True, slots=True)
class Flashing:
    """What is to be done: a command, or a copy to `target`."""

    image: Path
    command: tuple[str, ...] = ()
    target: Path | None = None

    def text(self) -> str:
        """As it could be typed."""
        words = self.command or ("cp", str(self.image), str(self.target))
        return shlex.join(words)

    def do(self) -> str:
        """What was said. FlashFailed if it went wrong."""
        try:
            if self.command:
                return run(self.command, "flashing", FLASH_S)
            assert self.target is not None
            _copy(self.image, self.target)
        except PowerFailed as error:
            raise FlashFailed(str(error)) from error
        except OSError as error:
            raise FlashFailed(f"copying to {self.target} failed: {error.strerror}") from error
        return ""


def plan(
    file: DeviceFile,
    port: str,
    image: Path,
    *,
    elf: Path | None = None,
    volume: Path | None = None,
    erase_all: bool = False,
    dry: bool = False,
) -> Flashing:
    """How this image gets onto a board of this type at this port. UsageError says what is missing.

    `erase_all`: the whole flash is erased first, with the board's files. `dry`: only to be shown,
    so a UF2 volume need not be mounted; ANY_VOLUME stands for it.
    """
    way = file.flash
    if not image.is_file():
        raise UsageError(f"{image}: there is no such image")
    if erase_all and way.method != "esptool":
        raise UsageError(f"{file.name} can't be erased from here; flash without --erase-all")
    if way.method == "esptool":
        return Flashing(
            image,
            (
                *_esptool(),
                *("--chip", way.chip, "--port", port, "--baud", str(way.baud)),
                *("write_flash", *(("--erase-all",) if erase_all else ())),
                *("-z", way.offset, str(image)),
            ),
        )
    if way.method == "uf2":
        if not _is_uf2(image):
            raise UsageError(f"{image}: expected a UF2 file (it begins with 'UF2'), and it isn't")
        try:
            found = _volume(volume, way.boards)
        except NoBoard:
            if not dry:
                raise
            found = volume or Path(ANY_VOLUME)
        return Flashing(image, target=found / image.name)
    if way.method == "command":
        filled = {"{image}": str(image), "{port}": port, "{elf}": str(elf or "")}
        if elf is None and any("{elf}" in word for word in way.command):
            raise UsageError(f"{file.name}: its flash command needs an ELF file: --elf FILE")
        return Flashing(image, tuple(_filled(word, filled) for word in way.command))
    raise UsageError(
        f"{file.name}.toml names no way to flash it: copy the file, and set flash.method to "
        "'esptool', 'uf2' or 'command' (boards/README.md)"
    )


def content(image: Path) -> bytes:
    """The bytes that end up in flash, to look for what the running firmware says of itself."""
    data = image.read_bytes()
    if not data.startswith(_UF2_MAGIC):
        return data
    pieces = []
    for at in range(0, len(data) - _UF2_BLOCK_BYTES + 1, _UF2_BLOCK_BYTES):
        size = int.from_bytes(data[at + _UF2_SIZE_AT : at + _UF2_SIZE_AT + 4], "little")
        pieces.append(data[at + _UF2_DATA_AT : at + _UF2_DATA_AT + size])
    return b"".join(pieces)


def uf2_volumes(boards: Iterable[str], mounts: Path = Path("/proc/mounts")) -> list[Path]:
    """Mounted volumes of bootloaders whose Board-ID begins with one of these."""
    wanted = tuple(boards)
    found = []
    for line in mounts.read_text(errors="replace").splitlines():
        # Spaces are written as \040 there.
        place = Path(line.split(" ")[1].replace("\\040", " "))
        if _board_id(place).startswith(wanted):
            found.append(place)
    return found


def _volume(named: Path | None, boards: tuple[str, ...]) -> Path:
    how = (
        "hold BOOTSEL while plugging it in, or run machine.bootloader() on it; mount the volume if "
        "your system does not"
    )
    if named is not None:
        board_id = _board_id(named)
        if not board_id:
            raise NoBoard(f"{named}: expected {INFO} there, and there is none; {how}")
        if not board_id.startswith(boards):
            raise UsageError(f"{named} is the volume of {board_id!r}, not of {' or '.join(boards)}")
        return named
    found = uf2_volumes(boards)
    if not found:
        raise NoBoard(f"no volume of {' or '.join(boards)} is mounted: {how}")
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise UsageError(f"{len(found)} volumes are mounted; name one with --volume: {listed}")
    return found[0]


def _board_id(volume: Path) -> str:
    try:
        text = (volume / INFO).read_text(errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        if line.startswith("Board-ID:"):
            return line.removeprefix("Board-ID:").strip()
    return ""


def _esptool() -> tuple[str, ...]:
    """How esptool is called; its usual name where it is not installed, for a dry run."""
    for name in ("esptool", "esptool.py"):
        if found := shutil.which(name):
            return (found,)
    if importlib.util.find_spec("esptool") is not None:
        return (sys.executable, "-m", "esptool")
    return ("esptool",)


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _is_uf2(image: Path) -> bool:
    with image.open("rb") as file:
        return file.read(len(_UF2_MAGIC)) == _UF2_MAGIC


def _copy(image: Path, target: Path) -> None:
    """The board restarts with the last block; by then all of it has to be written."""
    with target.open("wb") as file:
        file.write(image.read_bytes())
        file.flush()
        os.fsync(file.fileno())
