"""Generated copies of upstream C files in which the tracer is told what happens.

Called by build.py before make. Source of facts: lwIP 2.2.1, src/core/tcp.c and src/core/tcp_in.c
store a pcb's state in 17 places; MicroPython's socket layer is extmod/modlwip.c. The upstream
trees are not touched: the compiler finds these copies first. A store too many, too few or moved
is an error, since the trace would be wrong without anyone seeing it.
"""

from __future__ import annotations

import re
from pathlib import Path

from lwipscope.errors import BuildError

# Line of each store and the state that is stored, per file.
STORES: dict[str, dict[int, str]] = {
    "src/core/tcp.c": {
        420: "FIN_WAIT_1",
        427: "FIN_WAIT_1",
        434: "LAST_ACK",
        890: "LISTEN",
        1176: "SYN_SENT",
        2212: "CLOSED",
    },
    "src/core/tcp_in.c": {
        680: "SYN_RCVD",
        877: "ESTABLISHED",
        942: "ESTABLISHED",
        983: "CLOSE_WAIT",
        998: "CLOSE_WAIT",
        1011: "TIME_WAIT",
        1015: "CLOSING",
        1019: "FIN_WAIT_2",
        1029: "TIME_WAIT",
        1039: "TIME_WAIT",
        1608: "CLOSE_WAIT",
    },
}

_STORE = re.compile(r"\b(pcb|lpcb|npcb)->state\s*=(?!=)\s*(\w+)\s*;")
# Whatever else could write the field: other names, compound assignments, ++, its address, bit
# operations. Reads (==, !=, arguments) are fine.
SUSPECT = re.compile(
    r"(?:->|\.)\s*state\s*(?:=(?!=)|[-+*/%&|^]=|<<=|>>=|\+\+|--)|(?:\+\+|--)[\w>.-]*state\b"
    r"|(?<!&)&(?!&)\s*\(?\s*\w+(?:->|\.)state\b"
)


def generate(micropython: Path, lwip: Path, folder: Path) -> None:
    """Write all generated sources below `folder`; files that would not change keep their time."""
    for name in STORES:
        write_if_changed(folder / name, traced_copy(lwip, name).encode())
    write_if_changed(folder / "extmod/modlwip.c", socket_layer(micropython))


def socket_layer(micropython: Path) -> bytes:
    """A file that compiles MicroPython's socket layer behind the tracer's header."""
    original = micropython / "extmod/modlwip.c"
    return f'#include "tcptrace_calls.h"\n#include "{original}"\n'.encode()


def traced_copy(lwip: Path, name: str) -> str:
    """lwIP's file `name` with each store `X->state = Y;` as `TCPTRACE_SET_STATE(X, Y, LINE);`."""
    path = lwip / name
    found: dict[int, str] = {}
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _STORE.search(line)
        if match:
            found[number] = match[2]
            line = _STORE.sub(rf"TCPTRACE_SET_STATE(\1, \2, {number});", line, count=1)
        if SUSPECT.search(_without_comments(line)):
            raise _unexpected(path, number, "a store to a state that is not of the known form")
        lines.append(line)
    _require_known(path, found, STORES[name])
    # The name in #line is the same in every folder, so that the firmware is, too.
    return "\n".join(['#include "tcptrace.h"', f'#line 1 "lwip/{name}"', *lines, ""])


def write_if_changed(path: Path, content: bytes) -> None:
    """Leave a file that is right already as it is: make goes by times."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _require_known(path: Path, found: dict[int, str], known: dict[int, str]) -> None:
    for number in sorted(found.keys() | known.keys()):
        if number not in known:
            raise _unexpected(path, number, f"an unknown store of {found[number]}")
        if number not in found:
            raise _unexpected(path, number, f"no store of {known[number]} where one is known")
        if found[number] != known[number]:
            raise _unexpected(
                path, number, f"a store of {found[number]} where {known[number]} is known"
            )


def _unexpected(path: Path, number: int, what: str) -> BuildError:
    known = sum(len(stores) for stores in STORES.values())
    return BuildError(
        f"{path}:{number}: {what}; expected exactly the {known} stores of lwIP 2.2.1, because a "
        "trace that misses one would lie; use unchanged lwIP 2.2.1, or adapt STORES in "
        "generate.py after reading the new code"
    )


def _without_comments(line: str) -> str:
    # Enough for single lines; a comment that spans lines and talks of stores fails safely.
    return re.sub(r"/\*.*?(\*/|$)|//.*", "", line)
