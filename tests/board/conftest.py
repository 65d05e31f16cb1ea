"""A fresh board for every test, and evidence that is complete at its end.

Boards come from our own pytest plugin, from a bench for each wire: a test gets its board after a
reset (6 ms), and a board that was lost is replaced by a new one. What a failed test leaves is in
lwipscope-logs/pytest. After each test the board's stream is closed with a sync: it has to
be complete, its births and deaths have to agree with the board's own list of living pcbs, and
every transition has to have a cause. `@pytest.mark.evidence_spoiled("why")` is for tests that
destroy the evidence on purpose.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

import pytest

from board.helpers import Peer
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.firmware.firmware import Firmware
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.kernel import KernelPeer
from lwipscope.pytest_plugin.bench import Bench
from lwipscope.scenario.network import Network
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.graph import graph_of
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Born, Died, Transition
from lwipscope.trace.legality import check_legality
from lwipscope.wire.keeper import Keeper

WireName = Literal["tap", "gate"]
ENDPOINT_IP = "192.0.2.101"
ENDPOINT_MAC = bytes.fromhex("026c77000065")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "evidence_spoiled(why): the board's evidence is incomplete at the end, on purpose",
    )


@pytest.fixture(scope="session")
def keeper(lwip_bench: Bench) -> Keeper:
    """Namespace and TAP where the machine gives them; `notes` says why not."""
    return lwip_bench.keeper


@pytest.fixture(scope="session")
def gate_bench(lwip_bench: Bench) -> Iterator[Bench]:
    """A second one, as on a machine without privileges."""
    with Bench(replace(lwip_bench.settings, wire="gate")) as made:
        yield made


@pytest.fixture(scope="session")
def gate_keeper(gate_bench: Bench) -> Keeper:
    """As on a machine without privileges: no namespace, no TAP."""
    return gate_bench.keeper


@pytest.fixture(scope="session")
def firmware(lwip_bench: Bench) -> Firmware:
    return lwip_bench.firmware


class Boards:
    """The boards of this run, one for each keeper."""

    def __init__(self, *benches: Bench) -> None:
        self._benches = {bench.keeper: bench for bench in benches}
        assert len(self._benches) == len(benches)

    def bench(self, keeper: Keeper) -> Bench:
        """What this keeper belongs to."""
        return self._benches[keeper]

    def fresh(self, keeper: Keeper) -> EmulatedBoard:
        """A board at the beginning of a life: reset, or new if there is none or it was lost."""
        made = self._benches[keeper].fresh()
        assert isinstance(made, EmulatedBoard)
        return made

    def dismiss(self, keeper: Keeper) -> None:
        """End this keeper's board: one TAP carries one board's frames."""
        self._benches[keeper].dismiss()


@pytest.fixture(scope="session")
def boards(lwip_bench: Bench, gate_bench: Bench) -> Boards:
    return Boards(lwip_bench, gate_bench)


@pytest.fixture(params=["tap", "gate"])
def wire(request: pytest.FixtureRequest, keeper: Keeper) -> WireName:
    """A test that asks for this runs on both wires."""
    name: WireName = request.param
    if name == "tap" and keeper.tap is None:
        reason = f"no TAP on this machine: {'; '.join(keeper.notes)}"
        if os.environ.get("LWIPSCOPE_REQUIRE_TAP") == "1":
            pytest.fail(f"LWIPSCOPE_REQUIRE_TAP=1, but {reason}")
        pytest.skip(reason)
    return name


@pytest.fixture
def wire_keeper(request: pytest.FixtureRequest, keeper: Keeper, gate_keeper: Keeper) -> Keeper:
    """The keeper of the wire that the test runs on; the better one if it does not say."""
    if "wire" in request.fixturenames and request.getfixturevalue("wire") == "gate":
        return gate_keeper
    return keeper


@pytest.fixture
def board(
    request: pytest.FixtureRequest, boards: Boards, wire_keeper: Keeper
) -> Iterator[EmulatedBoard]:
    """A fresh board; its evidence is checked afterwards."""
    with boards.bench(wire_keeper).test(request.node) as made:
        assert isinstance(made, EmulatedBoard)
        yield made
        if request.node.get_closest_marker("evidence_spoiled") is None:
            check_evidence(made)


@pytest.fixture
def new_board(
    request: pytest.FixtureRequest, firmware: Firmware, boards: Boards, wire_keeper: Keeper
) -> Iterator[Callable[..., EmulatedBoard]]:
    """Start a board of the test's own: `new_board(options, file=..., image=...)`."""
    assert "board" not in request.fixturenames
    boards.dismiss(wire_keeper)
    with ExitStack() as stack:

        def start(
            options: StartOptions = StartOptions(),  # noqa: B008
            *,
            file: BoardFile | None = None,
            image: Firmware = firmware,
        ) -> EmulatedBoard:
            board_file = file or BoardFile.load(DEFAULT_BOARD)
            return stack.enter_context(EmulatedBoard(board_file, image.elf, wire_keeper, options))

        yield start


@pytest.fixture
def network(wire_keeper: Keeper, board: EmulatedBoard) -> Iterator[Network]:
    with Network(wire_keeper, board.switch, board.ip) as made:
        yield made


@pytest.fixture
def network_of(wire_keeper: Keeper) -> Iterator[Callable[[EmulatedBoard], Network]]:
    """The network of a board that the test made itself; made after it, so ended before it."""
    with ExitStack() as stack:
        yield lambda board: stack.enter_context(Network(wire_keeper, board.switch, board.ip))


@pytest.fixture
def stage(board: EmulatedBoard, network: Network) -> Stage:
    """The agent runs on the board, and peers can be had."""
    return Stage(board, network)


@pytest.fixture
def dial(wire_keeper: Keeper, board: EmulatedBoard) -> Iterator[Callable[[int], Peer]]:
    """Connect to a port of the board, straight: the kernel's TCP, or ours where there is no TAP."""
    with ExitStack() as stack:
        place = (board.ip, 0)
        if wire_keeper.tap is None:
            endpoint = Endpoint(board.switch, ip=ENDPOINT_IP, mac=ENDPOINT_MAC)
            stack.enter_context(endpoint)
            yield lambda port: endpoint.connect(place[0], port)
        else:

            def connect(port: int) -> Peer:
                made = KernelPeer.connect(wire_keeper.socket, (place[0], port))
                # Not close(): the kernel would repeat a FIN that a stopped board does not
                # acknowledge, into the lives of the boards that follow.
                stack.callback(made.reset)
                return made

            yield connect


def check_evidence(board: EmulatedBoard) -> None:
    """The stream is whole, and agrees with itself and with the board's list of pcbs."""
    rows = board.port.snapshot()
    closing = board.port.sync()
    events, integrity = board.trace.evidence(closing)
    assert integrity.complete, integrity.problems()
    snapshot_at = next(i for i, e in enumerate(events) if e is rows[0]) if rows else len(events)
    alive: set[int] = set()
    for event in events[:snapshot_at]:
        if isinstance(event, Born):
            assert event.conn not in alive, f"born twice: {event.text()}"
            alive.add(event.conn)
        elif isinstance(event, Died):
            assert event.conn in alive, f"died without having been born: {event.text()}"
            alive.remove(event.conn)
    assert {row.conn for row in rows} == alive
    broken = [c.text() for c in connections(events) if c.broken or c.role == "unknown"]
    assert not broken
    nameless = [
        e.text() for e in events if isinstance(e, Transition | Died) and e.cause.kind == "-"
    ]
    assert not nameless
    illegal = [v.text() for v in check_legality(events, graph_of("modlwip-2.2.1"))]
    assert not illegal, illegal
