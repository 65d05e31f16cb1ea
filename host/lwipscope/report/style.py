"""How text is dressed: colours on a terminal, none in files; ASCII where UTF-8 can't be shown.

Hostile text (console lines, names) never reaches a terminal as control codes: see `safe`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


@dataclass(frozen=True, slots=True)
class Style:
    """What the output can show."""

    colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """For a stream: colour only on a terminal and without NO_COLOR (no-color.org)."""
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
        terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return cls(terminal and "NO_COLOR" not in os.environ, encoding.startswith("utf"))

    def paint(self, text: str, *names: str) -> str:
        """`text` in these colours, if there are any."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def plain(self, text: str) -> str:
        """Symbols that ASCII does not have are replaced by those that it has."""
        if self.unicode:
            return text
        for symbol, ascii_text in _ASCII.items():
            text = text.replace(symbol, ascii_text)
        return text.encode("ascii", "replace").decode("ascii")


_ASCII = {"▶": ">", "◀": "<", "─": "-", "│": "|", "✓": "ok", "✗": "X", "→": ">", "…": "..."}


def safe(text: str) -> str:
    """Printable text only: control codes and other invisible characters are shown as escapes."""
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)
