"""The notation of paths, and a matcher that agrees with a naive reading of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.tcp.notation import Alternatives, Gap, Node, Optional, Series
from lwipscope.tcp.path import PathPattern, explain
from lwipscope.tcp.state import State

SERVER_CLOSES = "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT > CLOSED"


def path(text: str) -> list[State]:
    return [State.parse(word) for word in text.split()]


def ok(pattern: str, seen: str) -> bool:
    return PathPattern.parse(pattern).match(path(seen)).ok


@pytest.mark.parametrize(
    ("pattern", "seen", "expected"),
    [
        ("LISTEN", "LISTEN", True),
        ("LISTEN", "", False),
        ("LISTEN > CLOSED", "LISTEN", False),
        ("LISTEN", "LISTEN CLOSED", False),
        (SERVER_CLOSES, "LISTEN SYN_RCVD ESTAB FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE", True),
        (SERVER_CLOSES, "LISTEN SYN_RCVD ESTAB FIN_WAIT1 TIME_WAIT CLOSE", True),
        (SERVER_CLOSES, "LISTEN SYN_RCVD ESTAB FIN_WAIT1 CLOSING TIME_WAIT CLOSE", False),
        ("LISTEN > ... > CLOSED", "LISTEN CLOSED", True),
        ("LISTEN > ... > CLOSED", "LISTEN SYN_RCVD CLOSED", True),
        ("LISTEN > ... > CLOSED", "LISTEN SYN_RCVD", False),
        ("...", "", True),
        ("LISTEN [> SYN_RCVD [> ESTABLISHED]]", "LISTEN", True),
        ("LISTEN [> SYN_RCVD [> ESTABLISHED]]", "LISTEN SYN_RCVD ESTAB", True),
        ("LISTEN [> SYN_RCVD [> ESTABLISHED]]", "LISTEN ESTAB", False),
        ("[LISTEN >] [SYN_RCVD >] CLOSED", "SYN_RCVD CLOSED", True),
        ("(CLOSING | FIN_WAIT_2 >  CLOSING) > TIME_WAIT", "FIN_WAIT_2 CLOSING TIME_WAIT", True),
        ("(CLOSING | FIN_WAIT_2) > TIME_WAIT", "FIN_WAIT_2 CLOSING TIME_WAIT", False),
        ("LISTEN > CLOSED | SYN_SENT > CLOSED", "SYN_SENT CLOSED", True),
        ("LISTEN > CLOSED | SYN_SENT > CLOSED", "LISTEN SYN_SENT CLOSED", False),
        ("listening -> syn-received -> fin wait 1", "LISTEN SYN_RCVD FIN_WAIT_1", True),
        ("LISTEN>SYN-RCVD>…>CLOSED", "LISTEN SYN_RCVD LAST_ACK CLOSED", True),
    ],
)
def test_match(pattern: str, seen: str, expected: bool) -> None:
    assert ok(pattern, seen) is expected


@pytest.mark.parametrize("pattern", ["CLOSED > SYN_SENT > CLOSED", "SYN_SENT > CLOSED"])
@pytest.mark.parametrize("seen", ["CLOSED SYN_SENT CLOSED", "SYN_SENT CLOSED"])
def test_a_leading_closed_says_nothing(pattern: str, seen: str) -> None:
    assert ok(pattern, seen)
    for length in range(len(path(seen)) + 1):
        assert PathPattern.parse(pattern).could_still_match(path(seen)[:length])


@pytest.mark.parametrize(
    "pattern", ["CLOSED > (LISTEN | SYN_SENT) > CLOSED", "CLOSED > LISTEN > ..."]
)
def test_a_leading_closed_is_skipped_inside_structures_too(pattern: str) -> None:
    assert ok(pattern, "LISTEN CLOSED")
    assert ok(pattern, "CLOSED LISTEN CLOSED")


def test_closed_is_not_skipped_anywhere_else() -> None:
    assert not ok("CLOSED > ESTABLISHED", "ESTABLISHED")
    assert not ok("ESTABLISHED", "CLOSED ESTABLISHED")
    assert not ok("ESTABLISHED > CLOSED > SYN_SENT", "ESTABLISHED SYN_SENT")


def test_where_they_part_and_what_was_expected_there() -> None:
    match = PathPattern.parse(SERVER_CLOSES).match(path("LISTEN SYN_RCVD ESTAB FIN_WAIT1 CLOSED"))
    assert not match.ok
    assert match.matched_prefix == 4
    assert match.expected_next == {State.FIN_WAIT_2, State.TIME_WAIT}
    assert not match.expected_end


def test_the_best_alternative_counts() -> None:
    pattern = PathPattern.parse("LISTEN > CLOSED | LISTEN > SYN_RCVD > ESTABLISHED")
    match = pattern.match(path("LISTEN SYN_RCVD TIME_WAIT"))
    assert match.matched_prefix == 2
    assert match.expected_next == {State.ESTABLISHED}


def test_the_end_may_be_what_was_expected() -> None:
    match = PathPattern.parse("LISTEN [> CLOSED]").match(path("LISTEN SYN_RCVD"))
    assert match.matched_prefix == 1
    assert match.expected_next == {State.CLOSED}
    assert match.expected_end


def test_explain_puts_the_marker_below_the_state_that_differs() -> None:
    pattern = PathPattern.parse("LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT")
    lines = explain(pattern, path("LISTEN SYN_RCVD ESTAB FIN_WAIT_1 CLOSED")).splitlines()
    assert lines[0] == "expected  LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT"
    assert lines[1].index("FIN_WAIT_1") == lines[2].index("^")
    assert lines[2].endswith("^ here CLOSE_WAIT was expected")


def test_explain_a_path_that_ended_early() -> None:
    text = explain(PathPattern.parse("LISTEN > SYN_RCVD"), path("LISTEN"))
    assert text.endswith("^ ended here, SYN_RCVD was expected next")
    assert "(nothing)" in explain(PathPattern.parse("LISTEN"), [])


def test_explain_agreement() -> None:
    assert explain(PathPattern.parse("LISTEN"), path("LISTEN")).endswith("as expected")


def test_could_still_match() -> None:
    pattern = PathPattern.parse(SERVER_CLOSES)
    assert pattern.could_still_match([])
    assert pattern.could_still_match(path("LISTEN SYN_RCVD"))
    assert not pattern.could_still_match(path("LISTEN ESTABLISHED"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" listen->Syn-Received ", "LISTEN > SYN_RCVD"),
        (SERVER_CLOSES, SERVER_CLOSES),
        ("LISTEN > [SYN_RCVD] > CLOSED", "LISTEN > [SYN_RCVD >] CLOSED"),
        ("LISTEN > [SYN_RCVD] > [CLOSED]", "LISTEN [> SYN_RCVD] [> CLOSED]"),
        ("((LISTEN) > (SYN_RCVD > CLOSED))", "LISTEN > SYN_RCVD > CLOSED"),
        ("(LISTEN | (SYN_SENT | CLOSED))", "LISTEN | SYN_SENT | CLOSED"),
        ("[[LISTEN] >] CLOSED", "[LISTEN >] CLOSED"),
        ("[...]", "..."),
        ("[LISTEN | SYN_SENT >] CLOSED", "[LISTEN | SYN_SENT >] CLOSED"),
        ("FIN_WAIT_1 [> (CLOSING | FIN_WAIT_2) > TIME_WAIT]",) * 2,
    ],
)
def test_str_is_canonical(text: str, canonical: str) -> None:
    assert str(PathPattern.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "column", "complaint"),
    [
        ("", 0, "a state is expected"),
        ("LISTEN >", 8, "after '>' a state is expected"),
        ("LISTEN > > CLOSED", 9, "a state is expected"),
        ("> LISTEN", 0, "a state is expected"),
        ("LISTEN > ESTABLSHED", 9, "did you mean ESTABLISHED?"),
        ("LISTEN > FIN_WAIT", 9, "FIN_WAIT_1, FIN_WAIT_2"),
        ("LISTEN SYN_RCVD", 7, "'>' is missing"),
        ("fin wait 1 time wait", 11, "'>' is missing"),
        ("LISTEN (SYN_RCVD)", 7, "'>' is missing"),
        ("LISTEN > (SYN_RCVD | CLOSED", 27, "')' is missing"),
        ("LISTEN > [SYN_RCVD", 18, "']' is missing"),
        ("LISTEN > CLOSED)", 15, "')'"),
        ("LISTEN > [> CLOSED]", 10, "a '>' before this optional part already"),
        ("[LISTEN >] > CLOSED", 11, "has its '>' already"),
        ("[> LISTEN]", 1, "nothing stands before"),
        ("LISTEN | | CLOSED", 9, "a state is expected"),
        ("LISTEN > ; CLOSED", 9, "';' has no meaning"),
        ("LISTEN > ()", 10, "a state is expected"),
        ("(" * 5000, 40, "levels of brackets"),
    ],
)
def test_bad_notation_is_refused_with_a_caret(text: str, column: int, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        PathPattern.parse(text)
    _, shown, marker = str(caught.value).splitlines()
    assert shown == f"  {text}".rstrip() or shown == f"  {text}"
    assert marker.index("^") == column + 2
    assert complaint in marker


def test_nested_optionals_and_gaps_do_not_blow_up() -> None:
    states = [State.ESTABLISHED] * 3000
    nested = "[" * 30 + "ESTABLISHED" + " > ...]" * 30
    chained = " > ".join(["..."] * 60 + ["[ESTABLISHED]"] * 60 + ["LISTEN"])
    assert PathPattern.parse(nested).match(states).ok
    assert PathPattern.parse(chained).match(states).matched_prefix == 3000


@given(st.text(alphabet="LISTEN CLOSED>[]()|.-_ 12\n€", max_size=40))
def test_any_text_is_a_pattern_or_a_usage_error(text: str) -> None:
    try:
        pattern = PathPattern.parse(text)
    except UsageError as error:
        assert "^" in str(error)
    else:
        assert PathPattern.parse(str(pattern)) == pattern


# Without LISTEN and SYN_SENT, so that the rule of the leading CLOSED stays out of the comparison.
LETTERS = (State.CLOSED, State.ESTABLISHED)
NODES: st.SearchStrategy[Node] = st.recursive(
    st.sampled_from(LETTERS) | st.just(Gap()),
    lambda inner: st.one_of(
        inner.map(Optional),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Series(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Alternatives(tuple(parts))),
    ),
    max_leaves=5,
)
WORDS = [word for length in range(5) for word in product(LETTERS, repeat=length)]


def ends(node: Node, seen: Sequence[State], start: int) -> set[int]:
    """All places where `node` may end if it begins at `start`: the notation, read naively."""
    match node:
        case State():
            return {start + 1} if start < len(seen) and seen[start] is node else set()
        case Gap():
            return set(range(start, len(seen) + 1))
        case Optional(part=part):
            return {start} | ends(part, seen, start)
        case Alternatives(parts=parts):
            return set().union(*(ends(part, seen, start) for part in parts))
        case Series(parts=parts):
            places = {start}
            for part in parts:
                places = set().union(*(ends(part, seen, place) for place in places))
            return places


@settings(deadline=None)
@given(NODES)
def test_the_matcher_agrees_with_a_naive_enumeration(node: Node) -> None:
    pattern = PathPattern.of(node)
    longest = 2 * len(WORDS[-1])
    accepted = {
        word
        for length in range(longest + 1)
        for word in product(LETTERS, repeat=length)
        if length in ends(node, word, 0)
    }
    beginnings = {word[:length] for word in accepted for length in range(len(word) + 1)}
    for word in WORDS:
        match = pattern.match(word)
        assert match.ok == (word in accepted)
        assert pattern.could_still_match(word) == (word in beginnings)
        best = max(n for n in range(len(word) + 1) if word[:n] in beginnings)
        assert match.matched_prefix == best
        assert match.expected_end == (word[:best] in accepted)
        following = {state for state in LETTERS if (*word[:best], state) in beginnings}
        # A gap accepts every state but names none.
        assert match.expected_next <= following
        if "..." not in str(node):
            assert match.expected_next == following


@given(NODES)
def test_str_and_parse_are_inverse(node: Node) -> None:
    once = PathPattern.parse(str(PathPattern.of(node)))
    assert PathPattern.parse(str(once)) == once
    assert [once.match(w).ok for w in WORDS] == [PathPattern.of(node).match(w).ok for w in WORDS]
