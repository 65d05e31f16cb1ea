"""A run file of one test that was not passed, for `lwipscope show` and `lwipscope report`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.runfile.collect import life_of, versions
from lwipscope.runfile.model import About, Judged, Run, WireFrame


def save_recording(
    path: Path,
    board: EmulatedBoard,
    frames: Sequence[tuple[float, str, bytes]],
    *,
    name: str,
    whose_tcp: str,
    found: str,
) -> None:
    """Write the board's present life; a full disk does not hide what the test found."""
    stamped = board.trace.stamped
    start_s = stamped[0].at_s if stamped else time.monotonic()
    life = life_of(
        0,
        start_s,
        stamped,
        [
            WireFrame(at_s - start_s, origin, data)
            for at_s, origin, data in frames
            if at_s >= start_s
        ],
        board.trace.integrity,
        (),
        board.trace.console,
    )
    lasted_s = time.monotonic() - start_s
    about = About(
        name,
        "exercise",
        title=name,
        verdict="FAIL",
        judged=(Judged("step", "FAIL", seen=found.partition("\n")[0], text=found),),
        board=board.file.name,
        board_title=board.file.title,
        whose_tcp=whose_tcp,
        clock=life.fields.get("time", ""),
        wall_ns=time.time_ns() - round(lasted_s * 1e9),
        lasted_s=lasted_s,
        versions=versions(),
    )
    with suppress(OSError, LwipscopeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        Run(about, (life,)).save(path)
