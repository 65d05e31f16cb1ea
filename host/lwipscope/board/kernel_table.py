"""The TCP connections that this machine's kernel has with a running board, and at its gates.

Read from /proc: the table of the board's private network (that of a process in it), and of the
machine's own network the connections of the lwipscope process whose board it is, which are its
gates. Nothing is opened or sent. Source: proc(5), /proc/net/tcp; states from net/tcp_states.h.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.running import RunningBoard
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint

_STATES = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RCVD,
    4: State.FIN_WAIT_1,
    5: State.FIN_WAIT_2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
    12: State.SYN_RCVD,
}


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One line of the kernel's table; queues in bytes, `inode` 0 where no process has it."""

    state: State
    local: Endpoint
    remote: Endpoint
    recv_queue: int
    send_queue: int
    inode: int

    @property
    def turned(self) -> tuple[Endpoint, Endpoint]:
        """Its ends as the other side's row has them."""
        return (self.remote, self.local)


def parse_proc_net_tcp(text: str) -> Iterator[KernelRow]:
    """The rows; lines that are none (the header, other formats) are left out."""
    for line in text.splitlines():
        words = line.split()
        if len(words) < 10 or not words[0].endswith(":"):
            continue
        with contextlib.suppress(ValueError, KeyError):
            send, recv = words[4].split(":")
            yield KernelRow(
                _STATES[int(words[3], 16)],
                _endpoint(words[1]),
                _endpoint(words[2]),
                int(recv, 16),
                int(send, 16),
                int(words[9]),
            )


def _endpoint(text: str) -> Endpoint:
    address, port = text.split(":")
    return Endpoint(socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16))


def in_network(board: RunningBoard) -> list[KernelRow]:
    """The kernel's connections in the board's private network; empty without one."""
    return [*_table(board.inner_pid)] if board.inner_pid else []


def at_gates(board: RunningBoard) -> list[KernelRow]:
    """The machine's own connections that end at the board's gates, both ends of each."""
    rows = [*_table(board.pid)]
    own = _inodes(board.pid)
    gates = [row for row in rows if row.inode in own]
    ends = {row.turned for row in gates}
    return [row for row in rows if row in gates or (row.local, row.remote) in ends]


def _table(pid: int) -> Iterator[KernelRow]:
    with contextlib.suppress(OSError):
        yield from parse_proc_net_tcp(Path(f"/proc/{pid}/net/tcp").read_text())


def _inodes(pid: int) -> set[int]:
    """The sockets that a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                match = re.fullmatch(r"socket:\[(\d+)\]", str(each.readlink()))
                if match is not None:
                    found.add(int(match[1]))
    return found
