"""The run file `NAME.lwiprun`, version 1: gzip'd JSON lines (RFC 1952, RFC 8259), UTF-8.

First line, an object: {"format": "lwipscope-run", "version": 1, "about": {...}}; `about` has the
fields of `model.About`. Every further line is an array whose first item says what it is:

    ["life", N, stopped, integrity]   life N (from 0) begins; integrity as in `trace.integrity`
    ["e", at_ns, "SEQ CLOCK_US KIND FIELDS"]   a board event in the board's order; the text is the
                                      body of its serial frame (firmware/README.md)
    ["w", at_ns, origin, base64, SEQ or null]   an Ethernet frame in the wire's order, and the SEQ
                                      of the board's own record of it; a sixth item "dropped": a
                                      rule of the wire kept it from being delivered
    ["n", at_ns, who, text]           something that a peer or the host did
    ["c", at_ns, base64]              a piece of console output
    ["end", LINES]                    last line; LINES counts all lines before it

at_ns: host time in nanoseconds since the run began (`about.wall_ns`: that moment since 1970). For
an event it is when the host read it. Readers skip kinds of lines and fields that they don't know;
what would change the meaning of those above raises the version.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import json
import secrets
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.runfile.model import About, BoardEvent, Judged, Run, RunLife, WireFrame
from lwipscope.trace.event import parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.integrity import Gap, Integrity
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import ConsoleText

FORMAT = "lwipscope-run"
VERSION = 1
MOST_BYTES = 1 << 30
"""Of a file when unpacked: a small file must not fill the memory."""
_LEVEL = 6
# What JSON of another shape than ours brings about.
_NOT_OURS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)


def save(run: Run, path: Path) -> None:
    """Write it beside its place and move it there: nobody ever sees half a file."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with beside.open("xb") as raw:
                # No name and no time in it: equal runs make equal files.
                with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                    _write(run, packed)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: the run can't be saved: {error.strerror}") from error


def load(path: Path) -> Run:
    """The run; what is there of a file that was cut off, with `cut` saying so."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    text, cut = _unpacked(path, raw)
    *lines, rest = text.split(b"\n")
    if rest:
        cut = cut or "its last line has no end"
    about = _about(path, lines[0] if lines else rest)
    lives: list[_Building] = []
    ended = False
    count = 1
    for line in lines[1:]:
        try:
            item = json.loads(line)
            ended = _take(item, lives, count)
        except _NOT_OURS as error:
            raise UsageError(
                f"{path}: line {count + 1} is no line of a run file ({error!r}); the file was "
                "changed or damaged. Is there another copy?"
            ) from error
        count += 1
        if ended:
            break
    if not ended:
        after = "1 line" if count == 1 else f"{count} lines"
        cut = f"the run file was cut off after {after} ({cut or 'its end is missing'})"
    elif cut:
        cut = f"the run file was cut off in its checksum, or damaged ({cut})"
    return Run(about, tuple(life.made() for life in lives), cut)


def _write(run: Run, packed: gzip.GzipFile) -> None:
    about = dataclasses.asdict(run.about)
    head = {"format": FORMAT, "version": VERSION, "about": about}
    out = io.BytesIO()
    count = 0
    for item in (head, *_items(run)):
        out.write(_json(item))
        count += 1
        if out.tell() > 1 << 20:
            packed.write(out.getvalue())
            out = io.BytesIO()
    out.write(_json(["end", count]))
    packed.write(out.getvalue())


def _json(item: object) -> bytes:
    return json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _items(run: Run) -> Iterator[list[object]]:
    for life in run.lives:
        yield ["life", life.number, life.stopped, dataclasses.asdict(life.integrity)]
        for each in life.events:
            text = f"{each.event.seq} {each.event.clock_us} {each.said}"
            yield ["e", _ns(each.at_s), text]
        for frame in life.wire:
            data = base64.b64encode(frame.data).decode("ascii")
            fate = [frame.fate] if frame.fate else []
            yield ["w", _ns(frame.at_s), frame.origin, data, frame.event_seq, *fate]
        for note in life.notes:
            yield ["n", _ns(note.at_s), note.who, note.text]
        for piece in life.console:
            yield ["c", _ns(piece.at_s), base64.b64encode(piece.data).decode("ascii")]


def _ns(at_s: float) -> int:
    return round(at_s * 1e9)


def _unpacked(path: Path, raw: bytes) -> tuple[bytes, str]:
    """The text, and why it ends early if it does."""
    if raw[:2] != b"\x1f\x8b":
        raise UsageError(
            f"{path} is no run file: expected one that a run left as NAME.lwiprun; found "
            f"{_looks_like(raw)}"
        )
    unpack = zlib.decompressobj(wbits=31)
    cut = ""
    try:
        text = unpack.decompress(raw, MOST_BYTES)
    except zlib.error as error:
        # A part may have come out before the damage; decompressobj keeps it to itself.
        text, cut = _what_comes_out(raw), f"damaged: {error}"
    if unpack.unconsumed_tail:
        raise UsageError(f"{path}: unpacked it is more than {MOST_BYTES >> 20} MB, too much")
    return text, cut or ("" if unpack.eof else "its packed data ends early")


def _what_comes_out(raw: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    out = []
    try:
        for start in range(0, len(raw), 512):
            out.append(unpack.decompress(raw[start : start + 512]))
    except zlib.error:
        pass
    return b"".join(out)


def _looks_like(raw: bytes) -> str:
    if not raw:
        return "an empty file"
    if raw[:4] in (b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        return "a capture, which tcpdump -r and Wireshark read"
    return f"a file that begins with {raw[:8]!r}"


def _about(path: Path, line: bytes) -> About:
    try:
        head = json.loads(line)
        if head["format"] != FORMAT:
            raise KeyError("format")
        version = int(head["version"])
    except _NOT_OURS as error:
        raise UsageError(
            f"{path} is no run file, or its beginning is damaged: expected a first line with "
            f'"format": "{FORMAT}", found {line[:40]!r}'
        ) from error
    if version != VERSION:
        raise UsageError(
            f"{path} is a run file of version {version}; this lwipscope reads version {VERSION}. "
            "Read it with the lwipscope that wrote it, or a newer one"
        )
    try:
        return _filled(About, head["about"])
    except _NOT_OURS as error:
        raise UsageError(f"{path}: its first line can't be understood: {error!r}") from error


def _filled(kind: type[About], values: dict[str, Any]) -> About:
    known = {each.name for each in dataclasses.fields(kind)}
    given = {key: value for key, value in values.items() if key in known}
    of_judged = {each.name for each in dataclasses.fields(Judged)}
    judged = tuple(
        Judged(**{key: value for key, value in each.items() if key in of_judged})
        for each in given.pop("judged", ())
    )
    remarks = tuple(str(each) for each in given.pop("remarks", ()))
    versions = {str(k): str(v) for k, v in given.pop("versions", {}).items()}
    numbers = {"wall_ns": int(given.pop("wall_ns", 0)), "lasted_s": float(given.pop("lasted_s", 0))}
    texts = {key: str(value) for key, value in given.items()}
    return kind(**texts, **numbers, judged=judged, remarks=remarks, versions=versions)  # type: ignore[arg-type]


class _Building:
    """A life while its lines are read."""

    def __init__(self, number: int, stopped: bool, integrity: Integrity) -> None:
        self.number, self.stopped, self.integrity = number, stopped, integrity
        self.events: list[BoardEvent] = []
        self.wire: list[WireFrame] = []
        self.notes: list[Note] = []
        self.console: list[ConsoleText] = []

    def made(self) -> RunLife:
        return RunLife(
            self.number,
            tuple(self.events),
            tuple(self.wire),
            tuple(self.notes),
            tuple(self.console),
            self.integrity,
            self.stopped,
        )


def _take(item: Any, lives: list[_Building], lines: int) -> bool:
    """Enter one line; True if it was the last."""
    kind = item[0]
    if kind == "end":
        if item[1] != lines:
            raise ValueError(f"{item[1]} lines were written, {lines} are there")
        return True
    if kind == "life":
        lives.append(_Building(int(item[1]), bool(item[2]), _integrity(item[3])))
    elif kind == "e":
        lives[-1].events.append(_event(float(item[1]) / 1e9, item[2]))
    elif kind == "w":
        seq = None if item[4] is None else int(item[4])
        data = base64.b64decode(item[3], validate=True)
        fate = str(item[5]) if len(item) > 5 else ""
        lives[-1].wire.append(WireFrame(float(item[1]) / 1e9, str(item[2]), data, seq, fate))
    elif kind == "n":
        lives[-1].notes.append(Note(float(item[1]) / 1e9, str(item[2]), str(item[3])))
    elif kind == "c":
        data = base64.b64decode(item[2], validate=True)
        lives[-1].console.append(ConsoleText(float(item[1]) / 1e9, data))
    return False


def _event(at_s: float, text: str) -> BoardEvent:
    seq, clock_us, said = text.split(" ", 2)
    kind, _, tail = said.partition(" ")
    return BoardEvent(at_s, parse_event(Frame(int(seq), int(clock_us), kind, tail, b"")), said)


def _integrity(values: dict[str, Any]) -> Integrity:
    known = {each.name for each in dataclasses.fields(Integrity)}
    given = {key: value for key, value in values.items() if key in known}
    gaps: Iterable[dict[str, int]] = given.pop("gaps", ())
    return Integrity(gaps=tuple(Gap(**gap) for gap in gaps), **given)
