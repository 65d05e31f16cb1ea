"""The tracer for other ports: compiled for their processors and both ways of running lwIP, judged
by symbols, and found by MicroPython's own cmake files. Compiled only: no such board exists here."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lwipscope.firmware import overlay, sources
from lwipscope.firmware.sources import Sources

pytestmark = pytest.mark.timeout(240)

ARM = ("-mcpu=cortex-m0plus", "-mthumb")
RISCV = ("-march=rv32imc", "-mabi=ilp32")
# As on rp2 (the socket layer is modlwip, NO_SYS=1), or as on esp32 (lwIP's own sockets).
CASES = {
    "cortex-m0plus": ("arm-none-eabi", ARM, True),
    "riscv": ("riscv64-unknown-elf", RISCV, True),
    "riscv-no-sys-0": ("riscv64-unknown-elf", RISCV, False),
    "cortex-m0plus-no-sys-0": ("arm-none-eabi", ARM, False),
}
PACKAGES = {
    "arm-none-eabi": "gcc-arm-none-eabi libnewlib-dev",
    "riscv64-unknown-elf": "gcc-riscv64-unknown-elf libnewlib-dev",
}
STRICT = (
    "-std=gnu99",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffunction-sections",
    "-ffreestanding",
)
# MicroPython's and lwIP's own code is not written for -Wextra.
FOREIGN = ("-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers")

MPCONFIG = """
#include <stdint.h>
#include <alloca.h>
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_ENABLE_GC (1)
#define MICROPY_ENABLE_FINALISER (1)
#define MICROPY_NLR_SETJMP (1)
#define MICROPY_GCREGS_SETJMP (1)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_SCHEDULER_STATIC_NODES (1)
#define MICROPY_PY_SYS_PLATFORM "test"
#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "test"
#define MICROPY_PY_LWIP_SOCK_RAW (1)
#define MP_STATE_PORT MP_STATE_VM
typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;
#ifndef SSIZE_MAX
#define MP_SSIZE_MAX (0x7fffffff)
#endif
"""
MPCONFIG_LOCKED = """
uint32_t test_lock(void);
void test_unlock(uint32_t state);
#define MICROPY_PY_LWIP_ENTER uint32_t atomic_state = test_lock();
#define MICROPY_PY_LWIP_REENTER atomic_state = test_lock();
#define MICROPY_PY_LWIP_EXIT test_unlock(atomic_state);
"""
MPHAL = """
#include <stddef.h>
#include "shared/runtime/interrupt_char.h"
"""
# As extmod/lwip-include/lwipopts.h, which ports/rp2 takes; or threads and IPv6, as ESP-IDF.
OPTIONS_MODLWIP = """
#define LWIP_IPV6 0
#include "extmod/lwip-include/lwipopts_common.h"
"""
OPTIONS_THREADS = """
#define NO_SYS 0
#define LWIP_TCPIP_CORE_LOCKING %d
#define LWIP_NETCONN 1
#define LWIP_SOCKET 1
#define LWIP_COMPAT_SOCKETS 0
#define LWIP_IPV6 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 4
#define TCP_LISTEN_BACKLOG 1
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_PROVIDE_ERRNO 1
#include <sys/time.h>
"""
CC_H = """
#include <stdint.h>
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) test_assert_failed(x)
void test_assert_failed(const char *text);
#define LWIP_RAND() test_random()
uint32_t test_random(void);
"""
SYS_ARCH_H = """
#include <stdint.h>
typedef struct { void *p; } sys_sem_t, sys_mutex_t, sys_mbox_t;
typedef void *sys_thread_t;
typedef uint32_t sys_prot_t;
#define sys_mutex_valid(m) ((m)->p != 0)
#define sys_mutex_set_invalid(m) ((m)->p = 0)
#define sys_sem_valid(s) ((s)->p != 0)
#define sys_sem_valid_val(s) ((s).p != 0)
#define sys_sem_set_invalid(s) ((s)->p = 0)
#define sys_mbox_valid(m) ((m)->p != 0)
#define sys_mbox_valid_val(m) ((m).p != 0)
#define sys_mbox_set_invalid(m) ((m)->p = 0)
"""
# What the tracer may leave to its surroundings, besides lwIP's functions that it wraps.
MICROPYTHON_API = re.compile(
    r"mp_(?!hal_)\w+|nlr_\w+|qstr_str|netif_default|mp_hal_ticks_us|lock_tcpip_core|"
    r"tcp_active_pcbs|tcp_debug_state_str|ip_data|ip4addr_ntoa_r|ip_addr_any|lwip_nto[hl][sl]|lwip_htonl|"
    r"lwip_htons|sys_mutex_(?:un)?lock|memp_(?:malloc|free)|test_(?:un)?lock|"
    # The compiler's and the C library's.
    r"mem\w+|str\w+|__(?:aeabi|gnu|riscv|u?divdi|u?moddi)\w*|_impure_ptr"
)


@dataclass(frozen=True)
class Built:
    """Object files of one case, by source name: what they define and what they miss."""

    defined: dict[str, set[str]]
    missing: dict[str, set[str]]
    tracer: tuple[str, ...]


@pytest.fixture(scope="module")
def trees() -> Sources:
    return sources.get()


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = overlay.write(tmp_path_factory.mktemp("overlay"))
    assert made.stores == 17
    assert [path.name for path in made.copies] == ["tcp.c", "tcp_in.c"]
    return made.module


def surroundings(folder: Path, trees: Sources, module: Path, options: str, config: str) -> None:
    """A port's headers, as small as they can be."""
    (folder / "genhdr").mkdir(parents=True)
    (folder / "arch").mkdir()
    files = {
        "mpconfigport.h": MPCONFIG + config,
        "mphalport.h": MPHAL,
        "lwipopts.h": options,
        "arch/cc.h": CC_H,
        "arch/sys_arch.h": SYS_ARCH_H,
        "genhdr/mpversion.h": '#define MICROPY_GIT_TAG "v0"\n#define MICROPY_GIT_HASH "0"\n'
        '#define MICROPY_BUILD_DATE "0"\n',
        "genhdr/root_pointers.h": "mp_sched_item_t sched_queue[MICROPY_SCHEDULER_DEPTH];\n"
        "mp_obj_t lwip_slip_stream;\n",
        "genhdr/qstrdefs.generated.h": names(trees.micropython, module),
    }
    for name, text in files.items():
        (folder / name).write_text(text)


def names(micropython: Path, module: Path) -> str:
    """Any number will do for a name that is never looked up."""
    found: set[str] = set()
    for top in (micropython / "py", micropython / "extmod", micropython / "shared", module):
        for path in top.rglob("*.[ch]"):
            found |= set(re.findall(r"\bMP_QSTR_(\w*)", path.read_text(errors="replace")))
    lines = [f'QDEF1(MP_QSTR_{name}, 0, {len(name)}, "{name}")' for name in sorted(found)]
    return "\n".join(['QDEF0(MP_QSTRnull, 0, 0, "")', *lines, ""])


def compiler(prefix: str) -> list[str]:
    """The compiler with its C headers, or a skip that says how to get it."""
    gcc = f"{prefix}-gcc"
    # Debian's only C headers for RISC-V are picolibc's, of 1 GB; newlib's fit all processors.
    for extra in ([], ["-isystem", "/usr/include/newlib"]):
        probe = [gcc, *extra, "-E", "-x", "c", "-"]
        if (
            shutil.which(gcc)
            and not subprocess.run(
                probe,
                input="#include <string.h>\n#include <setjmp.h>\n",
                text=True,
                capture_output=True,
                timeout=60,
            ).returncode
        ):
            return [gcc, *extra]
    pytest.skip(f"type: apt-get install --no-install-recommends {PACKAGES[prefix]}")


def symbols(prefix: str, file: Path, undefined: bool) -> set[str]:
    command = [f"{prefix}-nm", "--undefined-only" if undefined else "--defined-only", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {line.split()[-1] for line in done.stdout.splitlines() if line.strip()}


def compile_all(case: str, trees: Sources, module: Path, folder: Path, locking: int = 1) -> Built:
    prefix, machine, modlwip = CASES[case]
    gcc = compiler(prefix)
    options = OPTIONS_MODLWIP if modlwip else OPTIONS_THREADS % locking
    surroundings(folder, trees, module, options, MPCONFIG_LOCKED if modlwip else "")
    lwip = trees.lwip / "src"
    flags = [*STRICT, *machine, "-DTCPTRACE_OVERLAY=1", f"-I{module}"]
    # Headers of others are not judged.
    for path in (folder, lwip / "include", trees.micropython):
        flags += ["-isystem", str(path)]
    hook = "{ extern void tcptrace_service(void); tcptrace_service(); }"
    flags += [f"-DMICROPY_PY_LWIP={int(modlwip)}", f"-DMICROPY_INTERNAL_EVENT_HOOK={hook}"]
    own = sorted(module.glob("*.c"))
    foreign = [
        *(module / "overlay").rglob("core/*.c"),
        *(lwip / f"core/{name}.c" for name in ("timeouts", "netif", "tcp_out", "ipv4/ip4")),
        trees.micropython / "py/scheduler.c",
        *([module / "overlay/extmod/modlwip.c"] if modlwip else [lwip / "api/api_msg.c"]),
    ]
    built = Built({}, {}, tuple(path.stem for path in own))
    for path in [*own, *foreign]:
        out = folder / f"{path.stem}.o"
        command = [*gcc, *flags, *(FOREIGN if path in foreign else ()), "-c", str(path)]
        done = subprocess.run(
            [*command, "-o", str(out)], capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        built.defined[path.stem] = symbols(prefix, out, False)
        built.missing[path.stem] = symbols(prefix, out, True)
    return built


@pytest.mark.parametrize("case", CASES)
def test_tracer_and_copies_compile_and_fit_together(
    case: str, trees: Sources, module: Path, tmp_path: Path
) -> None:
    """No warning, each hook has its caller, nothing is missing that the port interface has not."""
    built = compile_all(case, trees, module, tmp_path / "work")
    modlwip = CASES[case][2]
    assert {"tcptrace_state", "tcptrace_memp_malloc", "tcptrace_memp_free"} <= built.missing["tcp"]
    assert {"tcptrace_state", "tcptrace_in_pcb"} <= built.missing["tcp_in"]
    assert not built.missing["tcp"] & {"memp_malloc", "memp_free"}
    assert "tcptrace_service" in built.missing["scheduler"]

    wraps = set((module / "wraps.txt").read_text().split())
    wraps |= {"tcp_new"} if modlwip else {"tcp_new_ip_type", "tcp_shutdown"}
    defined = set().union(*(built.defined[name] for name in built.tracer))
    assert {f"__wrap_{name}" for name in wraps} == {n for n in defined if n.startswith("__wrap_")}
    # A call inside the file that defines the function is not wrapped: another one must call it.
    others = set().union(*(built.missing[n] for n in built.missing if n not in built.tracer))
    assert {name for name in wraps if not name.startswith("mp_")} <= others

    missing = set().union(*(built.missing[name] for name in built.tracer)) - defined
    missing -= {f"__real_{name}" for name in wraps}
    assert [name for name in sorted(missing) if not MICROPYTHON_API.fullmatch(name)] == []
    if modlwip:
        assert "tcptrace_lwip_socket_accept" in built.defined["modlwip"]
        assert {"test_lock", "test_unlock"} <= built.missing["stream"] & built.missing["calls"]
    else:
        assert {"sys_mutex_lock", "sys_mutex_unlock"} <= built.missing["stream"]


def test_threads_without_the_core_lock_are_refused(
    trees: Sources, module: Path, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="CONFIG_LWIP_TCPIP_CORE_LOCKING=y"):
        compile_all("cortex-m0plus-no-sys-0", trees, module, tmp_path / "work", locking=0)


# --- cmake -------------------------------------------------------------------------------------

RP2 = """
set(MICROPY_DIR {micropython})
set(MICROPY_PY_LWIP ON)
include({micropython}/py/py.cmake)
include({micropython}/extmod/extmod.cmake)
include({micropython}/py/usermod.cmake)
get_target_property(LWIP micropy_lib_lwip INTERFACE_SOURCES)
"""
ESP32 = """
set(ESP_PLATFORM 1)
add_subdirectory(main)
add_subdirectory(lwip)
cmake_language(DEFER CALL tell)
function(tell)
  get_target_property(LWIP __idf_lwip SOURCES)
  report()
endfunction()
"""
ESP32_MAIN = """
include({micropython}/py/usermod.cmake)
add_library(main STATIC ../main.c)
target_link_libraries(main PRIVATE usermod)
"""
TOP = """
cmake_minimum_required(VERSION 3.19)
project(test C)
function(report)
  get_target_property(WRAPS usermod_tcptrace INTERFACE_LINK_OPTIONS)
  set(seen LWIP ${{LWIP}} ${{MICROPY_SOURCE_USERMOD}} ${{MICROPY_SOURCE_EXTMOD}} ${{WRAPS}})
  foreach(line ${{seen}})
    file(APPEND ${{CMAKE_BINARY_DIR}}/seen.txt "${{line}}\\n")
  endforeach()
endfunction()
"""


def configure(folder: Path, top: str, module: Path) -> list[str]:
    if shutil.which("cmake") is None:
        pytest.skip("type: apt-get install --no-install-recommends cmake")
    (folder / "CMakeLists.txt").write_text(top)
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    command = ["cmake", "-S", str(folder), "-B", str(folder / "build")]
    command += [f"-DUSER_C_MODULES={module}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return (folder / "build/seen.txt").read_text().splitlines()


def test_cmake_as_on_rp2_takes_the_copies(trees: Sources, module: Path, tmp_path: Path) -> None:
    """MicroPython's own cmake files, included in the order of ports/rp2."""
    top = (TOP + RP2).format(micropython=trees.micropython) + "report()\n"
    seen = configure(tmp_path, top, module)
    copies = module / "overlay"
    for name in ("tcp.c", "tcp_in.c"):
        assert [line for line in seen if line.endswith(f"/core/{name}")] == [
            str(copies / "lib/lwip/src/core" / name)
        ]
    assert [x for x in seen if x.endswith("/modlwip.c")] == [str(copies / "extmod/modlwip.c")]
    assert str(module / "port_default.c") in seen
    assert "-Wl,--wrap=tcp_new" in seen
    assert any(line.endswith("/core/tcp_out.c") for line in seen)


def test_cmake_as_on_esp32_takes_the_copies(trees: Sources, module: Path, tmp_path: Path) -> None:
    """Folders in the order that is worse: ESP-IDF's lwip component is declared last."""
    for name, text in (
        ("main", ESP32_MAIN.format(micropython=trees.micropython)),
        ("lwip", "add_library(__idf_lwip STATIC lwip/src/core/tcp.c lwip/src/core/tcp_in.c x.c)\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CMakeLists.txt").write_text(text)
    for name in ("lwip/src/core/tcp.c", "lwip/src/core/tcp_in.c", "x.c"):
        (tmp_path / "lwip" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lwip" / name).write_text("")
    seen = configure(tmp_path, (TOP + ESP32).format(), module)
    copies = module / "overlay/lib/lwip/src/core"
    assert seen[1:4] == [str(copies / "tcp.c"), str(copies / "tcp_in.c"), "x.c"]
    assert {"-Wl,--wrap=tcp_new_ip_type", "-Wl,--wrap=tcp_shutdown"} <= set(seen)
    assert "-Wl,--wrap=tcp_new" not in seen
