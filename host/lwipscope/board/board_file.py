"""Board files: what a type of board is and how it is reached (boards/README.md has the fields).

Loaded by the command line and the tests. A wrong file is refused with the name of the field,
what was expected there and what was found.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, get_type_hints

from lwipscope.errors import UsageError
from lwipscope.paths import share_dir

SCHEMA = 1
MACHINES = ("mps2-an385", "mps2-an500")
DEFAULT_BOARD = "qemu-mps2-an385"


@dataclass(frozen=True, slots=True)
class Emulator:
    """How QEMU is called."""

    program: str
    machine: str


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The serial line."""

    baud: int
    stdin_ring_bytes: int


@dataclass(frozen=True, slots=True)
class Net:
    """The board's addresses."""

    ip: IPv4Address
    netmask: IPv4Address
    gateway: IPv4Address
    mac: str
    dhcp: bool


@dataclass(frozen=True, slots=True)
class Lwip:
    """What the stack is, and which option profile is run by default."""

    stack_profile: str
    option_profile: str


@dataclass(frozen=True, slots=True)
class BoardFile:
    """One board type."""

    schema: int
    name: str
    title: str
    emulator: Emulator
    link: LinkSettings
    net: Net
    lwip: Lwip

    @classmethod
    def load(cls, name_or_path: str) -> BoardFile:
        """The board of that name in boards/, or the file at that path."""
        path = Path(name_or_path)
        if path.suffix != ".toml":
            path = share_dir("boards") / f"{name_or_path}.toml"
            if not path.is_file():
                known = names()
                near = difflib.get_close_matches(name_or_path, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
                raise UsageError(f"there is no board {name_or_path!r}; {hint}")
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not a TOML file: {error}") from error
        board: BoardFile = _build(cls, table, path.name, "")
        if board.schema != SCHEMA:
            raise UsageError(
                f"{path.name}: schema: expected {SCHEMA}, found {board.schema}; "
                "the file is for another version of lwipscope"
            )
        if board.name != path.stem:
            raise UsageError(f"{path.name}: name: expected {path.stem!r}, found {board.name!r}")
        if board.emulator.machine not in MACHINES:
            raise UsageError(
                f"{path.name}: emulator.machine: expected {' or '.join(MACHINES)}, "
                f"found {board.emulator.machine!r}"
            )
        if not re.fullmatch(r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}", board.net.mac):
            raise UsageError(
                f"{path.name}: net.mac: expected a unicast address like 02:6c:77:00:00:0a, "
                f"found {board.net.mac!r}"
            )
        return board


def names() -> list[str]:
    """All board names, sorted."""
    return sorted(path.stem for path in share_dir("boards").glob("*.toml"))


def _build(kind: type[Any], table: dict[str, Any], file: str, prefix: str) -> Any:
    """`kind` from a TOML table; every field is required, none may be unknown."""
    hints = get_type_hints(kind)
    for key in table:
        if key not in hints:
            near = difflib.get_close_matches(key, list(hints), 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise UsageError(f"{file}: {prefix}{key}: unknown field{hint} (see boards/README.md)")
    values = {}
    for key, wanted in hints.items():
        where = f"{file}: {prefix}{key}"
        if key not in table:
            raise UsageError(f"{where}: the field is missing (see boards/README.md)")
        values[key] = _value(wanted, table[key], where, file, f"{prefix}{key}.")
    return kind(**values)


def _value(wanted: type[Any], found: Any, where: str, file: str, prefix: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        if not isinstance(found, dict):
            raise UsageError(f"{where}: expected a table, found {found!r}")
        return _build(wanted, found, file, prefix)
    if wanted is IPv4Address:
        try:
            # A number would be taken too.
            return IPv4Address(str(found))
        except ValueError as error:
            raise UsageError(f"{where}: expected an IPv4 address, found {found!r}") from error
    # bool is an int for Python, but not for people.
    if not isinstance(found, wanted) or (wanted is int and isinstance(found, bool)):
        raise UsageError(f"{where}: expected {wanted.__name__}, found {found!r}")
    if wanted is int and found <= 0:
        raise UsageError(f"{where}: expected a positive number, found {found!r}")
    return found
