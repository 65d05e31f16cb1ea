"""Prediction beside run: where two paths part, and what on the board made the difference.

Never only "wrong": the learner is told what the board did instead, by which segment, call or timer.
"""

from __future__ import annotations

from collections.abc import Sequence

from lwipscope.lesson.expression import segments_of
from lwipscope.lesson.page import Page
from lwipscope.report.style import Style, safe
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Cause, Died, Segment, Transition, flag_names
from lwipscope.words.catalogue import Translator
from lwipscope.words.width import pad, wrap

_COLUMN = 13
_INDENT = "    "


def compared(predicted: Sequence[State], connection: Connection, page: Page) -> list[str]:
    """Both paths side by side with the cause of each state, and in words where they part."""
    tr, dress = page.tr, page.dress
    seen = list(connection.path)
    told = [*predicted]
    if len(told) > 1 and told[0] is State.CLOSED and seen[:1] != [State.CLOSED]:
        told = told[1:]  # a leading CLOSED says nothing
    at = parting(told, seen)
    head = f"{pad(tr('predicted'), _COLUMN)}  {pad(tr('seen'), _COLUMN)}{tr('because')}"
    lines = [dress.paint(head, "dim")]
    for place in range(max(len(told), len(seen))):
        left = told[place].name if place < len(told) else ""
        here = seen[place].name if place < len(seen) else ""
        cause = caused_by(connection, place, tr) if here else ""
        mark = dress.plain("≠ ") if place == at else "  "
        colour = "" if at is None or place < at else "yellow"
        row = f"{left:<{_COLUMN}}{mark}{here:<{_COLUMN}}"
        rest = " " * (2 * _COLUMN + 2)
        wide = max(page.width - len(_INDENT), len(rest) + 30)
        wrapped = wrap(cause, wide, first=rest, rest=rest) or [rest]
        lines.append(f"{_coloured(row, colour, dress)}{wrapped[0].strip()}".rstrip())
        lines += wrapped[1:]
    if at is None:
        words = tr("As you predicted: every state, in this order.")
    else:
        words = _in_words(told, seen, at, connection, tr)
    return [*lines, "", *wrap(words, page.width - len(_INDENT))]


def _coloured(text: str, colour: str, dress: Style) -> str:
    return dress.paint(text, colour) if colour else text


def parting(told: Sequence[State], seen: Sequence[State]) -> int | None:
    """The place of the first difference; None if they are equal."""
    for place in range(max(len(told), len(seen))):
        if told[place : place + 1] != seen[place : place + 1]:
            return place
    return None


def _in_words(
    told: Sequence[State], seen: Sequence[State], at: int, connection: Connection, tr: Translator
) -> str:
    before = seen[at - 1].name if at else ""
    if at >= len(seen):
        return tr(
            "The board's connection was still in {state} when the run ended; you expected "
            "{expected} next.",
            state=before,
            expected=told[at].name,
        )
    cause = caused_by(connection, at, tr)
    went = seen[at].name
    if at >= len(told):
        return tr(
            "You stopped at {state}. The board went on to {went}: {cause}.",
            state=before,
            went=went,
            cause=cause,
        )
    if not at:
        return tr("The board's path begins with {went}: {cause}.", went=went, cause=cause)
    return tr(
        "After {before} you expected {expected}. The board went to {went}: {cause}.",
        before=before,
        expected=told[at].name,
        went=went,
        cause=cause,
    )


def caused_by(connection: Connection, at: int, tr: Translator) -> str:
    """What led into the state at that place of the path, in words."""
    event = connection.led_by[at]
    if event is None:
        if connection.path[at] is State.LISTEN:
            return tr("the listener's state, where it began")
        return tr("what led there was not recorded")
    return _cause_in_words(event.cause, _segment_before(connection, event), connection, tr)


def _cause_in_words(
    cause: Cause, segment: tuple[int, Segment] | None, connection: Connection, tr: Translator
) -> str:
    match cause.kind:
        case "rx":
            came = _segment_in_words(cause, segment, connection, tr)
            if cause.aborted:
                return tr("{came}, which the board answered by giving up (RST)", came=came)
            return came
        case "api":
            return tr("the program called {call}()", call=safe(cause.detail))
        case "gc":
            return tr("nobody held the socket any longer, and MicroPython closed it")
        case "timer":
            return _timer_in_words(cause.detail, tr)
        case "kill":
            return tr("lwIP needed its memory for another connection")
        case "netif":
            return tr("the board lost its address")
    return tr("by {cause}", cause=safe(cause.text()))


def _timer_in_words(name: str, tr: Translator) -> str:
    known = {
        "2MSL": tr("twice the maximum segment lifetime had passed (timer 2MSL)"),
        "close-abort": tr("MicroPython's ten seconds after close() were over (timer close-abort)"),
        "FIN_WAIT_2": tr("lwIP's twenty seconds in FIN_WAIT_2 were over (timer FIN_WAIT_2)"),
    }
    return known.get(name) or tr("lwIP's timer {name} ran out", name=safe(name))


def _segment_in_words(
    cause: Cause, segment: tuple[int, Segment] | None, connection: Connection, tr: Translator
) -> str:
    if segment is None:
        return tr("{flags} came in", flags=flag_names(cause.detail))
    number, it = segment
    who = connection.remote or tr("the other end")
    return tr(
        "segment {number} came in, {flags} from {who}",
        number=number,
        flags=flag_names(it.flags),
        who=who,
    )


def _segment_before(connection: Connection, event: Transition | Died) -> tuple[int, Segment] | None:
    """The segment that came in last before an event, and its number in the ladder."""
    if event.cause.kind != "rx":
        return None
    found = None
    for number, segment in enumerate(segments_of(connection), 1):
        if segment.direction == "rx" and segment.seq < event.seq:
            found = (number, segment)
    return found
