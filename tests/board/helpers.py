"""What several board tests share: peers, programs on the board, and reading its trace."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import unpack_from
from typing import Protocol

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, Role, connections
from lwipscope.trace.event import Died, Event, Transition
from lwipscope.wire.packet import ARP_REPLY, ARP_REQUEST, Arp, build_arp, parse_frame
from lwipscope.wire.switch import Switch

WAIT_S = 10.0
SILENT_IP = "192.0.2.102"
SILENT_MAC = bytes.fromhex("026c77000066")


class Peer(Protocol):
    """The other end of one connection: the kernel's, or our own."""

    @property
    def local(self) -> tuple[str, int]: ...
    def send(self, data: bytes, timeout_s: float = ...) -> object: ...
    def recv(self, max_bytes: int, timeout_s: float = ..., /) -> bytes: ...
    def shutdown_write(self) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


def start(board: EmulatedBoard, source: str) -> None:
    """Start a program; it may be indented like the test around it."""
    board.repl.start(textwrap.dedent(source))


def run(board: EmulatedBoard, source: str, timeout_s: float = WAIT_S) -> str:
    """Run a program to its end: what it printed."""
    return board.repl.run(textwrap.dedent(source), timeout_s).decode().replace("\r\n", "\n")


def wait_output(board: EmulatedBoard, wanted: bytes, timeout_s: float = WAIT_S) -> bytes:
    """All output of the running program, once it has printed `wanted`."""
    end_s = time.monotonic() + timeout_s
    while wanted not in board.repl.output:
        left_s = end_s - time.monotonic()
        assert left_s > 0, f"{wanted!r} was not printed, but {board.repl.output!r}"
        assert board.repl.running, f"ended: {board.repl.wait(0)}"
        board.repl.read(left_s)
    return board.repl.output


def closed_events(board: EmulatedBoard) -> list[Event]:
    """All events up to a sync that is made now."""
    return board.trace.evidence(board.port.sync())[0]


def wait_synced(
    board: EmulatedBoard, wanted: Callable[[list[Event]], bool], what: str
) -> list[Event]:
    """All events once `wanted` holds. For boards at their prompt, which tell nothing unasked."""
    end_s = time.monotonic() + WAIT_S
    while not wanted(events := closed_events(board)):
        assert time.monotonic() < end_s, f"{what} did not happen"
    return events


def the_one(
    board: EmulatedBoard, *, role: Role | None = None, remote_port: int | None = None
) -> Connection:
    """The only connection that fits; listeners are left out unless asked for."""
    found = connections(closed_events(board), role=role, remote_port=remote_port)
    fitting = [c for c in found if role is not None or c.role != "listener"]
    assert len(fitting) == 1, [c.text() for c in found]
    return fitting[0]


def told(connection: Connection) -> list[str]:
    """`STATE by=CAUSE` for each step of a connection."""
    steps = zip(connection.path, connection.led_by, strict=True)
    return [f"{state} by={event.cause}" for state, event in steps if event is not None]


def wait_state(board: EmulatedBoard, state: State, conn: int | None = None) -> int:
    """The connection that went to `state`."""
    return board.trace.wait_for(
        lambda e: isinstance(e, Transition) and e.after is state and conn in (None, e.conn),
        WAIT_S,
        f"a transition to {state}",
    ).conn


def wait_died(board: EmulatedBoard, conn: int) -> Event:
    return board.trace.wait_for(
        lambda e: isinstance(e, Died) and e.conn == conn, WAIT_S, f"the end of c{conn}"
    )


@contextmanager
def silent_host(switch: Switch) -> Iterator[None]:
    """A host that answers ARP and nothing else: segments to it vanish."""

    def receive(frame: bytes) -> None:
        asked = parse_frame(frame).arp
        if asked is not None and asked.op == ARP_REQUEST and asked.target_ip == SILENT_IP:
            answer = Arp(ARP_REPLY, SILENT_MAC, SILENT_IP, asked.sender_mac, asked.sender_ip)
            port.send(build_arp(answer, src_mac=SILENT_MAC, dst_mac=asked.sender_mac))

    port = switch.attach(SILENT_MAC, receive, name="silent")
    try:
        yield
    finally:
        port.close()


@contextmanager
def unread_line(board: EmulatedBoard) -> Iterator[None]:
    """Nobody reads the serial line: the reader is held fast at the next event that comes."""
    held, release = threading.Event(), threading.Event()

    def hold(_event: Event, _at_s: float) -> None:
        held.set()
        release.wait(120.0)

    stop = board.trace.on_event(hold)
    try:
        yield
    finally:
        stop()
        release.set()
    assert held.is_set(), "no event came, so the line was read all the time"


def symbol(elf: Path, name: str) -> int:
    """A symbol's address in a 32-bit ELF file (ELF specification 1.2: section headers, symbols)."""
    data = elf.read_bytes()
    (sections_at,) = unpack_from("<I", data, 32)
    size, count = unpack_from("<HH", data, 46)
    headers = [unpack_from("<10I", data, sections_at + i * size) for i in range(count)]
    for header in headers:
        if header[1] != 2:  # SHT_SYMTAB
            continue
        names_at = headers[header[6]][4]
        for at in range(header[4], header[4] + header[5], 16):
            name_offset, value = unpack_from("<II", data, at)
            begin = names_at + name_offset
            if data[begin : data.index(b"\0", begin)] == name.encode():
                return int(value)
    raise AssertionError(f"{elf} has no symbol {name}")
