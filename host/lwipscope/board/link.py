"""The serial line to a board: one reader thread, whatever comes goes into the trace.

The only importer of pyserial. Console text can also be read like a file (`ConsolePort`), which is
what the REPL needs; frames never get in its way. Host times are `time.monotonic()` seconds.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import warnings
from collections.abc import Callable

from lwipscope.board.line import READ_TIMEOUT_S, WRITE_TIMEOUT_S, Line
from lwipscope.board.lock import holders
from lwipscope.board.tcp_line import TcpLine
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
        self.give_up_at_s: float | None = None
        """From then on a read raises TimeoutError: also from a board that never stops talking."""

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
        timeout_s = self.timeout
        if self.give_up_at_s is not None:
            timeout_s = min(timeout_s, self.give_up_at_s - time.monotonic())
            if timeout_s <= 0:
                raise TimeoutError("the time for it is over")
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._data) >= size or self._closed, timeout=timeout_s
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
    """A device, or any URL that pyserial knows. What pyserial raises is an OSError.

    `dtr` and `rts` are the lines' levels while it is open: on many boards a change resets them.
    """

    def __init__(self, url: str, baud: int, *, dtr: bool = False, rts: bool = False) -> None:
        try:
            # Imported here: what it asks for depends on the system, and few commands need it.
            import serial

            with warnings.catch_warnings():
                # pyserial's RFC 2217 client names its thread in a way that Python warns of.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._port = serial.serial_for_url(
                    url,
                    baudrate=baud,
                    timeout=READ_TIMEOUT_S,
                    # pyserial's RFC 2217 client has one of its own.
                    write_timeout=None if "://" in url else WRITE_TIMEOUT_S,
                    exclusive=True,
                    do_not_open=True,
                )
                # Before it is open, so that they are not moved first.
                self._port.dtr, self._port.rts = dtr, rts
                self._port.open()
        except ImportError as error:
            raise NoBoard(f"pyserial can't work on this system: {error}") from error
        except (OSError, ValueError) as error:
            raise NoBoard(_why_not_opened(url, error)) from error

    def pulse_rts(self, seconds: float) -> None:
        """Hold RTS active for so long: boards with an auto-reset circuit are held in reset."""
        self._port.dtr = False
        self._port.rts = True
        time.sleep(seconds)
        self._port.rts = False

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
        connection = getattr(self._port, "_socket", None)
        self._port.close()
        if connection is not None:
            # pyserial's RFC 2217 client forgets to close one that the server has closed.
            connection.close()


def open_line(url: str, baud: int, *, dtr: bool = False, rts: bool = False) -> Line:
    """The line at a device or URL; NoBoard says why not."""
    if url.startswith("socket://"):
        return TcpLine(url)
    return SerialLine(url, baud, dtr=dtr, rts=rts)


def _why_not_opened(url: str, error: Exception) -> str:
    held = holders(url)
    if held:
        return (
            f"the serial port {url} is in use by {' and '.join(held)}; end that first "
            "(one program at a time can hold a port)"
        )
    if "://" in url:
        return f"the serial port {url} can't be opened: {error}. Does its server run there?"
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return (
            f"the serial port {url} can't be opened: there is no such device. Is the board plugged "
            "in? `lwipscope boards` lists the ports that are there"
        )
    # pyserial repeats the system's words.
    why = os.strerror(number) if number in (errno.EACCES, errno.EPERM) else error
    return (
        f"the serial port {url} can't be opened: {why}. Is another program using it "
        "(mpremote, a terminal), and may you open it (group dialout)?"
    )


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
        self._line: Line = open_line(url, baud) if line is None else line
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

    def new_life(self, restart: Callable[[], None], first_seq: int | None = 0) -> None:
        """Throw away what belongs to the board's old life, call `restart`, begin a new trace.

        The caller has stopped the board, so nothing is on its way; or `first_seq` is None, and the
        trace begins with the next hello.
        """
        self._stop_reader()
        self._line.forget()
        self.console.clear()
        self._splitter = FrameSplitter()
        self.trace = Trace(first_seq)
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
