"""What passed on the wire, as a pcap file that Wireshark and tcpdump read.

`Capture` appends one record per frame with one `write` to the OS: a process that is killed loses
nothing that it captured before. Stamps come in as `time.monotonic()` seconds, as the switch gives
them, and are stored as wall clock; `WallClock` converts both ways. `read_pcap` serves tests and
reports and also reads other tools' files (both byte orders, microseconds or nanoseconds).
Sources: draft-ietf-opsawg-pcap sections 4 and 5 (file header and records; 0xa1b23c4d says
nanoseconds), LINKTYPE_ETHERNET = 1.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from types import TracebackType

from lwipscope.errors import LwipscopeError, UsageError

MAGIC_NS, MAGIC_US = 0xA1B23C4D, 0xA1B2C3D4
LINKTYPE_ETHERNET = 1
_SNAP_BYTES = 262144
_FILE_HEADER = Struct("<IHHiIII")
_RECORD_HEADER = Struct("<IIII")
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WallClock:
    """Ties `time.monotonic()` to the wall clock at one moment, so that later steps of the wall
    clock (NTP) cannot reorder what was captured."""

    offset_ns: int

    @classmethod
    def now(cls) -> WallClock:
        """The tie as it is at this moment."""
        return cls(time.time_ns() - time.monotonic_ns())

    def wall_ns(self, at_s: float) -> int:
        """Nanoseconds since 1970 of a `time.monotonic()` stamp."""
        return int(at_s * _NS) + self.offset_ns

    def at_s(self, wall_ns: int) -> float:
        """The `time.monotonic()` stamp of a wall clock time."""
        return (wall_ns - self.offset_ns) / _NS


@dataclass(frozen=True, slots=True)
class Record:
    """One captured frame as read from a file; `wall_ns` is nanoseconds since 1970."""

    wall_ns: int
    data: bytes


class Capture:
    """A pcap file that grows by one record per frame; any thread may write."""

    def __init__(self, path: Path, clock: WallClock | None = None) -> None:
        self.path = path
        self.clock = clock or WallClock.now()
        self.frames = 0
        self._lock = threading.Lock()
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise UsageError(f"cannot write the capture {path}: {error.strerror}") from error
        header = (MAGIC_NS, 2, 4, 0, 0, _SNAP_BYTES, LINKTYPE_ETHERNET)
        try:
            os.write(self._fd, _FILE_HEADER.pack(*header))
        except OSError as error:
            self._stop()
            raise UsageError(f"cannot write the capture {path}: {error.strerror}") from error

    def write(self, at_s: float, data: bytes) -> None:
        """Append a frame that passed at `at_s` (`time.monotonic()`); nothing after close()."""
        second, nanosecond = divmod(int(at_s * _NS) + self.clock.offset_ns, _NS)
        size = len(data)
        record = _RECORD_HEADER.pack(second, nanosecond, size, size) + data
        with self._lock:
            if self._fd < 0:
                return
            # One write per record: whole records only, and in the page cache when it returns.
            if os.write(self._fd, record) != len(record):
                self._stop()
                raise LwipscopeError(
                    f"the capture {self.path} is cut off after {self.frames} frames: the disk "
                    "took only a part of a record; make room and run again"
                )
            self.frames += 1

    def on_frame(self, at_s: float, _origin: str, data: bytes) -> None:
        """`write` in the form that `Switch.on_frame` calls."""
        self.write(at_s, data)

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


def read_pcap(path: Path) -> list[Record]:
    """All whole records of a pcap file; a last record that was cut off by a kill is left out."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the capture {path}: {error.strerror}") from error
    for order in "<>":
        if len(data) < _FILE_HEADER.size:
            break
        header = Struct(order + "IHHiIII").unpack_from(data)
        if header[0] not in (MAGIC_NS, MAGIC_US):
            continue
        if header[6] & 0xFFFF != LINKTYPE_ETHERNET:
            raise UsageError(f"{path}: expected frames of Ethernet, found link type {header[6]}")
        return _records(data, Struct(order + "IIII"), 1 if header[0] == MAGIC_NS else 1000)
    raise UsageError(f"{path} is no pcap file: expected the magic number {MAGIC_NS:#x} in front")


def _records(data: bytes, header: Struct, unit_ns: int) -> list[Record]:
    records: list[Record] = []
    at = _FILE_HEADER.size
    while at + header.size <= len(data):
        second, fraction, size, _ = header.unpack_from(data, at)
        at += header.size
        if at + size > len(data):
            break
        records.append(Record(second * _NS + fraction * unit_ns, data[at : at + size]))
        at += size
    return records
