"""What a test found when no claim decided it: the board's end, a limit, the evidence.

Called by `examiner` behind each test.
"""

from __future__ import annotations

import time
from contextlib import suppress

from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import (
    BoardFault,
    BoardLost,
    BoardReset,
    DeadlineExceeded,
    Inconclusive,
    LwipscopeError,
)
from lwipscope.exercise.agreement import disagreements, imitations
from lwipscope.exercise.guard import Guard
from lwipscope.exercise.result import Kind
from lwipscope.report.style import safe
from lwipscope.wire.settling import settle
from lwipscope.words.catalogue import Translator

_SYNC_S = 5.0
_HELLO_S = 2.0


def trouble(board: EmulatedBoard, error: Exception, tr: Translator) -> tuple[Kind, str]:
    """An error that is no failed claim: what became of the board?"""
    lost = board.trace.lost
    if lost is None and isinstance(error, DeadlineExceeded | BoardLost | Inconclusive):
        # A restarted board says nothing until it is asked.
        with suppress(LwipscopeError):
            board.port.hello(_HELLO_S)
        lost = board.trace.lost
    said = safe(str(error).partition("\n")[0])
    if isinstance(lost, BoardFault):
        return "crashed", tr("the board crashed: {what}", what=safe(str(lost)))
    if isinstance(lost, BoardReset):
        return "reset", tr("the program restarted the board: {what}", what=safe(str(lost)))
    if lost is not None:
        return "crashed", tr("the board was lost: {what}", what=safe(str(lost)))
    if isinstance(error, DeadlineExceeded):
        return "hung", tr("the board no longer answers: {what}", what=said)
    if isinstance(error, Inconclusive):
        return "evidence", tr("faked or lost evidence: {what}", what=said)
    # No claim about the program: the host's own trouble.
    return "inconclusive", said


def breach(guard: Guard, board: EmulatedBoard, tr: Translator) -> tuple[Kind, str]:
    """The guard has ended the board."""
    limits = guard.limits
    shown = b"".join(piece.data for piece in board.trace.console)[-80:].decode("utf-8", "replace")
    if guard.breach == "serial":
        return "flooded", tr(
            "the program printed more than {limit} kB, at last {shown}; its board was stopped",
            limit=limits.serial_bytes // 1024,
            shown=safe(repr(shown)),
        )
    if guard.breach == "wire":
        return "flooded", tr(
            "the board sent more than {limit} frames; it was stopped", limit=limits.frames
        )
    if guard.breach == "silence":
        return "hung", tr(
            "the board did not answer for {limit_s} s: it hangs; it was stopped",
            limit_s=f"{limits.silence_s:g}",
        )
    return "hung", tr(
        "the test did not end within {limit_s} s; its board was stopped",
        limit_s=f"{limits.seconds:g}",
    )


def judged(
    board: EmulatedBoard, guard: Guard, kind: Kind, text: str, tr: Translator
) -> tuple[Kind, str]:
    """Is the evidence whole, and does it agree with the wire?"""
    if kind not in ("passed", "failed"):
        return kind, text
    asked_s = time.monotonic()
    try:
        through = board.port.sync(_SYNC_S)
        settle(board.switch)
    except LwipscopeError as error:
        return trouble(board, error, tr)
    events, integrity = board.trace.evidence(through)
    problems = integrity.problems()
    born_s = next(each.at_s for each in board.trace.stamped)
    problems += disagreements(events, guard.frames, board.ip, (born_s, asked_s))
    if count := imitations(piece.data for piece in board.trace.console):
        problems.append(tr("{count} printed lines imitate the tracer's", count=count))
    if not problems:
        return kind, text
    found = tr("faked or lost evidence: {what}", what=safe("; ".join(problems)))
    return "evidence", f"{found}\n{text}".rstrip()
