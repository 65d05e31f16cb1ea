"""Firmware that grades: each way for a program to reach memory or the trace is really tried.

Each attempt is made on the usual firmware, too, where it succeeds: so it is the firmware that shuts
the door, not a mistake in the attempt. An attempt prints OPEN once it has what it wanted.
"""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope import paths, toolchain
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import BuildError
from lwipscope.firmware import build, pack
from lwipscope.firmware.firmware import Firmware
from lwipscope.firmware.selection import choose
from lwipscope.trace.event import Beat, Transition
from lwipscope.trace.frame import encode_frame
from lwipscope.wire.keeper import Keeper

pytestmark = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)

# The trace ring's first bytes: what somebody would forge who can.
ATTEMPTS = {
    "mem8": "import machine\nmachine.mem8[0x20000000]",
    "mem16": "import machine\nmachine.mem16[0x20000000]",
    "mem32": "import machine\nmachine.mem32[0x20000000] = machine.mem32[0x20000000]",
    "uctypes": "import uctypes\nuctypes.bytearray_at(0x20000000, 4)[0]",
    "viper": """
        import micropython
        @micropython.viper
        def look() -> int:
            return ptr32(0x20000000)[0]
        look()
    """,
    "native": "import micropython\n@micropython.native\ndef f():\n    pass\nf()",
    "assembler": """
        import micropython
        @micropython.asm_thumb
        def look(r0):
            ldr(r0, [r0, 0])
        look(0x20000000)
    """,
    "struct-object": "import struct\nstruct.unpack('O', struct.pack('O', 5))[0]",
    "struct-string": "import struct\nstruct.unpack('S', struct.pack('I', 0x20000000))[0]",
    "array-object": "import array\narray.array('O', bytearray(struct.pack('O', 5)))[0]",
    "array-string": "import array\narray.array('S', bytearray(4))",
    "rom-filesystem": """
        import struct, vfs
        def number(n):
            out = bytes([n & 127])
            while n > 127:
                n >>= 7
                out = bytes([n & 127 | 128]) + out
            return out
        pointer = number(4) + number(0x20000000)
        pointer = b"\\x03" + number(len(pointer)) + pointer
        file = number(1) + b"f" + pointer
        record = b"\\x05" + number(len(file)) + file
        vfs.mount(vfs.VfsRom(b"\\xd2\\xcd1" + number(len(record)) + record), "/rom")
        with open("/rom/f", "rb") as f:
            assert len(f.read(4)) == 4
    """,
    "freed-memory": """
        shown = bytearray(64)
        view = memoryview(shown)
        shown.extend(bytes(4096))
        others = [bytearray(b"Z" * 64) for _ in range(200)]
        if not any(view):
            raise ValueError("nobody else has that memory")
    """,
    "freed-memory-of-an-array": """
        import array
        shown = array.array("B", bytes(64))
        view = memoryview(shown)
        for _ in range(200):
            shown.append(0)
        others = [bytearray(b"Z" * 64) for _ in range(200)]
        if not any(view):
            raise ValueError("nobody else has that memory")
    """,
    "no-task": """
        import _asyncio
        _asyncio.TaskQueue().push(object(), 0)
    """,
    "raw-segments": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 6)",
    "raw-segments-by-number": "import socket\nsocket.socket(2, 3, 6)",
    "stream-off": "import tcptrace\ntcptrace.stream('off')",
    "stream-states": "import tcptrace\ntcptrace.stream('states')",
    "hold-frames-back": "import micropython\nmicropython.kbd_intr(-1)\nmicropython.kbd_intr(3)",
    "be-the-agent": "import tcptrace\ntcptrace.serve(True)\ntcptrace.serve(False)",
    "take-commands": "import tcptrace\ntcptrace.command()",
    "forge-replies": "import tcptrace\ntcptrace.reply(99, 'ok n=0')",
    "frozen-agent": "import lwip_agent",
}
# The same names as the usual firmware's, but without these.
MISSING = {
    "machine": {"mem8", "mem16", "mem32"},
    "tcptrace": {"serve", "command", "reply"},
    "socket": {"SOCK_RAW"},
    "lwip": {"SOCK_RAW"},
    "vfs": {"VfsRom"},
    "micropython": set(),
    "os": set(),
    "sys": set(),
    "struct": set(),
    "network": set(),
    "gc": set(),
}
NO_MODULES = {"uctypes", "framebuf", "lwip_agent", "_asyncio"}
MORE_MODULES = {"asyncio/task"}


@pytest.fixture(scope="module")
def usual_image() -> Firmware:
    return choose("roomy")


@pytest.fixture(scope="module")
def grading_image() -> Firmware:
    return choose("roomy", grading=True)


@pytest.fixture(scope="module")
def usual_board(usual_image: Firmware, gate_keeper: Keeper) -> Iterator[EmulatedBoard]:
    with EmulatedBoard(BoardFile.load(DEFAULT_BOARD), usual_image.elf, gate_keeper) as board:
        yield board


@pytest.fixture(scope="module")
def grading_board(grading_image: Firmware, gate_keeper: Keeper) -> Iterator[EmulatedBoard]:
    with EmulatedBoard(BoardFile.load(DEFAULT_BOARD), grading_image.elf, gate_keeper) as board:
        yield board


@pytest.fixture
def usual(usual_board: EmulatedBoard) -> EmulatedBoard:
    usual_board.reset()
    return usual_board


@pytest.fixture
def grading(grading_board: EmulatedBoard) -> EmulatedBoard:
    grading_board.reset()
    return grading_board


def attempt(board: EmulatedBoard, program: str) -> str:
    """What the board says to a program, run through exec(), so that its decorators are tried."""
    source = textwrap.dedent(program).strip()
    said = board.repl.run(
        "import struct\n"
        f"try:\n    exec({source!r})\n    print('OPEN')\n"
        "except Exception as error:\n    print('shut:', repr(error))"
    )
    return said.decode().strip()


@pytest.mark.parametrize("name", ATTEMPTS)
def test_doors_are_shut(name: str, usual: EmulatedBoard, grading: EmulatedBoard) -> None:
    assert attempt(usual, ATTEMPTS[name]).endswith("OPEN"), "the attempt itself is wrong"
    said = attempt(grading, ATTEMPTS[name])
    assert said.startswith("shut:"), said
    grading.port.sync()
    assert grading.trace.integrity.complete, grading.trace.integrity.problems()


@pytest.mark.parametrize("emitter", ["bytecode", "native"])
def test_compiled_files_are_not_loaded(
    emitter: str, usual: EmulatedBoard, grading: EmulatedBoard, tmp_path: Path
) -> None:
    (tmp_path / "made.py").write_text("def f():\n    return 1\n")
    compiler = next((paths.cache_dir() / "tools").glob("mpy-cross-*[0-9a-f]"))
    command = [str(compiler), "-march=armv7m", "-X", f"emit={emitter}", "made.py"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=20)
    for board, expected in ((usual, "OPEN"), (grading, "shut: ImportError")):
        board.files.install([("made.mpy", (tmp_path / "made.mpy").read_bytes())])
        assert attempt(board, "import made\nmade.f()").startswith(expected)


def test_no_other_names_than_those_that_were_looked_at(
    usual: EmulatedBoard, grading: EmulatedBoard
) -> None:
    def names(board: EmulatedBoard, module: str) -> set[str]:
        return set(board.repl.run(f"import {module}\nprint(*dir({module}))").decode().split())

    def modules(board: EmulatedBoard) -> set[str]:
        return set(board.repl.run("help('modules')").decode().partition("Plus")[0].split())

    for module, missing in MISSING.items():
        assert names(usual, module) - names(grading, module) == missing, module
        assert names(grading, module) <= names(usual, module), module
    assert modules(usual) - modules(grading) == NO_MODULES
    assert modules(grading) - modules(usual) == MORE_MODULES


def test_lwip_is_not_made_to_forget_its_pcbs(grading: EmulatedBoard) -> None:
    """The usual firmware hangs here, in a list of timers that was begun anew."""
    said = attempt(
        grading,
        """
        import lwip, socket
        first = socket.socket()
        first.bind(("0.0.0.0", 7777))
        first.listen(1)
        lwip.reset()
        socket.socket().bind(("0.0.0.0", 7777))
        """,
    )
    assert said.startswith("shut: OSError"), said
    assert "LISTEN" in [str(row.state) for row in grading.port.snapshot()]


def test_printed_frames_stay_text(grading: EmulatedBoard) -> None:
    forged = encode_frame(4000000000, 5, "beat", ["ring=4242"]).decode("latin-1")
    program = f"""
        import sys
        print({forged!r})
        sys.stdout.write({forged!r})
        sys.stdout.buffer.write({forged.encode("latin-1")!r})
        sys.stderr.write({forged!r})
    """
    assert "beat ring=4242" in attempt(grading, program)
    events, _ = grading.trace.evidence(grading.port.sync())
    assert not [event for event in events if isinstance(event, Beat) and event.ring == 4242]
    assert grading.trace.integrity.complete


def test_asyncio_works(grading: EmulatedBoard) -> None:
    said = grading.repl.run(
        "import asyncio\n"
        "async def part(n):\n    await asyncio.sleep_ms(n)\n    return n\n"
        "async def main():\n"
        "    print(await asyncio.gather(part(20), part(10)))\n"
        "    try:\n        await asyncio.wait_for_ms(part(1000), 10)\n"
        "    except asyncio.TimeoutError:\n        print('late')\n"
        "asyncio.run(main())"
    )
    assert said == b"[20, 10]\r\nlate\r\n"


def test_it_traces_and_says_what_it_is(grading: EmulatedBoard, grading_image: Firmware) -> None:
    said = grading.repl.run(
        "import socket, tcptrace\ns = socket.socket()\ns.bind(('0.0.0.0', 7777))\ns.listen(1)\n"
        "print(tcptrace.stream(), len(tcptrace.pcbs()), len(tcptrace.states()))\ns.close()"
    )
    assert said.split() == [b"all", b"1", b"1"]
    events, _ = grading.trace.evidence(grading.port.sync())
    assert [str(e.after) for e in events if isinstance(e, Transition)][:1] == ["LISTEN"]
    hello = grading.port.hello()
    assert hello.fields["grading"] == "1"
    assert hello.fields["build"] == grading_image.build_id
    assert grading.port.advance(1000) == 1000, "the host may move time"


def test_it_is_never_run_unasked(
    grading_image: Firmware, usual_image: Firmware, tmp_path: Path
) -> None:
    assert grading_image.grading and not usual_image.grading
    assert choose("roomy", file=grading_image.elf, grading=True).grading
    assert not choose("roomy").grading
    packed = pack.pack(grading_image, tmp_path / "grading.lwipscope")
    with pytest.raises(BuildError, match="for grading"):
        pack.use(packed)
    with pytest.raises(BuildError, match="firmware build --grading"):
        choose("roomy", file=usual_image.elf, grading=True)
    with pytest.raises(BuildError, match="witness"):
        build.build("roomy", tracer=False, grading=True)
