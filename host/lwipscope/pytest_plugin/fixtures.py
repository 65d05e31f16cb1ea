"""The fixtures. Each imports what it needs when it is used: see the package.

`lwip_bench` is one keeper and one board for the whole run of a worker; all others belong to one
test, which gets the board at the beginning of a life.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lwipscope.pytest_plugin import options

if TYPE_CHECKING:
    from lwipscope.board.agent import Agent
    from lwipscope.board.board import Board
    from lwipscope.pytest_plugin.bench import Bench
    from lwipscope.pytest_plugin.factories import AppFactory, NcFactory, RawPeerFactory
    from lwipscope.pytest_plugin.timeline import TestTimeline
    from lwipscope.scenario.network import Network
    from lwipscope.scenario.other_end import OtherEnd


@pytest.fixture(scope="session")
def lwip_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The board and its network for this run; nothing starts before a test asks for it."""
    from lwipscope.pytest_plugin.bench import BENCH, Bench

    stash = request.config.stash
    instance = getattr(request, "param", None)
    if instance is not None:  # --lwip-board all
        with Bench(replace(stash[options.SETTINGS], board=f"any:{instance}")) as bench:
            yield bench
        return
    with stash.setdefault(BENCH, Bench(stash[options.SETTINGS])) as bench:
        yield bench


@pytest.fixture
def lwip_board(request: pytest.FixtureRequest, lwip_bench: Bench) -> Iterator[Board]:
    """A fresh board: nothing has run on it."""
    with lwip_bench.test(request.node) as board:
        yield board


@pytest.fixture
def lwip_network(lwip_bench: Bench, lwip_board: Board) -> Iterator[Network]:
    """The other end's network: kernel sockets, nc, raw peers. Ended after the test."""
    with lwip_bench.network(lwip_board) as network:
        yield network


@pytest.fixture
def _lwip_other_end(lwip_bench: Bench) -> OtherEnd:
    from lwipscope.scenario.other_end import OtherEnd

    return OtherEnd(lwip_bench.keeper)


@pytest.fixture
def lwip_agent(
    request: pytest.FixtureRequest, lwip_board: Board, _lwip_other_end: OtherEnd
) -> Iterator[Agent]:
    """Socket calls on the board, one at a time. Afterwards its sockets are closed, and no pcb may
    be left that nothing ends (`lwip_leaks_allowed`)."""
    from lwipscope.pytest_plugin import evidence

    lwip_board.agent.start()
    yield lwip_board.agent
    if request.node.get_closest_marker("lwip_leaks_allowed") is None:
        evidence.nothing_left(request.node, lwip_board, _lwip_other_end)


@pytest.fixture
def lwip_app(
    request: pytest.FixtureRequest,
    lwip_bench: Bench,
    lwip_board: Board,
    _lwip_other_end: OtherEnd,
) -> AppFactory:
    """`lwip_app("server.py")` runs your program, unchanged, or a folder with a main.py."""
    from lwipscope.pytest_plugin.evidence import RECORD
    from lwipscope.pytest_plugin.factories import AppFactory

    return AppFactory(
        lwip_board,
        _lwip_other_end,
        request.path.parent,
        request.config.rootpath,
        lambda: lwip_bench.probe_of(lwip_board),
        request.node.stash[RECORD].applications.append,
    )


@pytest.fixture
def lwip_nc(lwip_network: Network, lwip_board: Board) -> NcFactory:
    """`lwip_nc(ip, port)` connects an nc to the board, `lwip_nc.listen(port)` waits for it;
    `lwip_nc.listen()` does so at a port that is free, which `peer.port` tells."""
    from lwipscope.pytest_plugin.factories import NcFactory

    return NcFactory(lwip_network, lwip_board.ip)


@pytest.fixture
def lwip_raw_peer(lwip_network: Network, _lwip_other_end: OtherEnd) -> RawPeerFactory:
    """`lwip_raw_peer()` is a peer that sends what it is told, segment by segment."""
    from lwipscope.pytest_plugin.factories import RawPeerFactory

    return RawPeerFactory(lwip_network, _lwip_other_end)


@pytest.fixture
def lwip_timeline(lwip_board: Board) -> TestTimeline:
    """What the board has told so far, in order."""
    from lwipscope.pytest_plugin.timeline import TestTimeline

    return TestTimeline(lwip_board)
