"""A trace is complete only if nothing is missing, and it wakes those who wait in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import (
    BoardFault,
    BoardLost,
    BoardReset,
    DeadlineExceeded,
    LwipscopeError,
    UsageError,
)
from lwipscope.trace.event import Event, Reply, Transition
from lwipscope.trace.frame import Console, FrameSplitter, encode_frame
from lwipscope.trace.trace import Trace

SYNC_ID = 9
EXCHANGE = """
hello re=1 proto=1 boot=5.0 board=mps2-an385
born c=1 pool=pcb used=1
call c=1 bind 6666
call c=1 listen 2
born c=2 pool=lpcb used=1
state c=2 CLOSED>LISTEN by=api:listen at=tcp.c:890 l=0.0.0.0:6666
died c=1 in=CLOSED by=api:listen used=0
rx c=2 S seq=1 ack=0 win=64240 len=0 mss=1460 l=192.0.2.10:6666 r=192.0.2.1:40312
born c=3 pool=pcb used=1
state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 l=192.0.2.10:6666 r=192.0.2.1:40312 p=2
tx c=3 S. seq=7 ack=2 win=8760 len=0 mss=1460 l=192.0.2.10:6666 r=192.0.2.1:40312
state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942
beat ring=0
state c=3 ESTABLISHED>CLOSED by=rx:R at=tcp.c:2212
died c=3 in=CLOSED by=rx:R used=0
reply re=9 ok
""".strip().splitlines()
SYNC_SEQ = len(EXCHANGE) - 1


def wire(lines: Iterable[str], first: int = 0) -> list[bytes]:
    """Frames of the given lines, numbered from `first`."""
    frames = []
    for seq, line in enumerate(lines, first):
        kind, *fields = line.split(" ")
        frames.append(encode_frame(seq, seq * 1000, kind, fields))
    return frames


GOOD = wire(EXCHANGE)


def traced(data: bytes | list[bytes], first_seq: int | None = 0) -> Trace:
    trace = Trace(first_seq)
    trace.sync_sent(SYNC_ID)
    feed(trace, data)
    return trace


def feed(trace: Trace, data: bytes | list[bytes], at_s: float = 1.0) -> None:
    splitter = FrameSplitter()
    for item in [*splitter.feed(data if isinstance(data, bytes) else b"".join(data))]:
        trace.feed(item, at_s)
    for item in splitter.close():
        trace.feed(item, at_s)


def problems(trace: Trace) -> str:
    integrity = trace.integrity
    assert integrity.complete == (not integrity.problems())
    return "; ".join(integrity.problems())


def test_an_exchange_closed_by_sync_is_complete() -> None:
    trace = traced(GOOD)
    assert trace.integrity.complete
    assert trace.integrity.synced_through == SYNC_SEQ
    assert len(trace.events) == len(EXCHANGE)
    assert trace.boot == "5.0"


def test_nothing_at_all_is_not_complete() -> None:
    assert "no sync has been answered" in problems(Trace())


def test_without_the_sync_it_is_not_complete() -> None:
    assert "no sync has been answered" in problems(traced(GOOD[:-1]))


@pytest.mark.parametrize("answer", ["reply re=8 ok", "reply re=9 err busy"])
def test_another_answer_is_no_sync(answer: str) -> None:
    assert not traced(wire([*EXCHANGE[:-1], answer])).integrity.complete


def test_events_after_the_sync_are_not_proven_but_heartbeats_and_answers_are_harmless() -> None:
    after = [*EXCHANGE, "beat ring=0", "pcb re=3 c=2 LISTEN", "reply re=3 ok n=1", "novelty x=1"]
    assert traced(wire(after)).integrity.complete
    more = traced(wire([*after, "call c=2 close"]))
    assert "1 event came after" in problems(more)
    more.sync_sent(12)
    feed(more, wire(["reply re=12 ok"], first=len(after) + 1))
    assert more.integrity.complete


def test_evidence_through_a_sync_leaves_out_what_came_later() -> None:
    trace = traced(wire([*EXCHANGE, "call c=2 close"]))
    reply = trace.wait_for(lambda event: isinstance(event, Reply), 0, "the reply")
    events, integrity = trace.evidence(through=reply)
    assert events[-1] is reply
    assert integrity.complete
    assert not trace.evidence()[1].complete
    with pytest.raises(UsageError):
        traced(GOOD).evidence(through=Reply(99, 0, 0, 99, True, (), {}))


@pytest.mark.parametrize("missing", range(len(GOOD)))
def test_dropping_any_frame_is_noticed(missing: int) -> None:
    assert not traced(GOOD[:missing] + GOOD[missing + 1 :]).integrity.complete


@pytest.mark.parametrize("twice", range(len(GOOD)))
@pytest.mark.parametrize("later", [0, 1, 5])
def test_repeating_any_frame_is_noticed(twice: int, later: int) -> None:
    place = min(twice + 1 + later, len(GOOD))
    trace = traced([*GOOD[:place], GOOD[twice], *GOOD[place:]])
    assert problems(trace) == "1 frame arrived twice"
    assert len(trace.events) == len(GOOD)


@pytest.mark.parametrize("place", range(len(GOOD) - 1))
def test_swapping_neighbours_is_noticed(place: int) -> None:
    swapped = [*GOOD]
    swapped[place : place + 2] = reversed(swapped[place : place + 2])
    trace = traced(swapped)
    assert not trace.integrity.complete
    assert trace.integrity.reordered == 1


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_altering_any_byte_is_noticed(place: int, flip: int) -> None:
    data = bytearray(b"".join(GOOD))
    data[place % len(data)] ^= flip
    assert not traced(bytes(data)).integrity.complete


NOISE = st.binary(max_size=30).map(lambda data: data.replace(b"\x1e", b"?"))


@given(st.lists(NOISE, min_size=len(GOOD), max_size=len(GOOD)))
def test_noise_between_intact_frames_is_counted_and_harmless(noise: list[bytes]) -> None:
    trace = traced(b"".join(n + frame for n, frame in zip(noise, GOOD, strict=True)))
    assert trace.integrity.complete
    assert trace.integrity.noise_bytes == sum(map(len, noise))
    assert b"".join(piece.data for piece in trace.console) == b"".join(noise)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_trace_never_raises(data: list[bytes]) -> None:
    trace = traced([*GOOD[:4], *data, *GOOD[4:]])
    assert isinstance(trace.integrity.problems(), list)


def test_junk_that_begins_like_a_frame_is_harmless_if_nothing_is_missing() -> None:
    trace = traced([*GOOD[:5], b"\x1ejunk\n", *GOOD[5:]])
    assert trace.integrity.complete
    assert (trace.integrity.bad_frames, trace.integrity.noise_frames) == (0, 1)


def test_a_damaged_frame_is_a_loss_if_a_number_is_missing() -> None:
    trace = traced([*GOOD[:5], GOOD[5].replace(b"c=2", b"c=3"), *GOOD[6:]])
    assert problems(trace) == "1 frame never arrived (number 5); 1 frame arrived damaged"


def test_a_damaged_frame_behind_the_sync_leaves_the_end_open() -> None:
    assert "1 frame arrived damaged" in problems(traced([*GOOD, b"\x1ejunk\n"]))


def test_gaps_name_the_missing_numbers() -> None:
    trace = traced(GOOD[:3] + GOOD[7:])
    assert problems(trace) == "4 frames never arrived (number 3 to 6)"


def test_numbers_wrap() -> None:
    top = 2**32 - 2
    trace = Trace(first_seq=top)
    trace.sync_sent(SYNC_ID)
    feed(trace, wire(["beat ring=0"] * 4 + ["reply re=9 ok"], first=top))
    assert trace.integrity.complete
    assert trace.integrity.synced_through == 2


def test_the_boards_own_losses_count() -> None:
    trace = traced(wire([*EXCHANGE[:-1], "lost n=17", EXCHANGE[-1]]))
    assert problems(trace) == "the board lost 17 records because its ring was full"


def test_a_malformed_record_counts_and_an_unknown_kind_does_not() -> None:
    assert traced(wire([*EXCHANGE[:-1], "novelty x=1", EXCHANGE[-1]])).integrity.complete
    trace = traced(wire([*EXCHANGE[:-1], "state c=3 A>B by=-", EXCHANGE[-1]]))
    assert problems(trace) == "1 frame could not be understood"


def test_a_running_board_is_believed_from_its_hello_on() -> None:
    before = wire(["beat ring=0", "call c=1 accept"], first=100)
    trace = traced([before[0], b"\x1ejunk\n", *wire(EXCHANGE, first=102)], first_seq=None)
    assert trace.integrity.complete
    assert len(trace.events) == len(EXCHANGE)
    assert "has not said hello" in problems(traced(before, first_seq=None))
    late = wire(EXCHANGE, first=102)
    assert not traced([*before, *late[:3], *late[4:]], first_seq=None).integrity.complete


def test_a_fresh_board_must_begin_at_zero() -> None:
    assert "number 0 to 1" in problems(traced(wire(EXCHANGE, first=2)))


def test_another_boot_id_is_a_reset_and_the_new_life_is_not_kept() -> None:
    trace = traced(GOOD)
    feed(trace, wire(["hello re=2 proto=1 boot=5.1", "born c=1 pool=pcb used=1"]))
    assert trace.integrity.reset
    assert "restarted" in problems(trace)
    assert len(trace.events) == len(GOOD)
    with pytest.raises(BoardReset, match=r"boot 5\.0 became 5\.1"):
        trace.wait_for(lambda _: False, 30, "anything")


def test_the_same_boot_id_again_is_no_reset() -> None:
    trace = traced(wire([*EXCHANGE[:-1], "hello re=2 proto=1 boot=5.0", EXCHANGE[-1]]))
    assert trace.integrity.complete


def test_a_fault_is_reported_with_its_words() -> None:
    trace = traced(wire([*EXCHANGE, "fault assert pcb != NULL"]))
    assert trace.integrity.fault == "assert pcb != NULL"
    assert "pcb != NULL" in problems(trace)


def established(event: Event) -> bool:
    return isinstance(event, Transition) and event.after.name == "ESTABLISHED"


def test_wait_for_finds_what_is_there_already_from_a_mark_on() -> None:
    trace = traced(GOOD)
    found = trace.wait_for(established, 0, "ESTABLISHED")
    assert found.seq == 11
    with pytest.raises(DeadlineExceeded):
        trace.wait_for(established, 0, "ESTABLISHED", since=trace.after(found))
    with pytest.raises(DeadlineExceeded):
        trace.wait_for(established, 0, "ESTABLISHED", since=trace.mark())


def test_a_deadline_tells_what_was_waited_for_and_the_last_events() -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        traced(GOOD).wait_for(lambda _: False, 0, "LAST_ACK of c3")
    lines = str(caught.value).splitlines()
    assert "LAST_ACK of c3 did not happen within 0 s" in lines[0]
    assert len(lines) == 2 + 8
    assert "c3 SYN_RCVD > ESTABLISHED (rx ACK)" in str(caught.value)
    with pytest.raises(DeadlineExceeded, match="no events have come"):
        Trace().wait_for(lambda _: True, 0, "anything")


def waiting(trace: Trace, predicate: Callable[[Event], bool]) -> Callable[[], object]:
    """Wait in another thread; the result is the event or the error."""
    results: list[object] = []
    scanned = threading.Event()

    def look(event: Event) -> bool:
        scanned.set()
        return predicate(event)

    def wait() -> None:
        try:
            results.append(trace.wait_for(look, 30, "it"))
        except LwipscopeError as error:
            results.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert scanned.wait(10)

    def result() -> object:
        thread.join(10)
        assert not thread.is_alive()
        return results[0]

    return result


def test_an_event_wakes_the_waiter() -> None:
    trace = traced(GOOD[:10])
    result = waiting(trace, established)
    feed(trace, GOOD[10:])
    assert isinstance(result(), Transition)


@pytest.mark.parametrize(
    ("happening", "error"),
    [
        (lambda trace: trace.board_lost("the line closed"), BoardLost),
        (lambda trace: feed(trace, wire(["fault kind=hard pc=0"], first=10)), BoardFault),
        (lambda trace: feed(trace, wire(["hello re=2 proto=1 boot=6.0"])), BoardReset),
    ],
)
def test_the_end_of_the_board_wakes_the_waiter(
    happening: Callable[[Trace], None], error: type[BoardLost]
) -> None:
    trace = traced(GOOD[:10])
    result = waiting(trace, established)
    happening(trace)
    seen = result()
    assert type(seen) is error
    assert "while waiting for it" in str(seen)


def test_a_lost_board_is_told_among_the_problems() -> None:
    trace = traced(GOOD[:4])
    trace.board_lost("QEMU ended")
    assert "the board was lost: QEMU ended" in problems(trace)


def test_watchers_see_events_and_console_until_they_stop() -> None:
    trace = Trace()
    seen: list[tuple[int, float]] = []
    text: list[bytes] = []
    stop = trace.on_event(lambda event, at_s: seen.append((event.seq, at_s)))
    trace.on_console(lambda data, _: text.append(data))
    feed(trace, [*GOOD[:2], b"hi\n"], at_s=3.0)
    stop()
    feed(trace, GOOD[2:4])
    assert seen == [(0, 3.0), (1, 3.0)]
    assert text == [b"hi\n"]


def test_a_watcher_that_raises_is_dropped_and_harms_nobody() -> None:
    trace = Trace()
    calls: list[int] = []

    def broken(event: Event, _at_s: float) -> None:
        calls.append(event.seq)
        raise ValueError

    trace.on_event(broken)
    feed(trace, GOOD[:3])
    assert calls == [0]
    assert len(trace.events) == 3


def test_arrival_times_are_kept() -> None:
    trace = Trace()
    feed(trace, GOOD[:1], at_s=5.0)
    trace.feed(Console(b"x"), 6.0)
    assert [stamped.at_s for stamped in trace.stamped] == [5.0]
    assert trace.last_heard_s == 5.0
    assert trace.console[0].at_s == 6.0
