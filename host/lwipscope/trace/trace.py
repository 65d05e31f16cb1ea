"""The ordered event stream of one board life, and waiting for things to happen in it.

The link's reader thread feeds what it reads; tests, viewers and verdicts read from other threads.
Host times are `time.monotonic()` seconds; board times are in the events. What arrives after the
board restarted belongs to the next trace and is not kept. Integrity rules: `integrity`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from lwipscope.errors import BoardFault, BoardLost, BoardReset, DeadlineExceeded, UsageError
from lwipscope.trace.event import (
    Beat,
    Event,
    Fault,
    Hello,
    Lost,
    PcbRow,
    Reply,
    Unknown,
    parse_event,
)
from lwipscope.trace.frame import BadFrame, Console, Frame
from lwipscope.trace.integrity import Integrity, Ledger
from lwipscope.trace.watchers import Watchers

_LAST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event, when the host read it, and its frame's text from the kind on (may be empty)."""

    at_s: float
    event: Event
    said: str = ""


@dataclass(frozen=True, slots=True)
class ConsoleText:
    """Console bytes and when the host read them; one line may come in several pieces."""

    at_s: float
    data: bytes


class Trace:
    """Events of one board life. `first_seq` is the number that the first frame must have.

    A fresh boot begins at 0. With `first_seq=None` (a board that has been running) the evidence
    begins with the first hello; frames before it are not kept.
    """

    def __init__(self, first_seq: int | None = 0) -> None:
        self._changed = threading.Condition()
        self._ledger = Ledger(first_seq)
        self._events: list[Stamped] = []
        self._console: list[ConsoleText] = []
        self._boot: str | None = None
        self._syncs: set[int] = set()
        self._failure: tuple[type[BoardLost], str] | None = None
        self._last_heard_s: float | None = None
        self._event_watchers: Watchers[Event] = Watchers()
        self._console_watchers: Watchers[bytes] = Watchers()

    def feed(self, item: Frame | Console | BadFrame, at_s: float) -> None:
        """Take in what the serial line brought at host time `at_s`; called by one thread."""
        event: Event | None = None
        with self._changed:
            if isinstance(item, Console):
                self._ledger.console(len(item.data))
                self._console.append(ConsoleText(at_s, item.data))
            elif isinstance(item, BadFrame):
                self._ledger.bad_frame(len(item.raw))
            else:
                event = self._enter(item, at_s)
            self._changed.notify_all()
        if event is not None:
            self._event_watchers.tell(event, at_s)
        elif isinstance(item, Console):
            self._console_watchers.tell(item.data, at_s)

    def sync_sent(self, command_id: int) -> None:
        """The host is about to send `sync` with this id: its reply will close the evidence."""
        with self._changed:
            self._syncs.add(command_id)

    def board_lost(self, reason: str) -> None:
        """Nothing more will come: the line closed, the process ended, or silence lasted."""
        with self._changed:
            self._ledger.board_lost = self._ledger.board_lost or reason
            self._fail(BoardLost, f"the board is lost: {reason}")
            self._changed.notify_all()

    @property
    def lost(self) -> BoardLost | None:
        """What became of a board that is lost, restarted or stopped with a fault; else None."""
        with self._changed:
            if self._failure is None:
                return None
            kind, message = self._failure
            return kind(message)

    @property
    def integrity(self) -> Integrity:
        with self._changed:
            return self._ledger.integrity()

    @property
    def events(self) -> list[Event]:
        with self._changed:
            return [stamped.event for stamped in self._events]

    def evidence(self, through: Event | None = None) -> tuple[list[Event], Integrity]:
        """Events and their integrity, taken at one moment: what a verdict needs.

        `through`, the reply to the newest sync, leaves out what the board did after it.
        """
        with self._changed:
            integrity = self._ledger.integrity()
            events = self.events
            if through is not None:
                end = self.after(through)
                if not end:
                    raise UsageError(f"this event is not of this trace: {through.text()}")
                events = events[:end]
                if through.seq == integrity.synced_through:
                    integrity = replace(integrity, unsynced=0)
            return events, integrity

    @property
    def stamped(self) -> list[Stamped]:
        with self._changed:
            return list(self._events)

    @property
    def console(self) -> list[ConsoleText]:
        with self._changed:
            return list(self._console)

    @property
    def boot(self) -> str | None:
        """The boot id that the board's hello told."""
        return self._boot

    @property
    def last_heard_s(self) -> float | None:
        """Host time of the last intact frame: silence is an error, and this measures it."""
        return self._last_heard_s

    def mark(self) -> int:
        """The place behind the newest event, for `since`."""
        with self._changed:
            return len(self._events)

    def after(self, event: Event) -> int:
        """The place behind `event`, for `since`; the start if the event is not of this trace."""
        with self._changed:
            for index in range(len(self._events) - 1, -1, -1):
                if self._events[index].event is event:
                    return index + 1
            return 0

    def on_event(self, callback: Callable[[Event, float], None]) -> Callable[[], None]:
        """Call back with each further event and its host time; returns how to stop that.

        Callbacks run in the feeding thread and must be quick; one that raises is dropped.
        """
        return self._event_watchers.add(callback)

    def on_console(self, callback: Callable[[bytes, float], None]) -> Callable[[], None]:
        """Call back with each further piece of console text; returns how to stop that."""
        return self._console_watchers.add(callback)

    def wait_for(
        self, predicate: Callable[[Event], bool], timeout_s: float, what: str, since: int = 0
    ) -> Event:
        """The first event from place `since` on that `predicate` accepts, waiting if need be.

        Raises DeadlineExceeded, or at once BoardLost, BoardReset or BoardFault.
        """
        deadline_s = time.monotonic() + timeout_s
        index = since
        with self._changed:
            while True:
                while index < len(self._events):
                    event = self._events[index].event
                    index += 1
                    if predicate(event):
                        return event
                if self._failure is not None:
                    kind, message = self._failure
                    raise kind(f"{message}, while waiting for {what}\n{self._newest()}")
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0:
                    raise DeadlineExceeded(
                        f"{what} did not happen within {timeout_s:g} s\n{self._newest()}"
                    )
                self._changed.wait(remaining_s)

    def _enter(self, frame: Frame, at_s: float) -> Event | None:
        """Book an intact frame; the event if it is to be kept."""
        ledger = self._ledger
        if ledger.reset:
            return None
        self._last_heard_s = at_s
        event = parse_event(frame)
        if isinstance(event, Hello):
            if self._boot is not None and event.boot != self._boot:
                ledger.reset = True
                self._fail(
                    BoardReset, f"the board restarted: boot {self._boot} became {event.boot}"
                )
                return None
            self._boot = event.boot
            if not ledger.started:
                ledger.start_at(event.seq)
        if not ledger.frame(frame.seq):
            return None
        said = f"{frame.kind} {frame.tail}" if frame.tail else frame.kind
        self._events.append(Stamped(at_s, event, said))
        self._judge(event)
        return event

    def _judge(self, event: Event) -> None:
        match event:
            case Reply(re=re, ok=ok):
                if re in self._syncs and ok:
                    self._ledger.synced(event.seq)
                self._syncs.discard(re)
            case Hello() | Beat() | PcbRow() | Unknown(malformed=False):
                pass
            case _:
                self._ledger.evidence()
                if isinstance(event, Lost):
                    self._ledger.lost_records += event.n
                elif isinstance(event, Unknown):
                    self._ledger.malformed += event.malformed
                elif isinstance(event, Fault):
                    self._ledger.fault = event.said
                    self._fail(BoardFault, f"the board stopped with a fault: {event.said}")

    def _fail(self, kind: type[BoardLost], message: str) -> None:
        # The first failure is the cause; a line that closes afterwards is its consequence.
        if self._failure is None:
            self._failure = (kind, message)

    def _newest(self) -> str:
        told = [s.event for s in self._events[-200:] if not isinstance(s.event, Beat)]
        if not told:
            return "no events have come from the board"
        lines = [f"  {e.clock_us / 1e6:.6f} s  {e.text()}" for e in told[-_LAST_SHOWN:]]
        return "\n".join(["the last events:", *lines])
