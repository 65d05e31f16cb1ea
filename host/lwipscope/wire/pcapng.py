"""pcapng: captures with a comment on each packet, for Wireshark, tshark and tcpdump.

`Capture` appends one block per frame with one `write` to the OS, so a process that is killed loses
nothing that it captured before; each station of the wire is an interface with its name.
`Writer` makes the blocks, also for a file with comments. `read_pcapng` reads what these wrote.
Source: draft-ietf-opsawg-pcapng, sections 3.5 (options), 4.1 (section header), 4.2 (interface
description), 4.3 (enhanced packet block); LINKTYPE_ETHERNET = 1. Times in nanoseconds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from types import TracebackType

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.wire.wall_clock import WallClock

LINKTYPE_ETHERNET = 1
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT, _END = 1, 0
_HARDWARE, _SYSTEM, _PROGRAM = 2, 3, 4
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_SNAP_BYTES = 262144
_BOARD = "board"  # as the switch calls that station
_MOST_OPTION_BYTES = 65535
_BLOCK = Struct("<II")
_OPTION = Struct("<HH")
_PACKET_HEAD = Struct("<IIIII")
_SECTION_HEAD = Struct("<IHHq")
_INTERFACE_HEAD = Struct("<HHI")


@dataclass(frozen=True, slots=True)
class Packet:
    """A frame in a capture. `wall_ns`: since 1970; `interface`: its name."""

    wall_ns: int
    interface: str
    data: bytes
    comments: tuple[str, ...] = ()


class Writer:
    """Makes the blocks of one file, in order. Interfaces are described before their first use."""

    def __init__(self, described: str = "") -> None:
        self._described = described
        self._interfaces: dict[str, int] = {}

    def head(
        self, comments: Iterable[str] = (), *, hardware: str = "", program: str = "lwipscope"
    ) -> bytes:
        """The section header, which begins the file, and the board's interface.

        libpcap and others refuse a file that has no interface, though it has no packets either.
        """
        options = [
            *_comments(comments),
            (_HARDWARE, hardware.encode()),
            (_PROGRAM, program.encode()),
        ]
        fixed = _SECTION_HEAD.pack(_BYTE_ORDER, 1, 0, -1)
        section = _block(_SECTION, fixed + _options(options))
        self._interfaces[_BOARD] = 0
        return section + self._interface(_BOARD)

    def packet(
        self, wall_ns: int, interface: str, data: bytes, comments: Iterable[str] = ()
    ) -> bytes:
        """A frame, and its interface's description if it is the first there."""
        number = self._interfaces.get(interface)
        described = b""
        if number is None:
            number = self._interfaces[interface] = len(self._interfaces)
            described = self._interface(interface)
        size = len(data)
        head = _PACKET_HEAD.pack(number, wall_ns >> 32, wall_ns & 0xFFFFFFFF, size, size)
        options = [*_comments(comments)]
        body = head + data + bytes(-size % 4)
        return described + _block(_PACKET, body + _options(options) if options else body)

    def _interface(self, name: str) -> bytes:
        options = [
            (_IF_NAME, name.encode()),
            (_IF_DESCRIPTION, f"{self._described}{name}".encode() if self._described else b""),
            (_IF_TSRESOL, b"\x09"),
        ]
        fixed = _INTERFACE_HEAD.pack(LINKTYPE_ETHERNET, 0, _SNAP_BYTES)
        return _block(_INTERFACE, fixed + _options(options))


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return _BLOCK.pack(kind, size) + body + size.to_bytes(4, "little")


def _comments(comments: Iterable[str]) -> Iterator[tuple[int, bytes]]:
    for text in comments:
        yield _COMMENT, text.encode("utf-8", "replace")


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    """Those that are not empty, and the end mark."""
    made = bytearray()
    for code, value in options:
        value = value[:_MOST_OPTION_BYTES]
        if value:
            made += _OPTION.pack(code, len(value)) + value + bytes(-len(value) % 4)
    return bytes(made) + _OPTION.pack(_END, 0)


class Capture:
    """A pcapng file that grows by one block per frame; any thread may write."""

    def __init__(self, path: Path, clock: WallClock | None = None) -> None:
        self.path = path
        self.clock = clock or WallClock.now()
        self.frames = 0
        self._writer = Writer()
        self._lock = threading.Lock()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o644)
            try:
                os.write(self._fd, self._writer.head())
            except OSError:
                self._stop()
                raise
        except OSError as error:
            raise UsageError(f"cannot write the capture {path}: {error.strerror}") from error

    def on_frame(self, at_s: float, origin: str, data: bytes) -> None:
        """Append a frame that passed at `at_s` (`time.monotonic()`); nothing after close()."""
        with self._lock:
            if self._fd < 0:
                return
            block = self._writer.packet(self.clock.wall_ns(at_s), origin, data)
            # One write per frame: whole blocks only, and in the page cache when it returns.
            if os.write(self._fd, block) != len(block):
                self._stop()
                raise LwipscopeError(
                    f"the capture {self.path} is cut off after {self.frames} frames: the disk "
                    "took only a part of a block; make room and run again"
                )
            self.frames += 1

    def close(self) -> None:
        """End the file; frames that still arrive are left out."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _stop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_pcapng(path: Path) -> list[Packet]:
    """All whole packets; a last block that was cut off by a kill is left out."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the capture {path}: {error.strerror}") from error
    if data[:4] != _SECTION.to_bytes(4, "little") or data[8:12] != _BYTE_ORDER.to_bytes(
        4, "little"
    ):
        raise UsageError(f"{path} is no pcapng file of lwipscope's: found {data[:4]!r} in front")
    packets: list[Packet] = []
    names: list[str] = []
    for kind, body in _blocks(data):
        if kind == _INTERFACE:
            found = dict(_read_options(body[8:]))
            names.append(found.get(_IF_NAME, b"").decode("utf-8", "replace"))
        elif kind == _PACKET:
            number, high, low, size, _ = _PACKET_HEAD.unpack_from(body)
            end = _PACKET_HEAD.size + size
            comments = tuple(
                value.decode("utf-8", "replace")
                for code, value in _read_options(body[end + (-size % 4) :])
                if code == _COMMENT
            )
            frame = body[_PACKET_HEAD.size : end]
            packets.append(Packet(high << 32 | low, names[number], frame, comments))
    return packets


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 12 <= len(data):
        kind, size = _BLOCK.unpack_from(data, at)
        if size < 12 or size % 4 or at + size > len(data):
            return
        yield kind, data[at + 8 : at + size - 4]
        at += size


def _read_options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, size = _OPTION.unpack_from(data, at)
        if code == _END:
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + size + (-size % 4)
