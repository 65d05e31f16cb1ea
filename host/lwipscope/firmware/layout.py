"""Where a firmware keeps its TCP pcbs: what the memory probe has to know of an image.

Made from an ELF file by `elf_layout.read`, kept as JSON (`lwipscope layout`), used by
`board/probe.py`. Addresses are the board's, sizes and offsets bytes. The JSON, format 1:

    format       1
    machine      as the ELF file names it, e.g. EM_ARM
    elf          {"sha256", "build_id"}: of the file; build_id is GNU's note or ""
    heads        {"listen", "bound", "active", "tw"}: addresses of the four lists' heads
    lists        address of lwIP's constant table of these heads (tcp_pcb_lists), or 0
    structs      {"tcp_pcb", "tcp_pcb_listen"}: {"size", "fields": {NAME: [offset, size]}}
    states       {NAME: number} of enum tcp_state
    ip           {"size", "type": offset of the type byte, or -1 where there is IPv4 or IPv6 only}
    ranges       [[start, end], ...]: no pcb is outside of these
    most         no list is longer than this
    fingerprint  {"words": [[address, value], ...], "crc": [start, size, CRC-32] or null,
                 "sha256_at": address of the ELF file's SHA-256 in the image (ESP-IDF), or 0}

Fields are those of lwIP's struct tcp_pcb and tcp_pcb_listen (lwip/tcp.h, TCP_PCB_COMMON).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError

FORMAT = 1
LISTS = ("listen", "bound", "active", "tw")


@dataclass(frozen=True, slots=True)
class Struct:
    """A C struct: its size, and offset and size of the fields that are of use."""

    size: int
    fields: Mapping[str, tuple[int, int]]

    def offset(self, name: str) -> int:
        return self.fields[name][0]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What must be found in a board's memory if the layout is that of its image."""

    words: tuple[tuple[int, int], ...]
    crc: tuple[int, int, int] | None
    sha256_at: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """See the module's text."""

    machine: str
    sha256: str
    build_id: str
    heads: Mapping[str, int]
    lists: int
    structs: Mapping[str, Struct]
    states: Mapping[str, int]
    ip_size: int
    ip_type: int
    ranges: tuple[tuple[int, int], ...]
    most: int
    fingerprint: Fingerprint

    def as_json(self) -> str:
        """The file's text."""
        return json.dumps(
            {
                "format": FORMAT,
                "machine": self.machine,
                "elf": {"sha256": self.sha256, "build_id": self.build_id},
                "heads": dict(self.heads),
                "lists": self.lists,
                "structs": {name: asdict(struct) for name, struct in self.structs.items()},
                "states": dict(self.states),
                "ip": {"size": self.ip_size, "type": self.ip_type},
                "ranges": self.ranges,
                "most": self.most,
                "fingerprint": asdict(self.fingerprint),
            },
            indent=1,
        )

    @classmethod
    def load(cls, path: Path) -> Layout:
        """Read a file that `lwipscope layout` wrote; UsageError if it is none."""
        try:
            data = json.loads(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from error
        except ValueError:
            data = None
        seen = data.get("format") if isinstance(data, dict) else "no JSON object"
        if seen != FORMAT:
            raise UsageError(
                f"{path}: expected a layout of format {FORMAT}, found {seen!r}; make it again: "
                "lwipscope layout FIRMWARE.elf -o layout.json"
            )
        try:
            return _from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{path}: the layout is damaged ({error!r}); make it again: "
                "lwipscope layout FIRMWARE.elf -o layout.json"
            ) from error


def _from_json(data: dict[str, Any]) -> Layout:
    prints = data["fingerprint"]
    crc = prints["crc"]
    return Layout(
        str(data["machine"]),
        str(data["elf"]["sha256"]),
        str(data["elf"]["build_id"]),
        {name: int(data["heads"][name]) for name in LISTS},
        int(data["lists"]),
        {
            name: Struct(
                int(struct["size"]),
                {field: (int(at), int(size)) for field, (at, size) in struct["fields"].items()},
            )
            for name, struct in ((n, data["structs"][n]) for n in ("tcp_pcb", "tcp_pcb_listen"))
        },
        {str(name): int(value) for name, value in data["states"].items()},
        int(data["ip"]["size"]),
        int(data["ip"]["type"]),
        tuple((int(start), int(end)) for start, end in data["ranges"]),
        int(data["most"]),
        Fingerprint(
            tuple((int(at), int(word)) for at, word in prints["words"]),
            None if crc is None else (int(crc[0]), int(crc[1]), int(crc[2])),
            int(prints["sha256_at"]),
        ),
    )
