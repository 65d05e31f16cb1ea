"""Scenarios of closing: who closes, and in which order FIN and ACK come. In both roles.

The other end is the raw peer, so each path is exact. Sources: RFC 9293 section 3.6 and figures 5,
12 and 13; lwIP 2.2.1 tcp_in.c (tcp_process) and tcp.c (tcp_close_shutdown).
"""

from __future__ import annotations

from collections.abc import Callable

from lwipscope.scenario.pair import CLIENT, SERVER, WHO, BoardRole, delivered, opened
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State


def _four_segments(stage: Stage, role: BoardRole) -> None:
    pair = opened(stage, role)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=1, length=0)
    pair.raw.send(".")
    pair.nothing()
    pair.insist(State.FIN_WAIT_2)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=2, ack=2)
    pair.insist(State.TIME_WAIT)
    pair.to_the_end_of_2msl()


def _three_segments(stage: Stage, role: BoardRole) -> None:
    pair = opened(stage, role)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=1)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=2, ack=2)
    pair.insist(State.TIME_WAIT)
    pair.to_the_end_of_2msl()


def _crossing(stage: Stage, role: BoardRole) -> None:
    pair = opened(stage, role)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=1)
    pair.raw.send("F.", ack=1)
    stage.note(WHO, "its FIN crosses the board's, so it does not acknowledge it")
    pair.raw.expect(".", seq=2, ack=2)
    pair.insist(State.CLOSING)
    pair.raw.send(".")
    stage.wait_state(State.TIME_WAIT, conn=pair.conn)
    pair.nothing()
    pair.to_the_end_of_2msl()


def _second(stage: Stage, role: BoardRole) -> None:
    pair = opened(stage, role)
    pair.raw.send("F.")
    pair.raw.expect(".", seq=1, ack=2, length=0)
    pair.insist(State.CLOSE_WAIT)
    pair.socket.close()
    pair.raw.expect("F.", seq=1, ack=2)
    pair.insist(State.LAST_ACK)
    pair.raw.send(".")
    pair.nothing()
    stage.insist_end(pair.conn, "rx ACK")


def _unread_data(stage: Stage) -> None:
    pair = opened(stage)
    delivered(stage, pair.raw.send("P.", b"unread"))
    pair.socket.close()
    pair.raw.expect("R.")
    stage.insist_end(pair.conn, "api close")


def _data_after_close(stage: Stage) -> None:
    pair = opened(stage)
    pair.socket.close()
    pair.raw.expect("F.", seq=1)
    pair.raw.send(".")
    pair.nothing()
    pair.insist(State.FIN_WAIT_2)
    pair.raw.send("P.", b"too late")
    pair.raw.expect("R.")
    stage.wait_end(pair.conn)


def _peer_half_closes(stage: Stage) -> None:
    pair = opened(stage)
    pair.raw.send("F.")
    pair.raw.expect(".", ack=2)
    stage.insist(pair.socket.recv() == b"", "recv() to tell the end of the stream")
    stage.note(WHO, "has closed its side and goes on reading")
    for number, data in enumerate((b"still ", b"flowing")):
        pair.socket.send(data)
        pair.raw.expect("P.", payload=data, seq=1 + 6 * number, ack=2)
        pair.raw.send(".")
        pair.nothing()
    pair.insist(State.CLOSE_WAIT)
    pair.socket.close()
    pair.raw.expect("F.", seq=14)
    pair.raw.send(".")
    stage.wait_end(pair.conn)


def _both(
    name: str,
    title: str,
    story: str,
    rfc: str,
    path: str,
    play: Callable[[Stage, BoardRole], None],
    shows: str,
    peer_path: str,
) -> tuple[Scenario, Scenario]:
    """The same with the board as server and as client."""
    needs = RAW_AND_CLOCK if "TIME_WAIT" in path else RAW
    return (
        Scenario(
            *(name, title, f"{story} The board is the server.", rfc),
            Expected(f"{SERVER} > {path}", "server"),
            lambda stage: play(stage, "server"),
            *(needs, shows),
            peer_path=f"SYN_SENT > ESTABLISHED > {peer_path}",
        ),
        Scenario(
            *(f"{name}-client", f"{title}, as client", f"{story} The board is the client.", rfc),
            Expected(f"{CLIENT} > {path}", "client"),
            lambda stage: play(stage, "client"),
            *(needs, shows),
            peer_path=f"LISTEN > SYN_RCVD > ESTABLISHED > {peer_path}",
        ),
    )


SCENARIOS: tuple[Scenario, ...] = (
    *_both(
        "close-four-segments",
        "The board closes first, in four segments",
        "FIN, ACK, FIN, ACK: the peer acknowledges the board's FIN and sends its own later, so "
        "the path has FIN_WAIT_2. The board closed first and waits 2MSL in TIME_WAIT.",
        "RFC 9293 3.6, case 1, and figure 12",
        "FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT > CLOSED",
        _four_segments,
        "the textbook's active close, and TIME_WAIT to its end",
        "CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    *_both(
        "close-three-segments",
        "The board closes first, in three segments",
        "FIN, FIN+ACK, ACK: the peer's FIN comes with the acknowledgement of the board's, so "
        "FIN_WAIT_2 is left out.",
        "RFC 9293 3.10.7.4, eighth: FIN-WAIT-1",
        "FIN_WAIT_1 > TIME_WAIT > CLOSED",
        _three_segments,
        "FIN+ACK straight to TIME_WAIT",
        "CLOSE_WAIT > LAST_ACK > CLOSED",
    ),
    *_both(
        "close-crossing",
        "Both close at once",
        "The FINs cross: neither acknowledges the other. The board goes to CLOSING, and to "
        "TIME_WAIT when its FIN is acknowledged.",
        "RFC 9293 3.6, case 3, and figure 13",
        "FIN_WAIT_1 > CLOSING > TIME_WAIT > CLOSED",
        _crossing,
        "CLOSING, which needs two FINs under way at the same time",
        "FIN_WAIT_1 > CLOSING > TIME_WAIT",
    ),
    *_both(
        "close-second",
        "The board closes second",
        "The peer's FIN leads to CLOSE_WAIT, close() to LAST_ACK, the peer's last ACK to the end. "
        "Who closes second does not wait.",
        "RFC 9293 3.6, case 2, and figure 12",
        "CLOSE_WAIT > LAST_ACK > CLOSED",
        _second,
        "CLOSE_WAIT and LAST_ACK, in both roles",
        "FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
    Scenario(
        "close-with-unread-data",
        "close() with unread data",
        "The peer has sent something that the application never read. Its close() tells the peer "
        "so: RST instead of FIN, and no state in between.",
        "RFC 9293 3.6.1 (SHLD-3); RFC 2525 2.17",
        Expected(f"{SERVER} > CLOSED", "server"),
        _unread_data,
        RAW,
        "why a server that closes without reading resets its clients",
        peer_path="SYN_SENT > ESTABLISHED > CLOSED",
    ),
    Scenario(
        "data-after-close",
        "Data for a board that has closed",
        "After close() nobody on the board can read any more. Data in FIN_WAIT_2 are answered "
        "with RST, and the connection is gone.",
        "RFC 9293 3.6.1 (SHLD-3)",
        Expected(f"{SERVER} > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED", "server"),
        _data_after_close,
        RAW,
        "MicroPython's close() closes both directions",
        peer_path="SYN_SENT > ESTABLISHED > CLOSE_WAIT > CLOSED",
        deviations=("no-half-close",),
    ),
    Scenario(
        "peer-half-closes",
        "The peer half-closes, data still flow",
        "The peer has sent its FIN and goes on reading, as `nc -N` does. The board is in "
        "CLOSE_WAIT, sends what it has to say, and closes when it likes.",
        "RFC 9293 3.6, case 2",
        Expected(f"{SERVER} > CLOSE_WAIT > LAST_ACK > CLOSED", "server"),
        _peer_half_closes,
        RAW,
        "CLOSE_WAIT is a state in which one can still send",
        peer_path="SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT",
    ),
)
