"""The lab at a prompt: the same lines as the page's, with history and completion where Python has
readline. What happens by itself is shown between the prompts, as it happens.

On a terminal with readline the line that is being typed is put down again below it; without
readline it waits for the next prompt, since nobody knows what was typed. Where the input is no
terminal it is a script: each line is shown, then its answer; `#` begins a comment.
"""

from __future__ import annotations

import _thread
import io
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType

from lwipscope.lab.completion import completions
from lwipscope.lab.lab import Done, Lab
from lwipscope.lab.wakeful import wakeful
from lwipscope.report.style import Style, safe
from lwipscope.trace.event import Event
from lwipscope.trace.timeline import Note
from lwipscope.words.catalogue import Translator

PROMPT = "lab> "
_COALESCE_S = 0.01
_END = ("quit", "exit")
_OWN = ("app",)
_NC_SAYS = (" prints ", " has ended")


class Prompt:
    """One lab's prompt. `write` gets whole pieces of output."""

    def __init__(self, lab: Lab, tr: Translator, style: Style, idle_s: float | None) -> None:
        self._lab, self._tr, self._style, self._idle_s = lab, tr, style, idle_s
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._readline = _readline() if self._terminal else None
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="surrogateescape")  # what is typed may be no text
        self._lock = threading.Condition()
        self._fresh: list[str | Event] = []
        self._asking = self._over = self._idle = False
        self._touched_s = time.monotonic()
        self.failed = False
        lab.on_event(self._event)
        lab.on_note(self._note)

    def run(self) -> int:
        """Until the end of the input, `quit`, or idleness: the exit code."""
        if self._readline is not None:
            self._readline.set_completer_delims(" ")
            self._readline.set_completer(self._complete)
            self._readline.parse_and_bind("tab: complete")
        main = threading.get_ident()
        printer = threading.Thread(target=self._print_fresh, args=(main,), name="lwipscope-prompt")
        printer.start()
        try:
            with wakeful(self._still_asks):
                self._loop()
        except KeyboardInterrupt:
            if not self._idle:
                raise
        finally:
            with self._lock:
                self._over = True
                self._lock.notify_all()
            printer.join()
            _out("".join(map(self._live, self._fresh)))
            if self._readline is not None:
                self._readline.set_completer(None)
        return 1 if self.failed and not self._terminal else 0

    def _loop(self) -> None:
        while True:
            line = self._ask()
            self._touched_s = time.monotonic()
            if line is None or line.strip() in _END:
                return
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            self.do(line.strip())

    def do(self, line: str) -> None:
        """One line, with its answer."""
        done = self._lab.do(line)
        self.failed = self.failed or not done.ok
        self._show(done)

    def _show(self, done: Done) -> None:
        """The answer, then what happened meanwhile that it does not tell."""
        with self._lock:
            _out(rendered(done, self._tr, self._style))
            told = done.said.split("\n")
            for fresh in self._fresh:
                text = self._text(fresh)
                if text in told:
                    told.remove(text)
                elif "\n" in text and text.partition("\n")[2] in done.error:
                    continue  # how a program ended at once is its answer
                else:
                    _out(self._live(fresh))
            self._fresh.clear()

    def _still_asks(self, timeout_s: float) -> bool:
        with self._lock:
            return not self._lock.wait_for(lambda: self._over or not self._asking, timeout_s)

    def _ask(self) -> str | None:
        """The next line; None at the end."""
        if not self._terminal:
            line = sys.stdin.readline()
            if not line:
                return None
            text = line.rstrip("\n")
            with self._lock:
                _out(f"{PROMPT}{safe(text)}\n")
            return text
        with self._lock:
            self._asking = True
            pending = "".join(map(self._live, self._fresh))
            self._fresh.clear()
            _out(pending)
        try:
            return input(PROMPT)
        except EOFError:
            _out("\n")
            return None
        finally:
            with self._lock:
                self._asking = False
                self._lock.notify_all()

    def _text(self, fresh: str | Event) -> str:
        # Told when it is shown: the socket of a new connection has its name only then.
        return fresh if isinstance(fresh, str) else self._lab.told(fresh)

    def _live(self, fresh: str | Event) -> str:
        lines = (f"  | {safe(each)}" for each in self._text(fresh).split("\n"))
        return "".join(f"{self._style.plain(line)}\n" for line in lines)

    # What happens by itself.

    def _event(self, event: Event) -> None:
        if self._lab.told(event):
            self._tell(event)

    def _note(self, note: Note) -> None:
        if note.who in _OWN or (note.who == "nc" and any(each in note.text for each in _NC_SAYS)):
            self._tell(f"{note.who}: {note.text}")

    def _tell(self, fresh: str | Event) -> None:
        with self._lock:
            self._touched_s = time.monotonic()
            self._fresh.append(fresh)
            self._lock.notify_all()

    def _print_fresh(self, main: int) -> None:
        """A thread of its own: a terminal that stands still must not hold the board's line."""
        while True:
            with self._lock:
                ready: Callable[[], bool] = lambda: self._over or self._may_print()  # noqa: E731
                self._lock.wait_for(ready, self._patience_s())
                if self._over:
                    return
                if self._idle_s is not None and self._patience_s() == 0:
                    self._idle = True
                    _out("\n" + self._tr("nobody has used the lab for a while: it ends") + "\n")
                    _wake(main)
                    return
                if self._may_print():
                    self._lock.wait(_COALESCE_S)  # what comes together is shown together
                if self._may_print():
                    text = "".join(map(self._live, self._fresh))
                    self._fresh.clear()
                    self._between(text)

    def _may_print(self) -> bool:
        return bool(self._fresh) and self._asking and self._readline is not None

    def _patience_s(self) -> float | None:
        if self._idle_s is None:
            return None
        return max(0.0, self._touched_s + self._idle_s - time.monotonic())

    def _between(self, text: str) -> None:
        """Above the line that is being typed."""
        assert self._readline is not None
        typed = PROMPT + self._readline.get_line_buffer()
        columns = max(1, shutil.get_terminal_size().columns)
        up = (len(typed) - 1) // columns
        home = f"\x1b[{up}A\r\x1b[J" if up else "\r\x1b[J"
        _out(f"{home}{text}{typed}")

    def _complete(self, _text: str, number: int) -> str | None:
        """For readline."""
        assert self._readline is not None
        line = self._readline.get_line_buffer()[: self._readline.get_endidx()]
        found = completions(line, self._lab.names())
        if number >= len(found):
            return None
        return found[number] if found[number].endswith("/") else f"{found[number]} "


def rendered(done: Done, tr: Translator, style: Style) -> str:
    """An answer as lines of text."""
    lines = [safe(text) for text in done.said.split("\n")] if done.said else []
    for label, text in ((tr("python"), done.python), (tr("shell"), done.shell)):
        for number, each in enumerate(text.split("\n") if text else ()):
            head = f"{label}:" if number == 0 else ""
            lines.append(style.paint(f"    {head:<8} {safe(each)}", "dim"))
    if done.error:
        lines += [style.paint(safe(text), "red") for text in done.error.split("\n")]
    return "".join(f"{style.plain(line)}\n" for line in lines)


def _wake(main: int) -> None:
    """Ctrl-C for the thread that waits for a line."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:
        return None
    return readline


def _out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
