"""What a program has said on the console, without what the REPL says when it is sent one.

A program goes to the board through MicroPython's raw REPL, whose prompts, flow control bytes and
banners are on the same line; people who look at a failed test want the program's words. Bytes that
a terminal would take as orders are left out. Source: MicroPython documentation, "The MicroPython
Interactive Interpreter Mode", raw paste mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from lwipscope.trace.trace import ConsoleText

# "R", 1 (it can), the window as two bytes, then a byte for each window, 4 at the end of the source.
_HANDSHAKE = re.compile(rb">?R\x01..[\x01\x04]*", re.DOTALL)
_OWN_LINES = re.compile(rb"[>\x04\r ]*(raw REPL; CTRL-B to exit)?[>\x04\r ]*")
_ORDERS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


def spoken(console: Iterable[ConsoleText]) -> Iterator[ConsoleText]:
    """Whole lines, each when its last piece came."""
    text, at_s = b"", 0.0
    for piece in chain(console, (None,)):
        text += piece.data if piece else b"\n"
        at_s = piece.at_s if piece else at_s
        *lines, text = text.split(b"\n")
        for line in lines:
            said = _HANDSHAKE.sub(b"", line)
            if not _OWN_LINES.fullmatch(said):
                yield ConsoleText(at_s, _ORDERS.sub(b"", said) + b"\n")
