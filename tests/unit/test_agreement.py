"""The board's record against the wire's: what each may lack, and what not."""

from __future__ import annotations

from lwipscope.exercise.agreement import disagreements, imitations
from lwipscope.trace.event import Endpoint, Event, Segment
from lwipscope.wire.packet import ACK, SYN, TcpSegment, build_tcp

BOARD, PEER = "192.0.2.10", "192.0.2.1"
MAC = bytes(6)
ALWAYS = (0.0, 100.0)


def record(direction: str, seq: int, number: int = 0, remote: str = PEER) -> Event:
    ends = (Endpoint(BOARD, 80), Endpoint(remote, 4000))
    way = "rx" if direction == "rx" else "tx"
    return Segment(number, 0, 0, way, "S.", seq, 7, 100, 0, None, *ends)


def frame(origin: str, seq: int, at_s: float = 1.0) -> tuple[float, str, bytes]:
    ends = (BOARD, PEER, 80, 4000) if origin == "board" else (PEER, BOARD, 4000, 80)
    segment = TcpSegment(*ends, seq, 7, SYN | ACK, 100, b"", b"", 0)
    return at_s, origin, build_tcp(segment, src_mac=MAC, dst_mac=MAC, ident=1)


def test_equal_records_agree() -> None:
    events = [record("tx", 1), record("rx", 2)]
    assert disagreements(events, [frame("board", 1), frame("tap", 2)], BOARD, ALWAYS) == []


def test_a_segment_that_was_never_on_the_wire_is_forged() -> None:
    for way in ("tx", "rx"):
        (said,) = disagreements([record(way, 5)], [], BOARD, ALWAYS)
        assert "that never was on the wire" in said and "seq=5" in said


def test_a_frame_of_the_board_that_it_has_not_recorded_is_hidden() -> None:
    (said,) = disagreements([], [frame("board", 6)], BOARD, ALWAYS)
    assert "that it has not recorded" in said and "seq=6" in said
    twice = [frame("board", 6), frame("board", 6)]
    assert disagreements([record("tx", 6)], twice, BOARD, ALWAYS)


def test_what_was_sent_outside_the_time_or_lost_on_its_way_to_the_board_is_no_lie() -> None:
    early, late = frame("board", 1, at_s=0.5), frame("board", 2, at_s=9.0)
    assert disagreements([], [early, late, frame("tap", 3)], BOARD, (1.0, 2.0)) == []


def test_segments_to_itself_and_repetitions_that_waited_for_arp_need_no_frame() -> None:
    itself = record("tx", 1, 0, BOARD)
    assert disagreements([itself], [], BOARD, ALWAYS) == []
    assert (
        disagreements([record("tx", 1), record("tx", 1, 1)], [frame("board", 1)], BOARD, ALWAYS)
        == []
    )


def test_printed_lines_like_the_tracers_are_counted() -> None:
    line = b"9 9 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. *0011aabb\r\n"
    assert imitations([line[:10], line[10:], b"hello 1 2 state\n", b"?" + line]) == 2
