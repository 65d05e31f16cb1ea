"""What may be concluded from samples: never a wrong PASS, never a wrong FAIL."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lwipscope.tcp.graph import Graph, graph_of
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, Event, parse_event
from lwipscope.trace.frame import FrameSplitter, encode_frame
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.sample import Sample, Torn, Unseen, Walks
from lwipscope.trace.sampled import (
    SampledConnection,
    SampledRole,
    check_sampled,
    judge,
    sampled_connections,
)
from lwipscope.trace.verdict import Verdict

HERE, THERE = Endpoint("192.0.2.10", 6666), Endpoint("192.0.2.1", 40312)
WHOLE = Integrity(synced_through=1)
STACK = graph_of("modlwip-2.2.1")
PASSIVE_CLOSE = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
ACTIVE_CLOSE = "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"


def states(text: str) -> tuple[State, ...]:
    return tuple(State.parse(word) for word in text.split())


def seen(text: str, *, ended: bool = False, role: SampledRole = "server") -> SampledConnection:
    return SampledConnection(1, role, HERE, THERE, states(text), ended)


def verdict(pattern: str, connection: SampledConnection, graph: Graph = STACK) -> Verdict:
    return judge(PathPattern.parse(pattern), connection, graph)[0]


# What sampling can decide, and what not.


@pytest.mark.parametrize(
    "samples",
    ["SYN_RCVD ESTABLISHED CLOSE_WAIT LAST_ACK", "ESTABLISHED LAST_ACK", "SYN_RCVD LAST_ACK"],
)
def test_pass_where_only_one_path_explains_the_samples(samples: str) -> None:
    assert verdict(PASSIVE_CLOSE, seen(samples, ended=True)) is Verdict.PASS


def test_not_seeing_last_ack_leaves_an_abort_possible() -> None:
    connection = seen("ESTABLISHED CLOSE_WAIT", ended=True)
    found, text = judge(PathPattern.parse(PASSIVE_CLOSE), connection, STACK)
    assert found is Verdict.INCONCLUSIVE
    assert "sampling can't decide" in text
    assert "CLOSE_WAIT > CLOSED" in text
    assert "CLOSE_WAIT > LAST_ACK > CLOSED" in text


def test_time_wait_may_have_been_reached_in_three_ways() -> None:
    assert verdict(ACTIVE_CLOSE, seen("ESTABLISHED TIME_WAIT")) is Verdict.INCONCLUSIVE
    assert verdict(ACTIVE_CLOSE, seen("ESTABLISHED FIN_WAIT_2 TIME_WAIT")) is Verdict.PASS
    assert verdict(ACTIVE_CLOSE, seen("ESTABLISHED CLOSING TIME_WAIT")) is Verdict.FAIL
    optional = "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 | CLOSING >] TIME_WAIT"
    assert verdict(optional, seen("ESTABLISHED TIME_WAIT")) is Verdict.PASS


def test_a_pattern_that_claims_visited_states_only_is_decided_by_them() -> None:
    assert verdict("... > CLOSE_WAIT > ...", seen("CLOSE_WAIT", ended=True)) is Verdict.PASS
    assert verdict("... > CLOSE_WAIT > ...", seen("FIN_WAIT_1", ended=True)) is Verdict.FAIL
    assert verdict("... > CLOSE_WAIT > ...", seen("ESTABLISHED", ended=True)) is (
        Verdict.INCONCLUSIVE
    )


def test_a_connection_that_was_still_there_has_not_ended() -> None:
    assert verdict(PASSIVE_CLOSE, seen("ESTABLISHED CLOSE_WAIT LAST_ACK")) is Verdict.FAIL
    open_end = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK"
    assert verdict(open_end, seen("ESTABLISHED CLOSE_WAIT LAST_ACK")) is Verdict.PASS
    assert verdict(open_end, seen("ESTABLISHED CLOSE_WAIT LAST_ACK", ended=True)) is Verdict.FAIL


def test_an_unknown_beginning_may_have_been_either() -> None:
    client = "SYN_SENT > ESTABLISHED > CLOSE_WAIT"
    assert verdict(client, seen("ESTABLISHED CLOSE_WAIT", role="unknown")) is Verdict.INCONCLUSIVE
    assert verdict(client, seen("ESTABLISHED CLOSE_WAIT", role="client")) is Verdict.PASS
    both = f"({client} | LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT)"
    assert verdict(both, seen("ESTABLISHED CLOSE_WAIT", role="unknown")) is Verdict.PASS


def test_a_listener_knows_only_its_end() -> None:
    assert verdict("LISTEN > CLOSED", seen("LISTEN", ended=True, role="listener")) is Verdict.PASS
    assert verdict("LISTEN", seen("LISTEN", role="listener")) is Verdict.PASS
    assert verdict("LISTEN > CLOSED", seen("LISTEN", role="listener")) is Verdict.FAIL


def test_samples_that_no_path_explains_decide_nothing() -> None:
    found, text = judge(PathPattern.parse("..."), seen("TIME_WAIT ESTABLISHED"), STACK)
    assert found is Verdict.INCONCLUSIVE
    assert "no path of the stack" in text


def test_the_verdict_says_that_it_was_sampled() -> None:
    for pattern in (PASSIVE_CLOSE, ACTIVE_CLOSE):
        assert "sampl" in judge(PathPattern.parse(pattern), seen("ESTABLISHED LAST_ACK"), STACK)[1]


# Against random truths.

_PATTERNS = (
    PASSIVE_CLOSE,
    ACTIVE_CLOSE,
    "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT > CLOSED",
    "SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    "SYN_SENT > CLOSED",
    "LISTEN > SYN_RCVD > CLOSED | SYN_SENT > ... > CLOSED",
    "... > CLOSE_WAIT > ...",
    "... > (CLOSING | FIN_WAIT_2) > ... > CLOSED",
    "LISTEN > ... > ESTABLISHED",
    "...",
)
_BEGINNINGS = {"server": "LISTEN SYN_RCVD", "client": "SYN_SENT"}


@st.composite
def truths(draw: st.DrawFn) -> tuple[str, tuple[State, ...], Graph]:
    """A walk of a graph from the beginning of a connection, ended or not."""
    graph = graph_of(draw(st.sampled_from(("modlwip-2.2.1", "unknown"))))
    role = draw(st.sampled_from(sorted(_BEGINNINGS)))
    path = list(states(_BEGINNINGS[role]))
    for _ in range(draw(st.integers(0, 7))):
        after = [
            State.CLOSED if edge.after is State.LISTEN else edge.after
            for edge in graph.edges_from(path[-1])
            if edge.after is not path[-1]
        ]
        path.append(draw(st.sampled_from(after)))
        if path[-1] is State.CLOSED:
            break
    return role, tuple(path), graph


@st.composite
def sampled_truths(draw: st.DrawFn) -> tuple[SampledConnection, tuple[State, ...], Graph]:
    """The same, and what a probe might have seen of it: each state or not, and the last one."""
    role, path, graph = draw(truths())
    of_the_pcb = path[1:] if role == "server" else path
    ended = path[-1] is State.CLOSED
    alive = of_the_pcb[:-1] if ended else of_the_pcb
    kept = [s for s in alive if draw(st.booleans())]
    if not ended and (not kept or kept[-1] is not alive[-1]):
        kept.append(alive[-1])
    assume(kept)
    told: list[State] = []
    for state in kept:
        if not told or told[-1] is not state:  # the probe tells of a state when it is new
            told.append(state)
    shown: SampledRole = "unknown" if draw(st.booleans()) else role  # type: ignore[assignment]
    return SampledConnection(1, shown, HERE, THERE, tuple(told), ended), path, graph


def patterns_of(path: tuple[State, ...]) -> list[str]:
    """The fixed ones; the truth itself; the truth without its last state, and with a gap."""
    names = [state.name for state in path]
    own = [" > ".join(names), " > ".join(names[:-1]) or "...", " > ".join((*names[:1], "..."))]
    return [*_PATTERNS, *own]


@given(sampled_truths())
def test_a_verdict_never_contradicts_the_truth(
    case: tuple[SampledConnection, tuple[State, ...], Graph],
) -> None:
    connection, path, graph = case
    for text in patterns_of(path):
        pattern = PathPattern.parse(text)
        found, why = judge(pattern, connection, graph)
        if found is Verdict.PASS:
            assert pattern.match(path).ok, (text, path, connection, why)
        elif found is Verdict.FAIL:
            assert not pattern.match(path).ok, (text, path, connection, why)


@given(truths())
def test_a_probe_that_sees_everything_always_decides(
    case: tuple[str, tuple[State, ...], Graph],
) -> None:
    role, path, graph = case
    alive = [s for s in (path[1:] if role == "server" else path) if s is not State.CLOSED]
    assume(len(set(alive)) == len(alive))
    connection = SampledConnection(
        *(1, role, HERE, THERE, tuple(alive), path[-1] is State.CLOSED)  # type: ignore[arg-type]
    )
    if graph.exact:  # the RFC's cycles let a walk hide between two samples
        for text in patterns_of(path):
            pattern = PathPattern.parse(text)
            # Two states with a third way between them can't be told from the direct one.
            if judge(pattern, connection, graph)[0] is Verdict.INCONCLUSIVE:
                assert _has_detour(graph, alive, path[-1] is State.CLOSED), (text, path)


def _has_detour(graph: Graph, alive: list[State], ended: bool) -> bool:
    ways = {(e.before, e.after) for e in graph.edges if e.before is not e.after}
    steps = [*alive, State.CLOSED] if ended else alive
    return any(
        (one, middle) in ways and (middle, two) in ways
        for one, two in itertools.pairwise(steps)
        for middle in State
        if middle is not State.CLOSED
    )


# From frames to verdicts.


def events_of(*bodies: str) -> list[Event]:
    made: list[Event] = []
    splitter = FrameSplitter()
    for seq, body in enumerate(bodies):
        kind, *fields = body.split(" ")
        for item in splitter.feed(encode_frame(seq, 1000 * seq, kind, fields)):
            made.append(parse_event(item))  # type: ignore[arg-type]
    return made


ENDS = f"l={HERE} r={THERE}"
LISTENER = "sample c=1 LISTEN l=0.0.0.0:6666 n=1"


def test_frames_become_events_of_the_probe() -> None:
    events = events_of(LISTENER, "unseen c=1 n=7", "walks n=9 torn=1 gap_us=2500", "torn n=3 why=2")
    assert [type(event) for event in events] == [Sample, Unseen, Walks, Torn]
    assert "the longest pause 2.5 ms, 1 torn" in events[2].text()
    damaged = events_of("sample c=1 ASLEEP l=0.0.0.0:1 n=1")[0]
    assert "ASLEEP" in damaged.text() and not isinstance(damaged, Sample)


def test_a_connection_to_a_port_with_a_listener_was_accepted() -> None:
    events = events_of(LISTENER, f"sample c=2 ESTABLISHED {ENDS} n=5")
    assert [c.role for c in sampled_connections(events)] == ["listener", "server"]
    assert sampled_connections(events[1:])[0].role == "unknown"


def test_check_sampled_judges_the_one_that_fits() -> None:
    told = (LISTENER, *(f"sample c=2 {s} {ENDS} n=5" for s in ("SYN_RCVD", "LAST_ACK")))
    events = events_of(*told, "unseen c=2 n=9", "walks n=10 torn=0 gap_us=1500")
    check = check_sampled(events, WHOLE, PASSIVE_CLOSE, port=6666, profile="modlwip-2.2.1")
    assert check.verdict is Verdict.PASS, check.text
    assert "sampled by the memory probe: 10 walks, the longest pause 1.5 ms" in check.text
    # A frame that is missing might be the one that matters.
    broken = check_sampled(events, Integrity(), PASSIVE_CLOSE, profile="modlwip-2.2.1")
    assert broken.verdict is Verdict.INCONCLUSIVE
    listener = check_sampled(events, WHOLE, "LISTEN", role="listener")
    assert listener.verdict is Verdict.PASS, listener.text


def test_a_connection_that_was_never_sampled_may_have_been_missed() -> None:
    check = check_sampled(events_of(LISTENER), WHOLE, PASSIVE_CLOSE, port=6666)
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "no connection that fits was sampled" in check.text


def test_two_that_fit_have_to_be_told_apart() -> None:
    other = ENDS.replace("40312", "40313")
    events = events_of(
        LISTENER, f"sample c=2 ESTABLISHED {ENDS} n=5", f"sample c=3 ESTABLISHED {other} n=5"
    )
    assert check_sampled(events, WHOLE, "...").verdict is Verdict.ERROR
    assert check_sampled(events, WHOLE, "...", remote_port=40313).verdict is Verdict.PASS
