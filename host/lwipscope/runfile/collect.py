"""Makes a life of a run file out of what was recorded while a board ran."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lwipscope import __version__
from lwipscope.runfile.matching import match
from lwipscope.runfile.model import BoardEvent, RunLife, WireFrame
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.timeline import Note
from lwipscope.trace.trace import ConsoleText, Stamped


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


def versions() -> dict[str, str]:
    """Of what runs on this side."""
    return {
        "lwipscope": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
