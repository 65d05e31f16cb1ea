"""Text as a learner types it, and as it stands in a MicroPython program."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(n|r|t|0|\\|x[0-9a-fA-F]{2})")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}


def typed(text: str) -> bytes:
    """What is to be sent: UTF-8; \\n, \\r, \\t, \\0, \\\\ and \\xNN for what can't be typed."""
    out = b""
    last = 0
    for found in _ESCAPE.finditer(text):
        out += _bytes(text[last : found.start()])
        code = found[1]
        out += bytes([int(code[1:], 16)]) if code[0] == "x" else _bytes(_PLAIN[code])
        last = found.end()
    return out + _bytes(text[last:])


def _bytes(text: str) -> bytes:
    """UTF-8; bytes that a terminal sent and that are none stay as they are."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
