"""A board that stopped as expected: its last words close the evidence of that life.

Called by `Stage.board_stopped`. Before its last words a board sends all that it has recorded
(firmware/tcptrace/stream.c: tcptrace_last_words), and after them nothing, so they prove the end of
the stream as the answer to a `sync` does. For every other scenario a board that stops is an ERROR.
"""

from __future__ import annotations

from dataclasses import replace

from lwipscope.scenario.life import Life
from lwipscope.trace.event import Fault


def ended_by_last_words(life: Life, words: str) -> Life:
    """The same life with its end proven, if its last words hold `words`; else as it was."""
    last = life.events[-1] if life.events else None
    if not isinstance(last, Fault) or words not in last.said:
        return life
    proven = replace(
        life.integrity, fault=None, board_lost=None, synced_through=last.seq, unsynced=0
    )
    return replace(life, integrity=proven, stopped=True)
