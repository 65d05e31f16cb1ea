"""Explains a segment of a run, a state, an edge or a verdict: fields, RFC sections, lwIP functions.

`lwipscope show --explain WHAT`, in English or Chinese. Edges with their sources come from the
graphs that transitions are checked against (`tcp.graph`), meanings of states and fields from
`meanings`. Sources: RFC 9293 sections 3.1 (header), 3.2 (options), 3.3.2 (states), 3.4 (numbers).
"""

from __future__ import annotations

from collections.abc import Iterator

from lwipscope.errors import UsageError
from lwipscope.report.meanings import FLAG_MEANING, HELP, KINDS, MEANING, OPTION_MEANING, VERDICTS
from lwipscope.report.style import safe
from lwipscope.runfile.model import Run, RunLife, WireFrame
from lwipscope.runfile.remarks import remarks
from lwipscope.tcp.edge import Edge, Trigger, pair
from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Segment, Transition, flag_names
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.layers import ACK, URG, TcpSegment
from lwipscope.words.catalogue import Translator, mark, translator
from lwipscope.words.lang import Lang
from lwipscope.words.width import pad, wrap

_WIDTH = 96


def explain(what: str, run: Run | None, lang: Lang = "en") -> str:
    """The explanation; UsageError that tells what can be asked for."""
    tr = translator(lang)
    graph = graph_of(run.lives[0].profile if run is not None and run.lives else "modlwip-2.2.1")
    text = what.strip().removeprefix("segment").removeprefix("#").strip()
    if text.isascii() and text.isdigit():
        if run is None:
            raise UsageError(tr("--explain {what}: of which run? Name its file", what=what))
        return "\n".join(_segment(int(text), run, tr))
    if text.upper() in Verdict.__members__:
        verdict = Verdict[text.upper()]
        return "\n".join([verdict.name, *_wrapped(tr(VERDICTS[verdict]), 2)])
    if ">" in what:
        return "\n".join(_edge(what, graph, tr))
    try:
        state = State.parse(what)
    except UsageError as error:
        raise UsageError(f"{error} ({tr(HELP)})") from error
    return "\n".join(_state(state, graph, run, tr))


def verdict_explained(name: str, lang: Lang) -> str:
    """What a verdict means, in some lines behind it; empty for what is no verdict."""
    verdict = Verdict.__members__.get(name)
    if verdict is None:
        return ""
    return "\n".join(_wrapped(f"{name}: {translator(lang)(VERDICTS[verdict])}", 0))


# A state.


def _state(state: State, graph: Graph, run: Run | None, tr: Translator) -> Iterator[str]:
    others = dict.fromkeys(state.spelled(s) for s in ("rfc", "linux", "ss", "windows"))
    spelled = ", ".join(each for each in others if each != str(state))
    named = tr("{state} (elsewhere: {spelled})", state=state, spelled=spelled)
    yield named if spelled else str(state)
    meaning = tr("{meaning} RFC 9293 section 3.3.2.", meaning=tr(MEANING[state]))
    yield from _wrapped(meaning, 2)
    yield ""
    yield tr("ways in, by {graph}:", graph=_whose(graph, tr))
    yield from _edges([edge for edge in graph.edges if edge.after is state], tr)
    yield tr("ways out, by {graph}:", graph=_whose(graph, tr))
    yield from _edges(list(graph.edges_from(state)), tr)
    for absence in graph.absences:
        if state in (absence.before, absence.after):
            text = tr(
                "RFC 9293 has {before} > {after} ({trigger}), and this stack has not: {reason} "
                "({source})",
                before=absence.before,
                after=absence.after,
                trigger=tr(absence.trigger),
                reason=tr(absence.reason),
                source=absence.source,
            )
            yield from _wrapped(text, 2)
    if run is not None:
        yield tr("in this run:")
        seen = [*_visits(state, run, tr)]
        yield from seen or [f"  {tr('not seen')}"]


def _visits(state: State, run: Run, tr: Translator) -> Iterator[str]:
    for life in run.lives:
        for connection in life.connections:
            for at, led_by in zip(connection.path, connection.led_by, strict=True):
                if at is state:
                    who = f"  c{connection.id} {connection.role}"
                    if led_by is None:
                        yield who
                    else:
                        yield tr("{who} by {cause}", who=who, cause=safe(led_by.cause.text()))


def _whose(graph: Graph, tr: Translator) -> str:
    return tr("this stack ({profile})", profile=graph.profile) if graph.exact else "RFC 9293"


def _edges(edges: list[Edge], tr: Translator) -> Iterator[str]:
    if not edges:
        yield f"  {tr('none')}"
    for edge in edges:
        if not edge.unreachable:
            yield from _wrapped(_told(edge, tr), 2)


def _told(edge: Edge, tr: Translator) -> str:
    note = tr(" ({note})", note=tr(edge.note)) if edge.note else ""
    by = tr(
        "{before} > {after} by {trigger}",
        before=edge.before,
        after=edge.after,
        trigger=_trigger(edge.trigger, tr),
    )
    return tr("{by}: {source}", by=by, source=edge.source) + note


def _trigger(trigger: Trigger, tr: Translator) -> str:
    """English keeps the words of the trace: rx, api, timer."""
    if tr.lang == "en":
        return str(trigger)
    kind = tr(KINDS.get(trigger.kind, trigger.kind))
    detail = tr(trigger.detail) if trigger.kind == "rx" else trigger.detail
    return f"{kind} {detail}" + tr(", then abort") * trigger.aborted


# An edge.


def _edge(what: str, graph: Graph, tr: Translator) -> Iterator[str]:
    before, after = pair(what)
    rfc = graph_of("rfc9293")
    yield f"{before} > {after}"
    yield from _wrapped(tr("from: {meaning}", meaning=tr(MEANING[before])), 2)
    yield from _wrapped(tr("to: {meaning}", meaning=tr(MEANING[after])), 2)
    for name, among in (("RFC 9293", rfc), (tr("lwIP here"), graph)):
        if among is rfc and name != "RFC 9293":
            continue
        yield tr("{name}:", name=name)
        found = among.between(before, after)
        for edge in found:
            never = ""
            if edge.unreachable:
                never = tr("; never with sockets: {reason}", reason=tr(edge.unreachable))
            yield from _wrapped(_told(edge, tr) + never, 2)
        if not found:
            reasons = [a for a in among.absences if (a.before, a.after) == (before, after)]
            for absence in reasons:
                text = tr("not there: {reason}", reason=tr(absence.reason))
                source = tr(" ({note})", note=absence.source)
                yield from _wrapped(text + source, 2)
            if not reasons:
                yield f"  {tr('has no such edge')}"


# A segment.


def _segment(number: int, run: Run, tr: Translator) -> Iterator[str]:
    frames = [(life, place) for life in run.lives for place in range(len(life.wire))]
    if not 1 <= number <= len(frames):
        text = tr(
            "there is no segment {number}: the wire carried {count} frames",
            number=number,
            count=len(frames),
        )
        raise UsageError(text)
    life, place = frames[number - 1]
    frame = life.wire[place]
    tcp = frame.tcp
    if tcp is None:
        size = len(frame.data)
        yield tr("frame {number} is no intact TCP segment ({size} bytes)", number=number, size=size)
        return
    yield tr(
        "segment {number}: {flags}, {src} to {dst}",
        number=number,
        flags=flag_names(tcp.flags_text()),
        src=f"{tcp.src}:{tcp.sport}",
        dst=f"{tcp.dst}:{tcp.dport}",
    )
    yield from _fields(tcp, _isns(life, frame), tr)
    yield tr("what the board made of it:")
    said = remarks(life).get(place) or [tr("no change of state")]
    for line in said:
        yield from _wrapped(line, 2)
    yield from _edges_by(life, frame, tr)


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


def _fields(tcp: TcpSegment, isns: dict[str, int], tr: Translator) -> Iterator[str]:
    own, other = isns.get(f"{tcp.src}:{tcp.sport}"), isns.get(f"{tcp.dst}:{tcp.dport}")
    for letter in tcp.flags_text() if tcp.flags else "":
        yield from _field(tr("flag"), f"{tr(FLAG_MEANING[letter])} (RFC 9293 3.1)")
    number = _from_first(tcp.seq, own, tr)
    yield from _field("seq", tr("{number}: number of its first byte (3.4)", number=number))
    if tcp.flags & ACK:
        number = _from_first(tcp.ack, other, tr)
        yield from _field("ack", tr("{number}: the next byte it waits for (3.4)", number=number))
    taken = tr("{number}: so many bytes more it would take (3.8)", number=tcp.window)
    yield from _field("win", taken)
    if tcp.flags & URG:
        yield from _field("urg", tr("{number}: urgent pointer (3.8.5)", number=tcp.urgent))
    length = tr(
        "{data} bytes of data; {places} in the sequence", data=len(tcp.payload), places=tcp.seq_len
    )
    yield from _field("len", length)
    ports = tr("{src} to {dst}: with the addresses, the connection", src=tcp.sport, dst=tcp.dport)
    yield from _field(tr("ports"), ports)
    for kind, value in _option_list(tcp.options):
        meaning = tr(OPTION_MEANING.get(kind, mark("not known here")))
        shown = f" = {int.from_bytes(value, 'big')}" if kind in (2, 3) else ""
        yield from _field(tr("option"), f"{kind}{shown}: {meaning}")


def _from_first(number: int, first: int | None, tr: Translator) -> str:
    if first is None:
        return f"{number}"
    distance = (number - first) % (1 << 32)
    return tr("{number} (its first number + {distance})", number=number, distance=distance)


def _option_list(options: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(options) and options[at]:
        size = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if size < 1 or (options[at] != 1 and size < 2):
            return
        yield options[at], options[at + 2 : at + size]
        at += size


def _edges_by(life: RunLife, frame: WireFrame, tr: Translator) -> Iterator[str]:
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
                    calls = tr("RFC 9293 calls it {edge}", edge=meets)
                    yield from _wrapped(f"{calls}{_section(meets)}", 2)


def _section(meets: str) -> str:
    """The RFC's section of an edge that is written `A > B: trigger`."""
    states, _, trigger = meets.partition(": ")
    for edge in graph_of("rfc9293").between(*pair(states)):
        if str(edge.trigger) == trigger:
            return f" ({edge.source})"
    return ""


def _field(name: str, text: str) -> list[str]:
    return wrap(safe(text), _WIDTH, first=f"  {pad(name, 7)}", rest=" " * 9)


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return wrap(safe(text), _WIDTH, first=space, rest=space + "  ")
