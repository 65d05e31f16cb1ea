"""The line to a board that is only looked at: which port, and with which settings it is opened.

Used by `watch` and `netstat`. As `identify` opens a board: the speed and the levels of DTR and RTS
are those of its board file, or of the type whose USB id the port has; they are set before the port
is open, since on many boards a change resets them.
"""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.board_file import names
from lwipscope.board.device_file import ANY, DeviceFile, DeviceLink, device_names
from lwipscope.board.line import Line
from lwipscope.board.link import Link, open_line
from lwipscope.board.lock import BoardLock
from lwipscope.board.opening import resolve
from lwipscope.board.rack import Rack
from lwipscope.board.running import the_one
from lwipscope.board.serial_ports import listed
from lwipscope.errors import NoBoard
from lwipscope.platform_facts import Absent, fcntl
from lwipscope.trace.short_trace import ShortTrace


def add_line_options(parser: argparse.ArgumentParser) -> None:
    """How the port is opened."""
    parser.add_argument("--pid", type=int, help="the lwipscope process whose board it is")
    parser.add_argument(
        "--baud", type=int, metavar="N", help="speed of the line (default: the board file's)"
    )
    parser.add_argument("--rack", type=Path, metavar="FILE", help="the rack file")


@dataclass(frozen=True, slots=True)
class BoardLine:
    """A port and its settings. `dtr` and `rts` are levels while it is open."""

    url: str
    baud: int
    dtr: bool = False
    rts: bool = False

    @classmethod
    def of(cls, board: str | None, options: argparse.Namespace) -> BoardLine:
        """What is meant; by default the emulated board that runs."""
        rack = Rack.load(options.rack)
        if board is None:
            board = the_one(options.pid).serial
        if board.upper().startswith("COM") and not is_name(board, rack):
            return cls._with(board, DeviceFile.load(ANY).link, options.baud)
        target = resolve(board, rack)
        if target.kind == "emulated":
            url, file = the_one(options.pid).serial, DeviceFile.load(ANY)
            return cls._with(url, file.link, options.baud)
        port = target.places[0].locate()
        if port is None:
            raise NoBoard(f"{board} is not there: no port of this machine is the one of its entry")
        settings = DeviceFile.load(target.type).link
        return cls._with(port, _by_usb(port) if target.type == ANY else settings, options.baud)

    @classmethod
    def _with(cls, url: str, settings: DeviceLink, baud: int | None) -> BoardLine:
        return cls(url, baud or settings.baud, settings.dtr, settings.rts)

    def held(self) -> AbstractContextManager[object]:
        """Keeps others of ours off this board, who are told by whom it is used; BoardTaken says
        who has it. A port of this machine is locked by itself, too, a URL's is not."""
        # There is no such lock on Windows, but ports are exclusive there.
        return nullcontext() if isinstance(fcntl, Absent) else BoardLock(self.url)

    def open(self) -> Line:
        """The port, open."""
        return open_line(self.url, self.baud, dtr=self.dtr, rts=self.rts)

    def link(self, line: Line) -> Link:
        """A reader on the open line, with a trace that forgets what is old."""
        return Link(self.url, self.baud, line=line, trace=ShortTrace())


def is_name(board: str, rack: Rack) -> bool:
    """Whether it names a board in one of the ways of `lwipscope boards`."""
    known = board in ("qemu", *names(), *device_names()) or rack.named(board) is not None
    return known or "@" in board or board.startswith("any:")


def _by_usb(port: str) -> DeviceLink:
    """The settings of the type that the port's USB id tells; else those of any board."""
    usb_id = next((each.usb_id for each in listed() if each.device == port), "")
    known = [DeviceFile.load(name) for name in device_names()]
    fitting = [file.link for file in known if usb_id and usb_id in file.usb.ids]
    if len(set(fitting)) == 1:
        return fitting[0]
    usual = DeviceFile.load(ANY).link
    # Several types have that id: some of them say nothing without DTR.
    dtr = usual.dtr or any(link.dtr for link in fitting)
    return DeviceLink(usual.baud, usual.stdin_ring_bytes, dtr, usual.rts)
