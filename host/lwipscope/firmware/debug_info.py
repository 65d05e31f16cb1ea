"""The types of lwIP's TCP as a compiler laid them out, from DWARF debug information.

Called by `elf_layout`. Offsets and sizes differ between compilers: an enum has one byte on bare
Arm and four on Xtensa and RISC-V, and addresses grow with IPv6. Source: DWARF 5 (chapter 5, type
entries), lwIP 2.2.1 tcp.h, ip_addr.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.firmware.layout import Struct
from lwipscope.tcp.state import State

_COMMON = ("next", "state", "local_port", "local_ip")
_STRUCTS: Mapping[str, tuple[str, ...]] = {
    "tcp_pcb": (*_COMMON, "remote_port", "remote_ip"),
    "tcp_pcb_listen": _COMMON,
}
# Of use to people who look further; a stack built without them is no reason to give up.
_MORE = ("so_options", "prio", "flags", "tmr", "rcv_nxt", "snd_nxt", "lastack", "callback_arg")
_SOURCES = ("core/tcp.c", "core/tcp_in.c", "core/tcp_out.c")
_TRANSPARENT = ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type")


@dataclass(frozen=True, slots=True)
class Types:
    """struct tcp_pcb and tcp_pcb_listen, enum tcp_state, and ip_addr_t."""

    structs: Mapping[str, Struct]
    states: Mapping[str, int]
    ip_size: int
    ip_type: int
    """Offset of the byte that tells IPv6 (6) from IPv4 (0), or -1 if there is none."""


def read(dwarf: Any, name: str) -> Types:
    """From the first unit that defines all; `name` is for the message."""
    for unit in _units(dwarf):
        dies = {
            (die.tag, _name(die)): die
            for die in unit.iter_DIEs()
            if die.tag in ("DW_TAG_structure_type", "DW_TAG_enumeration_type")
            and "DW_AT_byte_size" in die.attributes
        }
        bodies = {struct: dies.get(("DW_TAG_structure_type", struct)) for struct in _STRUCTS}
        states = dies.get(("DW_TAG_enumeration_type", "tcp_state"))
        if states is not None and all(bodies.values()):
            return _types(bodies, states, name)
    raise UsageError(
        f"{name} has debug information, but none of struct {' and '.join(_STRUCTS)}: lwIP itself "
        "was compiled without -g; build all of it with -g"
    )


def _units(dwarf: Any) -> Iterator[Any]:
    """lwIP's own first: a large firmware has hundreds of others."""
    later = []
    for unit in dwarf.iter_CUs():
        if _name(unit.get_top_DIE()).endswith(_SOURCES):
            yield unit
        else:
            later.append(unit)
    yield from later


def _types(bodies: Mapping[str, Any], states: Any, name: str) -> Types:
    structs = {}
    for struct, wanted in _STRUCTS.items():
        members = {_name(c): c for c in bodies[struct].iter_children() if _is_member(c)}
        missing = [field for field in wanted if field not in members]
        if missing:
            raise UsageError(
                f"{name}: struct {struct} has no {', '.join(missing)}; this lwIP is not one of "
                "those that are known (2.0 to 2.2)"
            )
        fields = {
            field: (_offset(members[field]), _sized(members[field]))
            for field in (*wanted, *_MORE)
            if field in members
        }
        structs[struct] = Struct(int(bodies[struct].attributes["DW_AT_byte_size"].value), fields)
    members = {_name(c): c for c in bodies["tcp_pcb"].iter_children() if _is_member(c)}
    address = _resolved(members["local_ip"])
    kinds = [c for c in address.iter_children() if _is_member(c) and _name(c) == "type"]
    return Types(
        structs,
        _states(states, name),
        structs["tcp_pcb"].fields["local_ip"][1],
        _offset(kinds[0]) if kinds else -1,
    )


def _states(die: Any, name: str) -> dict[str, int]:
    values = {
        _name(child): int(child.attributes["DW_AT_const_value"].value)
        for child in die.iter_children()
    }
    if values != {state.name: state.value for state in State}:
        raise UsageError(
            f"{name}: enum tcp_state is {values}, expected lwIP's eleven states from CLOSED=0 to "
            "TIME_WAIT=10"
        )
    return values


def _is_member(die: Any) -> bool:
    return bool(die.tag == "DW_TAG_member")


def _offset(die: Any) -> int:
    return int(die.attributes["DW_AT_data_member_location"].value)


def _resolved(die: Any) -> Any:
    """The type of a member, behind typedefs and qualifiers."""
    found = die.get_DIE_from_attribute("DW_AT_type")
    while found.tag in _TRANSPARENT:
        found = found.get_DIE_from_attribute("DW_AT_type")
    return found


def _sized(die: Any) -> int:
    found = _resolved(die)
    size = found.attributes.get("DW_AT_byte_size")
    return 4 if size is None else int(size.value)  # pointers may come without


def _name(die: Any) -> str:
    attribute = die.attributes.get("DW_AT_name")
    return attribute.value.decode("utf-8", "replace") if attribute is not None else ""
