"""Board files of real boards: how to reach, reset and flash a type of board (boards/README.md).

Loaded by `opening` and the command line. What a file says of hardware comes from data sheets and
MicroPython's sources; `tried_on_hardware` tells whether anybody has run it on a board.
Times in seconds, sizes in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.board.board_file import SCHEMA, build, check_head, names, read
from lwipscope.errors import UsageError

Rung: TypeAlias = Literal["soft", "lines", "machine", "power"]
RUNGS: tuple[Rung, ...] = ("soft", "lines", "machine", "power")
ANY = "any-micropython"


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """The serial line. `dtr` and `rts` are the levels while the port is open."""

    baud: int
    stdin_ring_bytes: int
    dtr: bool = False
    rts: bool = False
    vanishes_at_reset: bool = False


@dataclass(frozen=True, slots=True)
class Usb:
    """By which `vendor:product` (hexadecimal) such a board may be found."""

    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResetWays:
    """The ladder, mildest first; `lines` says what the rung of that name does."""

    ladder: tuple[Rung, ...]
    lines: Literal["none", "rts-pulse"] = "none"
    boot_s: float = 5.0
    """From a reset to the prompt, at most."""


@dataclass(frozen=True, slots=True)
class NetworkWay:
    """How the board gets its address: `up` leaves that to the program that runs on it."""

    kind: Literal["wlan", "lan", "up"] = "up"
    connect_s: float = 20.0


@dataclass(frozen=True, slots=True)
class FlashWay:
    """How an image gets onto it. In `command`, {image} {port} {elf} are replaced."""

    method: Literal["none", "esptool", "uf2", "command"] = "none"
    chip: str = ""
    offset: str = ""
    baud: int = 460800
    boards: tuple[str, ...] = ()
    """uf2: what Board-ID in INFO_UF2.TXT may begin with."""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the board should say of itself; empty: anything."""

    platform: str = ""
    machine: str = ""
    """A part of os.uname().machine."""


@dataclass(frozen=True, slots=True)
class DeviceLwip:
    """Whose transitions and deviations are expected."""

    stack_profile: str = "unknown"


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """One type of real board."""

    schema: int
    name: str
    title: str
    tried_on_hardware: bool
    link: DeviceLink
    reset: ResetWays
    usb: Usb = Usb()
    network: NetworkWay = NetworkWay()
    flash: FlashWay = FlashWay()
    identity: Expectation = Expectation()
    lwip: DeviceLwip = DeviceLwip()

    @classmethod
    def load(cls, name_or_path: str) -> DeviceFile:
        """The board of that name in boards/, or the file at that path."""
        path, table = read(name_or_path)
        if "emulator" in table:
            raise UsageError(f"{path.stem} is an emulated board; this needs one on a serial port")
        made: DeviceFile = build(cls, table, path.name, "")
        check_head(made.schema, made.name, path)
        if not made.reset.ladder:
            raise UsageError(f"{path.name}: reset.ladder: expected a rung or more, found none")
        if "lines" in made.reset.ladder and made.reset.lines == "none":
            raise UsageError(
                f"{path.name}: reset.lines: expected 'rts-pulse', since the ladder has the rung "
                "'lines'; found 'none'"
            )
        for n, usb_id in enumerate(made.usb.ids):
            vendor, colon, product = usb_id.partition(":")
            if not (colon and _is_hex4(vendor) and _is_hex4(product)):
                raise UsageError(
                    f"{path.name}: usb.ids[{n}]: expected vendor:product like '10c4:ea60', found "
                    f"{usb_id!r}"
                )
        return made


def is_device(name_or_path: str) -> bool:
    """Whether that board file is of a real board."""
    return "emulator" not in read(name_or_path)[1]


def device_names() -> list[str]:
    """The real boards among the board files."""
    return [name for name in names() if is_device(name)]


def _is_hex4(text: str) -> bool:
    return len(text) == 4 and all(letter in "0123456789abcdef" for letter in text)


__all__ = ["ANY", "RUNGS", "SCHEMA", "DeviceFile", "Rung", "device_names", "is_device"]
