"""The serial line to a board: one reader thread, whatever comes goes into the trace.

The only importer of pyserial. Console text can also be read like a file (`ConsolePort`), which is
what the REPL needs; frames never get in its way. Host times are `time.monotonic()` seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import serial

from lwipscope.board.line import READ_TIMEOUT_S, WRITE_TIMEOUT_S, Line
from lwipscope.errors import BoardLost, NoBoard
from lwipscope.trace.frame import Console, FrameSplitter
from lwipscope.trace.trace import Trace
from lwipscope.trace.watchers import Watchers

# QEMU writes each byte to the line by itself, and is held up whenever that wakes a reader. So
# while a board streams faster than this, it is read in gulps (20 % more connections per second,
# twice as many where all is told).
_STREAMS_BYTES_PER_S = 100_000
_STREAMS_AFTER_BYTES = 4096
_GULP_S = 0.004


class ConsolePort:
    """Console text as a serial port: what `mpremote` reads from and writes to.

    Has the few methods and attributes of `serial.Serial` that mpremote's transport uses.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._changed = threading.Condition()
        self._data = bytearray()
        self._closed = False
        self.timeout = 10.0

    def put(self, data: bytes) -> None:
        """More console text has come (the reader thread)."""
        with self._changed:
            self._data += data
            self._changed.notify_all()

    def hang_up(self) -> None:
        """Nothing more will come: readers return at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget what nobody has read."""
        with self._changed:
            self._data.clear()

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes; fewer if `timeout` seconds pass, or the line is gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._data) >= size or self._closed, timeout=self.timeout
            )
            data = bytes(self._data[:size])
            del self._data[:size]
            return data

    def read_some(self, timeout_s: float) -> bytes:
        """Whatever there is, waiting for at least one byte; b"" when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._data) or self._closed, timeout=timeout_s)
            data = bytes(self._data)
            self._data.clear()
            return data

    @property
    def closed(self) -> bool:
        """True when the line is gone and everything has been read."""
        return self._closed and not self._data

    def inWaiting(self) -> int:
        """How many bytes can be read at once."""
        return len(self._data)

    def write(self, data: bytes) -> int:
        """To the board's stdin."""
        self._link.write(data)
        return len(data)


class SerialLine:
    """A device, or any URL that pyserial knows. What pyserial raises is an OSError."""

    def __init__(self, url: str, baud: int) -> None:
        try:
            self._port = serial.serial_for_url(
                url,
                baudrate=baud,
                timeout=READ_TIMEOUT_S,
                write_timeout=WRITE_TIMEOUT_S,
                exclusive=True,
            )
        except (OSError, ValueError) as error:
            raise NoBoard(
                f"the serial port {url} can't be opened: {error}. Is another program using it "
                "(mpremote, a terminal), and may you open it (group dialout)?"
            ) from error

    def read(self) -> bytes:
        try:
            data: bytes = self._port.read(1)
            waiting = self._port.in_waiting
            return data + self._port.read(waiting) if waiting else data
        except TypeError as error:
            raise OSError("the port was closed") from error  # pyserial's way of saying so

    def cancel_read(self) -> None:
        if hasattr(self._port, "cancel_read"):
            self._port.cancel_read()

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def forget(self) -> None:
        self._port.reset_input_buffer()
        self._port.reset_output_buffer()

    def close(self) -> None:
        self._port.close()


class Link:
    """A serial line with its reader. `url` is a device or any URL that pyserial knows."""

    def __init__(
        self,
        url: str,
        baud: int,
        *,
        line: Line | None = None,
        trace: Trace | None = None,
        why_lost: Callable[[str], str] = str,
    ) -> None:
        """`why_lost` may turn "the line closed" into something that says more.

        An open `line` is used instead of opening `url`, which then is its name only, and stays
        open. Without a `trace` the board is taken to be at the start of a life.
        """
        self.url = url
        self.trace = trace or Trace()
        self.console = ConsolePort(self)
        self._why_lost = why_lost
        self._splitter = FrameSplitter()
        self._byte_watchers: Watchers[bytes] = Watchers()
        self._write_lock = threading.Lock()
        self._closing = self._closed = False
        self._reader: threading.Thread | None = None
        self._owns_line = line is None
        self._line: Line = SerialLine(url, baud) if line is None else line
        self._start_reader()

    def write(self, data: bytes) -> None:
        """All of `data`, or BoardLost."""
        try:
            with self._write_lock:
                if self._closed:
                    raise OSError("it is closed, or given to others")
                self._line.write(data)
        except OSError as error:
            reason = self._why_lost(f"writing to {self.url} failed: {error}")
            self.trace.board_lost(reason)
            raise BoardLost(f"the board is lost: {reason}") from error

    def on_bytes(self, callback: Callable[[bytes, float], None]) -> Callable[[], None]:
        """Call back with whatever is read from now on, in this life and the next ones, before it is
        taken apart, and its host time. Returns how to stop that."""
        return self._byte_watchers.add(callback)

    def new_life(self, restart: Callable[[], None]) -> None:
        """Throw away what belongs to the board's old life, call `restart`, begin a new trace.

        The caller has stopped the board, so nothing is on its way.
        """
        self._stop_reader()
        self._line.forget()
        self.console.clear()
        self._splitter = FrameSplitter()
        self.trace = Trace()
        self._start_reader()
        restart()

    def close(self) -> None:
        """Stop reading, and close the line unless it was given. Idempotent."""
        self._stop_reader()
        self.console.hang_up()
        self._closed = True
        if self._owns_line:
            self._line.close()

    def _start_reader(self) -> None:
        self._closing = False
        self._reader = threading.Thread(target=self._read_all, name="lwipscope-link")
        self._reader.start()

    def _stop_reader(self) -> None:
        self._closing = True
        if self._reader is not None:
            self._line.cancel_read()
            self._reader.join()
            self._reader = None

    def _read_all(self) -> None:
        line, splitter, trace = self._line, self._splitter, self.trace
        flow = _Flow()
        while not self._closing:
            try:
                data = line.read()
            except OSError as error:
                if not self._closing:
                    trace.board_lost(self._why_lost(f"the serial line closed ({error})"))
                    self.console.hang_up()
                return
            if not data:
                continue
            at_s = time.monotonic()
            self._byte_watchers.tell(data, at_s)
            for item in splitter.feed(data):
                trace.feed(item, at_s)
                if isinstance(item, Console):
                    self.console.put(item.data)
            if flow.streams(len(data), at_s):
                time.sleep(_GULP_S)


class _Flow:
    """Tells streaming from the few bytes of an answer: a bucket that leaks at the given rate."""

    def __init__(self) -> None:
        self._level_bytes = 0.0
        self._at_s = 0.0

    def streams(self, size_bytes: int, at_s: float) -> bool:
        """`size_bytes` have come at `at_s`: is that a stream by now?"""
        leaked = (at_s - self._at_s) * _STREAMS_BYTES_PER_S
        level = max(0.0, self._level_bytes - leaked) + size_bytes
        self._level_bytes = min(level, 1.25 * _STREAMS_AFTER_BYTES)
        self._at_s = at_s
        return level >= _STREAMS_AFTER_BYTES
