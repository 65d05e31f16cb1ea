"""Rules as text: what is written is what is meant, and what is not understood is explained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.wire.rule_text import EXAMPLES, parse_rule, rule_text
from lwipscope.wire.rules import Rule, delay, drop, duplicate, reorder


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("drop", drop()),
        ("drop 2 S. from-board", drop(2, flags="S.", direction="from-board")),
        ("drop from-board S. 2", drop(2, flags="S.", direction="from-board")),
        ("DROP nth=3 data to-board", drop(3, data=True, direction="to-board")),
        ("duplicate F. no-data copies=2", duplicate(flags="F.", data=False, copies=2)),
        ("delay 1 . by=2", delay(1, flags=".", by=2)),
        ("reorder p=0.25", reorder(probability=0.25)),
        ("drop ip=192.0.2.100 port=40000", drop(ip="192.0.2.100", port=40000)),
        ("drop none", drop(flags="none")),
        ("drop p=1", drop()),
    ],
)
def test_what_is_written_is_meant(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule
    assert parse_rule(rule_text(rule)) == rule


@pytest.mark.parametrize(("text", "_what"), EXAMPLES)
def test_the_examples_work(text: str, _what: str) -> None:
    assert rule_text(parse_rule(text)) == text or sorted(rule_text(parse_rule(text)).split()) == (
        sorted(text.split())
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty rule"),
        ("dorp 1", "did you mean drop"),
        ("2 S. drop", "begins with what happens, not '2'"),
        ("drop SYN+ACK", "'S.' for 'SYN+ACK'"),
        ("drop form-board", "did you mean 'from-board'"),
        ("drop X", "'X' is not understood"),
        ("drop S. F.", "flags is said twice"),
        ("drop 1 2", "a number is said twice"),
        ("drop to-board from-board", "the direction is said twice"),
        ("drop data no-data", "said twice"),
        ("drop 0", "counted from 1"),
        ("drop p=2", "between 0 and 1"),
        ("drop p=often", "between 0 and 1"),
        ("drop p=nan", "between 0 and 1"),
        ("drop by=2", "by= is for delay"),
        ("delay copies=2", "copies= is for duplicate"),
        ("reorder by=2", "reorder is delay by=1"),
        ("delay by=0", "at least 1"),
        ("duplicate copies=x", "a number is expected"),
        ("drop port=70000", "a port is 1 to 65535"),
        ("drop ip=here", "an IPv4 address"),
        ("drop bye=2", "did you mean by="),
        ("drop SS", "SS"),
    ],
)
def test_what_is_wrong_is_explained(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rule(text)
    assert said in str(caught.value)
    assert not text or repr(text) in str(caught.value)


@given(st.text(alphabet="drop SF.=0123pby-tomrcalkiu", max_size=40))
def test_any_text_is_a_rule_or_a_usage_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except UsageError:
        return
    assert parse_rule(rule_text(rule)) == rule
