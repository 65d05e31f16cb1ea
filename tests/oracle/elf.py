"""Where a firmware keeps its pcbs: from the ELF file's symbols and debug information.

Nothing of it comes from the tracer. Source: lwIP 2.2.1 memp.h (LWIP_MEMPOOL_DECLARE: the pool
NAME is `memp_memory_NAME_base`, aligned, and the head of its free list `memp_tab_NAME`), tcp.h
(struct tcp_pcb, tcp_pcb_listen, enum tcp_state).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_ALIGNMENT = 4  # MEM_ALIGNMENT
# Pool as the serial protocol calls it: lwIP's name of the pool, and what is in it.
_POOLS = {"pcb": ("TCP_PCB", "tcp_pcb"), "lpcb": ("TCP_PCB_LISTEN", "tcp_pcb_listen")}
_SOURCES = ("core/tcp.c", "core/tcp_in.c")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool's slots in memory; `head` is the address of its free list's head."""

    name: str
    head: int
    base: int
    slot_size: int
    count: int
    state_offset: int

    @property
    def slots(self) -> list[int]:
        """The slots' addresses."""
        return [self.base + i * self.slot_size for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the watcher has to know of one firmware."""

    pools: tuple[Pool, ...]
    states: tuple[str, ...]  # by value, in lwIP's spelling
    functions: tuple[tuple[int, int, str], ...]  # begin, end, name; ascending
    files: tuple[tuple[int, str], ...]  # first address, FILE or ""; ascending

    @classmethod
    def read(cls, path: Path) -> Layout:
        """From an ELF file with debug information."""
        with path.open("rb") as file:
            elf = ELFFile(file)
            table = elf.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection), f"{path} has no symbols"
            symbols = list(table.iter_symbols())
            objects = {
                s.name: (s["st_value"], s["st_size"])
                for s in symbols
                if s["st_info"]["type"] == "STT_OBJECT"
            }
            functions = sorted(
                (s["st_value"] & ~1, (s["st_value"] & ~1) + s["st_size"], s.name)
                for s in symbols
                if s["st_info"]["type"] == "STT_FUNC" and s["st_size"]
            )
            dwarf = elf.get_dwarf_info()
            units = {
                source: unit
                for unit in dwarf.iter_CUs()
                for source in _SOURCES
                if _name(unit.get_top_DIE()).endswith(source)
            }
            dies = list(units[_SOURCES[0]].iter_DIEs())
            pools = tuple(
                _pool(name, *objects[f"memp_memory_{of}_base"], objects[f"memp_tab_{of}"][0], body)
                for name, (of, kind) in _POOLS.items()
                for body in [_the_one(dies, "DW_TAG_structure_type", kind)]
            )
            files = sorted(place for unit in units.values() for place in _places(dwarf, unit))
            return cls(pools, _states(dies), tuple(functions), tuple(files))

    def function(self, pc: int) -> str:
        """The function that an address is in."""
        index = bisect_right(self.functions, (pc, 1 << 32, "")) - 1
        begin, end, name = self.functions[index]
        return name if begin <= pc < end else "?"

    def file(self, pc: int) -> str:
        """tcp.c or tcp_in.c if an address is in code of it, else nothing."""
        index = bisect_right(self.files, (pc, "\x7f")) - 1
        return self.files[index][1] if index >= 0 else ""


def _pool(name: str, memory: int, size: int, head: int, body: Any) -> Pool:
    """`memory` has room for aligning the slots in it."""
    slot_size = -(-body.attributes["DW_AT_byte_size"].value // _ALIGNMENT) * _ALIGNMENT
    count, rest = divmod(size - (_ALIGNMENT - 1), slot_size)
    assert rest == 0, f"{size} bytes are no slots of {slot_size}"
    offset = next(
        child.attributes["DW_AT_data_member_location"].value
        for child in body.iter_children()
        if child.tag == "DW_TAG_member" and _name(child) == "state"
    )
    base = -(-memory // _ALIGNMENT) * _ALIGNMENT
    return Pool(name, head, base, slot_size, count, offset)


def _states(dies: list[Any]) -> tuple[str, ...]:
    children = _the_one(dies, "DW_TAG_enumeration_type", "tcp_state").iter_children()
    values = {_name(child): child.attributes["DW_AT_const_value"].value for child in children}
    assert sorted(values.values()) == list(range(len(values)))
    return tuple(sorted(values, key=values.__getitem__))


def _the_one(dies: list[Any], tag: str, name: str) -> Any:
    (found,) = (
        die
        for die in dies
        if die.tag == tag and _name(die) == name and "DW_AT_byte_size" in die.attributes
    )
    return found


def _name(die: Any) -> str:
    attribute = die.attributes.get("DW_AT_name")
    return attribute.value.decode() if attribute is not None else ""


def _places(dwarf: Any, unit: Any) -> Iterator[tuple[int, str]]:
    program = dwarf.line_program_for_CU(unit)
    # DWARF 5 counts files from 0, the versions before it from 1.
    first = 0 if program["version"] >= 5 else 1
    names = [entry.name.decode() for entry in program["file_entry"]]
    for entry in program.get_entries():
        state = entry.state
        if state is not None:
            yield state.address, "" if state.end_sequence else names[state.file - first]
