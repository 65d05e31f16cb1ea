"""How wide mixed text is on a terminal: a Chinese character takes two columns.

Called by everything that lays out tables, ladders and paragraphs in both languages. Chinese is
wrapped between any two characters, but no line begins with a closing punctuation mark (JIS X 4051,
W3C clreq); Latin words stay whole. Source of widths: Unicode Standard Annex 11.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Literal

_NO_START = "，。、；：？！）》」』】”’％…—,.;:?!)]}"  # noqa: RUF001
_NO_END = "（《「『【“‘([{"  # noqa: RUF001


def width(text: str) -> int:
    """How many columns `text` takes."""
    return sum(_columns(c) for c in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int, side: Literal["left", "right", "centre"] = "left") -> str:
    """`text` filled up with spaces to so many columns; `side` is where the text stands."""
    room = max(0, columns - width(text))
    if side == "left":
        return text + " " * room
    if side == "right":
        return " " * room + text
    return " " * (room // 2) + text + " " * (room - room // 2)


def cut(text: str, columns: int) -> str:
    """As much of `text` as fits into so many columns."""
    used = 0
    for at, char in enumerate(text):
        used += _columns(char)
        if used > columns:
            return text[:at]
    return text


def wrap(text: str, columns: int, *, first: str = "", rest: str = "") -> list[str]:
    """`text` in lines of at most so many columns; `first` and `rest` stand before the lines.

    A word, or a mark with the character it belongs to, that is wider than a line stands alone.
    """
    lines: list[str] = []
    line, empty = first, True
    for piece in _pieces(text):
        space = piece.startswith(" ")
        body = piece[1:] if space else piece
        glue = " " if space and not empty else ""
        if empty or width(line + glue + body) <= columns:
            line += glue + body
        else:
            lines.append(line)
            line = rest + body
        empty = False
    if not empty:
        lines.append(line)
    return lines


def _pieces(text: str) -> Iterator[str]:
    """What stays together; a piece that had white space before it begins with one space."""
    held, space = "", False
    for char in text:
        if char.isspace():
            if held:
                yield held
            held, space = "", True
            continue
        if held and not space and _may_part(held[-1], char):
            yield held
            held = ""
        held = (" " + char) if space else held + char
        space = False
    if held:
        yield held


def _may_part(before: str, after: str) -> bool:
    if after in _NO_START or before in _NO_END:
        return False
    return _columns(before) == 2 or _columns(after) == 2
