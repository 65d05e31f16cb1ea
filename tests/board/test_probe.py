"""The memory probe on the emulated board: alone on firmware without the tracer, and beside it.

Alone: raw peers hold each state until it was sampled, beside an application that blocks. Beside
the tracer, which tells the truth: scenarios of the library, in which no sampled verdict may
contradict it. Facts about lwIP 2.2.1: core/tcp_in.c (tcp_process).
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.board.agent import Agent
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.probe import NotThisImage, Probe
from lwipscope.board.untraced import UntracedBoard
from lwipscope.errors import BuildError, DeadlineExceeded, LwipscopeError
from lwipscope.firmware import build, elf_layout
from lwipscope.firmware.firmware import Firmware
from lwipscope.firmware.layout import Layout
from lwipscope.firmware.selection import choose
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario import library
from lwipscope.scenario.network import Network
from lwipscope.scenario.sampled_watch import so_far
from lwipscope.scenario.scenario import Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection, connections
from lwipscope.trace.event import Event, Transition
from lwipscope.trace.sample import Sample, Torn
from lwipscope.trace.sampled import (
    SampledConnection,
    check_sampled,
    judge,
    sampled_connections,
)
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

pytestmark = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)

PORT = 6666
PEER_PORT = 40000
STACK = "modlwip-2.2.1"
SERVER = """
    import socket, time
    server = socket.socket()
    server.bind(("0.0.0.0", 6666))
    server.listen(2)
    print("serving")
    while True:
        client, _ = server.accept()
        while client.recv(10) not in (b"", b"quit"):
            pass
        time.sleep(0.1)
        client.close()
"""
CLIENT = """
    import socket, time
    client = socket.socket()
    client.connect(("192.0.2.100", 40000))
    while client.recv(10) not in (b"", b"quit"):
        pass
    time.sleep(0.1)
    client.close()
    while True:
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def stock() -> Firmware:
    """Firmware without the tracer."""
    return build.build("roomy", tracer=False)


@pytest.fixture(scope="module")
def layout(stock: Firmware) -> Layout:
    return elf_layout.read(stock.elf)


@pytest.fixture(scope="module")
def stock_board(stock: Firmware, gate_keeper: Keeper) -> Iterator[UntracedBoard]:
    with UntracedBoard(BoardFile.load(DEFAULT_BOARD), stock.elf, gate_keeper) as board:
        yield board


@pytest.fixture
def fresh(stock_board: UntracedBoard) -> UntracedBoard:
    stock_board.reset()
    return stock_board


@pytest.fixture
def probe(fresh: UntracedBoard, layout: Layout) -> Probe:
    return Probe(fresh.link, fresh.repl, layout)


@pytest.fixture
def raw(fresh: UntracedBoard, gate_keeper: Keeper) -> Iterator[Network]:
    with Network(gate_keeper, fresh.switch, fresh.ip) as made:
        yield made


@cache
def layout_of(elf: Path) -> Layout:
    """Reading debug information takes its time."""
    return elf_layout.read(elf)


def start(probe: Probe, source: str) -> None:
    probe.start(textwrap.dedent(source))


def verdict(probe: Probe, pattern: str) -> tuple[Verdict, str]:
    """The probe is stopped, and what it saw compared."""
    check = check_sampled(*probe.evidence(), pattern, profile=STACK)
    return check.verdict, check.text


@pytest.fixture
def knock(probe: Probe, fresh: UntracedBoard, raw: Network) -> Callable[[], RawConnection]:
    """A connection to the board's server, on which nothing has been sent."""

    def made() -> RawConnection:
        start(probe, SERVER)
        probe.wait_seen(State.LISTEN)
        return raw.raw().connection(PEER_PORT, fresh.ip, PORT)

    return made


# Alone: every state that a peer can hold, beside an application that blocks in accept() and recv().


def test_a_server_whose_peer_closes_first(probe: Probe, knock: Callable[[], RawConnection]) -> None:
    peer = knock()
    peer.send("S")
    peer.expect("S.", ack=1)
    probe.wait_seen(State.SYN_RCVD)
    peer.send(".")
    probe.wait_seen(State.ESTABLISHED)
    peer.send("F.")
    probe.wait_seen(State.CLOSE_WAIT)
    peer.expect("F.")
    conn = probe.wait_seen(State.LAST_ACK).conn
    peer.send(".")
    probe.wait_unseen(conn)
    end = probe.stop()
    assert end.output.startswith(b"serving")
    assert "KeyboardInterrupt" in end.error
    path = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK"
    assert verdict(probe, f"{path} > CLOSED")[0] is Verdict.PASS, verdict(probe, path)[1]
    assert verdict(probe, path)[0] is Verdict.FAIL
    found, text = verdict(probe, "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > ...")
    assert found is Verdict.FAIL
    assert "sampled by the memory probe" in text


def test_a_server_that_closes_first(probe: Probe, knock: Callable[[], RawConnection]) -> None:
    peer = knock()
    peer.handshake()
    probe.wait_seen(State.ESTABLISHED)
    peer.send("P.", b"quit")
    peer.expect("F.", seq=1)
    probe.wait_seen(State.FIN_WAIT_1)
    peer.send(".")
    probe.wait_seen(State.FIN_WAIT_2)
    peer.send("F.")
    probe.wait_seen(State.TIME_WAIT)
    probe.stop()
    path = "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"
    found, text = verdict(probe, path)
    assert found is Verdict.PASS, text
    assert verdict(probe, path.replace("FIN_WAIT_2", "CLOSING"))[0] is Verdict.FAIL


def test_a_client_whose_fin_crosses_the_peers(
    probe: Probe, raw: Network, fresh: UntracedBoard
) -> None:
    peer = raw.raw()
    peer.listen(PEER_PORT)
    start(probe, CLIENT)
    connection = peer.expect_syn(PEER_PORT)
    assert connection.remote[0] == fresh.ip
    probe.wait_seen(State.SYN_SENT)
    connection.accept_handshake()
    probe.wait_seen(State.ESTABLISHED)
    connection.send("P.", b"quit")
    connection.expect("F.", seq=1)
    probe.wait_seen(State.FIN_WAIT_1)
    connection.send("F.", ack=1)
    probe.wait_seen(State.CLOSING)
    connection.expect(".", seq=2)
    connection.send(".")
    probe.wait_seen(State.TIME_WAIT)
    probe.stop()
    found, text = verdict(probe, "SYN_SENT > ESTABLISHED > FIN_WAIT_1 > CLOSING > TIME_WAIT")
    assert found is Verdict.PASS, text


def test_what_a_peer_does_not_hold_is_not_decided(
    probe: Probe, knock: Callable[[], RawConnection]
) -> None:
    peer = knock()
    peer.handshake()
    conn = probe.wait_seen(State.ESTABLISHED).conn
    peer.send("R.")
    probe.wait_unseen(conn)
    probe.stop()
    # One of several ways out of ESTABLISHED that would look alike.
    found, text = verdict(probe, "LISTEN > SYN_RCVD > ESTABLISHED > CLOSED")
    assert found is Verdict.INCONCLUSIVE, text
    assert "sampling can't decide" in text


def test_a_second_program_in_the_same_life_goes_on_counting(
    probe: Probe, fresh: UntracedBoard
) -> None:
    for port in (7001, 7002):
        probe.start(f"import socket\ns = socket.socket()\ns.bind(('', {port}))\ns.listen(1)\n")
        probe.finish(10.0)
    events, integrity = probe.evidence()
    assert integrity.problems() == []
    ports = [c.local.port for c in sampled_connections(events)]
    assert 7001 in ports and 7002 in ports
    assert fresh.trace is probe.trace


def test_a_layout_of_another_image_is_refused(fresh: UntracedBoard) -> None:
    other = Probe(fresh.link, fresh.repl, elf_layout.read(choose("rp2").elf))
    with pytest.raises(NotThisImage, match="does not belong to the image"):
        other.start()


def test_a_layout_of_another_processor_is_refused(fresh: UntracedBoard, layout: Layout) -> None:
    other = Probe(fresh.link, fresh.repl, replace(layout, machine="EM_XTENSA"))
    with pytest.raises(NotThisImage, match="EM_XTENSA"):
        other.start()


def test_one_changed_constant_is_noticed(fresh: UntracedBoard, layout: Layout) -> None:
    start_at, size, crc = layout.fingerprint.crc or (0, 0, 0)
    prints = replace(layout.fingerprint, crc=(start_at, size, crc ^ 1))
    other = Probe(fresh.link, fresh.repl, replace(layout, fingerprint=prints))
    with pytest.raises(NotThisImage, match="CRC-32"):
        other.start()


class FakeEspImage:
    """A test double for ESP-IDF's application description, in which the linker's tools leave the
    ELF file's SHA-256: bytes of the emulated board's flash stand for it. No ESP32 is involved."""

    def __init__(self, board: UntracedBoard, layout: Layout) -> None:
        self.at = layout.lists  # constants of the image, not at address 0
        source = f"import machine\nfor i in range(32):\n print('%02x' % machine.mem8[{self.at}+i])"
        self.sha256 = board.repl.run(source).decode().replace("\r\n", "")
        self._prints = replace(layout.fingerprint, sha256_at=self.at)
        self._layout = layout

    def layout(self, sha256: str) -> Layout:
        return replace(self._layout, sha256=sha256, fingerprint=self._prints)


def test_the_sha256_in_an_esp_image_must_be_the_layouts(
    fresh: UntracedBoard, layout: Layout
) -> None:
    fake = FakeEspImage(fresh, layout)
    assert len(fake.sha256) == 64
    wrong = f"{int(fake.sha256[0], 16) ^ 1:x}{fake.sha256[1:]}"
    with pytest.raises(NotThisImage, match=f"expected {wrong}, found {fake.sha256}(.|\\n)*layout"):
        Probe(fresh.link, fresh.repl, fake.layout(wrong)).start("print('must not run')")
    assert b"must not run" not in fresh.repl.output
    right = Probe(fresh.link, fresh.repl, fake.layout(fake.sha256))
    right.start("print('runs')")
    assert b"runs" in right.finish(10.0).output


def test_what_closes_at_the_end_is_watched_to_its_end(probe: Probe, raw: Network) -> None:
    peer = raw.raw()
    peer.listen(PEER_PORT)
    start(probe, CLIENT.replace("while True:\n        time.sleep(1)", ""))
    connection = peer.expect_syn(PEER_PORT)
    probe.wait_seen(State.SYN_SENT)
    connection.accept_handshake()
    probe.wait_seen(State.ESTABLISHED)
    connection.send("P.", b"quit")
    connection.expect("F.", seq=1)
    probe.wait_seen(State.FIN_WAIT_1)
    connection.send(".")
    probe.wait_seen(State.FIN_WAIT_2)
    connection.send("F.")
    probe.finish(10.0)
    found, text = verdict(probe, "SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT")
    assert found is Verdict.PASS, text


def test_firmware_without_the_tracer_is_never_run_unasked(stock: Firmware) -> None:
    assert not stock.has_tracer
    assert stock.provenance["tracer"] is False
    assert stock.elf.parent.name.startswith("no-tracer-roomy-")
    command = [sys.executable, "-m", "lwipscope", "firmware", "build", "--without-tracer"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout
    assert str(stock.elf) in said and "without the tracer" in said
    assert stock.elf != choose("roomy").elf
    assert choose("roomy").has_tracer
    assert any("without the tracer" in remark for remark in stock.remarks())
    with pytest.raises(BuildError, match="without the tracer"):
        choose("roomy", file=stock.elf)


@pytest.mark.parametrize("plain", [False, True], ids=["viper", "plain"])
@pytest.mark.parametrize("why", [1, 2, 3])
def test_a_walk_that_goes_astray_ends_and_says_so(
    fresh: UntracedBoard, layout: Layout, why: int, plain: bool
) -> None:
    pcb = layout.structs["tcp_pcb"]
    wrong = {
        1: replace(layout, most=2),
        2: replace(layout, ranges=tuple((start, start + 200) for start, _ in layout.ranges)),
        # Where the priority is taken for the state: 64 is none.
        3: replace(
            layout,
            structs={
                **layout.structs,
                "tcp_pcb": replace(pcb, fields={**pcb.fields, "state": pcb.fields["prio"]}),
            },
        ),
    }[why]
    probe = Probe(fresh.link, fresh.repl, wrong)
    listening = "import socket\nkept = [socket.socket() for _ in range(8)]\n"
    listening += "for n, s in enumerate(kept):\n    s.bind(('', 7000 + n))\n    s.listen(1)\n"
    probe.start(f"{listening}time.sleep_ms(50)\n", plain=plain)
    assert probe.finish(10.0).error == ""
    torn = [event for event in probe.evidence()[0] if isinstance(event, Torn)]
    assert torn and {event.why for event in torn} == {why}


def test_a_program_that_raises_ends_as_ever(probe: Probe) -> None:
    probe.start("print('before')\nraise ValueError('mine')\n")
    end = probe.finish(10.0)
    assert b"before" in end.output
    assert "ValueError: mine" in end.error
    assert probe.evidence()[1].problems() == []


def test_firmware_without_the_tracer_takes_no_commands(fresh: UntracedBoard) -> None:
    with pytest.raises(LwipscopeError, match="no tracer"):
        fresh.port.sync()
    with pytest.raises(LwipscopeError, match="no module named 'tcptrace'"):
        fresh.repl.run("import tcptrace")


@pytest.mark.parametrize("kind", ["viper", "plain"])
def test_at_least_5000_walks_a_second(fresh: UntracedBoard, layout: Layout, kind: str) -> None:
    measure = """
import socket
servers = [socket.socket() for _ in range(5)]
for number, server in enumerate(servers):
    server.bind(("", 7000 + number))
    server.listen(1)
time.sleep_ms(30)
start_us = time.ticks_us()
for _ in range(2000):
    probe.walk(probe.heads, probe.found, probe.last, probe.shape)
elapsed_us = time.ticks_diff(time.ticks_us(), start_us)
print(probe.kind, probe.last[0], 2000000000 // elapsed_us)
"""
    probe = Probe(fresh.link, fresh.repl, layout)
    probe.start(measure, period_ms=10, plain=kind == "plain")
    told = re.search(rb"(\w+) (\d+) (\d+)\r\n", probe.finish(20.0).output)
    assert told is not None
    assert (told[1].decode(), int(told[2])) == (kind, 5)
    assert int(told[3]) >= (5000 if kind == "viper" else 1000)


# machine.Timer, which the probe needs and others may use.


def test_timers_fire_beside_a_program_that_blocks(fresh: UntracedBoard) -> None:
    output = fresh.repl.run(
        "import gc, machine, micropython, time\n"
        "seen, passed = [], []\n"
        "machine.Timer(-1).init(period=5, mode=machine.Timer.ONE_SHOT, callback=seen.append)\n"
        "often = machine.Timer(-1, period=2, callback=lambda t: seen.append(1))\n"
        "gc.collect()\n"
        "time.sleep_ms(100)\n"
        "often.deinit()\n"
        # A callback that was scheduled before deinit() still runs, ahead of this one.
        "micropython.schedule(passed.append, 0)\n"
        "while not passed:\n pass\n"
        "count = len(seen)\n"
        "time.sleep_ms(30)\n"
        "print(sum(s is not 1 for s in seen), 20 < count < 60, len(seen) == count)\n"
    )
    assert output == b"1 True True\r\n"


# Beside the tracer: its truth, and scenarios of the library.


class ProbedAgent(Agent):
    """The agent as the application beside which the probe looks."""

    def __init__(self, board: EmulatedBoard, probe: Probe) -> None:
        super().__init__(board.port, board.repl)
        self.probe = probe

    def start(self) -> None:
        self.probe.start("import lwip_agent\nlwip_agent.run()\n")


class HoldingStage(Stage):
    """The peer's next step waits until the probe has seen the board's state, or it has passed."""

    def __init__(self, board: EmulatedBoard, network: Network, probe: Probe) -> None:
        self.probe = probe
        super().__init__(board, network)

    def wait_state(
        self, *states: State, conn: int | None = None, since: int = 0, timeout_s: float = 5.0
    ) -> Transition:
        event = super().wait_state(*states, conn=conn, since=since, timeout_s=timeout_s)
        self._hold(event.after)
        return event

    def insist_state(self, conn: int, state: State) -> None:
        super().insist_state(conn, state)
        self._hold(state)

    def _hold(self, state: State) -> None:
        # It may be over already: several states in one segment.
        with contextlib.suppress(DeadlineExceeded):
            self.probe.wait_seen(state, timeout_s=0.2)


# All that a probe that sees every state can decide, with raw peers, which hold each state long
# enough: at the program's end, or while it still runs, if its end adds to the path. nc and kernel
# sockets hold nothing: with them it depends on chance, and what is not sampled is not decided.
DECIDED = (
    *("http-request", "http-keep-alive"),
    *("http-fetch", "syn-rcvd-held", "fin-before-accept", "close-four-segments"),
    *("close-four-segments-client", "close-crossing", "close-crossing-client"),
    *("close-second", "close-second-client", "peer-half-closes", "connect-send-close"),
    *("connect-send-close-by-peer", "fin-with-data-before-accept", "last-ack-held"),
    *("last-ack-timeout", "rst-in-last-ack", "half-open-queue-full", "no-memory-for-fin"),
    *("listener-closed-with-waiting",),
)
DECIDED_MEANWHILE = (
    *("mss-large", "fin-on-handshake-ack", "syn-sent-bad-ack", "simultaneous-open-absent"),
    *("data-and-fin-before-accept", "close-of-unused-sockets", "fin-before-data"),
    *("data-and-fin-before-data", "close-wait-for-ever", "zero-window", "rst-inside-window"),
    *("rst-outside-window", "listener-closed", "mss-absent", "mss-small", "syn-flood"),
    *("syn-flood-pool", "pool-taken-by-sockets", "pool-full-of-connections"),
)
# Their last steps look like others to whoever samples, or leave no time to look.
UNDECIDED = ("close-three-segments", "rst-in-established", "no-memory-for-fin-new-socket")


def truth_of(events: list[Event]) -> dict[tuple[object, object], list[Connection]]:
    found: dict[tuple[object, object], list[Connection]] = {}
    for connection in connections(events):
        if connection.role in ("server", "client"):
            found.setdefault((connection.local, connection.remote), []).append(connection)
    return found


def judged(
    scenario: Scenario, samples: list[Event], truth: dict[tuple[object, object], list[Connection]]
) -> set[str]:
    """The patterns that are decided with PASS; no verdict may be other than the truth."""
    graph = graph_of(STACK)
    decided = set()
    for seen in sampled_connections(samples):
        if seen.role in ("listener", "idle"):
            continue
        true = truth.get((seen.local, seen.remote), [])
        assert true, f"sampled, but not traced: {seen.text()}"
        if len(true) > 1:
            continue  # the same endpoints again: sampling can't tell them apart
        path = true[0].path
        assert _subsequence(seen, path), (seen.text(), true[0].text())
        for text in (scenario.expected.path, " > ".join(map(str, path)), "... > CLOSE_WAIT > ..."):
            pattern = PathPattern.parse(text)
            found, why = judge(pattern, seen, graph)
            if found is Verdict.PASS:
                assert pattern.match(path).ok, (text, true[0].text(), why)
                decided.add(text)
            if found is Verdict.FAIL:
                assert not pattern.match(path).ok, (text, true[0].text(), why)
    return decided


def seen_so_far(
    probe: Probe, truth: dict[tuple[object, object], list[Connection]]
) -> list[Event] | None:
    """The samples once the newest walk agrees with the truth; None if something goes on."""

    def agree() -> bool:
        newest = {
            (each.local, each.remote): State.CLOSED if each.ended else each.seen[-1]
            for each in sampled_connections(so_far(probe.trace)[0])
        }
        return all(
            newest.get(ends, State.CLOSED) is each.path[-1] for ends, (each, *_) in truth.items()
        )

    try:
        probe.trace.wait_for(
            lambda _: agree(), 0.3, "a walk that agrees", max(0, probe.trace.mark() - 1)
        )
    except DeadlineExceeded:
        return None
    return so_far(probe.trace)[0]


@pytest.mark.parametrize("name", [*DECIDED, *DECIDED_MEANWHILE, *UNDECIDED])
def test_no_sampled_verdict_contradicts_the_tracer(
    name: str,
    board: EmulatedBoard,
    wire_keeper: Keeper,
    firmware: Firmware,
) -> None:
    scenario = library.scenario_named(name)
    probe = Probe(board.link, board.repl, layout_of(firmware.elf), beside_tracer=True)
    with ExitStack() as stack:
        network = stack.enter_context(Network(wire_keeper, board.switch, board.ip))
        board.__dict__["agent"] = ProbedAgent(board, probe)
        stack.callback(board.__dict__.pop, "agent", None)
        stage = HoldingStage(board, network, probe)
        scenario.play(stage)
        truth = truth_of(board.trace.evidence(board.port.sync())[0])
        samples = seen_so_far(probe, truth)
        meanwhile = judged(scenario, samples, truth) if samples is not None else set()
        probe.stop()
        truth = truth_of(board.trace.evidence(board.port.sync())[0])
    samples, integrity = probe.evidence()
    assert integrity.problems() == []
    at_end = judged(scenario, samples, truth)
    assert (scenario.expected.path in at_end) == (name in DECIDED)
    assert name not in DECIDED_MEANWHILE or scenario.expected.path in meanwhile
    assert name not in UNDECIDED or scenario.expected.path not in meanwhile


def _subsequence(seen: SampledConnection, path: tuple[State, ...]) -> bool:
    rest = iter(path)
    return all(state in rest for state in seen.seen)


def test_samples_are_read_beside_frames_of_the_tracer(
    board: EmulatedBoard, firmware: Firmware
) -> None:
    probe = Probe(board.link, board.repl, elf_layout.read(firmware.elf), beside_tracer=True)
    probe.start("import socket\ns = socket.socket()\ns.bind(('', 7000))\ns.listen(1)\n")
    probe.wait_seen(State.LISTEN)
    probe.finish(10.0)
    assert any(isinstance(event, Sample) for event in probe.trace.events)
    assert not any(isinstance(event, Sample) for event in board.trace.events)
