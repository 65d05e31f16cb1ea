"""The wire to one emulated board: an Ethernet switch in this process.

Three kinds of stations: the board (QEMU's `-netdev dgram`: one unix datagram is one frame), a TAP
(a file descriptor that the caller opened), and peers in this process (`attach`). One thread moves
every frame, so all see the same order: watchers (`on_frame`) first, then the stations it is for.
Whatever other threads send waits in one inbox; there is no lock per frame.

Addresses are learned from the board and the TAP; those of peers and of the board are known from
the start, so what the board and a peer say to each other never reaches the TAP. Times are
`time.monotonic()` seconds. Sources: QEMU docs on `-netdev dgram`, unix(7), IEEE 802.1D 7.7-7.9.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from lwipscope.errors import UsageError
from lwipscope.wire.board_line import FRAME_MAX_BYTES, BoardLine
from lwipscope.wire.layers import mac_text
from lwipscope.wire.loop import Loop
from lwipscope.wire.rules import Rules
from lwipscope.wire.station import Counters, Port, TapLine, Wire, WirePort

__all__ = ["Counters", "Port", "Switch", "Wire", "WirePort"]

BOARD_MAC = bytes.fromhex("026c7700000a")
INBOX_FRAMES = 4096
TABLE_MACS = 1024
_BATCH = 32
_log = logging.getLogger(__name__)

FrameWatcher = Callable[[float, str, bytes], None]


_Station = BoardLine | Port | TapLine


class Switch:
    """`Switch(P, Q)` where QEMU has `local.path=Q,remote.path=P`. Both None: no board, peers only.

    `line` is another way to QEMU than those two paths; the switch closes it.

    `tap_fd` stays the caller's to close, after the switch. `board_mac` is known from the start.
    """

    def __init__(
        self,
        switch_path: Path | None = None,
        board_path: Path | None = None,
        *,
        line: BoardLine | None = None,
        tap_fd: int | None = None,
        board_mac: bytes = BOARD_MAC,
    ) -> None:
        if (switch_path is None) != (board_path is None):
            raise UsageError("a switch needs both socket paths of the board, or none")
        self.first_failure: Exception | None = None
        self._from_board = self._from_tap = self._from_ports = self._to_ports = 0
        self._inbox_full = self._nowhere = self._malformed = self._callback_errors = 0
        self._watchers: tuple[FrameWatcher, ...] = ()
        self._table: dict[bytes, _Station | None] = {}  # None: a peer that left
        self._ports: list[Port] = []
        self._names = 0
        self._rules: Rules | None = None
        self._board = line
        self._board_mac = board_mac
        self._waits_for_board = False
        self._tap = None if tap_fd is None else TapLine(tap_fd)
        if switch_path is not None and board_path is not None:
            self._board = BoardLine(switch_path, board_path)
        if self._board is not None:
            self._table[board_mac] = self._board
        self._loop = Loop("lwipscope-switch", self._serve_port, self._after_turn)
        register = self._loop.selector.register
        if self._board is not None:
            register(self._board.receiver, selectors.EVENT_READ, self._read_board)
        if self._tap is not None:
            register(self._tap.fd, selectors.EVENT_READ, self._read_tap)
        self._loop.start()

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> Port:
        """A place for a peer in this process; `name` is its origin in `on_frame`."""

        def enter() -> Port:
            if isinstance(self._table.get(mac), Port) or len(mac) != 6 or mac[0] & 1:
                raise UsageError(f"MAC {mac_text(mac)} is not a free unicast address on this wire")
            self._names += 1
            port = Port(mac, name or f"peer-{self._names}", receive, self._put, self._detach)
            self._table[mac] = port
            self._ports.append(port)
            return port

        return self._loop.call(enter)

    def on_frame(self, watcher: FrameWatcher) -> Callable[[], None]:
        """Call `watcher(at_s, origin, data)` for every frame, in order, on the switch's thread,
        before it is delivered; origin is `board`, `tap` or a peer's name. Returns how to stop."""

        def add() -> None:
            self._watchers = (*self._watchers, watcher)

        def remove() -> None:
            self._watchers = tuple(each for each in self._watchers if each != watcher)

        def stop() -> None:
            if not self._loop.closed:
                self._loop.call(remove)

        self._loop.call(add)
        return stop

    def set_rules(self, rules: Rules | None) -> None:
        """Trouble for segments between the board and anybody else from now on; None ends it. What
        the former rules held back is delivered first. Watchers see frames as they were sent."""

        def change() -> None:
            if self._rules is not None:
                self._rules.release()
            self._rules = rules

        self._loop.call(change)

    def release_held(self) -> int:
        """Deliver what the rules hold back; how many frames."""

        def release() -> int:
            return 0 if self._rules is None else self._rules.release()

        return self._loop.call(release)

    def pause_board(self) -> None:
        """From its return on nothing passes to or from the board, until `resume_board`."""
        board = self._need_board()

        def pause() -> None:
            board.paused = True

        self._loop.call(pause)

    def drain_board(self) -> int:
        """Throw away what waits to or from the board now (frames of its old life); how many."""
        board = self._need_board()

        def drain() -> int:
            held = 0 if self._rules is None else self._rules.discard()
            return held + board.drain()

        return self._loop.call(drain)

    def resume_board(self) -> None:
        """End `pause_board`."""
        board = self._need_board()

        def resume() -> None:
            board.paused = False

        self._loop.call(resume)

    def board_backlog_bytes(self) -> int:
        """What QEMU has not read yet (buffer space, more than the frames' bytes); 0 if nothing."""
        return self._loop.call(self._need_board().backlog_bytes)

    def counters(self) -> Counters:
        """The counters; frames sent before this call are in them."""

        def count() -> Counters:
            board, tap = self._board, self._tap
            return Counters(
                from_board=self._from_board,
                to_board=board.sent if board else 0,
                from_tap=self._from_tap,
                to_tap=tap.sent if tap else 0,
                from_ports=self._from_ports,
                to_ports=self._to_ports,
                dropped_paused=board.dropped_paused if board else 0,
                dropped_no_board=board.dropped_no_board if board else 0,
                dropped_board_full=board.dropped_full if board else 0,
                dropped_tap=tap.dropped if tap else 0,
                dropped_inbox_full=self._inbox_full,
                dropped_nowhere=self._nowhere,
                dropped_malformed=self._malformed,
                callback_errors=self._callback_errors,
            )

        return self._loop.call(count)

    def close(self) -> None:
        """Send what waits in the inbox, end the thread, remove the socket file."""
        self._loop.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Switch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _need_board(self) -> BoardLine:
        if self._board is None:
            raise UsageError("this switch has no board: give it both socket paths")
        return self._board

    def _put(self, port: Port, frame: bytes) -> None:
        if self._loop.waiting() < INBOX_FRAMES:
            self._loop.put((port, frame))
        else:
            self._inbox_full += 1

    def _detach(self, port: Port) -> None:
        def leave() -> None:
            if port in self._ports:
                self._ports.remove(port)
                self._table[port.mac] = None

        if not self._loop.closed:
            self._loop.call(leave)

    # All below runs on the loop's thread.

    def _serve_port(self, item: tuple[Port, bytes]) -> None:
        self._from_ports += 1
        self._forward(*item)

    def _after_turn(self) -> None:
        """Ask to be told when QEMU reads again, only while frames wait for that."""
        board = self._board
        if board is None or bool(board.queue) == self._waits_for_board:
            return
        self._waits_for_board = not self._waits_for_board
        if self._waits_for_board:
            self._loop.selector.register(board.sender, selectors.EVENT_WRITE, board.flush)
        else:
            self._loop.selector.unregister(board.sender)

    def _read_board(self) -> None:
        board = self._board
        assert board is not None
        with suppress(BlockingIOError):
            for _ in range(_BATCH):
                frame = board.receive()
                if board.paused:
                    board.dropped_paused += 1
                    continue
                self._from_board += 1
                self._forward(board, frame)

    def _read_tap(self) -> None:
        tap = self._tap
        assert tap is not None
        try:
            for _ in range(_BATCH):
                frame = os.read(tap.fd, FRAME_MAX_BYTES)
                if not frame:
                    raise OSError("end of file")
                self._from_tap += 1
                self._forward(tap, frame)
        except BlockingIOError:
            pass
        except OSError as error:  # the namespace went away, or the caller closed it too early
            self._loop.selector.unregister(tap.fd)
            self._failed("the TAP gives no more frames", error)

    def _forward(self, origin: _Station, frame: bytes) -> None:
        if not 14 <= len(frame) < FRAME_MAX_BYTES:
            self._malformed += 1
            return
        at_s = time.monotonic()
        for watcher in self._watchers:
            try:
                watcher(at_s, origin.name, frame)
            except Exception as error:
                self._failed("a watcher of frames failed", error)
        if not isinstance(origin, Port):
            source = frame[6:12]
            if self._table.get(source) is not origin:
                self._learn(source, origin)
        if self._rules is None:
            self._route(origin, frame)
        else:
            from_board = frame[6:12] == self._board_mac
            self._rules.frame(from_board, frame, partial(self._route, origin, frame))

    def _route(self, origin: _Station, frame: bytes) -> None:
        if frame[0] & 1:
            self._flood(origin, frame, self._ports)
            return
        destination = frame[:6]
        if destination not in self._table:
            self._flood(origin, frame, ())  # peers are known: a stranger is not among them
            return
        station = self._table[destination]
        if station is None or station is origin:
            self._nowhere += 1
        else:
            self._deliver(station, frame)

    def _learn(self, source: bytes, origin: _Station) -> None:
        known = self._table.get(source)
        fixed = isinstance(known, Port) or (known is not None and source == self._board_mac)
        if not (fixed or source[0] & 1 or len(self._table) >= TABLE_MACS):
            self._table[source] = origin

    def _flood(self, origin: _Station, frame: bytes, ports: Sequence[Port]) -> None:
        for station in (self._board, self._tap, *ports):
            if station is not None and station is not origin:
                self._deliver(station, frame)

    def _deliver(self, station: _Station, frame: bytes) -> None:
        if not isinstance(station, Port):
            station.deliver(frame)
            return
        self._to_ports += 1
        try:
            station.deliver(frame)
        except Exception as error:
            self._failed(f"the receive function of {station.name} failed", error)

    def _failed(self, what: str, error: Exception) -> None:
        self._callback_errors += 1
        self.first_failure = self.first_failure or error
        _log.error("%s: %r", what, error, exc_info=error)
