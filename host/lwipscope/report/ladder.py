"""The ladder: one connection as text. The peer's states on the left, segments in the middle, the
board's states with their causes on the right.

Made from a run: the order of the board's segments, calls and transitions is exact. A transition
stands on the row of the segment that caused it; so does the other end's state, which is deduced
(`runfile.peer_track`). Sequence numbers are relative to each side's initial one. What the board
has no record of is dim, and where records are missing a row says so. Called by the command line.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from lwipscope.report.style import Style, safe
from lwipscope.runfile.merged import Moment, merged
from lwipscope.runfile.model import DROPPED, RunLife, WireFrame
from lwipscope.runfile.peer_track import peer_track
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.event import Call, Died, Event, Return, Segment, Transition, flag_names

WIDTH = 100
LEAST_WIDTH = 80


@dataclass(frozen=True, slots=True)
class _Columns:
    time: int
    peer: int
    wire: int
    board: int

    @classmethod
    def of(cls, width: int) -> _Columns:
        if width >= WIDTH:
            return cls(10, 13, 37, width - 66)
        return cls(9, 11, 32, max(LEAST_WIDTH, width) - 57)


@dataclass(slots=True)
class _Row:
    clock_us: int
    peer: str = ""
    parts: tuple[str, ...] = ()  # of the segment: flags, then numbers, the less important last
    short_flags: str = ""
    arrow: str = ""  # "right", "left" or empty
    board: list[tuple[str, str]] = field(default_factory=list)  # (text, colour name)
    caused: bool = False  # a transition by this segment may stand here
    whole: str = ""  # a row of its own: what a peer did, or what is missing
    colour: str = ""
    keys: tuple[object, ...] = ()  # what it shows: an event's number, a frame
    lost: bool = False  # dropped on its way


def ladder(
    life: RunLife,
    connection: Connection,
    style: Style,
    *,
    width: int = WIDTH,
    peer_name: str = "peer",
    console: bool = False,
) -> str:
    """The ladder of one connection of a life, as wide as `width` (80 at least)."""
    columns = _Columns.of(width)
    rows = _rows(life, connection, console)
    if not any(row.parts or row.board for row in rows):
        return "(nothing was recorded of this connection)"
    _place_peer(rows, life, connection)
    start_us = next(row.clock_us for row in rows)
    header = (
        f"{'ms':>{columns.time}}  {peer_name[: columns.peer]:<{columns.peer}} "
        f"{'segment':^{columns.wire}}  board (lwIP)"
    )
    lines = [style.paint(header, "dim")]
    for row in rows:
        lines += _render(row, start_us, columns, style)
    return "\n".join(style.plain(line.rstrip()) for line in lines)


# Rows.


def _rows(life: RunLife, connection: Connection, console: bool) -> list[_Row]:
    mine = _pcbs(life, connection)
    between: set[int] = set()
    if connection.local is not None and connection.remote is not None:
        frames = life.segments_between(connection.local, connection.remote)
        between = {id(frame) for frame in frames}
    opening = {segment.seq for segment in connection.segments}
    # The listener may have let a first SYN of this peer pass; it is where the peer's story begins.
    opening |= {s.event_seq for s in peer_track(life, connection) if s.event_seq is not None}
    moments = [
        moment
        for moment in merged(life)
        if (moment.event is not None and moment.event.conn in mine)
        or (moment.kind == "frame" and id(moment.frame) in between)
        or moment.kind in ("note", "gap")
        or (moment.kind == "console" and console)
    ]
    others = _of_others(life, connection)
    rows: list[_Row] = []
    isn: dict[str, int] = {}
    clock_us = next((m.clock_us for m in moments if m.clock_us is not None), 0)
    for moment in moments:
        clock_us = clock_us if moment.clock_us is None else moment.clock_us
        if moment.event is not None and moment.event.seq in others:
            continue
        if moment.event is None:
            row = _beside(moment, clock_us, connection, isn)
            if row is not None:
                rows.append(row)
        elif not isinstance(moment.event, Segment) or (
            # A listener also hears the SYNs of other connections.
            moment.event.conn == connection.id or moment.event.seq in opening
        ):
            _enter(rows, moment.event, isn)
            if moment.frame is not None and moment.frame.fate == DROPPED:
                rows[-1].lost, rows[-1].colour = True, "dim"
                rows[-1].board.append(("(dropped on its way)", "dim"))
    return rows


def _pcbs(life: RunLife, connection: Connection) -> set[int]:
    """The pcbs whose story this is: its own, its listener's, and the one that listener was."""
    mine = {connection.id, *connection.folded}
    if connection.listener is not None:
        mine.add(connection.listener)
        listener = life.connection(connection.listener)
        mine.update(listener.folded if listener is not None else ())
    return mine


def _beside(
    moment: Moment, clock_us: int, connection: Connection, isn: dict[str, int]
) -> _Row | None:
    """What is no event of the board."""
    if moment.note is not None:
        text = safe(f"{moment.note.who} {moment.note.text}".strip())
        return _Row(clock_us, whole=text, colour="blue")
    if moment.frame is not None:
        return _lost_segment(moment.frame, clock_us, connection, isn)
    if moment.kind == "console":
        return _Row(clock_us, board=[(f"prints {safe(moment.text)}", "dim")])
    return _Row(clock_us, whole=f"~~~ {safe(moment.text)} ~~~", colour="red")


def _lost_segment(
    frame: WireFrame, clock_us: int, connection: Connection, isn: dict[str, int]
) -> _Row | None:
    """A segment on the wire of which the board recorded nothing."""
    tcp = frame.tcp
    if tcp is None or connection.local is None:
        return None
    incoming = (tcp.src, tcp.sport) != (connection.local.ip, connection.local.port)
    parts = _parts(tcp.flags_text(), tcp.seq, tcp.ack, len(tcp.payload), tcp.mss, incoming, isn)
    row = _Row(clock_us, parts=parts, short_flags=tcp.flags_text(), keys=(frame,))
    row.arrow = "right" if incoming else "left"
    row.colour = "dim"
    row.lost = frame.fate == DROPPED
    row.board.append(
        ("(dropped on its way)" if row.lost else "(the board has no record of it)", "dim")
    )
    return row


def _enter(rows: list[_Row], event: Event, isn: dict[str, int]) -> None:
    match event:
        case Segment():
            rows.append(_segment_row(event, isn))
        case Transition(before=before, after=after) if before is not after:
            _add_state(rows, event, str(after), event.cause.text())
        case Died(state=state) if state is not State.CLOSED:
            _add_state(rows, event, "CLOSED", f"{event.cause.text()}, freed")
        case Call():
            text = f"{event.name}({safe(event.arg)})"
            rows.append(_Row(event.clock_us, board=[(text, "cyan")]))
        case Return(name=name, result=result) if result != "ok":
            colour = "red" if _is_failure(result) else "cyan"
            rows.append(_Row(event.clock_us, board=[(f"{name}: {safe(result)}", colour)]))


def _is_failure(result: str) -> bool:
    return result.startswith("E") and result not in ("EOF", "EINPROGRESS")


def _of_others(life: RunLife, connection: Connection) -> set[int]:
    """The listener's accept() calls that gave other connections, or came after this one's end."""
    found: set[int] = set()
    called: int | None = None
    ended = False
    for event in life.plain_events:
        ended = ended or (isinstance(event, Died) and event.conn == connection.id)
        if event.conn == connection.id or not isinstance(event, Call | Return):
            continue
        if event.name == "accept" and isinstance(event, Call):
            called = event.seq
            found |= {event.seq} if ended else set()
        elif isinstance(event, Return) and event.accepted not in (None, connection.id):
            found |= {event.seq} if called is None else {event.seq, called}
    return found


def _segment_row(segment: Segment, isn: dict[str, int]) -> _Row:
    incoming = segment.direction == "rx"
    parts = _parts(
        *(segment.flags, segment.seqno, segment.ackno, segment.length, segment.mss),
        *(incoming, isn),
    )
    return _Row(
        segment.clock_us,
        parts=parts,
        short_flags=segment.flags,
        arrow="right" if incoming else "left",
        caused=incoming,
        keys=(segment.seq,),
    )


def _parts(
    flags: str,
    seqno: int,
    ackno: int,
    length: int,
    mss: int | None,
    incoming: bool,
    isn: dict[str, int],
) -> tuple[str, ...]:
    mine, other = ("peer", "board") if incoming else ("board", "peer")
    if "S" in flags:
        isn[mine] = seqno
    parts = [flag_names(flags), f"seq={_relative(seqno, isn.get(mine))}"]
    if "." in flags:
        parts.append(f"ack={_relative(ackno, isn.get(other))}")
    if length:
        parts.append(f"len={length}")
    if mss is not None:
        parts.append(f"mss={mss}")
    return tuple(parts)


def _relative(number: int, isn: int | None) -> int:
    return number if isn is None else (number - isn) % (1 << 32)


def _add_state(rows: list[_Row], event: Transition | Died, state: str, why: str) -> None:
    by_segment = event.cause.kind == "rx"
    if not (by_segment and rows and rows[-1].caused and not rows[-1].board):
        rows.append(_Row(event.clock_us))
    rows[-1].board += [(f"{state:<11}", "bold"), (why, "dim")]


def _place_peer(rows: list[_Row], life: RunLife, connection: Connection) -> None:
    """The other end's state, on the row of the segment that brought or proves it. Of two by one
    segment the second has a row of its own below."""
    places = {key: row for row in rows for key in row.keys}
    second: list[tuple[_Row, _Row]] = []
    for step in peer_track(life, connection):
        row = places.get(step.event_seq if step.event_seq is not None else step.frame)
        if step.state is State.LISTEN:
            # It leaves LISTEN with the same segment that shows that it was there.
            row = next(row for row in rows if row.parts)
        if row is None:
            continue
        if not row.peer:
            row.peer = str(step.state)
        else:
            second.append((row, _Row(row.clock_us, peer=str(step.state))))
    for above, below in reversed(second):
        rows.insert(next(n for n, row in enumerate(rows) if row is above) + 1, below)


# Rendering.


def _render(row: _Row, start_us: int, columns: _Columns, style: Style) -> list[str]:
    time_ms = style.paint(f"{(row.clock_us - start_us) / 1000:>{columns.time}.2f}", "dim")
    if row.whole:
        width = columns.peer + columns.wire + columns.board + 3
        first, *more = textwrap.wrap(row.whole, width) or [""]
        indent = " " * (columns.time + 2)
        return [
            f"{time_ms}  {style.paint(first, row.colour)}",
            *(f"{indent}{style.paint(line, row.colour)}" for line in more),
        ]
    peer = style.paint(f"{row.peer:<{columns.peer}}", "bold")
    board = _board(row, columns.board, style)
    return [f"{time_ms}  {peer} {_arrow(row, columns.wire, style)}  {board}"]


def _board(row: _Row, room: int, style: Style) -> str:
    """What fits; the cause is what gets cut."""
    shown = []
    narrow = room < _Columns.of(WIDTH).board
    for text, colour in row.board:
        text = safe(text.rstrip() if narrow else text)
        text = _cut(text, room, style)
        shown.append(style.paint(text, colour))
        room -= len(text) + 1
    return " ".join(part for part in shown if part)


def _arrow(row: _Row, width: int, style: Style) -> str:
    """`── SYN seq=0 ─────▶`, as wide as the column."""
    if not row.parts:
        return " " * width
    label = f" {_fitting(row, width - 5, style)} "
    room = max(0, width - 3 - len(label))
    colour = "red" if "R" in row.short_flags else "green" if row.arrow == "right" else "yellow"
    colour = row.colour or colour
    if row.arrow == "right":
        return style.paint(f"──{label}{'─' * room}{'✗' if row.lost else '▶'}", colour)
    return style.paint(f"{'✗' if row.lost else '◀'}{'─' * room}{label}──", colour)


def _cut(text: str, room: int, style: Style) -> str:
    """No longer than `room`; where there is no ellipsis, three dots take its place."""
    more = style.plain("…")
    if len(text) <= room:
        return text
    return text[: room - len(more)] + more if room >= len(more) else ""


def _fitting(row: _Row, room: int, style: Style) -> str:
    """The segment in as many words as there is room for."""
    flags, *numbers = row.parts
    without_mss = [part for part in numbers if not part.startswith("mss=")]
    for words in ([flags, *numbers], [flags, *without_mss], [row.short_flags, *without_mss]):
        text = " ".join(words)
        if len(text) <= room:
            return text
    return _cut(text, room, style)
