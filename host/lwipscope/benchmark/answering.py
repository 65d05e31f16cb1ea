"""How soon a raw peer answers: from the board's segment at the switch to the answer on the wire.

Measured at the switch, which sees every frame in order, and with a board that sends nothing else
meanwhile. Polite: the answer is made on the wire's thread. By hand: a test's thread waits in
`expect` for the segment and then calls `send`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.workshop import SERVER_PORT, Workshop, start_server
from lwipscope.errors import LwipscopeError
from lwipscope.peer.raw import RawPeer
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.wire.packet import SYN, parse_frame

ANSWERS = 100
_NAME = "answers"
_FIRST_PORT = 20_000
# The server waits for the RST, or its FIN would come into the handshake's way.
_SERVE = """try: connection.recv(1)
    except OSError: pass"""


class Stopwatch:
    """A watcher of the switch's frames: the times from the board's SYN+ACK to what follows it."""

    def __init__(self) -> None:
        self._asked_s: float | None = None
        self.took_ms: list[float] = []

    def frame(self, at_s: float, origin: str, data: bytes) -> None:
        segment = parse_frame(data).tcp
        if segment is None:
            return
        if origin == "board" and segment.flags & SYN:
            self._asked_s = at_s
        elif origin == _NAME and self._asked_s is not None:
            self.took_ms.append((at_s - self._asked_s) * 1e3)
            self._asked_s = None


def raw_answers(shop: Workshop, times: int) -> Rows:
    """Medians in milliseconds: of a polite connection, and of a test that does it by hand."""
    with shop.board() as (board, _keeper):
        start_server(board, 2, _SERVE)
        with RawPeer(board.switch, name=_NAME) as peer:
            ports = iter(range(_FIRST_PORT, 65536))

            def median_ms(answer: Callable[[RawConnection], None]) -> float:
                watch = Stopwatch()
                stop = board.switch.on_frame(watch.frame)
                try:
                    for _ in range(ANSWERS):
                        connection = peer.connection(next(ports), board.ip, SERVER_PORT)
                        answer(connection)
                        # Before the next SYN: the pcb is free again, the answer has been seen.
                        connection.send("R")
                        peer.forget(connection)
                        peer.fence(board.ip)
                finally:
                    stop()
                if len(watch.took_ms) != ANSWERS:
                    raise LwipscopeError(f"{len(watch.took_ms)} answers to {ANSWERS} segments")
                return statistics.median(watch.took_ms)

            for _ in range(times):
                yield median_ms(lambda one: peer.polite(one).connect()), median_ms(_by_hand)


def _by_hand(connection: RawConnection) -> None:
    connection.send("S")
    connection.expect("S.")
    connection.send(".")
