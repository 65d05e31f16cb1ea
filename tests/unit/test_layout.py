"""Layout files, and ELF files that can't give one (real ones: tests/firmware/test_layouts.py)."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwipscope.board.probe import program
from lwipscope.errors import UsageError
from lwipscope.firmware import elf_layout
from lwipscope.firmware.layout import Fingerprint, Layout, Struct

FIELDS = {
    "local_ip": (0, 4),
    "remote_ip": (4, 4),
    "next": (12, 4),
    "state": (20, 1),
    "local_port": (22, 2),
    "remote_port": (24, 2),
}
LISTENER_FIELDS = {name: FIELDS[name] for name in ("local_ip", "next", "state", "local_port")}
LAYOUT = Layout(
    "EM_ARM",
    "ab" * 32,
    "",
    {"listen": 0x5000, "bound": 0x5004, "active": 0x5008, "tw": 0x500C},
    0x100,
    {"tcp_pcb": Struct(156, FIELDS), "tcp_pcb_listen": Struct(32, LISTENER_FIELDS)},
    {"CLOSED": 0, "LISTEN": 1},
    4,
    -1,
    ((0x6000, 0x6000 + 5 * 156 + 3), (0x7000, 0x7000 + 8 * 32 + 3)),
    8,
    Fingerprint(((0x100, 0x5000), (0x104, 0x5004)), (0, 4096, 0x12345678), 0),
)
ELF32 = struct.Struct("<16sHHIIIIIHHHHHH")


def elf_header(kind: int = 2, machine: int = 40, sections_at: int = 0, count: int = 0) -> bytes:
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    return ELF32.pack(ident, kind, machine, 1, 0, 0, sections_at, 0, 52, 32, 0, 40, count, 0)


def test_a_layout_survives_its_file(tmp_path: Path) -> None:
    file = tmp_path / "layout.json"
    file.write_text(LAYOUT.as_json())
    assert Layout.load(file) == LAYOUT
    assert json.loads(file.read_text())["format"] == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "found 'no JSON object'"),
        ("[1]", "found 'no JSON object'"),
        ('{"format": 2}', "expected a layout of format 1, found 2"),
        ('{"format": 1}', "damaged"),
        (LAYOUT.as_json().replace('"tw"', '"tv"'), "damaged"),
        (LAYOUT.as_json().replace("20611", '"x"').replace("156", '"x"'), "damaged"),
    ],
)
def test_a_file_that_is_no_layout_is_refused(content: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "layout.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=complaint):
        Layout.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json can't be read"):
        Layout.load(tmp_path / "nowhere.json")
    with pytest.raises(UsageError, match=r"nowhere\.elf can't be read"):
        elf_layout.read(tmp_path / "nowhere.elf")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no ELF file"),
        (b"\xe9\x05\x02\x20" * 20, "no ELF file.*the ELF file is what the linker left"),
        (b"\x7fELF", "damaged"),
        (b"\x7fELF\x02\x01\x01".ljust(64, b"\0"), "32-bit little-endian"),
        (elf_header(), "no symbols"),
        (elf_header(sections_at=52, count=3), "damaged"),
    ],
)
def test_what_is_no_firmware_is_refused(content: bytes, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "firmware.elf"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        elf_layout.read(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_a_damaged_file_never_brings_a_traceback(tmp_path: Path, tail: bytes) -> None:
    file = tmp_path / "firmware.elf"
    file.write_bytes((elf_header(sections_at=52, count=2) + tail)[:252])
    with pytest.raises(UsageError):
        elf_layout.read(file)


def test_pyelftools_is_asked_for_only_when_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "elftools"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "elftools", None)
    with pytest.raises(UsageError, match=r"pip install lwipscope\[elf\]"):
        elf_layout.read(tmp_path / "firmware.elf")


def test_the_command_refuses_nonsense(tmp_path: Path) -> None:
    file = tmp_path / "firmware.bin"
    file.write_bytes(b"no ELF")
    for words, complaint in (((), "is no ELF file"), (("--ram", "all"), "write START-END")):
        done = subprocess.run(
            [sys.executable, "-m", "lwipscope", "layout", str(file), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr and "Traceback" not in done.stderr


def test_ranges_are_read_in_both_notations() -> None:
    assert elf_layout.parse_ranges(["0x10-0x20", "16-32"]) == [(16, 32), (16, 32)]
    for text in ("0x20-0x10", "5-5", "a-b", "1-", "0-0x100000001"):
        with pytest.raises(UsageError):
            elf_layout.parse_ranges([text])


def for_the_board(layout: Layout) -> dict[str, Any]:
    text = program(layout, "None", "pass", 1, 1)
    (line,) = (line for line in text.splitlines() if line.startswith("LAYOUT = "))
    made: dict[str, Any] = {}
    exec(line, made)
    return dict(made["LAYOUT"])


def test_no_byte_behind_a_pool_can_be_read() -> None:
    given_ = for_the_board(LAYOUT)
    for (start, end), size, (told, span) in zip(
        LAYOUT.ranges, (156, 32), given_["ranges"], strict=True
    ):
        assert told == start
        assert start + span - 1 + size == end  # the last place where a pcb may begin


def test_the_walk_gets_the_offsets_in_its_order() -> None:
    assert for_the_board(LAYOUT)["shape"] == [12, 20, 22, 24, 4, 1, 8, 2]


def test_the_probe_is_python_that_ends_its_frames_whatever_the_program_does() -> None:
    source = "print('it''s')\nraise SystemExit\n"
    text = program(LAYOUT, "make()", source, 5, 77)
    compile(text, "probe", "exec")
    assert "_probe.stop(77)" in text.partition("finally:")[2]
    assert repr(source) in text
