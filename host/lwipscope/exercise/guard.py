"""Ends a board that takes too long or floods: its QEMU is killed, and all who wait hear of it.

A program under test may print for ever, send for ever or hang; the host must not fill its memory
or wait for ever because of that. A board that is silent is asked for its hello: if it has
restarted, that tells. (A running program lets the board's heart beat once a second.) Called by
`examiner` around each test. Times in seconds.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.trace.frame import encode_command

Breach: TypeAlias = Literal["time", "silence", "serial", "wire"]
_KEPT_FRAMES = 200
_LOOK_S = 0.2
_ASK_S = 1.5
_NOBODYS_ID = (1 << 31) - 1  # the command port counts from 1
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one test may take. `frames` counts those that the board sends."""

    seconds: float = 20.0
    silence_s: float = 6.0
    serial_bytes: int = 128 * 1024
    frames: int = 8_000


class Guard:
    """Watches one board; `frames` is the wire's record since `begin`, and the last before."""

    def __init__(self, board: EmulatedBoard, limits: Limits) -> None:
        self.limits = limits
        self.breach: Breach | None = None
        self.frames: list[tuple[float, str, bytes]] = []
        self._board = board
        self._pid = board.pid
        self._serial_bytes = self._from_board = 0
        self._stop = board.switch.on_frame(self._frame)

    def close(self) -> None:
        """Watch no more."""
        self._stop()

    def begin(self) -> None:
        """A new life begins: call this before the reset, so that no frame of it is missed."""
        # What was under way to the old life may come to the new one.
        self.frames = self.frames[-_KEPT_FRAMES:]
        self._serial_bytes = self._from_board = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """One test: its time and what the program prints."""
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,))
        stop = self._board.trace.on_console(self._console)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            stop()

    def _watch(self, over: threading.Event) -> None:
        begun_s = asked_s = time.monotonic()
        while not over.wait(_LOOK_S) and self.breach is None:
            now_s = time.monotonic()
            heard_s = max(begun_s, self._board.trace.last_heard_s or 0.0)
            if now_s - begun_s > self.limits.seconds:
                self._end("time")
            elif now_s - heard_s > self.limits.silence_s:
                self._end("silence")
            elif now_s - max(heard_s, asked_s) > _ASK_S and self._board.trace.lost is None:
                asked_s = now_s
                with suppress(OSError, LwipscopeError):
                    # Not through the command port, which may be waiting for an answer.
                    self._board.link.write(encode_command(_NOBODYS_ID, "hello", ()))

    def _console(self, data: bytes, _at_s: float) -> None:
        self._serial_bytes += len(data)
        if self._serial_bytes > self.limits.serial_bytes:
            self._end("serial")

    def _frame(self, at_s: float, origin: str, data: bytes) -> None:
        if self.breach is not None:
            return
        self._from_board += origin == "board"
        self.frames.append((at_s, origin, data))
        if self._from_board > self.limits.frames:
            self._end("wire")

    def _end(self, breach: Breach) -> None:
        if self.breach is None:
            self.breach = breach
            with suppress(OSError):
                if self._board.alive():
                    os.kill(self._pid, _KILL)
