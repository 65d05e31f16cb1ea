"""Reads a layout out of a firmware's ELF file: symbols and debug information.

Needs pyelftools, which is an extra: `pip install lwipscope[elf]`. Called by `lwipscope layout` and
by `board/probe.py`. Works for any 32-bit machine. Sources: lwIP 2.2.1 priv/tcp_priv.h (the lists),
memp.h (LWIP_MEMPOOL_DECLARE: pool NAME is `memp_memory_NAME_base`), mem.c (`ram_heap`); DWARF 5;
ESP-IDF's esp_app_desc.h (esp_app_desc_t: the ELF file's SHA-256 is at offset 176, written into the
image after linking).
"""

from __future__ import annotations

import hashlib
import importlib
import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.firmware import debug_info
from lwipscope.firmware.layout import LISTS, Fingerprint, Layout

# lwIP's names of the heads: in tcp_pcb_lists' order, the listeners' is a union (priv/tcp_priv.h).
_HEADS = {name: f"tcp_{name}_pcbs" for name in LISTS}
_POOLS = ("memp_memory_TCP_PCB_base", "memp_memory_TCP_PCB_LISTEN_base")
_HEAP_MOST = 64
_WORDS = 32
_CRC_MOST = 1 << 20
_ESP_DESCRIPTION, _ESP_SHA256_OFFSET = "esp_app_desc", 176
_SHF_WRITE, _SHF_ALLOC = 1, 2

# Data memory of chips whose lwIP takes pcbs from the heap, by what the heads' addresses are within.
# Source: Espressif's technical reference manuals, "System and Memory". Not tried on hardware.
_CHIP_MEMORY: tuple[tuple[str, int, int], ...] = (
    ("EM_XTENSA", 0x3FFAE000, 0x40000000),  # ESP32, ESP32-S2
    ("EM_XTENSA", 0x3FC88000, 0x3FD00000),  # ESP32-S3
    ("EM_RISCV", 0x3FC80000, 0x3FCE0000),  # ESP32-C3
    ("EM_RISCV", 0x40800000, 0x40880000),  # ESP32-C6, ESP32-H2
)


def read(path: Path, ram: Sequence[tuple[int, int]] = ()) -> Layout:
    """The layout of an ELF file. `ram`: where pcbs may be, if the file does not tell.

    UsageError says what the file lacks.
    """
    elffile, damage = _library()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    if not content.startswith(b"\x7fELF"):
        raise UsageError(
            f"{path} is no ELF file: it starts with {content[:4]!r}. A .bin, .uf2 or .hex image "
            "has no symbols; the ELF file is what the linker left beside it (firmware.elf)"
        )
    with path.open("rb") as file:
        try:
            elf = elffile.ELFFile(file)
            if elf.elfclass != 32 or not elf.little_endian:
                raise UsageError(f"{path}: expected a 32-bit little-endian ELF file")
            return _Reader(path, elf, content).layout(ram)
        except damage as error:
            raise UsageError(
                f"{path} is a damaged ELF file: {error or type(error).__name__}; fetch or build it "
                "again"
            ) from error


def load(path: Path) -> Layout:
    """The layout in a file that `lwipscope layout` wrote, or that of an ELF file."""
    try:
        with path.open("rb") as file:
            is_elf = file.read(4) == b"\x7fELF"
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    return read(path) if is_elf else Layout.load(path)


def _library() -> tuple[Any, tuple[type[Exception], ...]]:
    """pyelftools, and what it raises for files that are damaged."""
    try:
        elffile = importlib.import_module("elftools.elf.elffile")
        exceptions = importlib.import_module("elftools.common.exceptions")
        construct = importlib.import_module("elftools.construct")
    except ImportError as error:
        raise UsageError(
            "reading an ELF file needs pyelftools, which is not installed; "
            "type: pip install lwipscope[elf]"
        ) from error
    own = (exceptions.ELFError, exceptions.DWARFError, construct.ConstructError)
    # Its parsers trust their input, so these come as well.
    return elffile, (*own, ArithmeticError, AssertionError, AttributeError, LookupError, ValueError)


class _Reader:
    """One open ELF file."""

    def __init__(self, path: Path, elf: Any, content: bytes) -> None:
        self._path, self._elf, self._content = path, elf, content
        self._symbols = self._read_symbols()

    def layout(self, ram: Sequence[tuple[int, int]]) -> Layout:
        heads = self._heads()
        lists = self._symbols.get("tcp_pcb_lists", (0, 0))[0]
        if not self._elf.has_dwarf_info():
            raise self._lacks(
                "no debug information",
                "the layout of struct tcp_pcb comes from there. Build with -g, and take the ELF "
                "file before it is stripped",
            )
        types = debug_info.read(self._elf.get_dwarf_info(), str(self._path))
        ranges, most = self._ranges(heads, types, ram)
        return Layout(
            str(self._elf["e_machine"]),
            hashlib.sha256(self._content).hexdigest(),
            self._build_id(),
            heads,
            lists,
            types.structs,
            types.states,
            types.ip_size,
            types.ip_type,
            ranges,
            most,
            self._fingerprint(lists, heads),
        )

    # Symbols.

    def _read_symbols(self) -> dict[str, tuple[int, int]]:
        """Data objects by name: address and size. LTO's suffixes are taken off."""
        table = self._elf.get_section_by_name(".symtab")
        if table is None:
            raise self._lacks("no symbols", "it was stripped; take the file that the linker wrote")
        found: dict[str, tuple[int, int]] = {}
        self._functions: set[str] = set()
        for symbol in table.iter_symbols():
            plain = re.sub(r"\.(lto_priv|llvm|constprop|isra|part)\.\d+$", "", symbol.name)
            if symbol["st_info"]["type"] == "STT_FUNC":
                self._functions.add(plain)
            # Common symbols and undefined ones (of a file that is not linked) have no address.
            elif isinstance(symbol["st_shndx"], int):
                found.setdefault(plain, (symbol["st_value"], symbol["st_size"]))
        return found

    def _heads(self) -> dict[str, int]:
        if self._elf["e_type"] != "ET_EXEC":
            raise self._lacks(
                f"no addresses yet: its type is {self._elf['e_type']}, expected ET_EXEC",
                "take the linked file, not an object file or a library",
            )
        missing = [symbol for symbol in _HEADS.values() if symbol not in self._symbols]
        if not missing:
            return {name: self._symbols[symbol][0] for name, symbol in _HEADS.items()}
        has_lwip = self._functions.intersection(("tcp_input", "tcp_slowtmr", "tcp_connect"))
        if len(missing) < len(_HEADS) or has_lwip:
            raise self._lacks(
                f"lwIP's TCP in it, but not its variables {', '.join(missing)}",
                "link-time optimisation may have taken them away; build without -flto",
            )
        raise self._lacks("no lwIP TCP in it", f"looked for the variables {', '.join(missing)}")

    def _lacks(self, what: str, advice: str) -> UsageError:
        return UsageError(f"{self._path} has {what}; {advice}")

    # Where pcbs may be.

    def _ranges(
        self, heads: dict[str, int], types: debug_info.Types, ram: Sequence[tuple[int, int]]
    ) -> tuple[tuple[tuple[int, int], ...], int]:
        pools = [self._symbols[name] for name in _POOLS if name in self._symbols]
        if len(pools) == len(_POOLS) and all(size for _at, size in pools):
            most = max(
                size // types.structs[name].size
                for (_at, size), name in zip(pools, ("tcp_pcb", "tcp_pcb_listen"), strict=True)
            )
            return tuple((at, at + size) for at, size in pools), most
        if ram:
            return tuple(ram), _HEAP_MOST
        heap = self._symbols.get("ram_heap")
        if heap is not None and heap[1]:
            return ((heap[0], heap[0] + heap[1]),), _HEAP_MOST
        machine = self._elf["e_machine"]
        for chip, start, end in _CHIP_MEMORY:
            if chip == machine and all(start <= head < end for head in heads.values()):
                return ((start, end),), _HEAP_MOST
        raise self._lacks(
            f"no pools of pcbs ({', '.join(_POOLS)}), so lwIP takes them from the heap",
            "say where that is, or pointers can't be checked: --ram START-END, "
            "e.g. --ram 0x20000000-0x20040000",
        )

    # Which image it is.

    def _build_id(self) -> str:
        note = self._elf.get_section_by_name(".note.gnu.build-id")
        return "" if note is None else note.data()[16:].hex()

    def _fingerprint(self, lists: int, heads: dict[str, int]) -> Fingerprint:
        section, data = self._constants(lists)
        base = section["sh_addr"]
        # Beside the checksum: for boards without binascii, and the first to differ.
        places = {lists} | {lists + 4 * i for i in range(4)} if lists else set()
        step = max(4, len(data) // _WORDS & ~3)
        places |= {base + at for at in range(0, len(data) - 3, step)}
        words = tuple(
            (at, int.from_bytes(data[at - base : at - base + 4], "little"))
            for at in sorted(places)
            if at % 4 == 0 and 0 <= at - base <= len(data) - 4
        )
        table = [word for at, word in words if lists <= at < lists + 16]
        if lists and sorted(table) != sorted(heads.values()):
            raise self._lacks(
                "a tcp_pcb_lists that does not name its four lists",
                "this lwIP is not one of those that are known (2.0 to 2.2)",
            )
        size = min(len(data), _CRC_MOST)
        description = self._symbols.get(_ESP_DESCRIPTION)
        return Fingerprint(
            words,
            (base, size, zlib.crc32(data[:size])),
            description[0] + _ESP_SHA256_OFFSET if description else 0,
        )

    def _constants(self, lists: int) -> tuple[Any, bytes]:
        """The section of constants: that of tcp_pcb_lists, else the largest of the image."""
        fitting = [
            section
            for section in self._elf.iter_sections()
            if section["sh_flags"] & (_SHF_ALLOC | _SHF_WRITE) == _SHF_ALLOC
            and section["sh_type"] == "SHT_PROGBITS"
            and section["sh_size"] >= 16
        ]
        holding = [s for s in fitting if s["sh_addr"] <= lists < s["sh_addr"] + s["sh_size"]]
        chosen = holding or sorted(fitting, key=_size, reverse=True)
        if not chosen:
            raise self._lacks("no constants", "so a running image can't be told from others")
        return chosen[0], chosen[0].data()


def _size(section: Any) -> int:
    return int(section["sh_size"])


def parse_ranges(texts: Iterable[str]) -> list[tuple[int, int]]:
    """`0x20000000-0x20040000` as numbers; UsageError if it is something else."""
    found = []
    for text in texts:
        match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)-(0x[0-9a-fA-F]+|\d+)", text)
        start, end = (int(word, 0) for word in match.groups()) if match else (0, 0)
        if not start < end <= 1 << 32:
            raise UsageError(f"{text!r} is no memory range; write START-END, as in 0x3000-0x5000")
        found.append((start, end))
    return found
