"""The emulated board's serial line, its outlet for other programs, and a link on a given line."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope.board import line as line_module
from lwipscope.board.line import LineEnded, PipeLine
from lwipscope.board.link import Link
from lwipscope.board.outlet import Outlet
from lwipscope.errors import BoardLost
from lwipscope.trace.frame import encode_frame

WAIT_S = 5.0


class Board:
    """The other end of the line: descriptors like those that QEMU gets."""

    def __init__(self, line: PipeLine) -> None:
        with line.board_ends() as (stdin, stdout):
            self.stdin, self.stdout = os.dup(stdin), os.dup(stdout)
        os.set_blocking(self.stdout, False)

    def say(self, data: bytes) -> int:
        """Byte by byte, as QEMU does: how many were taken."""
        for count, byte in enumerate(data):
            try:
                os.write(self.stdout, bytes([byte]))
            except BlockingIOError:
                return count
        return len(data)

    def say_all(self, data: bytes) -> None:
        """Waiting whenever the line is full."""
        while data:
            assert select.select([], [self.stdout], [], WAIT_S)[1], f"{len(data)} bytes not taken"
            data = data[os.write(self.stdout, data) :]

    def end(self) -> None:
        if self.stdout >= 0:
            os.close(self.stdin)
            os.close(self.stdout)
            self.stdout = -1


@pytest.fixture
def line() -> Iterator[PipeLine]:
    made = PipeLine()
    yield made
    made.close()
    made.close()


@pytest.fixture
def board(line: PipeLine) -> Iterator[Board]:
    made = Board(line)
    yield made
    made.end()


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    """To be asked for after the line, so that it is closed before."""
    made = Outlet()
    yield made
    made.close()
    made.close()


def read_all(fd: int, size: int) -> bytes:
    """`size` bytes, or what came before the end or the deadline."""
    data = b""
    deadline_s = time.monotonic() + WAIT_S
    while len(data) < size and (left_s := deadline_s - time.monotonic()) > 0:
        if select.select([fd], [], [], left_s)[0]:
            try:
                fresh = os.read(fd, 4096)
            except OSError as error:
                assert error.errno == errno.EIO  # hung up
                return data
            if not fresh:
                return data
            data += fresh
    return data


def test_what_was_said_outlives_the_board(line: PipeLine, board: Board) -> None:
    assert board.say(b"last words") == 10
    board.end()
    assert line.read() == b"last words"
    with pytest.raises(LineEnded):
        line.read()


def test_a_full_line_is_full(line: PipeLine, board: Board) -> None:
    """The board has to see a busy UART; and not a byte is lost by it."""
    data = random.Random(1).randbytes(200_000)
    taken = board.say(data)
    assert 4096 <= taken <= 1 << 17
    seen = b""
    while len(seen) < taken:
        seen += line.read()
    assert seen == data[:taken]


def test_a_read_can_be_cancelled(line: PipeLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "READ_TIMEOUT_S", 60.0)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(line.read()))
    reader.start()
    line.cancel_read()
    reader.join(WAIT_S)
    assert not reader.is_alive()
    assert got == [b""]


def test_a_board_that_takes_nothing_is_told_in_time(
    line: PipeLine, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "WRITE_TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError, match="of 1000000 bytes were not taken"):
        line.write(bytes(1_000_000))
    assert len(os.read(board.stdin, 4096)) == 4096


def test_forget_throws_away_both_ways(line: PipeLine, board: Board) -> None:
    board.say(b"old life")
    line.write(b"for the old life")
    line.forget()
    board.say(b"new")
    line.write(b"life")
    assert line.read() == b"new"
    assert os.read(board.stdin, 100) == b"life"


def test_the_device_is_in_use_until_it_is_opened_for_others(line: PipeLine, outlet: Outlet) -> None:
    fd = os.open(outlet.device, os.O_RDWR | os.O_NOCTTY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        outlet.open_for_others(line)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


def test_the_outlet_carries_all_bytes_in_order_both_ways(
    line: PipeLine, board: Board, outlet: Outlet
) -> None:
    """More than all buffers hold, and every byte value: nothing is echoed or translated."""
    outlet.open_for_others(line)
    there, back = (random.Random(seed).randbytes(300_000) for seed in (2, 3))
    fd = os.open(outlet.device, os.O_RDWR | os.O_NOCTTY)
    speaker = threading.Thread(target=board.say_all, args=(there,))
    heard: list[bytes] = []
    listener = threading.Thread(target=lambda: heard.append(read_all(board.stdin, len(back))))
    try:
        speaker.start()
        assert read_all(fd, len(there)) == there
        speaker.join()
        listener.start()
        rest = back
        while rest:
            rest = rest[os.write(fd, rest) :]
        listener.join()
        assert heard == [back]
    finally:
        os.close(fd)


def test_an_outlet_that_nobody_reads_holds_the_board_back(
    line: PipeLine, board: Board, outlet: Outlet
) -> None:
    outlet.open_for_others(line)
    taken = 0
    while select.select([], [board.stdout], [], 0.3)[1]:
        taken += os.write(board.stdout, bytes(4096))
        assert taken < 1 << 20, "it swallows all"


def test_last_words_can_be_read_at_the_outlet_after_the_board_has_ended(
    line: PipeLine, board: Board, outlet: Outlet
) -> None:
    outlet.open_for_others(line)
    fd = os.open(outlet.device, os.O_RDWR | os.O_NOCTTY)
    closing = threading.Thread(target=lambda: outlet.close(board_ended=True))
    try:
        board.say(b"words " * 500)
        board.end()
        closing.start()
        assert read_all(fd, 3000) == b"words " * 500
        assert read_all(fd, 1) == b""  # and then it hangs up
    finally:
        closing.join()
        os.close(fd)


def test_an_outlet_closes_at_once_though_nobody_reads(
    line: PipeLine, board: Board, outlet: Outlet
) -> None:
    outlet.open_for_others(line)
    board.say(b"nobody reads this")
    started_s = time.monotonic()
    outlet.close()
    assert time.monotonic() - started_s < 0.5


def test_nothing_stays_open() -> None:
    before = set(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else set()
    line, outlet = PipeLine(), Outlet()
    Board(line).end()
    outlet.open_for_others(line)
    outlet.close()
    line.close()
    after = set(Path("/proc/self/fd").iterdir()) if before else set()
    assert len(after) == len(before)


def test_a_link_on_a_given_line_leaves_it_open_and_writes_no_more(
    line: PipeLine, board: Board
) -> None:
    link = Link("a pipe", 115200, line=line, why_lost=lambda text: f"{text}!")
    try:
        link.write(b"hello")
        assert os.read(board.stdin, 100) == b"hello"
        board.say(encode_frame(0, 17, "beat", ["ring=0"]))
        link.trace.wait_for(lambda _event: True, WAIT_S, "the frame")
    finally:
        link.close()
    with pytest.raises(BoardLost, match="writing to a pipe failed: it is closed, or given"):
        link.write(b"too late")
    board.say(b"for others")
    assert line.read() == b"for others"


def test_a_link_tells_the_end_of_its_line(line: PipeLine, board: Board) -> None:
    link = Link("a pipe", 115200, line=line, why_lost=lambda text: f"why: {text}")
    try:
        board.end()
        with pytest.raises(BoardLost, match=r"why: the serial line closed"):
            link.trace.wait_for(lambda _event: False, WAIT_S, "nothing")
    finally:
        link.close()
