"""The rack file: which boards there are at this place, by name (`lwip-rack.toml`).

    schema = 1
    [[board]]
    name = "left-esp32"
    type = "esp32-devkit"            # a board file
    port = "/dev/ttyUSB0"            # or a URL; or one of the next two
    usb_serial = "0001"              # the serial number of its USB device
    usb_path = "1-2.3"               # the USB port that it is plugged into
    power.cycle = ["uhubctl", "-a", "cycle", "-l", "1-2", "-p", "3"]    # or power.on and power.off

Read by `opening` and `lwipscope boards`. Found by $LWIP_RACK, else in the current folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.board_file import SCHEMA, build, names, read_toml
from lwipscope.board.power import NO_POWER, Power
from lwipscope.board.serial_ports import Port, listed
from lwipscope.errors import UsageError

FILE = "lwip-rack.toml"
VARIABLE = "LWIP_RACK"


@dataclass(frozen=True, slots=True)
class Instance:
    """One board in the rack."""

    name: str
    type: str
    port: str = ""
    usb_serial: str = ""
    usb_path: str = ""
    power: Power = NO_POWER

    def where(self) -> str:
        """For people."""
        told = (
            ("port", self.port),
            ("USB serial number", self.usb_serial),
            ("USB port", self.usb_path),
        )
        return ", ".join(f"{what} {value}" for what, value in told if value)

    def locate(self) -> str | None:
        """Its port now; None if it isn't plugged in."""
        if not (self.usb_serial or self.usb_path):
            return self.port
        return next((port.device for port in listed() if self._is(port)), None)

    def _is(self, port: Port) -> bool:
        return all(
            wanted in ("", found)
            for wanted, found in (
                (self.usb_serial, port.serial_number),
                (self.usb_path, port.usb_path),
                (self.port, port.device),
            )
        )


@dataclass(frozen=True, slots=True)
class Rack:
    """All instances, in the file's order."""

    instances: tuple[Instance, ...] = ()
    path: Path | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Rack:
        """That file; without a name the one of $LWIP_RACK, or the one here, or an empty rack."""
        named = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        found = named or Path(FILE)
        if named is None and not found.is_file():
            return cls()
        content: _Content = build(_Content, read_toml(found), found.name, "")
        if content.schema != SCHEMA:
            raise UsageError(
                f"{found.name}: schema: expected {SCHEMA}, found {content.schema}; "
                "the file is for another version of lwipscope"
            )
        known = names()
        seen: set[str] = set()
        for n, each in enumerate(content.board):
            where = f"{found.name}: board[{n}]"
            if not (each.port or each.usb_serial or each.usb_path):
                raise UsageError(f"{where}.port: expected port, usb_serial or usb_path, found none")
            if each.name in seen:
                raise UsageError(f"{where}.name: {each.name!r} is the name of two boards")
            if each.name in known:
                raise UsageError(f"{where}.name: {each.name!r} is the name of a board file")
            if each.type not in known and not each.type.endswith(".toml"):
                raise UsageError(
                    f"{where}.type: there is no board file {each.type!r}; known: {', '.join(known)}"
                )
            seen.add(each.name)
        return cls(content.board, found)

    def named(self, name: str) -> Instance | None:
        return next((each for each in self.instances if each.name == name), None)

    def of_type(self, board_type: str) -> tuple[Instance, ...]:
        return tuple(each for each in self.instances if each.type == board_type)


@dataclass(frozen=True, slots=True)
class _Content:
    schema: int
    board: tuple[Instance, ...] = ()


__all__ = ["FILE", "VARIABLE", "Instance", "Rack"]
