"""Stores found by pattern in lwIP sources of any content: told with their place, or refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope import paths
from lwipscope.errors import BuildError
from lwipscope.firmware import generate, pins, stores
from lwipscope.firmware.stores import Place

TCP = "src/core/tcp.c"
TCP_IN = "src/core/tcp_in.c"
SHOWN = Path("my/lwip")
HOOKS = {
    "src/core/memp.c": ["memp_malloc", "memp_free"],
    TCP_IN: ["tcp_input"],
    "src/core/tcp_out.c": ["tcp_rst", "tcp_write"],
    "src/core/ipv4/ip4.c": ["ip4_output_if"],
    TCP: [
        *("tcp_tmr", "tcp_netif_ip_addr_changed", "tcp_new", "tcp_bind", "tcp_connect"),
        *("tcp_listen_with_backlog_and_err", "tcp_close", "tcp_abort", "tcp_recved", "tcp_err"),
        "tcp_recv",
    ],
}


def synthetic(folder: Path) -> tuple[Place, Place]:
    """Trees with all that is looked for: MicroPython's and lwIP's."""
    for name, functions in HOOKS.items():
        text = "".join(
            f"err_t\n{function}(struct tcp_pcb *pcb)\n{{\n}}\n" for function in functions
        )
        write(folder / "lwip" / name, text)
    add(folder / "lwip" / TCP, "static void f(void) {\n  pcb->state = CLOSED;\n")
    for pool in ("MEMP_TCP_PCB", "MEMP_TCP_PCB_LISTEN"):
        add(folder / "lwip" / TCP, f"  x = memp_malloc({pool});\n  memp_free({pool}, x);\n")
    add(folder / "lwip" / TCP_IN, "#include LWIP_HOOK_FILENAME\nstruct tcp_pcb *pcb;\n")
    add(folder / "lwip" / TCP_IN, "  LWIP_HOOK_TCP_INPACKET_PCB(pcb, 1);\n  pcb->state = LISTEN;\n")
    write(folder / "lwip/src/core/dns.c", "entry.state = UNUSED;\n")
    write(folder / "lwip/src/include/lwip/tcp.h", "struct tcp_pcb { enum tcp_state state; };\n")
    write(
        folder / "mpy/extmod/modlwip.c",
        "lwip_socket_type;\nMP_DEFINE_CONST_FUN_OBJ_1(lwip_socket_accept_obj, lwip_socket_accept);"
        "\nsocket->state = 1; if (socket->pcb.tcp->state == LISTEN) {}\n",
    )
    return Place(folder / "mpy", Path("my/mpy")), Place(folder / "lwip", SHOWN)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def add(path: Path, text: str) -> None:
    write(path, path.read_text() + text)


def traced(text: str, name: str = "src/core/x.c") -> str:
    """The traced copy, without what is put before it."""
    made = stores.traced_text(Place(Path("nowhere"), SHOWN), name, text)
    head = f'#include "tcptrace.h"\n#line 1 "lwip/{name}"\n'
    assert made.startswith(head)
    return made.removeprefix(head)


def test_pinned_lwip_gives_the_same_as_the_table() -> None:
    sources = paths.cache_dir() / "sources" / pins.load().digest[:12]
    if not sources.is_dir():
        pytest.skip("the sources are not in the cache")
    for name in generate.STORES:
        text = (sources / "lwip" / name).read_text()
        assert stores.traced_text(Place(sources / "lwip", SHOWN), name, text) == (
            generate.traced_copy(sources / "lwip", name)
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  pcb->state = CLOSED;", "  TCPTRACE_SET_STATE(pcb, CLOSED, 1);"),
        ("\n\n a->b->state=f(x, 2) ;", "\n\n TCPTRACE_SET_STATE(a->b, f(x, 2), 3);"),
        ("{ p[i]->state = X; }", "{ TCPTRACE_SET_STATE(p[i], X, 1); }"),
        ("case A: p->state = X;", "case A: TCPTRACE_SET_STATE(p, X, 1);"),
        ("#if A\n  p->state = X;\n#endif", "#if A\n  TCPTRACE_SET_STATE(p, X, 2);\n#endif"),
        ("p->state = a == b ? X : Y;", "TCPTRACE_SET_STATE(p, a == b ? X : Y, 1);"),
        ("/* p->state = X; */ p->state = Y;", "/* p->state = X; */ TCPTRACE_SET_STATE(p, Y, 1);"),
        ("/* so\n * p->state = X;\n */", "/* so\n * p->state = X;\n */"),
        ('f("p->state = X;"); // p->state = Y;', 'f("p->state = X;"); // p->state = Y;'),
        ("if (p->state == X) { f(q->state); }", "if (p->state == X) { f(q->state); }"),
    ],
)
def test_statements_are_told_with_their_line(before: str, after: str) -> None:
    assert traced(before) == after


def test_two_stores_in_a_line_are_two() -> None:
    assert traced("if (a) p->state = X; else p->state = Y;") == (
        "if (a) TCPTRACE_SET_STATE(p, X, 1); else TCPTRACE_SET_STATE(p, Y, 1);"
    )


@given(st.lists(st.sampled_from(["  p->state =\n    X;", "x = 1;", "/* \n */", "", "q->state=Y;"])))
def test_lines_keep_their_numbers(lines: list[str]) -> None:
    text = "\n".join([*lines, "last();"])
    told = traced(text)
    assert told.count("\n") == text.count("\n")
    for number, line in enumerate(told.split("\n"), 1):
        if "TCPTRACE" in line:
            match = re.search(r"TCPTRACE_SET_STATE\(\w, \w, (\d+)\)", line)
            assert match is not None and int(match[1]) == number


@pytest.mark.parametrize(
    "line",
    [
        "pcb->state |= CLOSED;",
        "pcb->state++;",
        "--pcb->state;",
        "memset(&pcb->state, 0, 1);",
        "(*pcb).state = CLOSED;",
        "(pcb)->state = CLOSED;",
        "get(x)->state = CLOSED;",
        "x = pcb->state = CLOSED;",
        "p->state = q->state = CLOSED;",
        "pcb->state = CLOSED, x = 1;",
        "for (;; pcb->state = CLOSED) x();",
        "if ((pcb->state = CLOSED)) { x(); }",
        "struct tcp_pcb a = { .state = CLOSED };",
    ],
)
def test_other_forms_are_refused_with_their_place(line: str) -> None:
    with pytest.raises(BuildError) as caught:
        traced(f"/* tcp_pcb\n */\n  {line}\n")
    message = str(caught.value)
    assert "my/lwip/src/core/x.c:3: " in message
    assert line in message
    assert "NAME->state = VALUE;" in message


def test_a_tree_with_all_that_is_needed_is_accepted(tmp_path: Path) -> None:
    out = tmp_path / "gen"
    trees = synthetic(tmp_path)
    stores.generate(*trees, out)
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.c"))
    assert made == ["extmod/modlwip.c", "src/core/ipv4/ip4.c", "src/core/memp.c"] + [
        f"src/core/{name}.c" for name in ("tcp", "tcp_in", "tcp_out")
    ]
    assert "TCPTRACE_SET_STATE(pcb, LISTEN, 8);" in (out / TCP_IN).read_text()


def test_generated_sources_of_files_that_are_gone_go_too(tmp_path: Path) -> None:
    trees = synthetic(tmp_path)
    write(tmp_path / "lwip/src/core/tcp_new.c", "struct tcp_pcb *p; void f() { p->state = X; }")
    stores.generate(*trees, tmp_path / "gen")
    assert (tmp_path / "gen/src/core/tcp_new.c").exists()
    (tmp_path / "lwip/src/core/tcp_new.c").unlink()
    stores.generate(*trees, tmp_path / "gen")
    assert not (tmp_path / "gen/src/core/tcp_new.c").exists()
    assert (tmp_path / "gen" / TCP).exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        (TCP, "memp_malloc(MEMP_TCP_PCB)", "mem_malloc(1)", "src/core: no memp_malloc(MEMP_TCP_PC"),
        (TCP, "memp_free(MEMP_TCP_PCB, x)", "mem_free(x)", "src/core: no memp_free(MEMP_TCP_PCB,"),
        (TCP, "memp_malloc(MEMP_TCP_PCB_LISTEN)", "0", "no memp_malloc(MEMP_TCP_PCB_LISTEN)"),
        (TCP, "err_t\ntcp_close", "static err_t\ntcp_close", "tcp.c:26: tcp_close() is static"),
        (TCP, "err_t\ntcp_close(", "err_t\ntcp_shut(", "src/core: no function tcp_close() is def"),
        (TCP, "pcb->state = CLOSED;", "", "tcp.c: no statement of the form `X->state = VALUE;`"),
        (TCP_IN, "  LWIP_HOOK_TCP_INPACKET_PCB(pcb, 1);", "", "no LWIP_HOOK_TCP_INPACKET_PCB"),
        (TCP_IN, "#include LWIP_HOOK_FILENAME", "", "no #include LWIP_HOOK_FILENAME"),
        (
            *("src/include/lwip/tcp.h", "};", "};\n#define TO(p, s) (p)->state = (s)"),
            "my/lwip/src/include/lwip/tcp.h:2: a store to a pcb's state outside",
        ),
    ],
)
def test_what_the_tracer_would_miss_is_refused(
    tmp_path: Path, name: str, old: str, new: str, complaint: str
) -> None:
    trees = synthetic(tmp_path)
    file = tmp_path / "lwip" / name
    assert old in file.read_text()
    write(file, file.read_text().replace(old, new))
    with pytest.raises(BuildError) as caught:
        stores.generate(*trees, tmp_path / "gen")
    assert complaint in str(caught.value)
    assert str(tmp_path) not in str(caught.value), "people know their own folder"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("tcp->state == LISTEN", "tcp->state = LISTEN", "modlwip.c:3: a store to a pcb's state"),
        ("lwip_socket_accept)", "lwip_accept)", "no MP_DEFINE_CONST_FUN_OBJ_1"),
        ("lwip_socket_type", "x", "no lwip_socket_type"),
    ],
)
def test_the_socket_layer_is_looked_at_too(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    trees = synthetic(tmp_path)
    file = tmp_path / "mpy/extmod/modlwip.c"
    write(file, file.read_text().replace(old, new))
    with pytest.raises(BuildError) as caught:
        stores.generate(*trees, tmp_path / "gen")
    assert complaint in str(caught.value)
