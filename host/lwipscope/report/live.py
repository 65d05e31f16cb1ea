"""Transitions and console lines as they come, one line each: what `run` and `watch` print.

Two columns: what the program printed, and what the stack did. Fed by the trace's watchers (the
reader thread), so it is quick and holds no locks of others.
"""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable

from lwipscope.report.style import Style, safe
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Fault, Lost, Segment, Transition, flag_names
from lwipscope.trace.sample import Sample, Torn, Unseen

_CONSOLE = 40


class Live:
    """Renders events and console text; `write` gets whole lines."""

    def __init__(
        self,
        write: Callable[[str], None],
        style: Style,
        *,
        console: bool = True,
        segments: bool = False,
    ) -> None:
        self._write = write
        self._style = style
        self._width = _CONSOLE if console else 0
        self._segments = segments
        self._text = ""
        # A character may come in two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.Lock()

    def event(self, event: Event, _at_s: float = 0.0) -> None:
        """One event of the board."""
        text = self._describe(event)
        if text:
            with self._lock:
                self._emit("", f"{event.clock_us / 1000:11.3f} ms  {text}")

    def program_output(self, data: bytes) -> None:
        """Program output; whole lines are shown."""
        with self._lock:
            self._text += self._decoder.decode(data)
            *lines, self._text = self._text.replace("\r\n", "\n").split("\n")
            for line in lines:
                self._emit(line, "")

    def finish(self) -> None:
        """Show a last line that did not end."""
        with self._lock:
            self._text += self._decoder.decode(b"", True)
            if self._text:
                self._emit(self._text, "")
                self._text = ""

    def _emit(self, left: str, right: str) -> None:
        left = safe(left)
        if left and not right:
            self._write(left)
            return
        self._write(self._style.plain(f"{'':<{self._width}}{right}"))

    def _describe(self, event: Event) -> str:
        match event:
            case Transition(before=before, after=after) if before is not after:
                arrow = f"{before} > {self._style.paint(str(after), 'bold')}"
                text = f"c{event.conn} {arrow}  {event.cause.text()}  {_where(event)}"
                return text.rstrip()
            case Died(state=state) if state is not State.CLOSED:
                closed = self._style.paint("CLOSED", "bold")
                return f"c{event.conn} {state} > {closed}  {event.cause.text()}, freed"
            case Segment() if self._segments:
                arrow = "->" if event.direction == "rx" else "<-"
                size = f" len={event.length}" if event.length else ""
                text = f"c{event.conn} {arrow} {flag_names(event.flags)}{size}"
                return self._style.paint(text, "dim")
            case Sample() | Unseen():
                return event.text()
            case Lost() | Fault() | Torn():
                return self._style.paint(event.text(), "red")
        return ""


def _where(event: Transition) -> str:
    """With whom, at the transitions that tell it."""
    match event.after:
        case State.LISTEN if event.local is not None:
            return f"port {event.local.port}"
        case State.SYN_RCVD if event.remote is not None:
            return f"from {event.remote}"
        case State.SYN_SENT if event.remote is not None:
            return f"to {event.remote}"
    return ""
