"""Several connections of one board at a time, each brought into a state of its own.

Called by the scenarios of this package. The board listens at PORT; the first connection comes from
PEER_PORT, the next from the port behind it, and so on. The smallest pool of the profiles has five
pcbs, so no scenario has more than five at once. The peer sends nothing by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from lwipscope.errors import UsageError
from lwipscope.peer.raw_connection import DEFAULT_MSS, RawConnection
from lwipscope.scenario.pair import PEER_PORT, PORT, Pair, conn_of
from lwipscope.scenario.scenario import Expected
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State

DIALLED_PORT = 7000


class Several:
    """A listener on the board, and one peer that connects to it again and again."""

    def __init__(self, stage: Stage, backlog: int = 4) -> None:
        self.stage = stage
        self.listener = stage.board_listens(PORT, backlog)
        self.peer = stage.network.raw()
        self._ports = itertools.count(PEER_PORT)

    def half_open(
        self, *, mss: int = DEFAULT_MSS, window: int | None = None
    ) -> tuple[RawConnection, int]:
        """One more connection in SYN_RCVD, and the board's id of it."""
        raw = self.peer.connection(next(self._ports), self.stage.board.ip, PORT)
        raw.send("S", mss=mss, window=window)
        raw.expect("S.", seq=0, ack=1, length=0)
        return raw, conn_of(self.stage, raw)

    def waiting(
        self, *, mss: int = DEFAULT_MSS, window: int | None = None
    ) -> tuple[RawConnection, int]:
        """One more that is established and waits for accept()."""
        raw, conn = self.half_open(mss=mss, window=window)
        raw.send(".")
        self.stage.wait_state(State.ESTABLISHED, conn=conn)
        return raw, conn

    def opened(
        self,
        state: State = State.ESTABLISHED,
        *,
        mss: int = DEFAULT_MSS,
        window: int | None = None,
    ) -> Pair:
        """One more that the application has, in that state."""
        raw, conn = self.waiting(mss=mss, window=window)
        pair = Pair(self.stage, raw, self.listener.accept(), conn)
        go_to(pair, state)
        pair.insist(state)
        return pair

    def dialled(self) -> Pair:
        """One that the board opens itself, in SYN_SENT; the peer's port is DIALLED_PORT."""
        self.peer.listen(DIALLED_PORT)
        client, conn = self.stage.board_connects(self.peer.ip, DIALLED_PORT)
        return Pair(self.stage, self.peer.expect_syn(DIALLED_PORT), client, conn)

    def delivered(self) -> None:
        """The board has processed all that was sent, its answers have come and are recorded."""
        self.peer.fence(self.stage.board.ip)
        self.stage.board.port.sync()


def nth(number: int, path: str) -> Expected:
    """The path of the connection that was opened as the `number`th, from 0, by the peer."""
    return Expected(path, "server", PEER_PORT + number)


def go_to(pair: Pair, state: State) -> None:
    """From ESTABLISHED to a later state, the shortest way. UsageError if there is none."""
    raw = pair.raw
    match state:
        case State.ESTABLISHED:
            return
        case State.CLOSE_WAIT | State.LAST_ACK:
            raw.send("F.")
            raw.expect(".", ack=2)
            if state is State.LAST_ACK:
                pair.socket.close()
                raw.expect("F.", seq=1)
        case State.FIN_WAIT_1 | State.FIN_WAIT_2 | State.CLOSING | State.TIME_WAIT:
            pair.socket.close()
            raw.expect("F.", seq=1)
            if state is State.FIN_WAIT_2:
                raw.send(".")
                pair.nothing()
            elif state is not State.FIN_WAIT_1:
                raw.send("F.", ack=1 if state is State.CLOSING else 2)
                raw.expect(".", seq=2, ack=2)
        case _:
            raise UsageError(f"{state} does not come after ESTABLISHED")


@contextmanager
def standing_clock(stage: Stage) -> Iterator[None]:
    """Board time moves by `advance` only, so that what is done meanwhile takes none of it."""
    running = stage.board.port.hello().fields.get("time") == "running"
    stage.board.port.clock("manual")
    try:
        yield
    finally:
        if running:
            stage.board.port.clock("running")
