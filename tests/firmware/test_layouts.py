"""Layouts out of linked ELF files: our real firmware, and small programs for other machines.

The small ones include lwIP's real headers and are compiled and linked, not run. What a compiler
laid out it tells itself: the program holds `offsetof` of each field as constants.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from lwipscope import toolchain
from lwipscope.errors import UsageError
from lwipscope.firmware import elf_layout
from lwipscope.firmware import sources as upstream
from lwipscope.firmware.layout import Layout
from lwipscope.firmware.selection import choose


@dataclass(frozen=True)
class Machine:
    name: str
    compiler: str
    package: str
    flags: tuple[str, ...] = ()
    enum_bytes: int = 4


MACHINES = (
    Machine("EM_ARM", "arm-none-eabi-gcc", "gcc-arm-none-eabi", ("-mcpu=cortex-m0plus",), 1),
    Machine(
        *("EM_RISCV", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
        ("-march=rv32imc", "-mabi=ilp32"),
    ),
    Machine("EM_XTENSA", "xtensa-lx106-elf-gcc", "gcc-xtensa-lx106"),
)
FIELDS = {
    "tcp_pcb": (
        *("next", "state", "local_port", "local_ip", "remote_port", "remote_ip"),
        *("tmr", "rcv_nxt", "callback_arg"),
    ),
    "tcp_pcb_listen": ("next", "state", "local_port", "local_ip"),
}
OPTIONS = {
    "small": "#define LWIP_IPV6 0\n",
    "both-families": "#define LWIP_IPV6 1\n",
    "rich": "#define LWIP_IPV6 1\n#define LWIP_WND_SCALE 1\n#define TCP_RCV_SCALE 1\n"
    "#define TCP_WND 65535\n#define LWIP_TCP_TIMESTAMPS 1\n#define LWIP_TCP_KEEPALIVE 1\n"
    "#define LWIP_TCP_SACK_OUT 1\n#define SO_REUSE 1\n",
}
BASE = """
#define NO_SYS 1
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_CALLBACK_API 1
#define LWIP_NO_UNISTD_H 1
#define MEMP_MEM_MALLOC 0
"""
CC = """
#include <stdint.h>
#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define INT_MAX 2147483647
#define BYTE_ORDER LITTLE_ENDIAN
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x)
#define LWIP_RAND() 4
"""
POOLS = """
char memp_memory_TCP_PCB_base[5 * sizeof(struct tcp_pcb) + 3];
char memp_memory_TCP_PCB_LISTEN_base[8 * sizeof(struct tcp_pcb_listen) + 3];
"""
PROGRAM = """
#include <stddef.h>
#include "lwip/priv/tcp_priv.h"
union tcp_listen_pcbs_t tcp_listen_pcbs;
struct tcp_pcb *tcp_bound_pcbs, *tcp_active_pcbs, *tcp_tw_pcbs;
struct tcp_pcb **const tcp_pcb_lists[] = {&tcp_listen_pcbs.pcbs, &tcp_bound_pcbs,
                                          &tcp_active_pcbs, &tcp_tw_pcbs};
"""


def needed(machine: Machine) -> None:
    if shutil.which(machine.compiler) is None:
        pytest.skip(
            f"{machine.compiler} is not installed; "
            f"type: sudo apt-get install --no-install-recommends {machine.package}"
        )


@pytest.fixture(scope="module")
def lwip() -> Path:
    return upstream.get().lwip


def linked(
    folder: Path,
    lwip: Path,
    machine: Machine,
    *,
    options: str = OPTIONS["small"],
    program: str = PROGRAM + POOLS,
    flags: tuple[str, ...] = ("-g",),
) -> Path:
    needed(machine)
    (folder / "arch").mkdir(exist_ok=True)
    (folder / "arch/cc.h").write_text(CC)
    (folder / "string.h").write_text("#include <stddef.h>\n")
    (folder / "lwipopts.h").write_text(BASE + options)
    text = program
    for struct, fields in FIELDS.items():
        body = ", ".join(f"offsetof(struct {struct}, {field})" for field in fields)
        if "tcp_priv.h" in program:
            text += f"const unsigned expected_{struct}[] = {{sizeof(struct {struct}), {body}}};\n"
    (folder / "program.c").write_text(text + "void _start(void) { for (;;) { } }\n")
    elf = folder / "firmware.elf"
    done = subprocess.run(
        [
            *(machine.compiler, *machine.flags, "-Os", "-ffreestanding", "-nostdlib", *flags),
            *(f"-I{folder}", f"-I{lwip / 'src/include'}", str(folder / "program.c")),
            *("-o", str(elf)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return elf


def constants(elf: Path, name: str) -> tuple[int, ...]:
    """What the program itself holds under this name."""
    with elf.open("rb") as file:
        read: Any = ELFFile(file)
        (symbol,) = read.get_section_by_name(".symtab").get_symbol_by_name(name)
        section = read.get_section(symbol["st_shndx"])
        at = symbol["st_value"] - section["sh_addr"]
        return unpack_from(f"<{symbol['st_size'] // 4}I", section.data(), at)


def check_layout(layout: Layout, elf: Path) -> None:
    for struct, fields in FIELDS.items():
        size, *offsets = constants(elf, f"expected_{struct}")
        assert layout.structs[struct].size == size
        found = layout.structs[struct].fields
        wanted = dict(zip(fields, offsets, strict=True))
        assert {field: found[field][0] for field in fields} == wanted


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_every_offset_is_the_compilers_own(
    machine: Machine, options: str, lwip: Path, tmp_path: Path
) -> None:
    elf = linked(tmp_path, lwip, machine, options=OPTIONS[options])
    layout = elf_layout.read(elf)
    check_layout(layout, elf)
    assert layout.machine == machine.name
    assert layout.structs["tcp_pcb"].fields["state"][1] == machine.enum_bytes
    assert layout.ip_type == (-1 if options == "small" else 20)
    assert layout.ip_size == (4 if options == "small" else 24)
    assert constants(elf, "tcp_pcb_lists") == tuple(layout.heads.values())
    size = layout.structs["tcp_pcb"].size
    assert layout.ranges[0][1] - layout.ranges[0][0] == 5 * size + 3
    assert layout.most == 8


def test_pcbs_from_the_heap_need_to_be_told_where_it_is(lwip: Path, tmp_path: Path) -> None:
    elf = linked(tmp_path, lwip, MACHINES[0], program=PROGRAM)
    with pytest.raises(UsageError, match="--ram START-END"):
        elf_layout.read(elf)
    layout = elf_layout.read(elf, [(0x20000000, 0x20040000)])
    assert layout.ranges == ((0x20000000, 0x20040000),)
    heap = linked(tmp_path, lwip, MACHINES[0], program=PROGRAM + "char ram_heap[4096];\n")
    ((start, end),) = elf_layout.read(heap).ranges
    assert end - start == 4096


@pytest.mark.parametrize(
    ("machine", "memory", "wanted"),
    [(MACHINES[1], 0x3FC90000, (0x3FC80000, 0x3FCE0000)), (MACHINES[2], 0x3FFB0000, None)],
    ids=["esp32-c3", "esp32"],
)
def test_an_espressif_chips_memory_is_known(
    machine: Machine, memory: int, wanted: tuple[int, int] | None, lwip: Path, tmp_path: Path
) -> None:
    description = "const char esp_app_desc[256] = {0x32, 0x54, (char)0xCD, (char)0xAB};\n"
    flags = ("-g", f"-Wl,-Tbss={memory:#x}", f"-Wl,--section-start=.sbss={memory:#x}")
    elf = linked(tmp_path, lwip, machine, program=PROGRAM + description, flags=flags)
    layout = elf_layout.read(elf)
    assert layout.ranges == (wanted or (0x3FFAE000, 0x40000000),)
    at = constants_address(elf, "esp_app_desc")
    assert layout.fingerprint.sha256_at == at + 176


def constants_address(elf: Path, name: str) -> int:
    with elf.open("rb") as file:
        read: Any = ELFFile(file)
        return int(read.get_section_by_name(".symtab").get_symbol_by_name(name)[0]["st_value"])


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_what_link_time_optimisation_took_away_is_named(
    machine: Machine, lwip: Path, tmp_path: Path
) -> None:
    # Nothing uses the lists, so the optimiser takes them away, but not tcp_input().
    program = PROGRAM + POOLS
    keeps = "__attribute__((used)) void tcp_input(struct pbuf *p, struct netif *n) { }\n"
    flags = ("-g", "-flto", "-Wl,--gc-sections", "-Wl,-u,tcp_input", "-fdata-sections")
    elf = linked(tmp_path, lwip, machine, program=program + keeps, flags=flags)
    with pytest.raises(UsageError, match="link-time optimisation"):
        elf_layout.read(elf)


def test_what_is_missing_is_named(lwip: Path, tmp_path: Path) -> None:
    machine = MACHINES[0]
    without_g = linked(tmp_path, lwip, machine, flags=())
    with pytest.raises(UsageError, match="Build with -g"):
        elf_layout.read(without_g)
    without_lwip = linked(tmp_path, lwip, machine, program="int x;\n")
    with pytest.raises(UsageError, match="no lwIP TCP in it"):
        elf_layout.read(without_lwip)
    heads = "void *tcp_listen_pcbs, *tcp_bound_pcbs, *tcp_active_pcbs, *tcp_tw_pcbs;\n"
    without_types = linked(tmp_path, lwip, machine, program=heads)
    with pytest.raises(UsageError, match="compiled without -g"):
        elf_layout.read(without_types)
    stripped = linked(tmp_path, lwip, machine, flags=("-g", "-s"))
    with pytest.raises(UsageError, match="no symbols"):
        elf_layout.read(stripped)
    with pytest.raises(UsageError, match="take the linked file"):
        elf_layout.read(linked(tmp_path, lwip, machine, flags=("-g", "-c")))


@pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)
@pytest.mark.parametrize(("profile", "pcbs"), [("roomy", 16), ("rp2", 5)])
def test_our_own_firmware(profile: Any, pcbs: int) -> None:
    elf = choose(profile).elf
    layout = elf_layout.read(elf)
    assert constants(elf, "tcp_pcb_lists") == tuple(layout.heads.values())
    size = layout.structs["tcp_pcb"].size
    assert layout.ranges[0][1] - layout.ranges[0][0] == pcbs * size + 3
    assert layout.structs["tcp_pcb"].fields["state"][1] == 1
    assert layout.fingerprint.crc is not None
