"""What is being done and how far it is, for whatever takes longer than two seconds.

On a terminal only: one line on standard error that is rewritten, and gone when the work is done or
when something else is printed. Nothing is written into pipes and files. The work of the library
tells itself by `Step`s; commands that count things use `each` and `say`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TextIO, TypeVar

from lwipscope.firmware.progress import Step
from lwipscope.report.style import safe

_T = TypeVar("_T")
_AGAIN_S = 0.05
_USUAL_COLUMNS = 80


class ProgressLine:
    """The line; a callback for `Step`s, and a context that clears it at its end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._shown = 0
        self._last = ""
        self._shown_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.done()

    def __call__(self, step: Step) -> None:
        """One step of the library's work."""
        self._show(str(step))

    def say(self, text: str, done: int = 0, total: int = 0) -> None:
        """What is begun now, after `done` of `total`."""
        self._show(f"[{done}/{total}] {text}" if total else text)

    def each(self, things: Iterable[_T], what: str, total: int) -> Iterator[_T]:
        """The things, counted: `[3/17] WHAT`."""
        for number, thing in enumerate(things):
            # Of many quick ones not all have to be shown.
            if time.monotonic() - self._shown_s >= _AGAIN_S:
                self.say(what, number + 1, total)
            yield thing
        self.done()

    def done(self) -> None:
        """Clear the line."""
        if self._shown:
            self._write(f"\r{'':<{self._shown}}\r")
            self._shown, self._last = 0, ""

    def _show(self, text: str) -> None:
        self._shown_s = time.monotonic()
        if not self._terminal or text == self._last:
            return
        self._last = text
        # One that wraps can't be taken back.
        fits = safe(text)[: self._columns() - 1]
        self._write(f"\r{fits:<{self._shown}}")
        self._shown = len(fits)

    def _columns(self) -> int:
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._stream.fileno()).columns or _USUAL_COLUMNS
        return _USUAL_COLUMNS

    def _write(self, text: str) -> None:
        print(text, end="", file=self._stream, flush=True)
