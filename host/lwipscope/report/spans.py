"""Lines of a full-screen view: pieces of text with a style, which no terminal has seen yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lwipscope.report.style import safe


@dataclass(frozen=True, slots=True)
class Span:
    """Text in one style: words of bold, dim, reverse and a colour, or empty. What can't be printed
    becomes an escape that can be read."""

    text: str
    style: str = ""

    def __post_init__(self) -> None:
        if not self.text.isprintable():
            object.__setattr__(self, "text", safe(self.text).replace("\t", "\\t"))


Line: TypeAlias = list[Span]


def text_of(line: Line) -> str:
    """Without the styles."""
    return "".join(span.text for span in line)


def fitted(line: Line, width: int) -> Line:
    """Exactly so wide: cut off, or filled with blanks."""
    made: Line = []
    for span in line:
        if len(span.text) >= width:
            made.append(Span(span.text[:width], span.style))
            return made
        made.append(span)
        width -= len(span.text)
    return [*made, Span(" " * width)] if width else made
