"""What the commands share that work with a board of any kind: which one, and opening it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lwipscope.board.board import Board
from lwipscope.board.opening import WAIT_S, Emulation, open_board
from lwipscope.board.rack import Rack
from lwipscope.board.serial_board import SerialBoard
from lwipscope.cli.common import NETWORK, firmware_of
from lwipscope.firmware.firmware import PROFILES
from lwipscope.wire.keeper import Keeper

SPECS = """\
BOARD is one of
  qemu                        the emulated board
  /dev/ttyACM0                any MicroPython board on that port
  rfc2217://HOST:PORT         the same, behind a serial port server; also socket://HOST:PORT
  esp32-devkit@/dev/ttyUSB0   a board of that type (`lwipscope boards`) on that port
  esp32-devkit                the one of that type that is plugged in
  any:esp32-devkit            a free one of that type; waits until there is one
  NAME                        a board of the rack file (lwip-rack.toml, or $LWIP_RACK)
"""


def add_access_options(
    parser: argparse.ArgumentParser, *, emulated: bool = True, take_over: bool = True
) -> None:
    """The board, and how far one may go with it."""
    parser.add_argument("board", metavar="BOARD", help="which board, see below")
    group = parser.add_argument_group("board")
    group.add_argument("--rack", type=Path, metavar="FILE", help="the rack file")
    group.add_argument(
        "--wait",
        type=float,
        default=WAIT_S,
        metavar="S",
        help="how long any:TYPE waits for a free board (%(default)g s)",
    )
    if take_over:
        group.add_argument(
            "--take-over",
            action="store_true",
            help="a program that runs on the board may be interrupted (else it is left alone)",
        )
    if emulated:
        group.add_argument("--profile", choices=PROFILES, help="emulated board: lwIP's sizes")
        group.add_argument(
            "--firmware", type=Path, metavar="FILE", help="emulated board: its firmware"
        )
        group.add_argument(
            "--wire", choices=list(NETWORK), default="auto", help="emulated board: its network"
        )


def rack_of(options: argparse.Namespace) -> Rack:
    """The rack file that the options name, or the usual one."""
    return Rack.load(options.rack)


class Access:
    """A board that is open, and the keeper of the processes at its other end."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack, must_be_idle: bool) -> None:
        self._stack = stack
        self._network = NETWORK[getattr(options, "wire", "auto")]
        self._keeper: Keeper | None = None
        emulation = Emulation(
            keeper=lambda: self.keeper, elf=lambda file: firmware_of(options, file).elf
        )
        self.board = open_board(
            options.board,
            emulation=emulation if hasattr(options, "wire") else None,
            rack=rack_of(options),
            may_take_over=options.take_over,
            must_be_idle=must_be_idle,
            wait_s=options.wait,
        )
        stack.callback(self.board.close)

    @property
    def keeper(self) -> Keeper:
        """Started when it is first asked for; a real board's peers need no namespace."""
        if self._keeper is None:
            real = isinstance(getattr(self, "board", None), SerialBoard)
            started = Keeper.start("none" if real else self._network)
            self._keeper = self._stack.enter_context(started)
        return self._keeper


@contextmanager
def accessed(options: argparse.Namespace, *, must_be_idle: bool = True) -> Iterator[Access]:
    """The board and its keeper, both closed at the end."""
    with ExitStack() as stack:
        yield Access(options, stack, must_be_idle)


@contextmanager
def opened(options: argparse.Namespace, *, must_be_idle: bool = True) -> Iterator[Board]:
    """The board alone."""
    with accessed(options, must_be_idle=must_be_idle) as access:
        yield access.board
