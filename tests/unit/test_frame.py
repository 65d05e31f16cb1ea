"""The serial frame codec: nothing lost in any chunking, nothing raised by any bytes."""

from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError
from lwipscope.trace.frame import (
    BadFrame,
    Console,
    Frame,
    FrameSplitter,
    Item,
    encode_command,
    encode_frame,
)

STATE = encode_frame(
    7, 1234, "state", ["c=3", "SYN_RCVD>ESTABLISHED", "by=rx:.", "at=tcp_in.c:942"]
)


def split(*chunks: bytes) -> list[Item]:
    """All items, with neighbouring console pieces joined."""
    splitter = FrameSplitter()
    items: list[Item] = []
    for chunk in chunks:
        items += splitter.feed(chunk)
    return joined(items + splitter.close())


def joined(items: list[Item]) -> list[Item]:
    result: list[Item] = []
    for item in items:
        if isinstance(item, Console) and result and isinstance(result[-1], Console):
            result[-1] = Console(result[-1].data + item.data)
        else:
            result.append(item)
    return result


def raw(item: Item) -> bytes:
    return item.data if isinstance(item, Console) else item.raw


def sealed(body: bytes) -> bytes:
    return b"\x1e" + body + b" *" + f"{zlib.crc32(body):08x}".encode() + b"\n"


def test_frame_bytes_are_those_of_the_protocol() -> None:
    assert encode_frame(0, 5, "beat", ["ring=0"]) == b"\x1e0 5 beat ring=0 *4f261087\n"


def test_a_frame_is_taken_apart() -> None:
    (frame,) = split(STATE)
    assert isinstance(frame, Frame)
    assert (frame.seq, frame.clock_us, frame.kind) == (7, 1234, "state")
    assert frame.words == ("SYN_RCVD>ESTABLISHED",)
    assert frame.fields == {"c": "3", "by": "rx:.", "at": "tcp_in.c:942"}
    assert frame.raw == STATE


def test_a_frame_without_fields() -> None:
    (frame,) = split(encode_frame(1, 2, "beat"))
    assert isinstance(frame, Frame)
    assert (frame.words, frame.fields) == ((), {})


def test_carriage_returns_before_the_end_do_not_matter() -> None:
    (frame,) = split(STATE[:-1] + b"\r\r\n")
    assert isinstance(frame, Frame)
    assert frame.seq == 7


def test_console_text_is_handed_on_before_its_line_ends() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b">>> ") == [Console(b">>> ")]
    assert splitter.feed(STATE[:20]) == []
    (frame, rest) = splitter.feed(STATE[20:] + b"Trace")
    assert isinstance(frame, Frame)
    assert rest == Console(b"Trace")


def test_a_frame_in_the_middle_of_a_console_line() -> None:
    before, frame, after = split(b"I (123) wifi: " + STATE + b"noise\n")
    assert (before, after) == (Console(b"I (123) wifi: "), Console(b"noise\n"))
    assert isinstance(frame, Frame)


def test_a_frame_cut_off_by_the_next_one() -> None:
    bad, frame = split(STATE[:12] + STATE)
    assert bad == BadFrame(STATE[:12], "cut off by the next frame")
    assert isinstance(frame, Frame)


def test_an_unfinished_frame_is_reported_at_the_end() -> None:
    assert split(STATE[:-1]) == [BadFrame(STATE[:-1], "cut off by the end of the stream")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (STATE.replace(b"c=3", b"c=4"), "checksum"),
        (STATE[:-9] + STATE[-9:].upper(), "checksum"),
        (b"\x1e\n", "checksum"),
        (sealed(b"7 state"), "number"),
        (sealed(b"-7 5 state"), "number"),
        (sealed(b"+7 5 state"), "number"),
        (sealed(b"7 1_0 state"), "number"),
        (sealed(b"4294967296 5 state"), "too large"),
        (sealed(b"7 5 state c=\xff"), "printable"),
        (sealed(b"7 5 st\tate"), "printable"),
        (sealed(b"7 5  state"), "number"),
    ],
)
def test_what_is_no_frame_says_why(line: bytes, reason: str) -> None:
    (bad,) = split(line)
    assert isinstance(bad, BadFrame)
    assert bad.raw == line
    assert reason in bad.reason


def test_the_longest_frame_passes_and_a_longer_one_is_cut() -> None:
    longest = encode_frame(1, 2, "x", ["y" * (320 - len(encode_frame(1, 2, "x", [""])))])
    assert len(longest) == 320
    (frame,) = split(longest)
    assert isinstance(frame, Frame)
    longer = sealed(longest[1:-11] + b"y")
    bad, rest = split(longer)
    assert bad == BadFrame(longer[:320], "longer than 320 bytes")
    assert rest == Console(longer[320:])


def test_memory_is_bounded() -> None:
    splitter = FrameSplitter()
    splitter.feed(b"\x1e")
    for _ in range(100):
        splitter.feed(b"x" * 1000)
    assert splitter.close() == []


def test_encode_frame_refuses_what_the_protocol_cannot_carry() -> None:
    for fields in (["a\nb"], ["é"], ["\x1e"], ["x" * 320]):
        with pytest.raises(UsageError):
            encode_frame(0, 0, "x", fields)


def test_a_command_has_the_form_of_the_protocol() -> None:
    body = b"41 advance 500"
    assert encode_command(41, "advance", [500]) == sealed(body)


def test_a_command_has_at_most_120_bytes() -> None:
    spare = 120 - len(encode_command(1, "x", ["y"])) + 1
    assert len(encode_command(1, "x", ["y" * spare])) == 120
    with pytest.raises(UsageError, match="at most 120 bytes"):
        encode_command(1, "x", ["y" * (spare + 1)])


@pytest.mark.parametrize(
    ("command_id", "verb", "args"),
    [(0, "ping", []), (1 << 31, "ping", []), (1, "", []), (1, "a b", []), (1, "x", ["\n"])],
)
def test_a_bad_command_is_refused(command_id: int, verb: str, args: list[str]) -> None:
    with pytest.raises(UsageError):
        encode_command(command_id, verb, args)


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
PRINTABLE = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
FRAMES = st.builds(
    encode_frame,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**63),
    PRINTABLE.map(lambda text: text[:12]),
    st.lists(PRINTABLE.map(lambda text: text[:20]), max_size=5),
)
NOISE = st.binary(max_size=40).map(lambda data: data.replace(b"\x1e", b"?"))


@given(
    st.binary(max_size=600)
    | st.lists(st.sampled_from([b"\x1e", b"\n", b" *", STATE])).map(b"".join),
    CUTS,
)
def test_any_bytes_in_any_chunks_give_the_same_items_and_lose_no_byte(
    data: bytes, cuts: list[int]
) -> None:
    items = split(*chunked(data, cuts))
    assert items == split(data)
    assert b"".join(raw(item) for item in items) == data


@given(st.lists(st.tuples(NOISE, FRAMES), max_size=6), NOISE, CUTS)
def test_frames_survive_any_noise_between_them(
    pairs: list[tuple[bytes, bytes]], end: bytes, cuts: list[int]
) -> None:
    data = b"".join(noise + frame for noise, frame in pairs) + end
    items = split(*chunked(data, cuts))
    frames = [item.raw for item in items if isinstance(item, Frame)]
    assert frames == [frame for _, frame in pairs]
    assert not any(isinstance(item, BadFrame) for item in items)


@given(FRAMES, st.integers(0, 10_000), st.integers(1, 255))
def test_a_frame_with_one_altered_byte_is_never_taken_for_intact(
    frame: bytes, place: int, flip: int
) -> None:
    place %= len(frame)
    altered = frame[:place] + bytes([frame[place] ^ flip]) + frame[place + 1 :]
    assert not any(isinstance(item, Frame) for item in split(altered))
