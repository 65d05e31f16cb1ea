"""What was seen on the board, in words, for a test that was not passed.

Of each connection its path and what led to its present state, since when; what the board answered
with RST; the program's end with MicroPython's traceback, or its last output. Called by `trial` and
`examiner`. Text of the program is hostile: control codes are shown as escapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lwipscope.report.style import safe
from lwipscope.scenario.application import Application
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, connections
from lwipscope.trace.event import Call, Event, Segment
from lwipscope.words.catalogue import Translator

_CONNECTIONS = 4
_LAST_CHARACTERS = 240
_LAST_LINES = 12


def seen_text(app: Application, events: Sequence[Event], tr: Translator) -> str:
    """Several lines, indented; without a trailing line end."""
    lines = []
    among = connections(events)
    shown = [c for c in among if c.role != "listener"]
    if not any(c.role == "listener" and not c.ended for c in among) and not shown:
        lines.append(tr("the program opened no listener and no connection"))
    # Those that are not over say most.
    chosen = [c for c in shown if not c.ended][-_CONNECTIONS:]
    rest = [c for c in shown if c.ended][-(_CONNECTIONS - len(chosen)) :]
    if len(chosen) < _CONNECTIONS:
        chosen = [c for c in shown if c in chosen or c in rest]
    for each in chosen:
        lines += connection_lines(each, tr)
    if len(shown) > len(chosen):
        lines.append(tr("{count} more connections", count=len(shown) - len(chosen)))
    return "\n".join(f"  {line}" for line in [*lines, *program_lines(app, tr)])


def connection_lines(connection: Connection, tr: Translator) -> list[str]:
    """Path, cause and moment of the last transition; whether the board reset it, and why."""
    lines = [connection.text()]
    steps = connection.steps
    if steps:
        last = steps[-1]
        what = {
            "state": connection.path[-1],
            "at_s": f"{last.clock_us / 1e6:.3f}",
            "cause": last.cause.text(),
        }
        if connection.ended:
            lines.append(
                tr("  ended at {at_s} s by {cause}", at_s=what["at_s"], cause=what["cause"])
            )
        else:
            lines.append(tr("  in {state} since {at_s} s, by {cause}", **what))
    reset = next((s for s in connection.segments if s.direction == "tx" and "R" in s.flags), None)
    if reset is not None:
        lines.append("  " + _why_reset(connection, reset, tr))
    elif connection.path[-1] is State.CLOSE_WAIT and not connection.ended:
        lines.append(tr("  the other end has closed, the program has not: close() is missing"))
    return lines


def _why_reset(connection: Connection, reset: Segment, tr: Translator) -> str:
    at_s = f"{reset.clock_us / 1e6:.3f}"
    closes = [c for c in connection.calls if isinstance(c, Call) and c.name == "close"]
    if closes and closes[-1].clock_us <= reset.clock_us:
        taken = sum(
            _number(c) for c in connection.calls if isinstance(c, Call) and c.name == "recv"
        )
        came = sum(s.length for s in connection.segments if s.direction == "rx")
        if came > taken:
            return tr(
                "the board sent RST at {at_s} s: close() with unread data ({came} bytes had come, "
                "the program had read {taken}), so the other end may lose what was sent to it",
                at_s=at_s,
                came=came,
                taken=taken,
            )
        return tr("the board sent RST at {at_s} s, behind the program's close()", at_s=at_s)
    return tr("the board sent RST at {at_s} s", at_s=at_s)


def _number(call: Call) -> int:
    return int(call.arg) if call.arg.isdecimal() else 0


def program_lines(app: Application, tr: Translator) -> list[str]:
    """How the program ended, or that it runs; and the last that it printed."""
    lines = []
    output = app.output
    if app.board.trace.lost is None and app.running:
        lines.append(tr("the program runs"))
    elif app.board.trace.lost is None:
        error = app.wait_end(0).error
        if error:
            lines.append(tr("the program ended with an exception:"))
            lines += [f"  {line}" for line in _tail(error.splitlines())]
        else:
            lines.append(tr("the program ended by itself"))
    if output.strip():
        lines.append(tr("it printed last:"))
        cut = output[-_LAST_CHARACTERS:].strip().splitlines()
        lines += [f"  | {line}" for line in _tail(cut)]
    return lines


def _tail(lines: Iterable[str]) -> list[str]:
    kept = [safe(line) for line in lines]
    return kept if len(kept) <= _LAST_LINES else ["...", *kept[-_LAST_LINES:]]


def difference(sent: bytes, got: bytes, tr: Translator) -> str:
    """What came back against what should have."""
    right = next(
        (i for i, (a, b) in enumerate(zip(sent, got, strict=False)) if a != b),
        min(len(sent), len(got)),
    )
    if not got:
        return tr("nothing came")
    if right == len(got) < len(sent):
        return tr("{got} of {sent} bytes came (what came is right)", got=len(got), sent=len(sent))
    if right == len(sent) < len(got):
        extra = safe(repr(got[right : right + 24]))
        return tr(
            "{more} bytes too many came behind the right {sent}: {extra}",
            more=len(got) - len(sent),
            sent=len(sent),
            extra=extra,
        )
    return tr(
        "byte {place} is wrong: expected {wanted}, seen {seen}",
        place=right,
        wanted=repr(sent[max(0, right - 8) : right + 16]),
        seen=repr(got[max(0, right - 8) : right + 16]),
    )
