"""Puts lines of spans on the whole terminal, by rich; only what has changed is written again.

rich (extra `tui`) is asked for here alone, and only when a screen is opened: it knows the
terminal's size and colours.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lwipscope.report.spans import Line
from lwipscope.report.style import Style

if TYPE_CHECKING:
    from rich.console import Console

_ASCII = str.maketrans("╣╠╲╱╳╭╮│─┼▼▲↕▶◀…", "##\\/X++|-+v^|><~")  # noqa: RUF001


def has_rich() -> bool:
    """Whether the extra is installed."""
    try:
        importlib.import_module("rich.console")
    except ImportError:
        return False
    return True


class Screen:
    """The terminal behind standard output."""

    def __init__(self, console: Console, unicode: bool) -> None:
        from rich.color import ColorSystem
        from rich.style import Style as RichStyle

        self._console = console
        self._unicode = unicode
        # Eight colours are enough, and every terminal with colours has them.
        colours = console.color_system is not None and not console.no_color
        self._colours = ColorSystem.STANDARD if colours else None
        self._parse = RichStyle.parse
        self._shown: list[str] = []
        self._size = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        size = self._console.size
        return size.width, size.height

    def show(self, lines: list[Line]) -> None:
        """Make the terminal look so. The last column of the last line stays empty: some terminals
        would scroll."""
        texts = [self._render(line) for line in lines]
        out = []
        if self._size != self.size:
            self._size, self._shown = self.size, []
            out.append("\x1b[2J")
        for number, text in enumerate(texts):
            if number >= len(self._shown) or self._shown[number] != text:
                out.append(f"\x1b[{number + 1};1H{text}")
        self._shown = texts
        if out:
            sys.stdout.write("".join(out))
            sys.stdout.flush()

    def _render(self, line: Line) -> str:
        pieces = []
        for span in line:
            text = span.text if self._unicode else span.text.translate(_ASCII)
            if span.style and self._colours is not None:
                text = self._parse(span.style).render(text, color_system=self._colours)
            pieces.append(text)
        whole = "".join(pieces)
        if not self._unicode:
            whole = whole.encode("ascii", "replace").decode("ascii")
        return whole


@contextmanager
def full_screen() -> Iterator[Screen]:
    """The alternate screen as long as the context lasts; what was there before comes back."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    screen = Screen(console, Style.of(sys.stdout).unicode)
    try:
        console.set_alt_screen(True)
        console.show_cursor(False)
        # Nothing wraps: a line that is too long while the window shrinks must not move the rest.
        sys.stdout.write("\x1b[?7l")
        yield screen
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.write("\x1b[?7h")
            console.show_cursor(True)
            console.set_alt_screen(False)
            sys.stdout.flush()
