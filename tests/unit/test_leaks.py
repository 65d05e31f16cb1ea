"""Leaks: which pcbs the application should have closed, and which end by themselves."""

from __future__ import annotations

import pytest

from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, Event, parse_event
from lwipscope.trace.frame import Frame
from lwipscope.trace.leaks import PcbTable, PoolUse, find_leaks

LISTENER = """
born c=1 pool=pcb used=1
born c=2 pool=lpcb used=1
state c=2 CLOSED>LISTEN by=api:listen at=tcp.c:890 l=0.0.0.0:6666
died c=1 in=CLOSED by=api:listen used=0
"""
ACCEPTED = """
born c=3 pool=pcb used=1
state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 l=192.0.2.10:6666 r=192.0.2.1:40312 p=2
state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942
"""
PEER_CLOSED = """
state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:1608
state c=3 CLOSE_WAIT>CLOSE_WAIT by=rx:F. at=tcp_in.c:998
"""
BOARD_CLOSED = """
state c=3 CLOSE_WAIT>LAST_ACK by=api:close at=tcp.c:434
died c=3 in=LAST_ACK by=rx:. used=0
"""
LISTENER_CLOSED = """
state c=2 LISTEN>CLOSED by=api:close at=tcp.c:2212
died c=2 in=CLOSED by=api:close used=0
"""


def events(*texts: str) -> list[Event]:
    lines = "".join(texts).split("\n")
    split = [line.partition(" ") for line in lines if line]
    return [
        parse_event(Frame(seq, seq * 1000, kind, tail, b""))
        for seq, (kind, _, tail) in enumerate(split)
    ]


def texts(found: list[Event], **kwargs: object) -> list[str]:
    leaks = find_leaks(found, program_ended=bool(kwargs.get("ended")))
    return [leak.text() for leak in leaks]


def test_a_running_server_may_have_a_listener_and_a_connection() -> None:
    assert texts(events(LISTENER, ACCEPTED)) == []


def test_close_wait_is_a_leak_and_says_since_when() -> None:
    (told,) = texts(events(LISTENER, ACCEPTED, PEER_CLOSED))
    assert told.startswith("c3 CLOSE_WAIT 192.0.2.10:6666 - 192.0.2.1:40312: the peer has closed")
    # The store that came second changes nothing: since the first one.
    assert "since 0.007000 s: c3 ESTABLISHED > CLOSE_WAIT (rx FIN+ACK)" in told


def test_what_was_closed_is_no_leak() -> None:
    assert texts(events(LISTENER, ACCEPTED, PEER_CLOSED, BOARD_CLOSED)) == []


def test_after_the_end_of_the_program_everything_is_a_leak() -> None:
    told = texts(events(LISTENER, ACCEPTED), ended=True)
    assert [each.split(":")[0] for each in told] == [
        "c2 LISTEN 0.0.0.0",
        "c3 ESTABLISHED 192.0.2.10",
    ]
    closed = events(LISTENER, ACCEPTED, PEER_CLOSED, BOARD_CLOSED, LISTENER_CLOSED)
    assert texts(closed, ended=True) == []


def test_an_unused_socket_is_a_leak_after_the_end_only() -> None:
    unused = events("born c=1 pool=pcb used=1\n")
    assert texts(unused) == []
    (told,) = texts(unused, ended=True)
    assert told.startswith("c1 CLOSED, a socket that was never used: a socket is left")


@pytest.mark.parametrize(("there", "leaks"), [(True, 0), (None, 0), (False, 1)])
def test_established_without_a_peer(there: bool | None, leaks: int) -> None:
    asked: list[Endpoint] = []

    def is_there(remote: Endpoint) -> bool | None:
        asked.append(remote)
        return there

    found = find_leaks(events(LISTENER, ACCEPTED), program_ended=False, peer_is_there=is_there)
    assert len(found) == leaks
    assert asked == [Endpoint("192.0.2.1", 40312)]


@pytest.mark.parametrize("ended", [True, False])
def test_time_wait_ends_by_itself(ended: bool) -> None:
    closing = """
state c=3 ESTABLISHED>FIN_WAIT_1 by=api:close at=tcp.c:427
state c=3 FIN_WAIT_1>TIME_WAIT by=rx:F. at=tcp_in.c:1011
"""
    left = events(LISTENER, ACCEPTED, closing, LISTENER_CLOSED)
    assert texts(left, ended=ended) == []
    assert PcbTable.of(left).counts == {State.TIME_WAIT: 1}


def test_growth_names_what_there_is_more_of() -> None:
    before = PcbTable.of(events(LISTENER))
    after = PcbTable.of(events(LISTENER, ACCEPTED, PEER_CLOSED))
    assert after.growth(before) == "CLOSE_WAIT +1"
    assert after.growth(before, ignoring=frozenset({State.CLOSE_WAIT})) == ""
    assert before.growth(after) == ""


def test_the_table_lists_every_pcb() -> None:
    table = PcbTable.of(events(LISTENER, ACCEPTED))
    assert table.text().splitlines() == [
        "  c2 LISTEN 0.0.0.0:6666",
        "  c3 ESTABLISHED 192.0.2.10:6666 - 192.0.2.1:40312",
    ]
    assert PcbTable(()).text() == "  no pcb is taken"


def test_the_pools_use_counts_no_listeners() -> None:
    assert PoolUse.of(events(LISTENER), 5) == PoolUse(used=0, peak=1, size=5)
    more = "born c=4 pool=pcb used=2\ndied c=4 in=CLOSED by=api:abort used=1\n"
    use = PoolUse.of(events(LISTENER, ACCEPTED, more, LISTENER_CLOSED), 5)
    assert use == PoolUse(used=1, peak=2, size=5)
    assert use.text() == "1 of 5 pcbs taken, at most 2 so far"
