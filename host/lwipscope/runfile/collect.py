"""Makes a life of a run file out of what was recorded while a board ran."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from lwipscope import __version__
from lwipscope.runfile.matching import match
from lwipscope.runfile.model import BoardEvent, RunLife, WireFrame
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import ConsoleText, Stamped

_ASK_S = 5.0


def life_of(
    number: int,
    start_s: float,
    stamped: Sequence[Stamped],
    frames: Iterable[WireFrame],
    integrity: Integrity,
    notes: Iterable[Note] = (),
    console: Iterable[ConsoleText] = (),
    *,
    stopped: bool = False,
) -> RunLife:
    """All host times come as `time.monotonic()` and are told from `start_s` on, that of frames
    excepted, which already are."""
    events = tuple(BoardEvent(s.at_s - start_s, s.event, s.said or "?") for s in stamped)
    return RunLife(
        number,
        events,
        match(frames, events),
        tuple(replace(note, at_s=note.at_s - start_s) for note in notes),
        tuple(replace(piece, at_s=piece.at_s - start_s) for piece in console),
        integrity,
        stopped,
    )


def versions(emulator: str = "") -> dict[str, str]:
    """Of what runs on this side; `emulator`: the program that the board runs in, if it does."""
    told = {
        "lwipscope": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if emulator and (said := _said_of_itself(emulator)):
        told["qemu"] = said
    return told


@cache
def _said_of_itself(emulator: str) -> str:
    """`QEMU emulator version 7.2.22 (Debian ...)`; asked once, for it takes some 20 ms."""
    try:
        done = subprocess.run(
            [emulator, "--version"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_ASK_S,
            check=True,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # a run file without it is better than none
    return done.stdout.partition("\n")[0].strip()
