"""The switch: who gets which frame, in which order, and what a reset or a busy board costs.

The board is a unix datagram socket as QEMU makes it; a SOCK_SEQPACKET pair acts as the TAP.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.wire.board_line import QUEUE_FRAMES
from lwipscope.wire.switch import BOARD_MAC, Port, Switch

TIMEOUT_S = 5.0
KERNEL_MAC = bytes.fromhex("026c77000001")
PEER_MAC = bytes.fromhex("026c77000064")
OTHER_MAC = bytes.fromhex("026c77000065")
STRANGER_MAC = bytes.fromhex("026c770000ee")
BROADCAST = b"\xff" * 6
GROUP = bytes.fromhex("01005e000001")


def frame(dst: bytes, src: bytes, text: str = "") -> bytes:
    return dst + src + b"\x88\xb5" + text.encode()


@dataclass
class Peer:
    """A peer in this process that keeps what it received."""

    mac: bytes
    got: queue.Queue[bytes] = field(default_factory=queue.Queue)

    def receive(self, data: bytes) -> None:
        self.got.put(data)


class Rig:
    """A switch with a fake board, a fake TAP, two peers and a record of all frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tap, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.tap = tap
        self.kernel.settimeout(TIMEOUT_S)
        self.board = self.new_board()
        self.switch = Switch(folder / "p", folder / "q", tap_fd=tap.fileno())
        self.peer, self.other = Peer(PEER_MAC), Peer(OTHER_MAC)
        self.port: Port = self.switch.attach(PEER_MAC, self.peer.receive, name="peer")
        self.other_port = self.switch.attach(OTHER_MAC, self.other.receive)
        self.seen: list[tuple[float, str, bytes]] = []
        self.switch.on_frame(lambda at_s, origin, data: self.seen.append((at_s, origin, data)))

    def new_board(self) -> socket.socket:
        (self.folder / "q").unlink(missing_ok=True)
        board = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        board.bind(str(self.folder / "q"))
        board.settimeout(TIMEOUT_S)
        return board

    def board_sends(self, data: bytes) -> None:
        self.board.sendto(data, str(self.folder / "p"))

    def settle_board(self) -> None:
        """All frames that the board sent before have been forwarded."""
        self.board_sends(frame(PEER_MAC, BOARD_MAC, "settle"))
        while not self.peer.got.get(timeout=TIMEOUT_S).endswith(b"settle"):
            pass

    def quiet(self, *stations: str) -> None:
        """Nothing waits at these stations."""
        self.switch.counters()
        for name in stations:
            if name in ("board", "kernel"):
                line = self.board if name == "board" else self.kernel
                assert not select.select([line], [], [], 0)[0]
            else:
                assert (self.peer if name == "peer" else self.other).got.empty()

    def close(self) -> None:
        self.switch.close()
        for line in (self.board, self.kernel, self.tap):
            line.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lw") as name:  # short: 107 bytes for a socket's path
        yield Path(name)


@pytest.fixture
def rig(folder: Path) -> Iterator[Rig]:
    made = Rig(folder)
    yield made
    made.close()


def test_board_and_kernel_talk_through_the_tap(rig: Rig) -> None:
    to_kernel, to_board = frame(KERNEL_MAC, BOARD_MAC, "a"), frame(BOARD_MAC, KERNEL_MAC, "b")
    rig.kernel.send(to_board)
    assert rig.board.recv(2048) == to_board
    rig.board_sends(to_kernel)
    assert rig.kernel.recv(2048) == to_kernel
    rig.quiet("board", "kernel", "peer", "other")


def test_board_and_peer_are_not_seen_by_the_tap(rig: Rig) -> None:
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "a"))
    assert rig.board.recv(2048) == frame(BOARD_MAC, PEER_MAC, "a")
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "b"))
    assert rig.peer.got.get(timeout=TIMEOUT_S) == frame(PEER_MAC, BOARD_MAC, "b")
    rig.quiet("board", "kernel", "other")


@pytest.mark.parametrize("group", [BROADCAST, GROUP])
def test_group_addresses_reach_everybody_but_their_origin(rig: Rig, group: bytes) -> None:
    rig.port.send(frame(group, PEER_MAC, "hi"))
    data = rig.board.recv(2048)
    assert data == rig.kernel.recv(2048) == rig.other.got.get(timeout=TIMEOUT_S)
    rig.quiet("board", "kernel", "peer", "other")


def test_a_stranger_is_looked_for_outside_only_until_it_was_heard(rig: Rig) -> None:
    rig.board_sends(frame(STRANGER_MAC, BOARD_MAC, "1"))
    assert rig.kernel.recv(2048) == frame(STRANGER_MAC, BOARD_MAC, "1")
    rig.quiet("board", "peer", "other")
    rig.kernel.send(frame(PEER_MAC, STRANGER_MAC, "2"))  # now the switch knows where it lives
    rig.peer.got.get(timeout=TIMEOUT_S)
    rig.port.send(frame(STRANGER_MAC, PEER_MAC, "3"))
    assert rig.kernel.recv(2048) == frame(STRANGER_MAC, PEER_MAC, "3")
    rig.quiet("board", "kernel")


def test_a_peer_that_left_is_not_looked_for(rig: Rig) -> None:
    rig.port.close()
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "late"))
    rig.board_sends(frame(OTHER_MAC, BOARD_MAC, "marker"))
    rig.other.got.get(timeout=TIMEOUT_S)
    rig.quiet("kernel", "peer")
    assert rig.switch.counters().dropped_nowhere == 1
    rig.switch.attach(PEER_MAC, rig.peer.receive)
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "again"))
    rig.peer.got.get(timeout=TIMEOUT_S)


def test_a_forged_source_does_not_move_the_board_or_a_peer(rig: Rig) -> None:
    rig.kernel.send(frame(OTHER_MAC, BOARD_MAC, "forged"))
    rig.other.got.get(timeout=TIMEOUT_S)
    rig.kernel.send(frame(OTHER_MAC, PEER_MAC, "forged"))
    rig.other.got.get(timeout=TIMEOUT_S)
    rig.other_port.send(frame(BOARD_MAC, OTHER_MAC, "x"))
    rig.other_port.send(frame(PEER_MAC, OTHER_MAC, "y"))
    assert rig.board.recv(2048).endswith(b"x")
    assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(b"y")
    rig.quiet("kernel")


def test_a_frame_to_its_origin_is_dropped(rig: Rig) -> None:
    rig.board_sends(frame(BOARD_MAC, BOARD_MAC, "loop"))
    rig.settle_board()
    rig.quiet("board", "kernel")
    assert rig.switch.counters().dropped_nowhere == 1


def test_watchers_see_every_frame_in_order_before_its_delivery(rig: Rig) -> None:
    def answer(_data: bytes) -> None:
        answered.append(len(rig.seen))
        port.send(frame(BOARD_MAC, STRANGER_MAC, "answer"))

    answered: list[int] = []
    port = rig.switch.attach(STRANGER_MAC, answer)
    rig.board_sends(frame(STRANGER_MAC, BOARD_MAC, "question"))
    assert rig.board.recv(2048).endswith(b"answer")
    rig.switch.counters()
    assert [(origin, data[14:]) for _, origin, data in rig.seen] == [
        ("board", b"question"),
        (port.name, b"answer"),
    ]
    assert answered == [1]
    assert rig.seen[0][0] <= rig.seen[1][0]


def test_many_threads_lose_nothing_and_keep_their_own_order(rig: Rig) -> None:
    def pump(number: int) -> None:
        for n in range(300):
            rig.other_port.send(frame(PEER_MAC, OTHER_MAC, f"{number} {n}"))

    threads = [threading.Thread(target=pump, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.switch.counters()
    got = [rig.peer.got.get_nowait()[14:].decode() for _ in range(rig.peer.got.qsize())]
    for number in range(4):
        mine = [text for text in got if text.startswith(f"{number} ")]
        assert mine == [f"{number} {n}" for n in range(300)]


def test_a_board_that_does_not_read_fills_a_queue_and_then_loses(rig: Rig) -> None:
    total = QUEUE_FRAMES + 100
    for n in range(total):
        rig.port.send(frame(BOARD_MAC, PEER_MAC, str(n)))
    counters = rig.switch.counters()
    assert counters.dropped_board_full > 0
    assert rig.switch.board_backlog_bytes() > 0
    expected = total - counters.dropped_board_full
    assert expected >= QUEUE_FRAMES
    got = [rig.board.recv(2048)[14:].decode() for _ in range(expected)]  # woken as it reads
    assert got == [str(n) for n in range(expected)]
    rig.quiet("board")
    assert rig.switch.counters().to_board == expected
    assert rig.switch.board_backlog_bytes() == 0


def test_no_board_is_counted_and_a_restarted_board_is_found(rig: Rig) -> None:
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "1"))
    assert rig.board.recv(2048).endswith(b"1")
    rig.board.close()
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "refused"))
    (rig.folder / "q").unlink()
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "missing"))
    assert rig.switch.counters().dropped_no_board == 2
    rig.board = rig.new_board()
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "2"))
    assert rig.board.recv(2048).endswith(b"2")
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "3"))
    assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(b"3")


def test_a_board_that_ends_with_a_full_queue_does_not_spin_or_hold_it(rig: Rig) -> None:
    for n in range(40):
        rig.port.send(frame(BOARD_MAC, PEER_MAC, str(n)))
    assert rig.switch.counters().to_board < 40
    rig.board.close()
    rig.board = rig.new_board()
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "new"))
    while not rig.board.recv(2048).endswith(b"new"):
        pass


def test_pause_throws_away_the_old_life(rig: Rig) -> None:
    rig.switch.pause_board()
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "old"))
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "old"))
    rig.switch.drain_board()
    rig.switch.resume_board()
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "new"))
    rig.port.send(frame(BOARD_MAC, PEER_MAC, "new"))
    assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(b"new")
    assert rig.board.recv(2048).endswith(b"new")
    assert rig.switch.counters().dropped_paused == 2
    assert not any(origin == "board" and data.endswith(b"old") for _, origin, data in rig.seen)


def test_drain_empties_the_queue_of_a_board_that_does_not_read(rig: Rig) -> None:
    for n in range(40):
        rig.port.send(frame(BOARD_MAC, PEER_MAC, str(n)))
    in_kernel = rig.switch.counters().to_board
    rig.switch.pause_board()
    assert rig.switch.drain_board() == 40 - in_kernel
    rig.switch.resume_board()
    for _ in range(in_kernel):
        rig.board.recv(2048)
    rig.quiet("board")


def test_odd_frames_are_dropped_and_counted(rig: Rig) -> None:
    rig.board_sends(b"short")
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "x" * 5000))
    rig.settle_board()
    assert rig.switch.counters().dropped_malformed == 2


def test_a_tap_that_is_not_read_drops(rig: Rig) -> None:
    rig.kernel.send(frame(PEER_MAC, KERNEL_MAC))  # from now on the switch knows where it lives
    rig.peer.got.get(timeout=TIMEOUT_S)
    big = frame(KERNEL_MAC, PEER_MAC, "x" * 1400)
    for _ in range(1000):
        rig.port.send(big)
    counters = rig.switch.counters()
    assert counters.dropped_tap > 0
    assert counters.to_tap + counters.dropped_tap == 1000


def test_a_failing_callback_is_kept_and_does_not_stop_the_wire(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("broken watcher")

    rig.switch.on_frame(fail)
    rig.board_sends(frame(PEER_MAC, BOARD_MAC, "still"))
    assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(b"still")
    assert rig.switch.counters().callback_errors == 1
    assert isinstance(rig.switch.first_failure, ValueError)
    assert "broken watcher" in caplog.text


def test_a_watcher_that_was_stopped_sees_no_more(rig: Rig) -> None:
    seen: list[bytes] = []
    stop = rig.switch.on_frame(lambda _at_s, _origin, data: seen.append(data))
    for text in ("one", "two"):
        rig.board_sends(frame(PEER_MAC, BOARD_MAC, text))
        assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(text.encode())
        stop()
    assert [data[-3:] for data in seen] == [b"one"]


def test_a_tap_that_goes_away_does_not_spin(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.kernel.shutdown(socket.SHUT_RDWR)
    rig.board_sends(frame(BROADCAST, BOARD_MAC, "still"))
    assert rig.peer.got.get(timeout=TIMEOUT_S).endswith(b"still")
    while not rig.switch.counters().callback_errors:  # ends at the test's timeout at the latest
        pass
    rig.settle_board()
    assert rig.switch.counters().callback_errors == 1
    assert "TAP gives no more frames" in caplog.text


def test_close_removes_the_socket_and_ends_the_thread(folder: Path) -> None:
    before = threading.active_count()
    got: list[bytes] = []
    switch = Switch(folder / "p", folder / "q")
    port = switch.attach(PEER_MAC, got.append)
    switch.attach(OTHER_MAC, lambda _data: None).send(frame(PEER_MAC, OTHER_MAC))
    switch.close()
    switch.close()
    port.send(frame(PEER_MAC, OTHER_MAC))
    port.close()
    assert got == [frame(PEER_MAC, OTHER_MAC)]  # sent before the close
    assert threading.active_count() == before
    assert not (folder / "p").exists()
    with pytest.raises(WireUnavailable):
        switch.attach(STRANGER_MAC, got.append)


def test_wrong_use_is_told(folder: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)
    with pytest.raises(UsageError, match="no open TAP"):
        Switch(folder / "p", folder / "q", tap_fd=read_end)
    with pytest.raises(WireUnavailable, match="107 bytes"):
        Switch(folder / ("p" * 120), folder / "q")
    with pytest.raises(WireUnavailable, match="cannot make the socket"):
        Switch(folder / "no" / "p", folder / "q")
    with pytest.raises(UsageError):
        Switch(folder / "p")
    with Switch() as switch:
        switch.attach(PEER_MAC, lambda _data: None)
        for mac in (PEER_MAC, BROADCAST, b"short"):
            with pytest.raises(UsageError):
                switch.attach(mac, lambda _data: None)
        with pytest.raises(UsageError, match="no board"):
            switch.pause_board()
