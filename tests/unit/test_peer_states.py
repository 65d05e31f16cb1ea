"""The other end's states from its segments: RFC 9293's figures, and what makes them hard to see."""

from __future__ import annotations

import pytest

from lwipscope.tcp.path import path_text
from lwipscope.trace.peer_states import observe
from lwipscope.wire.layers import TcpSegment, flags_from_text

BOARD, PEER = 0xFFFFFFF0, 0x7FFFFFF0  # both wrap within a few bytes
OPENS = "p S 0; b S. 0 1; p . 1 1"
ANSWERS = "b S 0; p S. 0 1; b . 1 1"


def told(script: str) -> list[tuple[bool, TcpSegment]]:
    """`p F. 1 1 3`: the peer sends FIN+ACK, relative seq 1 and ack 1, 3 bytes."""
    segments = []
    for line in script.split(";"):
        who, flags, *numbers = line.split()
        seq, ack, length = (*map(int, numbers), 0, 0)[:3]
        mine, other = (BOARD, PEER) if who == "b" else (PEER, BOARD)
        one = TcpSegment(
            *("192.0.2.10", "192.0.2.100", 6666, 40000),
            seq=(mine + seq) % (1 << 32),
            ack=(other + ack) % (1 << 32) if "." in flags else 0,
            flags=flags_from_text(flags),
            payload=bytes(length),
        )
        segments.append((who == "b", one))
    return segments


def paths(script: str) -> list[str]:
    return [path_text(observed.path) for observed in observe(told(script))]


def path(script: str) -> str:
    (one,) = paths(script)
    return one


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (OPENS, "SYN_SENT > ESTABLISHED"),
        (ANSWERS, "LISTEN > SYN_RCVD > ESTABLISHED"),
        ("p S 0", "SYN_SENT"),
        ("b S 0; p S. 0 1", "LISTEN > SYN_RCVD"),
        ("p S 0; b R. 0 1", "SYN_SENT > CLOSED"),
        ("p S 0; b R. 0 7", "SYN_SENT"),
        ("p S 0; b S 0; p S. 0 1; b . 1 1", "SYN_SENT > SYN_RCVD > ESTABLISHED"),
        ("p S 0; b S. 0 9; p R 9; b S. 0 1; p . 1 1", "SYN_SENT > ESTABLISHED"),
        ("b S 0; p S. 0 1; b R 1", "LISTEN > SYN_RCVD > CLOSED"),
        ("b S 0; p S. 0 1; b . 1 9; p R 9; b . 1 1", "LISTEN > SYN_RCVD > ESTABLISHED"),
        ("b S 0; p S. 0 1; b F. 1 1", "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT"),
    ],
)
def test_opening(script: str, expected: str) -> None:
    assert path(script) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("p F. 1 1; b . 1 2; b F. 1 2; p . 2 2", "FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"),
        ("p F. 1 1; b F. 1 2; p . 2 2", "FIN_WAIT_1 > TIME_WAIT"),
        ("b F. 1 1; p . 1 2; p F. 1 2; b . 2 2", "CLOSE_WAIT > LAST_ACK > CLOSED"),
        ("b F. 1 1; p F. 1 2; b . 2 2", "CLOSE_WAIT > LAST_ACK > CLOSED"),
        ("b F. 1 1; p F. 1 2", "CLOSE_WAIT > LAST_ACK"),
        # The board's FIN is on the wire first, but the peer's says that it had not seen it.
        ("b F. 1 1; p F. 1 1; p . 2 2; b . 2 2", "FIN_WAIT_1 > CLOSING > TIME_WAIT"),
        ("p F. 1 1; b F. 1 1; p . 2 2; b . 2 2", "FIN_WAIT_1 > CLOSING > TIME_WAIT"),
        # Repetitions change nothing.
        ("p F. 1 1; p F. 1 1; b . 1 2; b F. 1 2; b F. 1 2", "FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"),
        # Data: the FIN counts when all before it has come.
        ("b F. 4 1; p . 1 1; b P. 1 1 3; p . 1 5", "CLOSE_WAIT"),
        ("b F. 4 1; p . 1 1", ""),
        ("p FP. 1 1 20; b . 1 21; b . 1 22", "FIN_WAIT_1 > FIN_WAIT_2"),
        ("p FP. 1 1 20; b . 1 21", "FIN_WAIT_1"),
        # Resets.
        ("b R. 1 1", "CLOSED"),
        ("b R 2", ""),
        ("p R. 1 1", "CLOSED"),
        ("b F. 1 1; p R. 1 2", "CLOSE_WAIT > CLOSED"),
        # What a TCP does not take: an ACK of the future, no ACK at all, far outside the window.
        ("b F. 1 99", ""),
        ("b F 1", ""),
        ("b F. 1000000 1", ""),
    ],
)
@pytest.mark.parametrize("opening", [OPENS, ANSWERS])
def test_closing(opening: str, script: str, expected: str) -> None:
    begun = path(opening)
    assert path(f"{opening}; {script}") == " > ".join(filter(None, (begun, expected)))


def test_nothing_is_seen_of_who_only_refuses() -> None:
    assert paths("b S 0; p R. 0 1") == []
    assert paths("b S 0") == []
    assert paths("p . 1 1; b R 1") == []


def test_a_port_is_used_again() -> None:
    first = f"{OPENS}; b F. 1 1; p F. 1 2; b . 2 2"
    assert paths(f"{first}; p S 1000; b S. 5000 1001; p . 1001 5001") == [
        "SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
        "SYN_SENT > ESTABLISHED",
    ]


def test_each_state_has_the_segment_that_brought_or_proves_it() -> None:
    # The board's FIN (3) is on the wire before the peer's (4), which was sent without knowing it.
    crossing = f"{OPENS}; b F. 1 1; p F. 1 1; p . 2 2; b . 2 2"
    (observed,) = observe(told(crossing))
    assert path_text(observed.path).endswith("FIN_WAIT_1 > CLOSING > TIME_WAIT")
    assert observed.caused_by == (0, 1, 4, 4, 6)
    (observed,) = observe(told(f"{OPENS}; b F. 1 1; p . 1 2; p F. 1 2; b . 2 2"))
    assert observed.caused_by == (0, 1, 3, 5, 6)
