"""Progress: one line on a terminal that leaves nothing behind, and nothing anywhere else."""

from __future__ import annotations

import io
import os
import pty

from lwipscope.cli.progress import ProgressLine
from lwipscope.firmware.progress import Step


def on_terminal() -> tuple[str, list[str]]:
    """What comes out of a real terminal, and the texts that stood on its line."""
    ours, theirs = pty.openpty()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            with ProgressLine(stream) as progress:
                progress(Step("compiling a.c", 1, 4))
                progress.say("playing\x1b[31m close-crossing", 3, 104)
                progress.say("playing\x1b[31m close-crossing", 3, 104)
                progress.say("x" * 200)
            out = ""
            while not out.endswith(" \r"):
                out += os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    return out, [each.rstrip() for each in out.split("\r")]


def test_on_a_terminal() -> None:
    out, lines = on_terminal()
    assert lines[1:3] == ["[ 25%] compiling a.c", "[3/104] playing\\x1b[31m close-crossing"]
    assert len(lines[3]) == 79  # one that wraps can't be taken back
    assert lines[4:] == ["", ""] and out.endswith(" " * 79 + "\r")
    assert "\n" not in out and "\x1b" not in out


def test_elsewhere_it_says_nothing() -> None:
    stream = io.StringIO()
    with ProgressLine(stream) as progress:
        progress(Step("compiling a.c", 1, 4))
        assert [*progress.each("abc", "counting", 3)] == ["a", "b", "c"]
    assert stream.getvalue() == ""
