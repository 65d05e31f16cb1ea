"""Options, each with a twin in the ini file and one in the environment.

Precedence: command line, environment, ini file, default. `--lwip-board` is `lwip_board` in the ini
file and `LWIP_BOARD` in the environment, and so on. Read once by `pytest_configure`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
INSTANCES: pytest.StashKey[list[str]] = pytest.StashKey()
# By name: the board files need not be read for a run that uses no board.
_SHORT_NAMES = {"qemu": "qemu-mps2-an385"}
ALL = "all"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `values` are the allowed ones, empty for free text."""

    name: str
    default: str
    help: str
    metavar: str = ""
    values: tuple[str, ...] = ()
    flag: bool = False

    @property
    def flag_text(self) -> str:
        return "--lwip-" + self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return f"lwip_{self.name}"

    @property
    def env(self) -> str:
        return f"LWIP_{self.name.upper()}"


OPTIONS = (
    Option(
        "board",
        "qemu",
        "qemu (the default emulated board), a board file's name, TYPE@PORT, a port or URL, a name "
        "of the rack file, any:TYPE, or all: each test once on every board of the rack file",
        "BOARD",
    ),
    Option("profile", "", "lwIP's sizes on an emulated board (the board's)", "", ("roomy", "rp2")),
    Option("firmware", "", "firmware for an emulated board: a pack, or an ELF file", "FILE"),
    Option(
        "wire",
        "auto",
        "tap: the kernel's TCP in a private namespace; gate: our own TCP; auto: tap if possible",
        "",
        ("auto", "tap", "gate"),
    ),
    Option(
        "clock",
        "running",
        "board time: running, or manual, where only the test moves it (no kernel peers then)",
        "",
        ("running", "manual"),
    ),
    Option(
        "require_board",
        "",
        "a missing board fails its tests; without it they are skipped",
        flag=True,
    ),
    Option(
        "take_over",
        "",
        "a program that runs on a real board may be interrupted (else that board is refused)",
        flag=True,
    ),
    Option(
        "layout",
        "",
        "for a board without the tracer: the layout of its firmware (lwipscope layout), or the "
        "firmware's ELF file; its TCP states are sampled then",
        "FILE",
    ),
    Option(
        "host_ip",
        "",
        "this machine's address for a real board (the one in the board's network)",
        "IP",
    ),
    Option(
        "interface",
        "",
        "where a real board and its raw peers are (by the board's address)",
        "IFACE",
    ),
    Option("log_dir", "lwipscope-logs/pytest", "where captures and logs go", "DIR"),
    Option(
        "keep_logs",
        "",
        "which tests' logs are kept (fail; with a report: all)",
        "",
        ("fail", "all", "none"),
    ),
    Option(
        "report",
        "",
        "write all tests' runs as HTML: this index with verdicts and the edges taken, and a page "
        "for each run beside it",
        "FILE",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was decided. `said`: somebody has set at least one of them."""

    board: str
    profile: str
    firmware: Path | None
    wire: str
    clock: str
    require_board: bool
    take_over: bool
    layout: Path | None
    host_ip: str
    interface: str
    log_dir: Path
    keep_logs: str
    report: Path | None
    said: bool

    @property
    def board_names(self) -> frozenset[str]:
        """What a test may call the board."""
        return frozenset({self.board, _SHORT_NAMES.get(self.board, self.board)})

    def text(self) -> str:
        """One line for the header."""
        parts = [f"board {self.board}", f"wire {self.wire}", f"clock {self.clock}"]
        if self.profile:
            parts.append(f"profile {self.profile}")
        if self.require_board:
            parts.append("a board is required")
        return ", ".join(parts)


def declare(parser: pytest.Parser) -> None:
    """Options and ini settings."""
    group = parser.getgroup("lwip", "TCP on lwIP boards")
    for option in OPTIONS:
        default = f" (default: {option.default})" if option.default else ""
        text = f"{option.help}{default}; ini {option.dest}, environment {option.env}"
        if option.flag:
            group.addoption(
                option.flag_text, dest=option.dest, action="store_const", const="1", help=text
            )
        else:
            group.addoption(
                option.flag_text,
                dest=option.dest,
                metavar=option.metavar or "|".join(option.values),
                help=text,
            )
        parser.addini(option.dest, help=option.help, default=None)


def read(config: pytest.Config) -> Settings:
    """The values that hold; UsageError that names the place of a wrong one."""
    found = {option.name: _value(config, option) for option in OPTIONS}
    values = {name: value for name, (value, _) in found.items()}
    flags = {o.name: values[o.name].lower() in _TRUE for o in OPTIONS if o.flag}
    log_dir = Path(values["log_dir"]).expanduser()
    return Settings(
        board=values["board"],
        profile=values["profile"],
        firmware=Path(values["firmware"]).expanduser() if values["firmware"] else None,
        wire=values["wire"],
        clock=values["clock"],
        require_board=flags["require_board"],
        take_over=flags["take_over"],
        layout=Path(values["layout"]).expanduser() if values["layout"] else None,
        host_ip=values["host_ip"],
        interface=values["interface"],
        log_dir=log_dir if log_dir.is_absolute() else config.rootpath / log_dir,
        keep_logs=values["keep_logs"] or ("all" if values["report"] else "fail"),
        report=_below(config.rootpath, values["report"]),
        said=any(place != "default" for _, place in found.values()),
    )


def _below(root: Path, text: str) -> Path | None:
    """A file that is named from the root of the tests, as the logs are."""
    return root / Path(text).expanduser() if text else None


def instances(settings: Settings) -> list[str]:
    """The boards of the rack file if all are wanted; else none, for it is one board then."""
    if settings.board != ALL:
        return []
    from lwipscope.board.rack import FILE, VARIABLE, Rack
    from lwipscope.errors import LwipscopeError

    try:
        names = [each.name for each in Rack.load().instances]
    except LwipscopeError as error:
        raise pytest.UsageError(str(error)) from error
    if not names:
        raise pytest.UsageError(
            f"--lwip-board {ALL}: expected boards in {FILE} in this folder, or in the file that "
            f"${VARIABLE} names; found none"
        )
    return names


def _value(config: pytest.Config, option: Option) -> tuple[str, str]:
    for value, place in (
        (config.getoption(option.dest), option.flag_text),
        (os.environ.get(option.env), option.env),
        (config.getini(option.dest), f"{option.dest} in the ini file"),
    ):
        if value is None or value == "":
            continue
        text = str(value).strip()
        allowed = (*_TRUE, *_FALSE) if option.flag else option.values
        if allowed and (text.lower() if option.flag else text) not in allowed:
            listed = ", ".join(option.values or ("1", "0"))
            raise pytest.UsageError(f"{place}: expected one of {listed}; found {text!r}")
        return text, place
    return option.default, "default"
