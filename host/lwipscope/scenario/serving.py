"""Scenarios of serving: HTTP in both roles, segment by segment, and who waits afterwards.

The pages are as short as the agent's commands want them. Sources: RFC 9112 9.3 and 9.6 (who closes
an HTTP connection), RFC 1945 1.3; RFC 9293 3.6 and 3.7.1; lwIP 2.2.1 tcp_in.c (tcp_parseopt).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardSocket
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.pair import (
    CLIENT,
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    Pair,
    accepted,
    delivered,
    knocking,
    size_of,
)
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

_HTTP = 80
_GET = b"GET / HTTP/1.0\r\n\r\n"
_PAGE = b"HTTP/1.0 200 OK\r\n\r\nhello\n"
_JUMBO = 65495  # a 65535 byte datagram without its headers
_LONG = 4000


def _browser(stage: Stage) -> Pair:
    """A browser is connected to the board's web server."""
    listener = stage.board_listens(_HTTP)
    browser = stage.network.raw().connection(PEER_PORT, stage.board.ip, _HTTP)
    browser.handshake()
    return accepted(stage, browser, listener)


def _answered(pair: Pair, seq: int, ack: int) -> None:
    """One request and its page. `seq` is the board's next number, `ack` the browser's."""
    stage, browser = pair.stage, pair.raw
    delivered(stage, browser.send("P.", _GET, seq=ack))
    stage.note(WHO, "GET /")
    seen = pair.socket.recv()
    stage.insist(seen == _GET, f"the request as it was sent, not {seen!r}")
    pair.socket.send(_PAGE)
    browser.expect("P.", seq=seq, ack=ack + len(_GET), payload=_PAGE)
    browser.send(".")


def _http_request(stage: Stage) -> None:
    pair = _browser(stage)
    _answered(pair, 1, 1)
    page_end, get_end = 1 + len(_PAGE), 1 + len(_GET)
    pair.socket.close()
    pair.raw.expect("F.", seq=page_end, ack=get_end, length=0)
    pair.raw.send(".", ack=page_end + 1)
    pair.nothing()
    pair.insist(State.FIN_WAIT_2)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=page_end + 1, ack=get_end + 1, length=0)
    pair.insist(State.TIME_WAIT)
    stage.note(WHO, "has its page and is gone; the server waits")


def _http_request_nc(stage: Stage) -> None:
    listener = stage.board_listens(_HTTP)
    nc = stage.nc_connects(_HTTP)
    connection, conn = stage.board_accepts(listener)
    stage.nc_types(nc, _GET)
    stage.insist(stage.board_receives(connection, conn, len(_GET)) == _GET, "nc's request")
    connection.send(_PAGE)
    stage.insist(nc.read_exactly(len(_PAGE)) == _PAGE, "nc to print the page")
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    stage.nc_input_ends(nc)
    stage.wait_state(State.TIME_WAIT, conn=conn)
    nc.wait()


def _http_keep_alive(stage: Stage) -> None:
    pair = _browser(stage)
    page, get = len(_PAGE), len(_GET)
    _answered(pair, 1, 1)
    _answered(pair, 1 + page, 1 + get)
    pair.insist(State.ESTABLISHED)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=1 + 2 * page, ack=2 + 2 * get, length=0)
    stage.insist(pair.socket.recv() == b"", "recv() to tell that no request follows")
    pair.insist(State.CLOSE_WAIT)
    pair.socket.close()
    _last_ack(pair, 1 + 2 * page)


def _http_fetch(stage: Stage) -> None:
    peer = stage.network.raw()
    peer.listen(_HTTP)
    client, conn = stage.board_connects(peer.ip, _HTTP)
    server = peer.expect_syn(_HTTP)
    server.accept_handshake()
    stage.wait_state(State.ESTABLISHED, conn=conn)
    pair = Pair(stage, server, client, conn)
    client.send(_GET)
    server.expect("P.", seq=1, ack=1, payload=_GET)
    server.send("P.", _PAGE)
    server.send("F.")
    stage.note(WHO, "sends its page, and FIN: that was all of it")
    server.expect(".", seq=1 + len(_GET), ack=2 + len(_PAGE))
    _reads(stage, client, _PAGE)
    pair.insist(State.CLOSE_WAIT)
    client.close()
    _last_ack(pair, 1 + len(_GET))


def _last_ack(pair: Pair, seq: int) -> None:
    """The board's FIN and the last ACK."""
    pair.raw.expect("F.", seq=seq)
    pair.insist(State.LAST_ACK)
    pair.raw.send(".")
    pair.nothing()
    pair.stage.insist_end(pair.conn, "rx ACK")


def _reads(stage: Stage, socket: BoardSocket, wanted: bytes) -> None:
    """The application gets this, and then the end of the stream."""
    seen = socket.recv()
    stage.insist(seen == wanted, f"recv() to give {wanted!r}, not {seen!r}")
    stage.insist(socket.recv() == b"", "recv() to tell the end of the stream")


def _mss_large(stage: Stage) -> None:
    own = size_of(stage, "mss")
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.send("S", mss=_JUMBO)
    raw.expect("S.", ack=1, mss=own)
    raw.send(".")
    pair = accepted(stage, raw, listener)
    stage.board.agent.call("send", pair.socket.name, _LONG, 1)
    lengths = _lengths(raw, _LONG)
    stage.insist(max(lengths) == own, f"segments of up to {own} bytes, not {lengths}")
    pair.nothing()
    pair.insist(State.ESTABLISHED)


def _lengths(raw: RawConnection, total: int) -> list[int]:
    """Those of the segments that bring so many bytes; each is acknowledged."""
    lengths: list[int] = []
    while sum(lengths) < total:
        seen = raw.expect(seq=1 + sum(lengths))
        lengths.append(seen.length)
        raw.send(".")
    return lengths


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "http-request",
        "One HTTP request, the board is the server",
        "A browser opens a connection, asks, gets its page, and the server closes, as HTTP/1.0 has "
        "it. Ten segments for six bytes of text: three to open, one request, one page (its ACK "
        "says thanks for the request too), one ACK, four to close. The server closed first, so "
        "TIME_WAIT is the board's.",
        "RFC 9293 3.6, case 1; RFC 1945 1.3",
        Expected(f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT", "server"),
        _http_request,
        RAW,
        "why a busy web server is full of TIME_WAIT",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    Scenario(
        "http-request-nc",
        "One HTTP request, typed into nc",
        "The same with nc as the browser: type the request and an empty line, read the page. nc "
        "does not end when the server closes; it waits for the end of its own input, and the "
        "board waits in FIN_WAIT_2 for nc.",
        "RFC 9293 3.6, case 1",
        Expected(f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT", "server"),
        _http_request_nc,
        shows="a web server at its simplest, watched from inside",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    Scenario(
        "http-keep-alive",
        "Two HTTP requests on one connection",
        "A browser that wants more leaves the connection open, asks again, and closes when it has "
        "enough. Opening and closing are paid once, and now the browser closed first: nothing is "
        "left on the board, TIME_WAIT is the browser's.",
        "RFC 9293 3.6, case 2; RFC 9112 9.3",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _http_keep_alive,
        RAW,
        "who closes is a decision of the application's protocol",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
    Scenario(
        "http-fetch",
        "The board fetches a page",
        "The board is the browser. The server sends page and FIN; the application reads the page, "
        "then the end of the stream, which is how it knows that the page is complete, and closes. "
        "It closed second: its pcb is free at once.",
        "RFC 9293 3.6, case 2; RFC 1945 1.3",
        Expected(f"{CLIENT} > CLOSE_WAIT > LAST_ACK > CLOSED", "client"),
        _http_fetch,
        RAW,
        "a client in CLOSE_WAIT, and TIME_WAIT at the server",
        peer_path="LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
    Scenario(
        "mss-large",
        "A large MSS",
        "The peer would take 65495 bytes in one segment, as a host on its loopback does. An MSS is "
        "announced, not agreed: it permits and does not oblige, and the board sends no more than "
        "its own TCP_MSS (1460, or 800 on a Pico W).",
        "RFC 9293 3.7.1 (MUST-16); lwIP tcp_in.c:tcp_parseopt",
        Expected(SERVER, "server"),
        _mss_large,
        RAW,
        "each side announces what it takes, and sends no more than it can",
        peer_path="SYN_SENT > ESTABLISHED",
    ),
)
