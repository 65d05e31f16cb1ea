"""The pure parts of `lwipscope bench`: medians, verdicts, table, exit code, and its raw client."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.benchmark.answering import Stopwatch
from lwipscope.benchmark.catalogue import MEASUREMENTS
from lwipscope.benchmark.cycle_client import CLIENT_IP, CLIENT_MAC, CycleClient
from lwipscope.benchmark.figure import (
    Figure,
    Measurement,
    Result,
    Rows,
    exit_code,
    percentile,
    results_of,
    table,
)
from lwipscope.benchmark.playing import need_passes
from lwipscope.benchmark.workshop import Workshop
from lwipscope.board.link import _Flow
from lwipscope.cli import bench
from lwipscope.errors import DeadlineExceeded, LwipscopeError, PeerError, UsageError
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.packet import (
    ACK,
    ARP_REPLY,
    FIN,
    RST,
    SYN,
    Arp,
    TcpSegment,
    build_arp,
    build_tcp,
    parse_frame,
)

FAST = Figure("fast", "time of something", "ms", 40)
MANY = Figure("many", "things done", "/s", 250, "more")
FREE = Figure("free", "good to know", "MB/s")


# --- figures, table, exit code ---


def test_the_median_counts_and_not_the_extremes() -> None:
    assert Result(FAST, (1.0, 39.0, 900.0)).median == 39.0
    assert Result(FAST, (30.0, 40.0)).median == 35.0
    assert Result(FAST, (1.0, 39.0, 900.0)).verdict == "pass"
    assert Result(MANY, (1.0, 249.0, 9000.0)).verdict == "miss"


@pytest.mark.parametrize(
    ("figure", "value", "verdict"),
    [
        (FAST, 40.0, "pass"),
        (FAST, 40.1, "miss"),
        (MANY, 250.0, "pass"),
        (MANY, 249.9, "miss"),
        (FREE, 0.0, "-"),
    ],
)
def test_a_target_itself_is_good_enough(figure: Figure, value: float, verdict: str) -> None:
    assert Result(figure, (value,)).verdict == verdict


def test_what_could_not_be_measured_is_missed_whatever_there_is_of_it() -> None:
    assert Result(FAST, (), "no board").verdict == "miss"
    assert Result(FAST, (1.0,), "the board was lost").verdict == "miss"
    assert Result(FREE, (), "no TAP").verdict == "miss"


def test_exit_code_is_1_if_any_target_is_missed() -> None:
    good, free, bad = Result(FAST, (1.0,)), Result(FREE, (1.0,)), Result(MANY, (1.0,))
    assert exit_code([good, free]) == 0
    assert exit_code([good, bad, free]) == 1
    assert exit_code([good, Result(FAST, (), "no board")]) == 1


def test_each_figure_of_a_measurement_gets_its_column() -> None:
    results = results_of((FAST, MANY), [(1.0, 300.0), (2.0, 200.0)])
    assert [r.values for r in results] == [(1.0, 2.0), (300.0, 200.0)]
    nothing = results_of((FAST, MANY), [], "no board")
    assert [(r.values, r.failure) for r in nothing] == [((), "no board")] * 2


def test_table_shows_target_median_count_extremes_and_verdict() -> None:
    text = table(
        [
            Result(FAST, (8.0, 9.0, 10.0)),
            Result(MANY, (100.0, 200.0)),
            Result(FREE, (12.34,)),
            Result(FAST, (), "no board"),
        ]
    )
    lines = text.splitlines()
    assert lines[0].split() == ["figure", "target", "median", "(n)", "min", "max"]
    assert [" ".join(line.split()) for line in lines[2:6]] == [
        "time of something <= 40 ms 9.00 ms (3) 8.00 10.0 pass",
        "things done >= 250 /s 150 /s (2) 100 200 miss",
        "good to know - 12.3 MB/s (1) 12.3 12.3 -",
        "time of something <= 40 ms none miss",
    ]
    assert lines[6] == "could not be measured: no board"


def test_json_has_every_value() -> None:
    data = json.loads(json.dumps(Result(MANY, (1.0, 3.0)).as_json()))
    assert data["values"] == [1.0, 3.0]
    assert (data["median"], data["target"], data["verdict"]) == (2.0, 250, "miss")


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(500, 0, -1)]
    assert percentile(values, 50) == 250.0
    assert percentile(values, 99) == 495.0
    assert percentile(values, 100) == 500.0
    assert percentile([7.0], 99) == 7.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(1, 100))
def test_percentile_covers_as_many_values_as_it_says(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert sum(v <= found for v in values) >= len(values) * percent / 100 - 1e-9
    assert sum(v < found for v in values) < len(values) * percent / 100 + 1e-9


def test_the_targets_are_those_that_were_promised() -> None:
    figures = {f.name: f for entry in MEASUREMENTS for f in entry.figures}
    assert {name: (f.better, f.target) for name, f in figures.items() if f.target} == {
        "build": ("less", 60),
        "start": ("less", 150),
        "reset": ("less", 40),
        "idle": ("less", 1),
        "accept": ("less", 10),
        "burst": ("more", 1500),
        "sustained": ("more", 250),
        "states": ("more", 600),
        **{f"{when}-p50": ("less", 2) for when in ("command", "prompt", "busy")},
        **{f"{when}-p99": ("less", 6) for when in ("command", "prompt", "busy")},
        "raw": ("less", 0.3),
        "raw-by-hand": ("less", 0.3),
        "scenario": ("less", 60),
        "tour": ("less", 3),
        "library": ("less", 60),
        "repeats": ("more", 20),
        "demo": ("less", 8),
        "text": ("less", 0.2),
        "html": ("less", 1),
        "html-size": ("less", 1),
        "export": ("less", 1),
        "plugin": ("less", 20),
        "tests": ("less", 15),
        "tests-two": ("more", 1.7),
        "upload": ("less", 3),
        "probe": ("more", 5000),
        "lab": ("less", 3),
        "lab-verb": ("less", 100),
        "grade": ("less", 60),
    }
    assert len(figures) == sum(len(entry.figures) for entry in MEASUREMENTS)
    few = {"build", "library", "repeats", "tests", "grade"}
    assert all(entry.times >= 10 for entry in MEASUREMENTS if entry.name not in few)


# --- the command ---


def options(**given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add(parser.add_subparsers())
    words = ["bench"]
    for name, value in given.items():
        words += [f"--{name}", str(value)]
    return parser.parse_args(words)


def test_an_unknown_measurement_is_named_before_anything_starts() -> None:
    with pytest.raises(UsageError, match=r"no measurement 'speed'; there are build, start"):
        bench.run(options(only="speed"))
    with pytest.raises(UsageError, match="at least one build"):
        bench.run(options(builds=0))


def _stumbling(_shop: Workshop, _times: int) -> Rows:
    yield (1.0,)
    raise LwipscopeError("the board was lost")


def test_one_failed_measurement_does_not_cost_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shop = Workshop(None, tmp_path, "roomy", "none")  # type: ignore[arg-type]
    [result] = bench._measured(Measurement("m", (FAST,), _stumbling), shop, 3)
    assert (result.values, result.verdict) == ((1.0,), "miss")
    assert result.failure == "m: the board was lost"
    # Progress is for terminals only; the failure is in the table and in the exit code.
    assert capsys.readouterr() == ("", "")
    assert "could not be measured: m: the board was lost" in table([result])


# --- reading in gulps ---


def test_answers_to_commands_are_never_read_in_gulps() -> None:
    flow = _Flow()
    # 60 bytes each millisecond, for ten seconds.
    assert not any(flow.streams(60, n / 1000) for n in range(10_000))


def test_a_stream_is_recognised_and_so_is_its_end() -> None:
    flow = _Flow()
    # 20 bytes each 50 us are 400 kB/s.
    told = [flow.streams(20, n * 50e-6) for n in range(1000)]
    assert not any(told[:100]) and all(told[-500:])
    end_s = 1000 * 50e-6
    assert not flow.streams(60, end_s + 0.02)


# --- how soon a raw peer answers ---


def _frame(flags: int, *, from_board: bool) -> bytes:
    ends = ((BOARD_IP, CLIENT_IP, PORT, 9), (CLIENT_IP, BOARD_IP, 9, PORT))[not from_board]
    segment = TcpSegment(*ends, seq=1, ack=1, flags=flags)
    return build_tcp(segment, src_mac=BOARD_MAC, dst_mac=CLIENT_MAC)


def test_the_stopwatch_runs_from_the_boards_segment_to_the_answer() -> None:
    watch = Stopwatch()
    for at_s, origin, flags in (
        (1.0, "answers", SYN),
        (2.0, "board", SYN | ACK),
        (2.5, "answers", ACK),
        (3.5, "answers", RST),  # no answer to anything
        (4.0, "board", ACK),
        (5.0, "answers", SYN),
        (6.0, "board", SYN | ACK),
        (6.25, "tap", ACK),  # somebody else
        (7.0, "answers", ACK),
    ):
        watch.frame(at_s, origin, _frame(flags, from_board=origin == "board"))
    assert watch.took_ms == [500.0, 1000.0]


def test_what_did_not_pass_is_named() -> None:
    passed, failed = (
        Mock(verdict=verdict, scenario=Mock()) for verdict in (Verdict.PASS, Verdict.FAIL)
    )
    failed.scenario.name = "last-ack-held"
    need_passes([passed])
    with pytest.raises(LwipscopeError, match=r"1 of 2 .* did not pass: last-ack-held \(FAIL"):
        need_passes([passed, failed])


# --- the raw client, against a board made of a few lines ---

BOARD_IP, BOARD_MAC, PORT = "192.0.2.10", bytes.fromhex("026c7700000a"), 6666


class ScriptedWire:
    """A wire with a board that answers each segment with what `answer` says, and checks it."""

    def __init__(self, answer: Callable[[TcpSegment], list[int]]) -> None:
        self._answer = answer
        self.seen: list[TcpSegment] = []
        self.open: set[int] = set()
        self.most_open = 0
        self._receive: Callable[[bytes], None] = lambda _data: None

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> ScriptedWire:
        assert mac == CLIENT_MAC and name
        self._receive = receive
        return self

    def close(self) -> None:
        self._receive = lambda _data: None

    def send(self, data: bytes) -> None:
        frame = parse_frame(data)
        assert frame.problem is None, frame.problem
        if frame.arp is not None:
            reply = Arp(ARP_REPLY, BOARD_MAC, BOARD_IP, CLIENT_MAC, CLIENT_IP)
            self._receive(build_arp(reply, src_mac=BOARD_MAC, dst_mac=CLIENT_MAC))
            return
        segment = frame.tcp
        assert segment is not None
        self.seen.append(segment)
        self.open ^= {segment.sport} if segment.flags & SYN else set()
        self.most_open = max(self.most_open, len(self.open))
        for flags in self._answer(segment):
            if flags & FIN:
                self.open.discard(segment.sport)
            # A number near the end of the space: its successor has another length, and wraps.
            seq = 0xFFFFFFFF if flags & SYN else 0
            made = TcpSegment(BOARD_IP, CLIENT_IP, PORT, segment.sport, seq=seq, ack=1, flags=flags)
            self._receive(build_tcp(made, src_mac=BOARD_MAC, dst_mac=CLIENT_MAC))


def _serves(segment: TcpSegment) -> list[int]:
    """A board that accepts and closes; it says its FIN twice, as if the ACK had been lost."""
    if segment.flags & SYN:
        return [SYN | ACK]
    return [FIN | ACK, FIN | ACK] if segment.flags & FIN else []


@pytest.fixture
def client_of() -> Iterator[Callable[[ScriptedWire], CycleClient]]:
    made: list[CycleClient] = []

    def start(wire: ScriptedWire) -> CycleClient:
        made.append(CycleClient(wire, BOARD_IP, PORT))
        made[-1].meet(1.0)
        return made[-1]

    yield start
    for client in made:
        client.close()


def test_each_connection_is_four_segments_with_right_numbers(
    client_of: Callable[[ScriptedWire], CycleClient],
) -> None:
    wire = ScriptedWire(_serves)
    client = client_of(wire)
    assert client.run(5, at_once=2, timeout_s=1.0) > 0
    assert client.run(3, at_once=2, timeout_s=1.0) > 0
    by_port: dict[int, list[TcpSegment]] = {}
    for segment in wire.seen:
        by_port.setdefault(segment.sport, []).append(segment)
    assert len(by_port) == 8
    for segments in by_port.values():
        numbers = sorted((s.flags_text(), s.seq - segments[0].seq, s.ack) for s in segments)
        assert numbers == sorted([("S", 0, 0), (".", 1, 0), ("F.", 1, 0), (".", 2, 1)])
    assert client.segments_out == 32
    assert wire.most_open <= 2


def test_a_reset_is_an_error(client_of: Callable[[ScriptedWire], CycleClient]) -> None:
    client = client_of(ScriptedWire(lambda segment: [RST | ACK] if segment.flags & SYN else []))
    with pytest.raises(PeerError, match="the board reset 1 of 3 connections"):
        client.run(3, at_once=1, timeout_s=1.0)


def test_a_silent_board_is_an_error(client_of: Callable[[ScriptedWire], CycleClient]) -> None:
    client = client_of(ScriptedWire(lambda segment: [SYN | ACK] if segment.flags & SYN else []))
    with pytest.raises(
        DeadlineExceeded, match=r"0 of 3 connections were over after 0\.05 s, 2 had"
    ):
        client.run(3, at_once=2, timeout_s=0.05)
