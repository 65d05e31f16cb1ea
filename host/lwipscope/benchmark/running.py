"""What a running board costs, and how soon it answers."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

from lwipscope.benchmark.figure import Rows, percentile
from lwipscope.benchmark.workshop import Workshop, start_server
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.trace.event import Event, Reply
from lwipscope.trace.frame import encode_command
from lwipscope.wire.keeper import Keeper

WATCH_S = 10.0
COMMANDS = 500
COMMAND_BYTES = 24
_ANSWER_TIMEOUT_S = 5.0
_FIRST_ID = 1_000_000  # seven digits make `ping` a command of 24 bytes
_BUSY = "n = 0\nwhile True:\n    n += 1\n"


def idle_cpu(shop: Workshop, times: int) -> Rows:
    """Percent of a core that a board at its prompt takes; `times` boards at the same time."""
    yield from _cpu(shop, times, accepting=False)


def accept_cpu(shop: Workshop, times: int) -> Rows:
    """The same for boards whose program waits in accept(), with the stream on."""
    yield from _cpu(shop, times, accepting=True)


def commands_at_prompt(shop: Workshop, times: int) -> Rows:
    """p50 and p99 in milliseconds, from the write of a command to its parsed answer."""
    with shop.board() as (board, _keeper):
        yield from _commands(board, times)


def commands_while_accepting(shop: Workshop, times: int) -> Rows:
    """The same while a program waits in accept()."""
    with shop.board() as (board, _keeper):
        start_server(board, backlog=2)
        board.port.stream("all")
        yield from _commands(board, times)


def commands_while_busy(shop: Workshop, times: int) -> Rows:
    """The same while a program computes without ever waiting."""
    with shop.board() as (board, _keeper):
        board.repl.start(_BUSY)
        yield from _commands(board, times)


def _cpu(shop: Workshop, times: int, *, accepting: bool) -> Rows:
    with ExitStack() as stack:
        # Boards of their own, without a shared TAP: each is alone on its wire.
        keeper = stack.enter_context(Keeper.start("none"))
        boards = [
            stack.enter_context(EmulatedBoard(shop.board_file, shop.elf, keeper))
            for _ in range(times)
        ]
        for board in boards:
            if accepting:
                start_server(board, backlog=2)
                board.port.stream("all")
        started_s = time.monotonic()
        before = [_cpu_s(board.pid) for board in boards]
        time.sleep(WATCH_S)  # this is what is measured: WATCH_S of doing nothing
        after = [_cpu_s(board.pid) for board in boards]
        watched_s = time.monotonic() - started_s
        for board in boards:
            board.port.request("ping")  # it idled, and did not hang
    yield from (((b - a) / watched_s * 100,) for a, b in zip(before, after, strict=True))


def _cpu_s(pid: int) -> float:
    """User and system time of a process, all threads (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _commands(board: EmulatedBoard, times: int) -> Rows:
    link, trace, number = board.link, board.trace, _FIRST_ID
    for _ in range(times):
        took_ms: list[float] = []
        for _ in range(COMMANDS):
            number += 1
            command = encode_command(number, "ping")
            if len(command) != COMMAND_BYTES:
                raise LwipscopeError(f"the command has {len(command)} bytes, not {COMMAND_BYTES}")
            since = trace.mark()

            def answers(event: Event, wanted: int = number) -> bool:
                return isinstance(event, Reply) and event.re == wanted

            started_s = time.monotonic()
            link.write(command)
            trace.wait_for(answers, _ANSWER_TIMEOUT_S, "the answer to ping", since)
            took_ms.append((time.monotonic() - started_s) * 1e3)
        yield percentile(took_ms, 50), percentile(took_ms, 99)
