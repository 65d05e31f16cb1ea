"""Explains a segment of a run, a state, or an edge: fields, RFC 9293 sections, lwIP functions.

`lwipscope show --explain WHAT`. Edges with their sources come from the graphs that transitions are
checked against (`tcp.graph`); meanings of states and fields from the small tables here.
Sources: RFC 9293 sections 3.1 (header), 3.2 (options), 3.3.2 (states), 3.4 (numbers), RFC 7323
(window scale, time stamps), RFC 2018 (SACK).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from lwipscope.errors import UsageError
from lwipscope.report.style import safe
from lwipscope.runfile.model import Run, RunLife, WireFrame
from lwipscope.runfile.remarks import remarks
from lwipscope.tcp.edge import Edge, pair
from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Segment, Transition, flag_names
from lwipscope.wire.layers import ACK, URG, TcpSegment

_WIDTH = 96

_MEANING = {
    State.CLOSED: "No connection. In lwIP: a fresh pcb, or none any more.",
    State.LISTEN: "Waits for anybody's SYN. In lwIP a smaller pcb of its own (tcp_pcb_listen).",
    State.SYN_SENT: "Has sent its SYN and waits for one that fits (active open).",
    State.SYN_RCVD: "Has had a SYN and sent its own; waits for the ACK of it.",
    State.ESTABLISHED: "The connection is open: data flows both ways.",
    State.FIN_WAIT_1: "Has closed first and sent its FIN; waits for the ACK of it, or a FIN.",
    State.FIN_WAIT_2: "Its FIN is acknowledged; the other end may still send, until its FIN.",
    State.CLOSE_WAIT: "The other end has sent its FIN; this program has yet to call close().",
    State.CLOSING: "Both FINs have crossed; waits for the ACK of its own.",
    State.LAST_ACK: "Was closed second and has sent its FIN; waits for the ACK of it.",
    State.TIME_WAIT: "All is said; waits 2MSL, so that late segments hurt no new connection.",
}
_FLAG_MEANING = {
    "S": "SYN: the first number of this side; takes one place in its sequence",
    "F": "FIN: this side sends no more data; takes one place in its sequence",
    "R": "RST: the connection ends here and now, or never was",
    "P": "PSH: the data should reach the program without waiting for more",
    ".": "ACK: the acknowledgment number counts",
    "U": "URG: the urgent pointer counts",
    "E": "ECE: an echo of congestion (RFC 3168)",
    "W": "CWR: the sender slowed down (RFC 3168)",
}
_OPTION_MEANING = {
    0: "end of the options (RFC 9293 3.1)",
    1: "padding (RFC 9293 3.1)",
    2: "maximum segment size that this side takes (RFC 9293 3.2 and 3.7.1)",
    3: "window scale: windows are to be shifted by so many bits (RFC 7323 2)",
    4: "selective acknowledgment is understood (RFC 2018)",
    5: "selective acknowledgment: these bytes have arrived as well (RFC 2018)",
    8: "time stamps, for round trips and old duplicates (RFC 7323 3)",
}
_HELP = (
    "--explain takes a segment by its number (3: the third that `show --tcpdump -n` prints), a "
    "state (FIN_WAIT_2, in any tool's spelling), or an edge ('SYN_SENT > ESTABLISHED')"
)


def explain(what: str, run: Run | None) -> str:
    """The explanation; UsageError that tells what can be asked for."""
    graph = graph_of(run.lives[0].profile if run is not None and run.lives else "modlwip-2.2.1")
    text = what.strip().removeprefix("segment").removeprefix("#").strip()
    if text.isascii() and text.isdigit():
        if run is None:
            raise UsageError(f"--explain {what}: of which run? Name its file")
        return "\n".join(_segment(int(text), run))
    if ">" in what:
        return "\n".join(_edge(what, graph))
    try:
        state = State.parse(what)
    except UsageError as error:
        raise UsageError(f"{error} ({_HELP})") from error
    return "\n".join(_state(state, graph, run))


# A state.


def _state(state: State, graph: Graph, run: Run | None) -> Iterator[str]:
    spelled = ", ".join(dict.fromkeys(state.spelled(s) for s in ("rfc", "linux", "ss", "windows")))
    yield f"{state} (elsewhere: {spelled})"
    yield from _wrapped(f"{_MEANING[state]} RFC 9293 section 3.3.2.", 2)
    yield ""
    yield f"ways in, by {_whose(graph)}:"
    yield from _edges([edge for edge in graph.edges if edge.after is state])
    yield f"ways out, by {_whose(graph)}:"
    yield from _edges(list(graph.edges_from(state)))
    for absence in graph.absences:
        if state in (absence.before, absence.after):
            text = f"RFC 9293 has {absence.before} > {absence.after} ({absence.trigger}), and this "
            yield from _wrapped(f"{text}stack has not: {absence.reason} ({absence.source})", 2)
    if run is not None:
        yield "in this run:"
        seen = [*_visits(state, run)]
        yield from seen or ["  not seen"]


def _visits(state: State, run: Run) -> Iterator[str]:
    for life in run.lives:
        for connection in life.connections:
            for at, led_by in zip(connection.path, connection.led_by, strict=True):
                if at is state:
                    why = f" by {safe(led_by.cause.text())}" if led_by is not None else ""
                    yield f"  c{connection.id} {connection.role}{why}"


def _whose(graph: Graph) -> str:
    return "RFC 9293" if not graph.exact else f"this stack ({graph.profile})"


def _edges(edges: list[Edge]) -> Iterator[str]:
    if not edges:
        yield "  none"
    for edge in edges:
        if not edge.unreachable:
            yield from _wrapped(_told(edge), 2)


def _told(edge: Edge) -> str:
    note = f" ({edge.note})" if edge.note else ""
    return f"{edge.before} > {edge.after} by {edge.trigger}: {edge.source}{note}"


# An edge.


def _edge(what: str, graph: Graph) -> Iterator[str]:
    before, after = pair(what)
    rfc = graph_of("rfc9293")
    yield f"{before} > {after}"
    yield from _wrapped(f"from: {_MEANING[before]}", 2)
    yield from _wrapped(f"to: {_MEANING[after]}", 2)
    for name, among in (("RFC 9293", rfc), ("lwIP here", graph)):
        if among is rfc and name != "RFC 9293":
            continue
        yield f"{name}:"
        found = among.between(before, after)
        for edge in found:
            never = f"; never with sockets: {edge.unreachable}" if edge.unreachable else ""
            yield from _wrapped(_told(edge) + never, 2)
        if not found:
            reasons = [a for a in among.absences if (a.before, a.after) == (before, after)]
            for absence in reasons:
                yield from _wrapped(f"not there: {absence.reason} ({absence.source})", 2)
            if not reasons:
                yield "  has no such edge"


# A segment.


def _segment(number: int, run: Run) -> Iterator[str]:
    frames = [(life, place) for life in run.lives for place in range(len(life.wire))]
    if not 1 <= number <= len(frames):
        raise UsageError(f"there is no segment {number}: the wire carried {len(frames)} frames")
    life, place = frames[number - 1]
    frame = life.wire[place]
    tcp = frame.tcp
    if tcp is None:
        yield f"frame {number} is no intact TCP segment ({len(frame.data)} bytes)"
        return
    yield f"segment {number}: {flag_names(tcp.flags_text())}, {_ends(tcp)}"
    yield from _fields(tcp, _isns(life, frame))
    yield "what the board made of it:"
    said = remarks(life).get(place) or ["no change of state"]
    for line in said:
        yield from _wrapped(line, 2)
    yield from _edges_by(life, frame)


def _ends(tcp: TcpSegment) -> str:
    return f"{tcp.src}:{tcp.sport} to {tcp.dst}:{tcp.dport}"


def _isns(life: RunLife, frame: WireFrame) -> dict[str, int]:
    """The first numbers of both sides before or at this frame, by address and port."""
    found = {}
    for each in life.wire:
        one = each.tcp
        if one is not None and one.flags & 2:
            found[f"{one.src}:{one.sport}"] = one.seq
        if each is frame:
            break
    return found


def _fields(tcp: TcpSegment, isns: dict[str, int]) -> Iterator[str]:
    own, other = isns.get(f"{tcp.src}:{tcp.sport}"), isns.get(f"{tcp.dst}:{tcp.dport}")
    for letter in tcp.flags_text() if tcp.flags else "":
        yield from _field("flag", f"{_FLAG_MEANING[letter]} (RFC 9293 3.1)")
    yield from _field(
        "seq", f"{tcp.seq}{_from_first(tcp.seq, own)}: number of its first byte (3.4)"
    )
    if tcp.flags & ACK:
        text = f"{tcp.ack}{_from_first(tcp.ack, other)}: the next byte it waits for (3.4)"
        yield from _field("ack", text)
    yield from _field("win", f"{tcp.window}: so many bytes more it would take (3.8)")
    if tcp.flags & URG:
        yield from _field("urg", f"{tcp.urgent}: urgent pointer (3.8.5)")
    yield from _field("len", f"{len(tcp.payload)} bytes of data; {tcp.seq_len} in the sequence")
    yield from _field("ports", f"{tcp.sport} to {tcp.dport}: with the addresses, the connection")
    for kind, value in _option_list(tcp.options):
        meaning = _OPTION_MEANING.get(kind, "not known here")
        shown = f" = {int.from_bytes(value, 'big')}" if kind in (2, 3) else ""
        yield from _field("option", f"{kind}{shown}: {meaning}")


def _from_first(number: int, first: int | None) -> str:
    return "" if first is None else f" (its first number + {(number - first) % (1 << 32)})"


def _option_list(options: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(options) and options[at]:
        size = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if size < 1 or (options[at] != 1 and size < 2):
            return
        yield options[at], options[at + 2 : at + size]
        at += size


def _edges_by(life: RunLife, frame: WireFrame) -> Iterator[str]:
    """The edges of the transitions that this segment caused, with their sources."""
    graph = graph_of(life.profile)
    caused = False
    for event in life.plain_events:
        if isinstance(event, Segment) and event.direction == "rx":
            caused = event.seq == frame.event_seq
        elif caused and isinstance(event, Transition | Died) and event.cause.kind == "rx":
            died = isinstance(event, Died)
            before, after = (
                (event.state, State.CLOSED)
                if isinstance(event, Died)
                else (event.before, event.after)
            )
            site = "" if died else getattr(event, "at", "")
            edge = graph.legal(before, after, str(event.cause), site)
            if edge is not None and before is not after:
                yield from _wrapped(f"lwIP: {edge.source}", 2)
                if edge.meets:
                    meets = edge.meets if ">" in edge.meets else f"{before} > {after}: {edge.meets}"
                    yield from _wrapped(f"RFC 9293 calls it {meets}{_section(meets)}", 2)


def _section(meets: str) -> str:
    """The RFC's section of an edge that is written `A > B: trigger`."""
    states, _, trigger = meets.partition(": ")
    for edge in graph_of("rfc9293").between(*pair(states)):
        if str(edge.trigger) == trigger:
            return f" (section {edge.source})"
    return ""


def _field(name: str, text: str) -> list[str]:
    return textwrap.wrap(f"  {name:<7}{text}", _WIDTH, subsequent_indent=" " * 9)


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(safe(text), _WIDTH, initial_indent=space, subsequent_indent=space + "  ")
