"""The connection of `lwipscope watch` to its board: follows it over restarts and lost lines.

A thread of its own asks the board every two seconds who it is: silence shows, and so does a
restart, after which a new life begins here, too. Times in seconds of host time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from lwipscope.board.command_port import CommandPort
from lwipscope.cli.watch_line import BoardLine
from lwipscope.errors import (
    BoardFault,
    BoardLost,
    BoardReset,
    DeadlineExceeded,
    LwipscopeError,
    NoBoard,
)
from lwipscope.report.watched import Watched
from lwipscope.runfile.collect import life_of, versions
from lwipscope.runfile.model import About, Run
from lwipscope.trace.event import Event
from lwipscope.trace.short_trace import ShortTrace

_PING_S = 2.0
_ANSWER_S = 1.0
_AGAIN_S = 0.5
GIVE_UP_S = 10.0
"""So long a line that is gone is awaited: a board on USB comes back within it."""
_AHEAD_S = 3.0
MOST_LIVES = 8


class Session:
    """Feeds a `Watched`. Opens the board's line, and closes it."""

    def __init__(self, place: BoardLine, *, segments: bool) -> None:
        self._place = place
        self._mode = "all" if segments else "states"
        self._line = place.open()
        self._link = place.link(self._line)
        self.port = CommandPort(self._link)
        self._lock = threading.Lock()
        self._watched = Watched()
        self._heard_s = time.monotonic()
        self._start_s, self._start_ns = time.monotonic(), time.time_ns()
        # Of a board that restarts again and again, or runs for days, the newest is kept.
        self._traces: deque[ShortTrace] = deque(maxlen=MOST_LIVES)
        self._begun = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="lwipscope-watch")
        self.status = ""
        """What is wrong now, for people; empty if nothing is."""
        self.failure: LwipscopeError | None = None
        """Why it has ended by itself."""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """End it; the board is told to be silent again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._link.trace.integrity.started and self._link.trace.lost is None:
            with contextlib.suppress(LwipscopeError):
                self.port.request("stream", "off", timeout_s=_ANSWER_S)
        self._link.close()
        self._line.close()

    def look(self) -> tuple[Watched, int]:
        """What the board is doing, and its time now; both are the caller's own."""
        with self._lock:
            watched = self._watched.copy()
            since_s = time.monotonic() - self._heard_s
        if watched.fields.get("time") == "manual":
            since_s = 0.0
        return watched, watched.clock_us + round(min(since_s, _AHEAD_S) * 1e6)

    def save(self, path: Path) -> None:
        """All that was seen so far as a run file."""
        with self._lock:
            traces = list(self._traces)
            told = dict(self._watched.fields)
            begun = self._begun
        lives = [
            life_of(n, self._start_s, t.stamped, (), t.integrity, console=t.console)
            for n, t in enumerate(traces)
        ]
        about = About(
            "watch",
            "watch",
            f"a board that was watched on {self._link.url}",
            board=told.get("board", ""),
            clock=told.get("time", ""),
            wall_ns=self._start_ns,
            lasted_s=time.monotonic() - self._start_s,
            remarks=_forgotten(traces, begun),
            versions=versions(),
        )
        Run(about, tuple(lives)).save(path)

    def _follow(self) -> None:
        try:
            self._begin()
            while not self._stop.wait(_PING_S):
                self._ping()
        except LwipscopeError as error:
            self.failure = error

    def _ping(self) -> None:
        try:
            self.port.hello(_ANSWER_S)
            if self._watched.doubtful:
                self._read_table()
            self.status = ""
        except DeadlineExceeded:
            self._silent()
        except (BoardReset, BoardFault) as error:
            self.status = str(error).partition(", while waiting")[0]
            self._new_life()
        except BoardLost as error:
            self._reopen(error)

    def _silent(self) -> None:
        heard_s = self._link.trace.last_heard_s
        since_s = time.monotonic() - (self._start_s if heard_s is None else heard_s)
        self.status = f"the board has said nothing for {since_s:.0f} s; waiting for it"

    def _begin(self) -> None:
        """Follow the trace that the link has now; the board has said or will say hello."""
        trace = self._link.trace
        assert isinstance(trace, ShortTrace)
        with self._lock:
            self._traces.append(trace)
            self._begun += 1
        trace.on_event(self._event)
        try:
            self.port.hello(_ANSWER_S)
            self.port.request("stream", self._mode, timeout_s=_ANSWER_S)
            self._read_table()
        except DeadlineExceeded:
            with self._lock:
                self._watched.doubtful = True
            self._silent()
        except BoardLost:
            return  # the next ping meets it

    def _read_table(self) -> None:
        rows = self.port.snapshot(_ANSWER_S)
        with self._lock:
            seen_us = min((row.clock_us for row in rows), default=self._watched.clock_us)
            self._watched.snapshot(rows, seen_us)

    def _new_life(self) -> None:
        self._link.close()
        self._line.forget()
        self._follow_on()

    def _follow_on(self) -> None:
        """A new trace on the open line."""
        self._link = self._place.link(self._line)
        self.port = CommandPort(self._link)
        with self._lock:
            self._watched.begin()
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        """A board that starts up is silent for a while; the fault or restart stays on show."""
        said = self.status
        while not self._stop.is_set():
            try:
                self.port.hello(_ANSWER_S)
                break
            except DeadlineExceeded:
                self.status = f"{said}; it does not answer yet"
        self.status = said
        self._begin()

    def _reopen(self, error: BoardLost) -> None:
        """The line is gone: as that of a board on USB that restarts."""
        self._link.close()
        self._line.close()
        if not _comes_back(self._link.url):
            raise error
        give_up_s = time.monotonic() + GIVE_UP_S
        why = str(error).partition(", while waiting")[0]
        while not self._stop.wait(_AGAIN_S):
            left_s = give_up_s - time.monotonic()
            if left_s <= 0:
                raise BoardLost(f"{why}; it did not come back within {GIVE_UP_S:g} s") from error
            self.status = f"the line is gone; waiting {left_s:.0f} s for it to come back ({why})"
            with contextlib.suppress(NoBoard):
                self._line = self._place.open()
                self.status = "the line was gone and is back"
                self._follow_on()
                return

    def _event(self, event: Event, at_s: float) -> None:
        with self._lock:
            self._watched.event(event)
            self._heard_s = at_s


def _forgotten(traces: Sequence[ShortTrace], begun: int) -> tuple[str, ...]:
    """What a saved run lacks, because it lasted too long."""
    told = []
    if begun > len(traces):
        told.append(f"the first {begun - len(traces)} lives of the board were not kept")
    events = sum(trace.dropped for trace in traces)
    if events:
        told.append(f"{events} older events were not kept: this begins in the middle")
    return tuple(told)


def _comes_back(url: str) -> bool:
    """Whether the same name means the same board later: that of a pseudo-terminal is given to
    whoever opens the next one."""
    return "://" in url or not str(Path(url).resolve()).startswith("/dev/pts/")
