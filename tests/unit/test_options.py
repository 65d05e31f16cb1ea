"""lwIP's options: what the preprocessor says, as numbers where they are numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.firmware import options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1460", 1460),
        ("(6 * (1460))", 8760),
        ("0x10UL", 16),
        ("((u16_t)(4 * 536))", 2144),
        ("(7 + 3) / 2 - 1", 4),
        ("-7 / 2", -3),
        ("(1 << 4) | 3", 19),
        ("(0 || 1)", 1),
        ("(1 && !1)", 0),
        ("~3 & 0xff", 252),
        ("LWIP_MIN(LWIP_MAX(5, 7), 6)", 6),
        ("sizeof(struct tcp_pcb)", "sizeof(struct tcp_pcb)"),
        ("u8_t", "u8_t"),
        ('"tcpip_thread"', '"tcpip_thread"'),
        ("1 / 0", "1 / 0"),
        ("__import__('os')", "__import__('os')"),
        ("True", "True"),
    ],
)
def test_constant_expressions(text: str, value: int | str) -> None:
    assert options.value_of(text) == value


@given(st.text(max_size=60))
def test_no_text_breaks_the_evaluation(text: str) -> None:
    assert isinstance(options.value_of(text), int | str)


def test_names_are_chosen_and_values_resolved(tmp_path: Path) -> None:
    seen: list[str] = []

    def preprocess(source: Path, switches: str) -> str:
        if "-dM" in switches:
            return (
                "#define TCP_MSS 1460\n#define TCP_WND (4 * TCP_MSS)\n#define LWIP_HDR_OPT_H\n"
                "#define LWIP_MIN(x , y) x\n#define TCP_DEBUG 0\n#define OTHER 1\n"
                "#define LWIP_PLATFORM_DIAG(x) x\n#define MEM_SIZE 64000\n"
            )
        text = source.read_text()
        seen.extend(line for line in text.splitlines() if line.startswith('"'))
        return "".join(
            f'"lwipscope_option {name}" {value} "lwipscope_option end"\n'
            for name, value in {
                "TCP_MSS": "1460",
                "TCP_WND": "(4\n * 1460)",
                "TCP_MSL": "TCP_MSL",
            }.items()
        )

    assert options.read(preprocess, tmp_path) == {"TCP_MSS": 1460, "TCP_WND": 5840}
    asked = {line.split('"')[2].strip() for line in seen}
    assert asked - set(options._TIMES) == {"MEM_SIZE", "TCP_MSS", "TCP_WND"}
