"""The example programs: good ones pass their tests, bad ones fail as they should."""

from __future__ import annotations

import pytest

from lwipscope.board.agent import Agent
from lwipscope.board.board import Board
from lwipscope.errors import UsageError
from lwipscope.paths import share_dir
from lwipscope.pytest_plugin.factories import AppFactory, NcFactory, RawPeerFactory
from lwipscope.scenario.leak_claims import LeakFound
from lwipscope.scenario.network import Network
from lwipscope.scenario.path_claim import PathMismatch
from lwipscope.tcp.state import State
from lwipscope.trace.event import Transition

SCRIPTS = share_dir("firmware") / "scripts"
SERVED = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
CLOSED_FIRST = "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT"


@pytest.mark.parametrize("script", ["echo_server.py", "asyncio_server.py"])
def test_an_echo_server_closes_cleanly(
    script: str, lwip_app: AppFactory, lwip_nc: NcFactory
) -> None:
    app = lwip_app(SCRIPTS / script)
    with lwip_nc(app.ip, 6666) as peer:
        peer.send(b"hello")
        assert peer.recv() == b"hello"
    app.path(port=6666).must_be(SERVED)
    app.no_leaks()


@pytest.mark.parametrize("script", ["echo_server.py", "asyncio_server.py"])
def test_an_echo_server_survives_a_reset(
    script: str, lwip_app: AppFactory, lwip_network: Network, lwip_nc: NcFactory
) -> None:
    app = lwip_app(SCRIPTS / script)
    rude = lwip_network.connect(6666)
    rude.send(b"x")
    assert rude.recv(1) == b"x"
    rude.reset()
    app.wait_output("lost")
    with lwip_nc(app.ip, 6666) as peer:
        peer.send(b"still there?")
        assert peer.recv_exactly(12) == b"still there?"
    app.no_leaks()


def test_the_asyncio_server_serves_two_at_once(lwip_app: AppFactory, lwip_nc: NcFactory) -> None:
    app = lwip_app(SCRIPTS / "asyncio_server.py")
    with lwip_nc(app.ip, 6666) as first, lwip_nc(app.ip, 6666) as second:
        for peer, said in ((second, b"two"), (first, b"one"), (second, b"2"), (first, b"1")):
            peer.send(said)
            assert peer.recv() == said
    app.no_leaks()


@pytest.mark.parametrize("script", ["echo_server.py", "asyncio_server.py", "http_server.py"])
def test_a_server_can_be_started_again_at_once(
    script: str, lwip_app: AppFactory, lwip_network: Network
) -> None:
    port = 8080 if script == "http_server.py" else 6666
    for _ in range(2):
        app = lwip_app(SCRIPTS / script)
        peer = lwip_network.connect(port)
        peer.send(b"GET / HTTP/1.0\r\n\r\n")
        assert peer.recv(1)
        peer.close()
        app.no_leaks()
        assert app.stop().error == ""
        app.no_leaks()


def test_the_web_server_closes_first(lwip_app: AppFactory, lwip_network: Network) -> None:
    app = lwip_app(SCRIPTS / "http_server.py")
    for target, answer in (("/", b"200 OK"), ("/favicon.ico", b"404 Not Found")):
        peer = lwip_network.connect(8080)
        peer.send(f"GET {target} HTTP/1.0\r\nHost: board\r\n\r\n".encode())
        assert peer.recv_until_fin().startswith(b"HTTP/1.0 " + answer)
        peer.close()
        if target == "/":
            app.path(port=8080).must_be(CLOSED_FIRST)
    app.wait_state("TIME_WAIT")
    app.no_leaks(most_time_wait=2)
    with pytest.raises(LeakFound, match="2 pcbs in TIME_WAIT, 1 expected at most"):
        app.no_leaks(0.2, most_time_wait=1)
    app.pass_time(121)
    app.no_leaks(most_time_wait=0, least_free=16)


def test_the_client_connects_again(lwip_app: AppFactory, lwip_nc: NcFactory) -> None:
    server = lwip_nc.listen(6666)
    app = lwip_app(SCRIPTS / "reconnecting_client.py")
    assert server.recv_exactly(21) == b"hello from the board\n"
    server.close()
    app.wait_output("the server has closed")
    app.wait_output("no connection")
    with lwip_nc.listen(6666) as server:
        assert server.recv_exactly(21) == b"hello from the board\n"
        app.no_leaks()
    app.no_leaks()


def test_nc_listens_at_ports_that_are_free(
    lwip_nc: NcFactory, lwip_agent: Agent, lwip_board: Board
) -> None:
    peers = [lwip_nc.listen(), lwip_nc.listen()]
    assert len({peer.port for peer in peers}) == 2
    for peer in peers:
        since = lwip_board.trace.mark()
        client = lwip_agent.socket()
        client.connect(lwip_nc.host_ip, peer.port)
        lwip_board.trace.wait_for(
            lambda e: isinstance(e, Transition) and e.after is State.ESTABLISHED, 5.0, "it", since
        )
        client.send(b"up")
        assert peer.recv_exactly(2) == b"up"
        client.close()
        peer.close()


def test_the_leaky_server_is_caught(lwip_app: AppFactory, lwip_nc: NcFactory) -> None:
    app = lwip_app(SCRIPTS / "leaky_server.py")
    with lwip_nc(app.ip, 6666) as peer:
        peer.send(b"hello")
        assert peer.recv() == b"hello"
    with pytest.raises(PathMismatch, match="ended here, LAST_ACK was expected next"):
        app.path(port=6666).must_be(SERVED, 0.3)
    with pytest.raises(LeakFound, match=r"CLOSE_WAIT .*: the peer has closed, the app"):
        app.no_leaks(0.3)


def test_the_server_without_reuseaddr_is_caught(
    lwip_app: AppFactory, lwip_network: Network
) -> None:
    app = lwip_app(SCRIPTS / "no_reuseaddr_server.py")
    assert lwip_network.connect(6666).recv_until_fin() == b"hello\n"
    app.stop()
    with pytest.raises(
        UsageError, match=r"no_reuseaddr_server\.py ended with an exception(?s:.*)EADDRINUSE"
    ):
        lwip_app(SCRIPTS / "no_reuseaddr_server.py")


def test_a_vanished_peer_orphans_its_connection(
    lwip_app: AppFactory, lwip_raw_peer: RawPeerFactory
) -> None:
    app = lwip_app(SCRIPTS / "echo_server.py")
    peer = lwip_raw_peer()
    peer.connection(40000, app.ip, 6666).handshake()
    app.wait_state("ESTABLISHED", port=6666)
    app.no_leaks()
    peer.vanish()
    with pytest.raises(
        LeakFound, match=r"ESTABLISHED .*192\.0\.2\.100:40000: the other end is gone"
    ):
        app.no_leaks(0.2)


def test_what_a_program_leaves_at_its_end(lwip_app: AppFactory) -> None:
    app = lwip_app(source="import socket\ns = socket.socket()\ns.bind(('', 7))\ns.listen(1)\n")
    app.wait_end()
    with pytest.raises(LeakFound, match=r"LISTEN 0\.0\.0\.0:7: a listener is left though the prog"):
        app.no_leaks(0.2)
