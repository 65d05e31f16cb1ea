"""Where a scenario plays: a fresh board, its network, and a list of what the peers did.

The verbs wait for the board's trace, never for time: a step is over when the board has recorded
it. Timeouts in seconds of host time; board time is moved by `advance_until_end`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lwipscope.board.agent import BoardOSError, BoardSocket
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import DeadlineExceeded, LwipscopeError
from lwipscope.peer.nc import Netcat
from lwipscope.scenario.network import Network
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Segment, Transition
from lwipscope.trace.timeline import Note

STEP_S = 5.0
_ADVANCE_STEP_MS = 10_000


class NotAsExpected(LwipscopeError):
    """Something that a scenario insists on was not so."""


class Stage:
    """One scenario's playing field. The board's agent runs; nothing has happened yet."""

    def __init__(self, board: EmulatedBoard, network: Network) -> None:
        self.board = board
        self.network = network
        self.notes: list[Note] = []
        self.endings: list[str] = []
        board.agent.start()

    def note(self, who: str, text: str) -> None:
        """A peer does something now."""
        self.notes.append(Note(time.monotonic(), who, text))

    # The board.

    def board_listens(self, port: int, backlog: int = 2) -> BoardSocket:
        """A listening socket on the board."""
        listener = self.board.agent.socket()
        listener.bind(port)
        listener.listen(backlog)
        return listener

    def board_accepts(self, listener: BoardSocket) -> tuple[BoardSocket, int]:
        """The next connection, once it is established: the socket, and its connection id."""
        event = self.wait_state(State.ESTABLISHED)
        return listener.accept(), event.conn

    def board_connects(self, ip: str, port: int) -> tuple[BoardSocket, int]:
        """Start a connection: the socket, and its connection id."""
        since = self.board.trace.mark()
        client = self.board.agent.socket()
        try:
            client.connect(ip, port)
        except BoardOSError as error:
            # A refusal may come before the call returns; the trace has it either way.
            if error.errno_name != "ECONNRESET":
                raise
        return client, self.wait_state(State.SYN_SENT, since=since).conn

    def board_receives(self, connection: BoardSocket, conn: int, length: int) -> bytes:
        """Wait until that many bytes have come in a segment, then take them."""
        self._wait(
            lambda e: (
                isinstance(e, Segment)
                and e.conn == conn
                and e.direction == "rx"
                and e.length == length
            ),
            f"a segment with {length} bytes",
        )
        return connection.recv()

    # Waiting for the board's states.

    def wait_state(
        self, *states: State, conn: int | None = None, since: int = 0, timeout_s: float = STEP_S
    ) -> Transition:
        """The first transition to one of `states`, of any connection or of one."""
        event = self._wait(
            lambda e: (
                isinstance(e, Transition) and e.after in states and (conn is None or e.conn == conn)
            ),
            f"the board's transition to {' or '.join(map(str, states))}",
            since,
            timeout_s,
        )
        assert isinstance(event, Transition)
        return event

    def wait_end(self, conn: int, timeout_s: float = STEP_S) -> Died:
        """The end of a connection."""
        event = self._wait(
            lambda e: isinstance(e, Died) and e.conn == conn,
            f"the end of connection c{conn}",
            timeout_s=timeout_s,
        )
        assert isinstance(event, Died)
        return event

    def advance_until_end(self, conn: int, limit_ms: int) -> int:
        """Move board time on until the connection has ended: after how much of it, in ms."""
        return self._advance(conn, State.CLOSED, limit_ms, forced=False)

    def run_until(self, state: State, conn: int, limit_ms: int) -> int:
        """As `advance_until_end`, for any state, and also while something is unacknowledged:
        for peers that have no clock of their own."""
        return self._advance(conn, state, limit_ms, forced=True)

    def elapse(self, ms: int) -> None:
        """Move board time on, whatever is under way. For peers without a clock of their own."""
        moved_ms = 0
        while moved_ms < ms:
            moved_ms += max(1, self.board.port.advance(ms - moved_ms, forced=True))
            self.board.port.sync()

    def _advance(self, conn: int, state: State, limit_ms: int, *, forced: bool) -> int:
        trace, port = self.board.trace, self.board.port
        start_us = port.sync().clock_us
        since = trace.mark()
        moved_ms = 0
        while True:
            step_ms = min(_ADVANCE_STEP_MS, limit_ms - moved_ms)
            moved_ms += port.advance(step_ms, forced=forced)
            port.sync()
            for event in trace.events[since:]:
                if event.conn == conn and _leads_to(event, state):
                    return (event.clock_us - start_us) // 1000
            since = trace.mark()
            if moved_ms >= limit_ms:
                raise DeadlineExceeded(
                    f"connection c{conn} was expected to {_be_in(state)} within "
                    f"{limit_ms / 1000:g} s of board time and has not"
                )

    # What the scenario itself insists on.

    def insist(self, holds: bool, expected: str) -> None:
        """The scenario fails unless it is so; `expected` says what was expected."""
        if not holds:
            raise NotAsExpected(f"expected {expected}")

    def insist_state(self, conn: int, state: State) -> None:
        """By the board's own list of living pcbs."""
        rows = {row.conn: row.state for row in self.board.port.snapshot()}
        seen = rows.get(conn, State.CLOSED)
        self.insist(seen is state, f"connection c{conn} to be in {state}; it is in {seen}")

    def insist_end(self, conn: int, cause: str) -> Died:
        """The connection has ended for this reason, in the words of reports."""
        self.board.port.sync()
        died = self.wait_end(conn)
        seen = died.cause.text()
        self.insist(seen == cause, f"the end by {cause}; it was by {seen}")
        return died

    def insist_refused(self, call: Callable[[], object], what: str, *errno_names: str) -> None:
        """A socket call on the board fails with that errno, or one of those."""
        seen = "no error"
        try:
            call()
        except BoardOSError as error:
            seen = error.errno_name
        wanted = " or ".join(errno_names)
        self.insist(seen in errno_names, f"{what} to fail with {wanted}; it was {seen}")

    # nc at the other end.

    def nc_connects(self, port: int, *args: str) -> Netcat:
        """`nc ARGS BOARD PORT`."""
        nc = self.network.nc_connect(port, *args)
        self._introduce(nc)
        return nc

    def nc_listens(self, port: int, *args: str) -> Netcat:
        """`nc ARGS -l -p PORT`."""
        nc = self.network.nc_listen(port, *args)
        self._introduce(nc)
        return nc

    def nc_types(self, nc: Netcat, data: bytes) -> None:
        """Feed its standard input."""
        self.note("nc", f"types {data.decode()!r}")
        nc.feed(data)

    def nc_input_ends(self, nc: Netcat) -> None:
        """Ctrl-D."""
        self.note("nc", "end of its input (Ctrl-D)")
        nc.close_stdin()

    def _introduce(self, nc: Netcat) -> None:
        self.note("nc", f"starts: {' '.join(nc.argv)}")
        self.endings.append(f"{' '.join(nc.argv)}: {nc.how_it_ends}")

    def _wait(
        self,
        predicate: Callable[[Event], bool],
        what: str,
        since: int = 0,
        timeout_s: float = STEP_S,
    ) -> Event:
        return self.board.trace.wait_for(predicate, timeout_s, what, since)


def _leads_to(event: Event, state: State) -> bool:
    if state is State.CLOSED:
        return isinstance(event, Died)
    return isinstance(event, Transition) and event.after is state


def _be_in(state: State) -> str:
    return "end" if state is State.CLOSED else f"be in {state}"
