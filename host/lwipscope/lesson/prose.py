"""Sets the texts of lessons: paragraphs wrapped for the reader's width, code and emphasis dressed.

The little markup is that of `texts/README.md`: empty lines between paragraphs, lines that begin
with two spaces kept, items with `* `, `code` in backticks and *words* in asterisks. Without colours
the marks stay as they are, which reads well too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lwipscope.report.style import Style
from lwipscope.words.width import width, wrap

WIDTH = 100
_CLOSING = "，。；：？！）、”"  # noqa: RUF001
LEAST_WIDTH = 60
_MARKS = re.compile(r"`|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])")


def paragraphs(text: str, dress: Style, width: int = WIDTH, indent: str = "") -> list[str]:
    """The lines of a text."""
    lines: list[str] = []
    was_item = False
    for block in _blocks(text):
        item = block.startswith("* ")
        if lines and not (item and was_item):
            lines.append("")
        was_item = item
        if block.startswith("  "):
            lines += [indent + line.rstrip() for line in block.split("\n")]
            continue
        rest = indent + ("  " if item else "")
        first = indent + ("- " if item else "")
        lines += _dressed(wrap(block[2 * item :], width, first=first, rest=rest), dress)
    return [dress.plain(line) for line in lines]


def heading(text: str, dress: Style) -> str:
    """A heading on its own line."""
    return dress.paint(dress.plain(text), "bold")


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs as one line each, items one by one, code as it is."""
    for part in re.split(r"\n[ \t]*\n", text.strip("\n")):
        held = ""
        code: list[str] = []
        for line in part.split("\n"):
            if line.startswith("  "):
                if held:
                    yield held
                    held = ""
                code.append(line)
                continue
            if code:
                yield "\n".join(code)
                code = []
            if line.startswith("* ") and held:
                yield held
                held = ""
            held = _joined(held, line.strip())
        if code:
            yield "\n".join(code)
        if held:
            yield held


def _joined(held: str, line: str) -> str:
    """Two lines of a paragraph as one: no space between Chinese characters."""
    if not held or not line:
        return held or line
    close = width(held[-1]) == 2 and (width(line[0]) == 2 or held[-1] in _CLOSING)
    return held + ("" if close else " ") + line


def _dressed(lines: list[str], dress: Style) -> list[str]:
    """Code and emphasis in colours; a mark may be open over the end of a line."""
    if not dress.colour:
        return lines
    made, opened = [], ""
    for line in lines:
        out, at = "", 0
        for mark in _MARKS.finditer(line):
            if opened in ("", mark[0]):
                out += _painted(line[at : mark.start()], opened, dress)
                opened, at = ("" if opened else mark[0]), mark.end()
        made.append(out + _painted(line[at:], opened, dress))
    return made


def _painted(text: str, opened: str, dress: Style) -> str:
    return dress.paint(text, "cyan" if opened == "`" else "bold") if opened else text
