"""Opens a board by what a user calls it.

    qemu, qemu-mps2-an385         an emulated board
    /dev/ttyACM0, rfc2217://..., socket://...     any MicroPython board on that port
    esp32-devkit@/dev/ttyUSB0     a board of that type on that port
    left-esp32                    a board of the rack file
    esp32-devkit                  the one of that type: in the rack file, or by its USB id
    any:esp32-devkit              a free one of that type, waiting for it if need be
    any:left-esp32                that one, waiting until it is free

Used by the command line and the pytest plugin. A name that fits several boards is an error that
lists them; a board in quarantine is refused with the reason. Times in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lwipscope.board import quarantine
from lwipscope.board.board import Board
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile, names, read
from lwipscope.board.device_file import ANY, DeviceFile, device_names
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.board.lock import BoardTaken
from lwipscope.board.quarantine import InQuarantine
from lwipscope.board.rack import Instance, Rack
from lwipscope.board.serial_board import Place, SerialBoard
from lwipscope.board.serial_ports import listed
from lwipscope.errors import NoBoard, UsageError
from lwipscope.wire.keeper import Keeper

WAIT_S = 30.0
_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Emulation:
    """What emulated boards are made with; the two are asked for when one is opened."""

    keeper: Callable[[], Keeper]
    elf: Callable[[BoardFile], Path]
    options: StartOptions = StartOptions()  # noqa: RUF009 (frozen)


@dataclass(frozen=True, slots=True)
class Target:
    """What a spec means: an emulated board, or the places at which a real one may be."""

    kind: Literal["emulated", "device"]
    type: str
    places: tuple[Place, ...] = ()
    any_free: bool = False


def resolve(spec: str, rack: Rack | None = None) -> Target:
    """What is meant, without opening anything. UsageError for an unknown name, NoBoard if no such
    board is there."""
    rack = Rack.load() if rack is None else rack
    if spec == "qemu":
        return Target("emulated", DEFAULT_BOARD)
    board_type, at, port = spec.partition("@")
    if is_port(board_type):
        return Target("device", ANY, (Place.at(spec),))
    if at:
        if not is_port(port):
            raise UsageError(f"{spec}: expected TYPE@PORT with a device or a URL, found {port!r}")
        DeviceFile.load(board_type)
        return Target("device", board_type, (Place.at(port),))
    instance = rack.named(spec.removeprefix("any:"))
    if instance is not None:
        # With any: it is waited for until it is free.
        return Target("device", instance.type, (_place(instance),), spec.startswith("any:"))
    name = spec.removeprefix("any:")
    if name not in names() and not name.endswith(".toml"):
        _unknown(spec, rack)
    if "emulator" in read(name)[1]:
        return Target("emulated", name)
    any_free = spec.startswith("any:")
    places = _places(name, rack)
    if len(places) > 1 and not any_free:
        listed_ = "".join(f"\n  {place.name}" for place in places)
        raise UsageError(
            f"{len(places)} boards of type {name} are there; name one, or take a free one with "
            f"any:{name}:{listed_}"
        )
    return Target("device", name, places, any_free)


def open_board(
    spec: str,
    *,
    emulation: Emulation | None = None,
    rack: Rack | None = None,
    may_take_over: bool = False,
    must_be_idle: bool = True,
    wait_s: float = WAIT_S,
) -> Board:
    """The board, running and held until it is closed.

    `wait_s`: how long `any:TYPE` waits for a free one. BoardBusy if a program runs on it that may
    not be interrupted (`may_take_over`).
    """
    target = resolve(spec, rack)
    if target.kind == "emulated":
        if emulation is None:
            raise UsageError(f"{spec} is an emulated board; this needs one on a serial port")
        file = BoardFile.load(target.type)
        return EmulatedBoard(file, emulation.elf(file), emulation.keeper(), emulation.options)
    return open_serial(
        target, may_take_over=may_take_over, must_be_idle=must_be_idle, wait_s=wait_s
    )


def open_serial(
    target: Target,
    *,
    may_take_over: bool = False,
    must_be_idle: bool = True,
    wait_s: float = WAIT_S,
) -> SerialBoard:
    """The board of a target of kind `device`."""
    file = DeviceFile.load(target.type)
    if target.type == ANY:
        file = _with_lines_of(file, target.places)
    deadline_s = time.monotonic() + (wait_s if target.any_free else 0.0)
    while True:
        why: list[NoBoard] = []
        for place in target.places:
            try:
                quarantine.require_free(place.name)
                return SerialBoard(
                    file, place, may_take_over=may_take_over, must_be_idle=must_be_idle
                )
            except NoBoard as error:
                why.append(error)
        # Only what somebody else holds may become free.
        if time.monotonic() >= deadline_s or not any(isinstance(e, BoardTaken) for e in why):
            raise _none_free(target, why)
        time.sleep(_AGAIN_S)


def is_port(spec: str) -> bool:
    """Whether it names a port and not a board."""
    return "://" in spec or (spec.startswith(("/", "./")) and not spec.endswith(".toml"))


def _with_lines_of(file: DeviceFile, places: Sequence[Place]) -> DeviceFile:
    """DTR as the types have it whose USB id the port has: some boards say nothing without it."""
    devices = {place.locate() for place in places}
    ids = {port.usb_id for port in listed() if port.device in devices and port.usb_id}
    known = [DeviceFile.load(name) for name in device_names()]
    dtr = any(each.link.dtr for each in known if ids & set(each.usb.ids))
    return replace(file, link=replace(file.link, dtr=dtr))


def _none_free(target: Target, why: Sequence[NoBoard]) -> NoBoard:
    if len(why) == 1:
        return why[0]
    told = "".join(f"\n  {error}" for error in why)
    return NoBoard(f"none of {len(why)} boards of type {target.type} can be had:{told}")


def _places(board_type: str, rack: Rack) -> tuple[Place, ...]:
    """From the rack, else by USB id."""
    instances = rack.of_type(board_type)
    if instances:
        return tuple(map(_place, instances))
    ids = DeviceFile.load(board_type).usb.ids
    places = tuple(
        _usb_place(port.device, port.serial_number) for port in listed() if port.usb_id in ids
    )
    if not places:
        what = f"a USB device {' or '.join(ids)}" if ids else "a port to be named"
        raise NoBoard(
            f"no board of type {board_type} is there: expected {what}, or an entry in the rack "
            f"file (lwip-rack.toml). Say where it is: {board_type}@PORT"
        )
    return places


def _place(instance: Instance) -> Place:
    return Place(instance.name, instance.locate, instance.power)


def _usb_place(device: str, serial_number: str) -> Place:
    """It may come back as another device after a reset: then by its serial number."""
    if not serial_number:
        return Place.at(device)
    finder = Instance(device, ANY, usb_serial=serial_number)
    return Place(device, finder.locate)


def _unknown(spec: str, rack: Rack) -> None:
    in_rack = ", ".join(each.name for each in rack.instances) or "nothing"
    raise UsageError(
        f"there is no board {spec!r}; board files: {', '.join(names())}; in the rack file: "
        f"{in_rack}; or name a port (/dev/ttyACM0, rfc2217://host:port, socket://host:port)"
    )


__all__ = ["Emulation", "InQuarantine", "Target", "open_board", "open_serial", "resolve"]
