"""The traced copies of lwIP's files: exactly the known stores, or no firmware."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lwipscope import paths
from lwipscope.errors import BuildError
from lwipscope.firmware import generate, pins

TCP = "src/core/tcp.c"
TCP_IN = "src/core/tcp_in.c"
VARIABLES = {890: "lpcb", 680: "npcb"}


def synthetic(folder: Path) -> Path:
    """Files with the known stores in their places and reads between them."""
    for name, stores in generate.STORES.items():
        lines = ["if ((pcb->state == LISTEN) && (pcb->state != CLOSED)) { f(pcb->state); }"] * 2300
        for number, state in stores.items():
            lines[number - 1] = f"    {VARIABLES.get(number, 'pcb')}->state = {state};"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def edit(tree: Path, name: str, number: int, text: str) -> None:
    lines = (tree / name).read_text().split("\n")
    lines[number - 1] = text
    (tree / name).write_text("\n".join(lines))


@pytest.fixture
def lwip(tmp_path: Path) -> Path:
    return synthetic(tmp_path / "lwip")


def test_seventeen_stores_are_known() -> None:
    assert [len(stores) for stores in generate.STORES.values()] == [6, 11]


def test_stores_become_calls_and_nothing_else_changes(lwip: Path) -> None:
    for name, stores in generate.STORES.items():
        original = (lwip / name).read_text().splitlines()
        copy = generate.traced_copy(lwip, name).splitlines()
        assert copy[:2] == ['#include "tcptrace.h"', f'#line 1 "lwip/{name}"']
        assert len(copy) == len(original) + 2
        changed = {
            n
            for n, pair in enumerate(zip(original, copy[2:], strict=True), 1)
            if len(set(pair)) > 1
        }
        assert changed == stores.keys()
        for number, state in stores.items():
            variable = VARIABLES.get(number, "pcb")
            assert copy[number + 1].strip() == f"TCPTRACE_SET_STATE({variable}, {state}, {number});"


def test_pinned_lwip_is_accepted() -> None:
    tree = paths.cache_dir() / "sources" / pins.load().digest[:12] / "lwip"
    if not tree.is_dir():
        pytest.skip("the lwIP sources are not in the cache")
    calls = [
        line
        for name in generate.STORES
        for line in generate.traced_copy(tree, name).splitlines()
        if "TCPTRACE_SET_STATE" in line
    ]
    assert len(calls) == 17
    assert not any(re.search(r"->state\s*=(?!=)", line) for line in calls)


def test_one_more_store_is_refused(lwip: Path) -> None:
    edit(lwip, TCP, 500, "  pcb->state = CLOSED;")
    with pytest.raises(BuildError, match=r"src/core/tcp\.c:500: an unknown store of CLOSED"):
        generate.traced_copy(lwip, TCP)


def test_one_fewer_store_is_refused(lwip: Path) -> None:
    edit(lwip, TCP_IN, 1608, "")
    with pytest.raises(BuildError, match=r"tcp_in\.c:1608: no store of CLOSE_WAIT"):
        generate.traced_copy(lwip, TCP_IN)


def test_moved_store_is_refused(lwip: Path) -> None:
    text = (lwip / TCP_IN).read_text()
    (lwip / TCP_IN).write_text("\n" + text)
    with pytest.raises(BuildError, match=r"tcp_in\.c:680: no store of SYN_RCVD"):
        generate.traced_copy(lwip, TCP_IN)


def test_store_of_another_state_is_refused(lwip: Path) -> None:
    edit(lwip, TCP_IN, 1019, "        pcb->state = TIME_WAIT;")
    with pytest.raises(BuildError, match=r"tcp_in\.c:1019: a store of TIME_WAIT where FIN_WAIT_2"):
        generate.traced_copy(lwip, TCP_IN)


@pytest.mark.parametrize(
    "line",
    [
        "other->state = CLOSED;",
        "pcb->state = closing ? CLOSING : CLOSED;",
        "pcb->state |= CLOSED;",
        "pcb->state++;",
        "--pcb->state;",
        "memset(&pcb->state, 0, 1);",
        "(*pcb).state = CLOSED;",
        "pcb->state = CLOSED; pcb->state = LISTEN;",
    ],
)
def test_stores_of_other_forms_are_refused(lwip: Path, line: str) -> None:
    edit(lwip, TCP, 700, line)
    with pytest.raises(BuildError, match=r"tcp\.c:700"):
        generate.traced_copy(lwip, TCP)


@pytest.mark.parametrize("line", ["/* pcb->state = CLOSED later */", "  x = 1; // pcb->state = 2"])
def test_a_comment_is_no_store(lwip: Path, line: str) -> None:
    edit(lwip, TCP, 700, line)
    assert line in generate.traced_copy(lwip, TCP)


def test_files_that_stay_the_same_keep_their_time(lwip: Path, tmp_path: Path) -> None:
    out = tmp_path / "gen"
    generate.generate(tmp_path / "mpy", lwip, out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    assert [path.name for path in files] == ["modlwip.c", "tcp.c", "tcp_in.c"]
    before = [path.stat().st_mtime_ns for path in files]
    generate.generate(tmp_path / "mpy", lwip, out)
    assert [path.stat().st_mtime_ns for path in files] == before


def test_socket_layer_is_compiled_behind_our_header(lwip: Path, tmp_path: Path) -> None:
    generate.generate(tmp_path / "mpy", lwip, tmp_path / "gen")
    assert (tmp_path / "gen/extmod/modlwip.c").read_text().splitlines() == [
        '#include "tcptrace_calls.h"',
        f'#include "{tmp_path}/mpy/extmod/modlwip.c"',
    ]
