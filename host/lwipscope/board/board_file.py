"""Board files of emulated boards, and how all board files are read (fields: boards/README.md).

Loaded by the command line and the tests. A wrong file is refused with the name of the field,
what was expected there and what was found. Files of real boards: board/device_file.py.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

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
        """The emulated board of that name in boards/, or the file at that path."""
        path, table = read(name_or_path)
        if "emulator" not in table and "reset" in table:
            raise UsageError(
                f"{path.stem} is a board of its own, not an emulated one: it is used with "
                f"`lwipscope test {path.stem}`, identify, flash and watch"
            )
        board: BoardFile = build(cls, table, path.name, "")
        check_head(board.schema, board.name, path)
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


def read(name_or_path: str) -> tuple[Path, dict[str, Any]]:
    """A board file's path, and what is in it, unchecked."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = share_dir("boards") / f"{name_or_path}.toml"
        if not path.is_file():
            known = names()
            near = difflib.get_close_matches(name_or_path, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise UsageError(f"there is no board {name_or_path!r}; {hint}")
    return path, read_toml(path)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a TOML file: {error}") from error


def check_head(schema: int, name: str, path: Path) -> None:
    """What every board file begins with."""
    if schema != SCHEMA:
        raise UsageError(
            f"{path.name}: schema: expected {SCHEMA}, found {schema}; "
            "the file is for another version of lwipscope"
        )
    if name != path.stem:
        raise UsageError(f"{path.name}: name: expected {path.stem!r}, found {name!r}")


def build(kind: type[Any], table: dict[str, Any], file: str, prefix: str) -> Any:
    """`kind`, a dataclass, from a TOML table: fields without a default are required, unknown ones
    refused."""
    hints = get_type_hints(kind)
    optional = {
        field.name
        for field in dataclasses.fields(kind)
        if not (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
    }
    for key in table:
        if key not in hints:
            near = difflib.get_close_matches(key, list(hints), 1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise UsageError(f"{file}: {prefix}{key}: unknown field{hint} (see boards/README.md)")
    values = {}
    for key, wanted in hints.items():
        where = f"{file}: {prefix}{key}"
        if key in table:
            values[key] = _value(wanted, table[key], where, file, f"{prefix}{key}.")
        elif key not in optional:
            raise UsageError(f"{where}: the field is missing (see boards/README.md)")
    return kind(**values)


def _value(wanted: Any, found: Any, where: str, file: str, prefix: str) -> Any:
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if not isinstance(found, dict):
            raise UsageError(f"{where}: expected a table, found {found!r}")
        return build(wanted, found, file, prefix)
    if get_origin(wanted) is Literal:
        if found not in get_args(wanted):
            listed = ", ".join(map(repr, get_args(wanted)))
            raise UsageError(f"{where}: expected one of {listed}, found {found!r}")
        return found
    if get_origin(wanted) is tuple:
        if not isinstance(found, list):
            raise UsageError(f"{where}: expected a list, found {found!r}")
        inner = get_args(wanted)[0]
        return tuple(
            _value(inner, each, f"{where}[{n}]", file, f"{prefix[:-1]}[{n}].")
            for n, each in enumerate(found)
        )
    if wanted is IPv4Address:
        try:
            # A number would be taken too.
            return IPv4Address(str(found))
        except ValueError as error:
            raise UsageError(f"{where}: expected an IPv4 address, found {found!r}") from error
    if wanted is float and isinstance(found, int) and not isinstance(found, bool):
        found = float(found)
    # bool is an int for Python, but not for people.
    if not isinstance(found, wanted) or (wanted is int and isinstance(found, bool)):
        raise UsageError(f"{where}: expected {wanted.__name__}, found {found!r}")
    if wanted in (int, float) and found <= 0:
        raise UsageError(f"{where}: expected a positive number, found {found!r}")
    return found
