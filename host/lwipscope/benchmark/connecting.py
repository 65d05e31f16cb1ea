"""How many connections and bytes per second: raw frames, the kernel's TCP, the gate.

A rate counts only if the evidence is complete and every connection took the expected path.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Literal

from lwipscope.benchmark.cycle_client import CLIENT_IP, CycleClient
from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.workshop import SERVER_PORT, Workshop, start_server
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import Inconclusive, LwipscopeError, WireUnavailable
from lwipscope.scenario.network import LOOPBACK, Network
from lwipscope.tcp.path import PathPattern, path_text
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Event, Hello, Segment

CYCLES = 1000
KERNEL_CYCLES = 200
BULK_BYTES = 4_000_000
_TIMEOUT_S = 60.0
# The client's FIN follows its ACK at once, and the server closes what it has accepted at once:
# whichever comes first. In TIME_WAIT a pcb waits until another connection needs its memory.
EXPECTED = (
    "LISTEN > SYN_RCVD > ESTABLISHED > "
    "(CLOSE_WAIT > LAST_ACK > CLOSED | FIN_WAIT_1 > CLOSING > TIME_WAIT [> CLOSED])"
)
_SEND = f"""n, b = {BULK_BYTES}, bytes(5840)
    while n > 0: n -= connection.send(b)"""
_TAKE = "b = bytearray(4096)\n    while connection.readinto(b): pass"


def burst(shop: Workshop, times: int) -> Rows:
    """Connections per second and frames per second while the board only records."""
    with shop.board() as (board, _keeper):
        for _ in range(times):
            yield burst_of(board, CYCLES)


def burst_of(board: EmulatedBoard, count: int) -> tuple[float, float]:
    """One burst; its records are drained and judged after the clock has stopped."""
    at_once = _prepare(board)
    with CycleClient(board.switch, board.ip, SERVER_PORT) as client:
        client.meet()
        before = board.switch.counters()
        took_s = client.run(count, at_once=at_once, timeout_s=_TIMEOUT_S)
        after = board.switch.counters()
        board.port.stream("all")
        events = judge(board, count)
    # An independent count: what the client sent and got, against what the board recorded.
    # (A peer of the board's last life may still send: such segments belong to no connection.)
    recorded = [
        event
        for event in events
        if isinstance(event, Segment) and (event.remote is None or event.remote.ip == client.ip)
    ]
    for direction, frames in (("rx", client.segments_out), ("tx", client.segments_in)):
        told = sum(event.direction == direction for event in recorded)
        if told != frames:
            raise LwipscopeError(f"{frames} segments were on the wire, {told} {direction} records")
    frames = after.from_board - before.from_board + after.to_board - before.to_board
    return count / took_s, frames / took_s


def sustained_all(shop: Workshop, times: int) -> Rows:
    """Connections per second until the last of all their records has come over serial."""
    yield from _sustained(shop, times, "all")


def sustained_states(shop: Workshop, times: int) -> Rows:
    """The same with births, transitions and deaths only."""
    yield from _sustained(shop, times, "states")


def _sustained(shop: Workshop, times: int, mode: Literal["all", "states"]) -> Rows:
    with shop.board() as (board, _keeper):
        for _ in range(times):
            at_once = _prepare(board)
            with CycleClient(board.switch, board.ip, SERVER_PORT) as client:
                client.meet()
                board.port.stream(mode)
                started_s = time.monotonic()
                client.run(CYCLES, at_once=at_once, timeout_s=_TIMEOUT_S)
                board.port.sync()
                took_s = time.monotonic() - started_s
                judge(board, CYCLES)
            yield (CYCLES / took_s,)


def _prepare(board: EmulatedBoard) -> int:
    """Start the server; how many connections at once its pcbs and its backlog can take."""
    hello = next(event for event in board.trace.events if isinstance(event, Hello))
    pcbs = int(hello.fields["pcb"])
    at_once = min(8, max(1, pcbs // 2))
    start_server(board, backlog=at_once)
    return at_once


def judge(board: EmulatedBoard, count: int) -> list[Event]:
    """All events; Inconclusive or LwipscopeError unless `count` connections went as expected."""
    events, integrity = board.trace.evidence(board.port.sync())
    if not integrity.complete:
        raise Inconclusive(f"the records are incomplete: {'; '.join(integrity.problems())}")
    pattern = PathPattern.parse(EXPECTED)
    seen = connections(events, port=SERVER_PORT, peer=CLIENT_IP, role="server")
    wrong = [one for one in seen if not pattern.match(one.path).ok]
    if wrong:
        raise LwipscopeError(
            f"{len(wrong)} of {len(seen)} connections took another path than {EXPECTED}, for "
            f"instance {path_text(wrong[0].path)}"
        )
    if len(seen) != count:
        raise LwipscopeError(f"{count} connections were made, the records tell of {len(seen)}")
    return events


def kernel(shop: Workshop, times: int) -> Rows:
    """Connections per second, one after the other: kernel sockets on the TAP, then the gate."""
    with shop.board() as (board, keeper):
        if keeper.tap is None:
            raise WireUnavailable("; ".join(keeper.notes))
        for _ in range(times):
            start_server(board, backlog=8)
            with Network(keeper, board.switch, board.ip) as network:
                direct = _cycles(keeper.socket, (board.ip, SERVER_PORT))
                gate = network.serve(SERVER_PORT, 0)
                yield direct, _cycles(socket.socket, (LOOPBACK, gate.port))


def _cycles(factory: Callable[[int, int], socket.socket], address: tuple[str, int]) -> float:
    started_s = time.monotonic()
    for _ in range(KERNEL_CYCLES):
        with factory(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.settimeout(_TIMEOUT_S)
            one.connect(address)
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):
                pass
    return KERNEL_CYCLES / (time.monotonic() - started_s)


def bulk(shop: Workshop, times: int) -> Rows:
    """Megabytes per second from the board and to it, kernel's TCP on the TAP, stream off."""
    with shop.board() as (board, keeper):
        if keeper.tap is None:
            raise WireUnavailable("; ".join(keeper.notes))
        for _ in range(times):
            yield _from_board(board, keeper.socket), _to_board(board, keeper.socket)


def _from_board(board: EmulatedBoard, factory: Callable[[int, int], socket.socket]) -> float:
    start_server(board, 2, _SEND)
    with factory(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(_TIMEOUT_S)
        started_s = time.monotonic()
        one.connect((board.ip, SERVER_PORT))
        total = 0
        while data := one.recv(1 << 16):
            total += len(data)
        return total / (time.monotonic() - started_s) / 1e6


def _to_board(board: EmulatedBoard, factory: Callable[[int, int], socket.socket]) -> float:
    start_server(board, 2, _TAKE)
    with factory(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(_TIMEOUT_S)
        started_s = time.monotonic()
        one.connect((board.ip, SERVER_PORT))
        one.sendall(bytes(BULK_BYTES))
        one.shutdown(socket.SHUT_WR)
        while one.recv(4096):  # its end says that the board has read everything
            pass
        return BULK_BYTES / (time.monotonic() - started_s) / 1e6
