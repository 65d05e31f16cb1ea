"""Codec of the serial line, protocol version 1 (firmware/README.md is normative).

    frame = RS(0x1e) body " *" crc LF      crc: CRC-32 of body, 8 lowercase hex digits
    body  = seq SP clock_us SP kind *(SP field)

Everything outside frames is console text. The link feeds what it reads to a `FrameSplitter`;
`encode_frame` is for tests and simulated boards, `encode_command` for the host's commands.
Works on bytes only: `str.splitlines` and `str.split` treat 0x1e as white space and would eat it.
The splitter is the hot path of a run, so fields are taken apart only when somebody asks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lwipscope.errors import UsageError

RS = b"\x1e"
FRAME_MAX_BYTES = 320
"""From RS to LF, both included."""
COMMAND_MAX_BYTES = 120
"""A whole command; what fits the smallest stdin ring among the boards."""
SEQ_MODULUS = 1 << 32

_CUT_BYTES = FRAME_MAX_BYTES - 1
_TRAILER_BYTES = len(" *01234567")
_PRINTABLE = bytes(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True)
class Frame:
    """One intact frame. `tail` is the text behind the kind; `raw` all bytes from RS to LF."""

    seq: int
    clock_us: int
    kind: str
    tail: str
    raw: bytes

    def parts(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """The bare words in their order, and the `key=value` fields."""
        words: list[str] = []
        fields: dict[str, str] = {}
        for part in self.tail.split(" "):
            key, equals, value = part.partition("=")
            if equals and key:
                fields[key] = value
            elif part:
                words.append(part)
        return tuple(words), fields

    @property
    def words(self) -> tuple[str, ...]:
        return self.parts()[0]

    @property
    def fields(self) -> Mapping[str, str]:
        return self.parts()[1]


@dataclass(frozen=True, slots=True)
class Console:
    """Bytes outside frames, as they came; a line may come in several pieces."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that began like a frame and are none."""

    raw: bytes
    reason: str


Item: TypeAlias = Frame | Console | BadFrame


def encode_frame(seq: int, clock_us: int, kind: str, fields: Iterable[str] = ()) -> bytes:
    """The bytes of one frame; each field is `key=value` or a bare word."""
    body = " ".join((str(seq % SEQ_MODULUS), str(clock_us), kind, *fields))
    return _seal(body, FRAME_MAX_BYTES, "frame")


def encode_command(command_id: int, verb: str, args: Iterable[str | int] = ()) -> bytes:
    """The bytes of one command from the host to the board."""
    if not 1 <= command_id < 1 << 31:
        raise UsageError(f"a command's id must be 1 to 2147483647, not {command_id}")
    words = [verb, *(str(arg) for arg in args)]
    for word in words:
        if not word or " " in word:
            raise UsageError(f"a command's words must not be empty or hold spaces: {word!r}")
    return _seal(" ".join((str(command_id), *words)), COMMAND_MAX_BYTES, "command")


def _seal(body: str, limit_bytes: int, what: str) -> bytes:
    if not (body.isascii() and body.isprintable()):
        raise UsageError(f"a {what} must be printable ASCII; this is not: {body!r}")
    data = body.encode("ascii")
    sealed = b"\x1e%b *%08x\n" % (data, zlib.crc32(data))
    if len(sealed) > limit_bytes:
        raise UsageError(
            f"a {what} must have at most {limit_bytes} bytes; this one has {len(sealed)}: {body!r}"
        )
    return sealed


class FrameSplitter:
    """Takes a serial stream apart, whatever its chunks; never raises, whatever its bytes.

    Console text is handed on at once. At most one unfinished frame is kept.
    """

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Item]:
        """The items that `data` completes, in order."""
        items: list[Item] = []
        pieces = (self._pending + data).split(RS)
        self._pending = b""
        if pieces[0]:
            items.append(Console(pieces[0]))
        last = len(pieces) - 1
        for index in range(1, last + 1):
            piece = pieces[index]
            end = piece.find(b"\n", 0, _CUT_BYTES)
            if end >= 0:
                items.append(_decode(piece[:end]))
                rest = piece[end + 1 :]
            elif len(piece) >= _CUT_BYTES:
                reason = f"longer than {FRAME_MAX_BYTES} bytes"
                items.append(BadFrame(RS + piece[:_CUT_BYTES], reason))
                rest = piece[_CUT_BYTES:]
            elif index < last:
                items.append(BadFrame(RS + piece, "cut off by the next frame"))
                continue
            else:
                self._pending = RS + piece
                break
            if rest:
                items.append(Console(rest))
        return items

    def close(self) -> list[Item]:
        """The unfinished frame, if there is one, when the stream has ended."""
        raw, self._pending = self._pending, b""
        return [BadFrame(raw, "cut off by the end of the stream")] if raw else []


def _decode(line: bytes) -> Frame | BadFrame:
    """One line without its RS and LF."""
    raw = b"\x1e%b\n" % line
    if line[-1:] == b"\r":
        line = line.rstrip(b"\r")
    body = line[:-_TRAILER_BYTES]
    if line[-_TRAILER_BYTES:] != b" *%08x" % zlib.crc32(body):
        return BadFrame(raw, "the checksum is missing or wrong")
    words = body.split(b" ", 3)
    if len(words) < 3 or not (words[0].isdigit() and words[1].isdigit() and words[2]):
        return BadFrame(raw, "no number, clock and kind")
    if body.translate(None, _PRINTABLE):
        return BadFrame(raw, "not printable ASCII")
    seq = int(words[0])
    if seq >= SEQ_MODULUS:
        return BadFrame(raw, "the sequence number is too large")
    tail = words[3].decode("ascii") if len(words) > 3 else ""
    return Frame(seq, int(words[1]), words[2].decode("ascii"), tail, raw)
