"""The ladder: one connection as text, segments in the middle, the board's states on the right.

Built from the board's own trace, so the order of segments, calls and transitions is exact. A
transition stands on the row of the segment that caused it. Sequence numbers are relative to each
side's initial one. Called by the command line and by failed checks. Fits 100 columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lwipscope.report.style import Style, safe
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Call, Died, Event, Return, Segment, Transition, flag_names
from lwipscope.trace.timeline import Note

_TIME = 10
_PEER = 14
_WIRE = 35


@dataclass(slots=True)
class _Row:
    clock_us: int
    peer: str = ""
    wire: str = ""
    arrow: str = ""  # "right", "left" or empty
    board: list[tuple[str, str]] = field(default_factory=list)  # (text, colour name)
    caused: bool = False  # a transition by this segment may stand here


@dataclass(frozen=True, slots=True)
class PlacedNote:
    """What a peer did, put before the event with sequence number `before_seq`."""

    before_seq: int
    note: Note


def place_notes(notes: Iterable[Note], stamped: Iterable[tuple[float, Event]]) -> list[PlacedNote]:
    """Give each note its place among the board's events, by host time."""
    events = list(stamped)
    placed = []
    for note in notes:
        after = [event.seq for at_s, event in events if at_s >= note.at_s]
        placed.append(PlacedNote(after[0] if after else 1 << 62, note))
    return placed


def ladder(
    connection: Connection,
    events: Sequence[Event],
    style: Style,
    notes: Sequence[PlacedNote] = (),
    peer_name: str = "peer",
) -> str:
    """The ladder of one connection; `events` are all of the board's events in order."""
    mine = {connection.id, *connection.folded}
    if connection.listener is not None:
        mine.add(connection.listener)
        for event in events:
            if isinstance(event, Died) and event.conn not in mine and _was_consumed(event, events):
                mine.add(event.conn)
    rows = _rows(connection, [e for e in events if e.conn in mine], list(notes))
    if not rows:
        return "(nothing was recorded of this connection)"
    start_us = rows[0].clock_us
    header = f"{'ms':>{_TIME}}  {peer_name:<{_PEER}}{'segment':^{_WIRE}}  board (lwIP)"
    lines = [style.paint(header, "dim")]
    lines += [_render(row, start_us, style) for row in rows]
    return "\n".join(style.plain(line.rstrip()) for line in lines)


def _was_consumed(event: Died, events: Sequence[Event]) -> bool:
    """The pcb that this connection's listener was made of: its calls belong to the story."""
    return (
        event.state is State.CLOSED
        and (event.cause.kind, event.cause.detail)
        == (
            "api",
            "listen",
        )
        and len([e for e in events if isinstance(e, Transition) and e.after is State.LISTEN]) == 1
    )


def _rows(connection: Connection, events: list[Event], notes: list[PlacedNote]) -> list[_Row]:
    rows: list[_Row] = []
    isn: dict[str, int] = {}
    opening = {id(segment) for segment in connection.segments}
    for event in events:
        while notes and notes[0].before_seq <= event.seq:
            rows.append(_note_row(notes.pop(0).note, event.clock_us))
        match event:
            case Segment():
                # A listener also hears the SYNs of other connections.
                if event.conn == connection.id or id(event) in opening:
                    rows.append(_segment_row(event, isn))
            case Transition(before=before, after=after) if before is not after:
                _add_state(rows, event, str(after), event.cause.text())
            case Died(state=state) if state is not State.CLOSED:
                _add_state(rows, event, "CLOSED", f"{event.cause.text()}, freed")
            case Call() | Return() if _of_others(event, connection):
                pass
            case Call():
                row = _Row(event.clock_us)
                row.board.append((f"{event.name}({safe(event.arg)})", "cyan"))
                rows.append(row)
            case Return(name=name, result=result) if result != "ok":
                row = _Row(event.clock_us)
                row.board.append(
                    (f"{name}: {safe(result)}", "red" if _is_failure(result) else "cyan")
                )
                rows.append(row)
    last_us = rows[-1].clock_us if rows else 0
    rows += [_note_row(placed.note, last_us) for placed in notes]
    return rows


def _is_failure(result: str) -> bool:
    return result.startswith("E") and result not in ("EOF", "EINPROGRESS")


def _of_others(event: Call | Return, connection: Connection) -> bool:
    """A listener's accept() that gave another connection."""
    if event.conn == connection.id or event.name != "accept":
        return False
    return isinstance(event, Return) and event.accepted != connection.id


def _note_row(note: Note, clock_us: int) -> _Row:
    return _Row(clock_us, peer=safe(f"{note.who} {note.text}".strip()))


def _segment_row(segment: Segment, isn: dict[str, int]) -> _Row:
    incoming = segment.direction == "rx"
    mine, other = ("peer", "board") if incoming else ("board", "peer")
    if "S" in segment.flags:
        isn[mine] = segment.seqno
    names = flag_names(segment.flags)
    text = f"{names} seq={_relative(segment.seqno, isn.get(mine))}"
    if "." in segment.flags:
        text += f" ack={_relative(segment.ackno, isn.get(other))}"
    if segment.length:
        text += f" len={segment.length}"
    if segment.mss is not None:
        text += f" mss={segment.mss}"
    return _Row(segment.clock_us, wire=text, arrow="right" if incoming else "left", caused=incoming)


def _relative(number: int, isn: int | None) -> int:
    return number if isn is None else (number - isn) % (1 << 32)


def _add_state(rows: list[_Row], event: Transition | Died, state: str, why: str) -> None:
    by_segment = event.cause.kind == "rx"
    if not (by_segment and rows and rows[-1].caused and not rows[-1].board):
        rows.append(_Row(event.clock_us))
    rows[-1].board += [(f"{state:<12}", "bold"), (why, "dim")]


def _render(row: _Row, start_us: int, style: Style) -> str:
    time_ms = f"{(row.clock_us - start_us) / 1000:>{_TIME}.2f}"
    board = " ".join(style.paint(text, colour) for text, colour in row.board)
    peer = row.peer
    if row.peer and not row.wire and not row.board:
        return f"{style.paint(time_ms, 'dim')}  {style.paint(peer, 'blue')}"
    return (
        f"{style.paint(time_ms, 'dim')}  {style.paint(f'{peer:<{_PEER}}', 'blue')}"
        f"{_arrow(row, style)}  {board}"
    )


def _arrow(row: _Row, style: Style) -> str:
    """`── SYN seq=0 ─────▶`, as wide as the column."""
    if not row.wire:
        return " " * _WIRE
    label = f" {row.wire} "
    room = max(0, _WIRE - 3 - len(label))
    colour = "red" if row.wire.startswith("RST") else "green" if row.arrow == "right" else "yellow"
    if row.arrow == "right":
        return style.paint(f"├─{label}{'─' * room}▶".replace("├", "─"), colour)
    return style.paint(f"◀{'─' * room}{label}──", colour)
