"""What the pytest plugin costs, and what a fresh board for each test costs; how fast a script is
on the board, and how often the memory probe looks. pytest runs in a process of its own, in an empty
folder, as a developer runs it; the probe on firmware without the tracer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.starting import temporary_folder
from lwipscope.benchmark.workshop import Workshop
from lwipscope.board.probe import Probe
from lwipscope.board.untraced import UntracedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.firmware import build, elf_layout
from lwipscope.paths import share_dir
from lwipscope.wire.keeper import Keeper

TESTS = 100
SCRIPT_BYTES = 20_000
PCBS = 5
WALKS = 5000
BESIDE_MS = 500
_RUN_S = 120.0
_UNRELATED = "def test_it():\n    pass\n"
_FRESH = """\
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(number, lwip_app, lwip_network, lwip_board):
    app = lwip_app({server!r})
    peer = lwip_network.connect(6666)
    # Data before accept() returns are refused once, and cost the peer's TCP 0.2 s.
    lwip_board.trace.wait_for(lambda e: "accept returned" in e.text(), 5, "accept() to return")
    peer.send(b"hello")
    assert peer.recv(5) == b"hello"
    peer.close()
    app.path(port=6666).must_be("LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED")
    app.no_leaks()
"""
_WALKS = """\
import socket
servers = [socket.socket() for _ in range({pcbs})]
for number, server in enumerate(servers):
    server.bind(("", 7000 + number))
    server.listen(1)
time.sleep_ms(30)
start_us = time.ticks_us()
for _ in range({walks}):
    probe.walk(probe.heads, probe.found, probe.last, probe.shape)
elapsed_us = time.ticks_diff(time.ticks_us(), start_us)
before, start_us = probe.walks, time.ticks_us()
time.sleep_ms({beside_ms})
beside_us = time.ticks_diff(time.ticks_us(), start_us)
print("walked", probe.last[0], elapsed_us, probe.walks - before, beside_us)
"""


def plugin(_shop: Workshop, times: int) -> Rows:
    """Milliseconds that the plugin adds to a run of pytest that does not use it."""
    with temporary_folder() as folder:
        (folder / "test_unrelated.py").write_text(_UNRELATED)
        _pytest(folder, 1)
        for _ in range(times):
            without_s = min(_pytest(folder, 1, "-p", "no:lwipscope") for _ in range(3))
            with_s = min(_pytest(folder, 1) for _ in range(3))
            yield ((with_s - without_s) * 1e3,)


def hundred(_shop: Workshop, times: int) -> Rows:
    """Seconds for a hundred tests of an echo server, with a fresh board each, and how many times
    as fast they are on two workers."""
    with temporary_folder() as folder:
        server = str(share_dir("firmware") / "scripts/echo_server.py")
        (folder / "test_fresh.py").write_text(_FRESH.format(tests=TESTS, server=server))
        for _ in range(times):
            one_s = _pytest(folder, TESTS, "--lwip-require-board")
            two_s = _pytest(folder, TESTS, "--lwip-require-board", "-n", "2")
            yield one_s, one_s / two_s


def upload(shop: Workshop, times: int) -> Rows:
    """Seconds from the start of the upload of a script of 20 kB to its first output."""
    line = "# a line of a program, of which there are so many that all of them have 20 kB\n"
    source = line * (SCRIPT_BYTES // len(line)) + "print('here')\n"
    with shop.board() as (board, _keeper):
        for _ in range(times):
            board.reset()
            started_s = time.monotonic()
            board.repl.start(source)
            said = board.repl.wait(_RUN_S).output
            took_s = time.monotonic() - started_s
            if b"here" not in said:
                raise LwipscopeError(
                    f"the script was expected to print 'here'; it printed {said!r}"
                )
            yield (took_s,)


def walks(shop: Workshop, times: int) -> Rows:
    """Walks per second through the lists of a board with five pcbs: as fast as the probe can, and
    from its timer beside a program that blocks."""
    elf = build.build(shop.profile, tracer=False).elf
    layout = elf_layout.read(elf)
    source = _WALKS.format(pcbs=PCBS, walks=WALKS, beside_ms=BESIDE_MS)
    with (
        Keeper.start("none") as keeper,
        UntracedBoard(shop.board_file, elf, keeper) as board,
    ):
        for _ in range(times):
            board.reset()
            probe = Probe(board.link, board.repl, layout)
            probe.start(source)
            end = probe.finish(_RUN_S)
            told = re.search(rb"walked (\d+) (\d+) (\d+) (\d+)", end.output)
            if told is None or int(told[1]) != PCBS:
                raise LwipscopeError(
                    f"the probe was expected to find {PCBS} pcbs in each walk; the program said "
                    f"{end.output!r} {end.error}".rstrip()
                )
            _, alone_us, beside, beside_us = map(int, told.groups())
            yield WALKS / alone_us * 1e6, beside / beside_us * 1e6


def _pytest(folder: Path, tests: int, *options: str) -> float:
    """Seconds for a run in which so many tests pass."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "LWIP_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    started_s = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, text=True, timeout=_RUN_S, check=False
    )
    took_s = time.monotonic() - started_s
    if done.returncode or f"{tests} passed" not in done.stdout:
        raise LwipscopeError(f"{' '.join(command)} was expected to pass:\n{done.stdout[-1500:]}")
    return took_s
