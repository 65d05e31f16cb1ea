"""Ten thousand damaged streams: a lost, altered, repeated or displaced frame is never a PASS.

The streams are what the serial line really carried while scenarios were played, byte for byte, with
what came after the closing sync's answer. Damage is drawn by chance from a fixed seed, and what it
did to the frames is found out without the decoder under test: a stream may PASS only if exactly
the recorded frames are in it, once each and in order; noise between them is harmless.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from board.conftest import Boards
from lwipscope.errors import LwipscopeError
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.scenario import Expected
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Reply
from lwipscope.trace.frame import FrameSplitter
from lwipscope.trace.trace import Trace
from lwipscope.trace.verdict import Verdict, check_path
from lwipscope.wire.keeper import Keeper

STREAMS = 10_000
SEED = 20_260_101
SCENARIOS = (
    "close-second",
    "close-four-segments-client",
    "syn-sent-refused",
    "server-peer-closes-first",
)
_LINE = re.compile(rb"\x1e[^\x1e\n]*\n")

Damage = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Recording:
    """What the line carried in one life of the board, and what is expected of it."""

    stream: bytes
    frames: tuple[bytes, ...]
    """Up to the answer to the closing sync: the frames that the verdict stands on."""
    sync_id: int
    expected: Expected


def frames_of(stream: bytes) -> list[bytes]:
    """All that looks like a frame; without CR before LF, which readers tolerate."""
    return [re.sub(rb"\r+\n$", b"\n", line) for line in _LINE.findall(stream)]


def is_whole(stream: bytes, recording: Recording) -> bool:
    """Every frame that the verdict stands on is there once and in its place."""
    known = set(recording.frames)
    return [f for f in frames_of(stream) if f in known] == list(recording.frames)


def verdict_of(stream: bytes, recording: Recording, chunk_bytes: int) -> Verdict:
    """As live: through splitter and trace, closed by the sync's answer, judged by its path."""
    splitter, trace = FrameSplitter(), Trace()
    trace.sync_sent(recording.sync_id)
    for start in range(0, len(stream), chunk_bytes):
        for item in splitter.feed(stream[start : start + chunk_bytes]):
            trace.feed(item, 0.0)
    try:
        closing = trace.wait_for(
            lambda e: isinstance(e, Reply) and e.re == recording.sync_id, 0.0, "the sync's answer"
        )
    except LwipscopeError:
        return Verdict.INCONCLUSIVE
    events, integrity = trace.evidence(closing)
    expected = recording.expected
    return check_path(
        events,
        integrity,
        expected.path,
        role=expected.role,
        remote_port=expected.remote_port,
    ).verdict


def pieces_of(stream: bytes) -> list[bytes]:
    """Frames and the console text between them."""
    pieces: list[bytes] = []
    end = 0
    for match in _LINE.finditer(stream):
        pieces += [stream[end : match.start()], match.group()]
        end = match.end()
    return [piece for piece in (*pieces, stream[end:]) if piece]


def some_frame(rng: random.Random, pieces: list[bytes]) -> int:
    """Or any piece, where damage has left no frame."""
    frames = [i for i, piece in enumerate(pieces) if piece[:1] == b"\x1e"]
    return rng.choice(frames or range(len(pieces)))


def drop_frames(rng: random.Random, stream: bytes) -> bytes:
    pieces = pieces_of(stream)
    at = some_frame(rng, pieces)
    del pieces[at : at + rng.choice((1, 1, 1, 2, 5))]
    return b"".join(pieces)


def repeat_frame(rng: random.Random, stream: bytes) -> bytes:
    """At once, or later: what a line does that echoes."""
    pieces = pieces_of(stream)
    at = some_frame(rng, pieces)
    pieces.insert(at + rng.choice((1, 1, rng.randrange(1, len(pieces) + 1))), pieces[at])
    return b"".join(pieces)


def swap_frames(rng: random.Random, stream: bytes) -> bytes:
    pieces = pieces_of(stream)
    one, other = some_frame(rng, pieces), some_frame(rng, pieces)
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return b"".join(pieces)


def alter_field(rng: random.Random, stream: bytes) -> bytes:
    """A digit or letter of a frame becomes another: it reads as well as before."""
    pieces = pieces_of(stream)
    at = some_frame(rng, pieces)
    frame = bytearray(pieces[at])
    frame[rng.randrange(len(frame))] = rng.choice(b"0123456789abcdefSETCLO >.=")
    return b"".join((*pieces[:at], frame, *pieces[at + 1 :]))


def alter_bytes(rng: random.Random, stream: bytes) -> bytes:
    data = bytearray(stream)
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def flip_bit(rng: random.Random, stream: bytes) -> bytes:
    data = bytearray(stream)
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def drop_bytes(rng: random.Random, stream: bytes) -> bytes:
    at = rng.randrange(len(stream))
    return stream[:at] + stream[at + rng.choice((1, 1, 3, 40, 400)) :]


def repeat_bytes(rng: random.Random, stream: bytes) -> bytes:
    at = rng.randrange(len(stream))
    return stream[: at + rng.choice((1, 3, 40, 400))] + stream[at:]


def insert_noise(rng: random.Random, stream: bytes) -> bytes:
    """Anywhere; half of it looks like frames."""
    at = rng.randrange(len(stream) + 1)
    noise = rng.randbytes(rng.choice((1, 2, 30))) + rng.choice((b"", b"\x1e", b"\n", b"\r"))
    return stream[:at] + noise + stream[at:]


def cut_off(rng: random.Random, stream: bytes) -> bytes:
    """The line ends in the middle, or begins there."""
    at = rng.randrange(1, len(stream))
    return stream[:at] if rng.random() < 0.7 else stream[at:]


DAMAGES: tuple[Damage, ...] = (
    *(drop_frames, repeat_frame, swap_frames, alter_field, alter_bytes),
    *(flip_bit, drop_bytes, repeat_bytes, insert_noise, cut_off),
)


@pytest.fixture(scope="module")
def recordings(boards: Boards, gate_keeper: Keeper) -> list[Recording]:
    """Scenarios played on the emulated board now, over our own TCP."""
    return [record(boards, gate_keeper, name) for name in SCENARIOS]


def record(boards: Boards, keeper: Keeper, name: str) -> Recording:
    """The bytes of one life, from its first one to a frame behind the closing sync."""
    scenario = scenario_named(name)
    board = boards.fresh(keeper)
    carried: list[bytes] = []
    stop = board.link.on_bytes(lambda data, _at_s: carried.append(data))
    board.reset()
    with Network(keeper, board.switch, board.ip, board.port.clock_mode) as network:
        stage = Stage(board, network)
        scenario.play(stage)
        stage.close()
        closing = board.port.sync()
        board.port.request("ping")
    stop()
    stream = b"".join(carried)
    frames = frames_of(stream)
    last = next(i for i, f in enumerate(frames) if f.startswith(b"\x1e%d " % closing.seq))
    assert len(frames) > last + 1, "nothing behind the closing sync"
    return Recording(stream, tuple(frames[: last + 1]), closing.re, scenario.expected)


def test_the_recorded_streams_pass_as_they_are(recordings: list[Recording]) -> None:
    """Whatever the chunks in which they come, and with noise between the frames."""
    for recording in recordings:
        for chunk_bytes in (1, 7, 4096, len(recording.stream)):
            assert verdict_of(recording.stream, recording, chunk_bytes) is Verdict.PASS
        noisy = b"\x1ehalf a frame".join((b"", *pieces_of(recording.stream)))
        assert is_whole(noisy, recording)
        assert verdict_of(noisy, recording, 4096) is Verdict.PASS


@pytest.mark.timeout(120)
def test_of_10000_damaged_streams_none_passes(
    recordings: list[Recording], record_testsuite_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(SEED)
    damaged = harmless = 0
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    while damaged < STREAMS:
        recording = rng.choice(recordings)
        damages = rng.choices(DAMAGES, k=rng.choice((1, 1, 1, 2, 3)))
        stream = recording.stream
        for damage in damages:
            stream = damage(rng, stream) or b"nothing is left"
        whole = is_whole(stream, recording)
        damaged, harmless = damaged + (not whole), harmless + whole
        verdict = verdict_of(stream, recording, rng.choice((97, 4096)))
        counts[f"{'whole' if whole else 'damaged'}: {verdict.value}"] += 1
        if verdict is Verdict.PASS and not whole:
            wrong.append("+".join(damage.__name__ for damage in damages))
    record_testsuite_property("damaged_streams", dict(counts))
    assert not wrong, f"{len(wrong)} of {damaged} damaged streams passed: {Counter(wrong)}"
    # Or the oracle above would call everything damaged.
    assert harmless and counts["whole: pass"], counts
