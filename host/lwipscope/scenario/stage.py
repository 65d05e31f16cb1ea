"""Where a scenario plays: a fresh board, its network, and a list of what the peers did.

The verbs wait for the board's trace, never for time: a step is over when the board has recorded
it. Timeouts in seconds of host time; board time is moved by `advance_until_end`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lwipscope.board.agent import BoardOSError, BoardSocket
from lwipscope.board.board import Board
from lwipscope.board.board_time import elapse, leads_to, run_until
from lwipscope.errors import LwipscopeError
from lwipscope.peer.nc import Netcat
from lwipscope.scenario.last_words import ended_by_last_words
from lwipscope.scenario.life import Life, close_life
from lwipscope.scenario.network import Network
from lwipscope.tcp.deviations import deviation
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Hello, Segment, Transition
from lwipscope.trace.timeline import Note

STEP_S = 5.0


class NotAsExpected(LwipscopeError):
    """Something that a scenario insists on was not so."""


class Stage:
    """One scenario's playing field. The board's agent runs; nothing has happened yet."""

    def __init__(self, board: Board, network: Network) -> None:
        self.board = board
        self.network = network
        self.notes: list[Note] = []
        self.endings: list[str] = []
        self.deviations: set[str] = set()
        self._lives: list[Life] = []
        self._notes_told = 0
        self._over = False
        self._on_new_life: list[Callable[[], None]] = []
        board.agent.start()

    def note(self, who: str, text: str) -> None:
        """A peer does something now."""
        self.notes.append(Note(time.monotonic(), who, text))

    # The board's lives.

    @property
    def lives(self) -> Sequence[Life]:
        """The lives of the board that are over, oldest first; all of them after `close`."""
        return tuple(self._lives)

    def reboot(self) -> Hello:
        """End this life of the board and begin the next: reset, and its agent runs again.

        The peers stay, and know nothing of it. Frames on their way to the board are lost. The
        clock and the connection ids of the board begin anew.
        """
        self.note("host", "resets the board")
        self.close()
        hello = self.board.reset() or self.board.port.hello()
        self._over = False
        for tell in self._on_new_life:
            tell()
        self.board.agent.start()
        return hello

    def on_new_life(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each reset, when the board has said hello: its trace is a new one."""
        self._on_new_life.append(tell)

    def close(self) -> Sequence[Life]:
        """End the evidence of this life. Idempotent."""
        if not self._over:
            self._over = True
            notes = self.notes[self._notes_told :]
            self._notes_told = len(self.notes)
            self._lives.append(close_life(self.board, notes))
        return self.lives

    def board_stopped(self, words: str) -> None:
        """It was to be expected that the board stops, and that its last words hold `words`."""
        self.note("host", f"the board has stopped: {self.board.trace.integrity.fault}")
        life = self.close()[-1]
        self._lives[-1] = ended = ended_by_last_words(life, words)
        seen = "; ".join(ended.integrity.problems()) or "it still runs"
        self.insist(
            ended.stopped and ended.integrity.complete,
            f"the board to stop with the words {words}; {seen}",
        )

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
        elapse(self.board.port, ms, forced=True)

    def _advance(self, conn: int, state: State, limit_ms: int, *, forced: bool) -> int:
        aim = "end" if state is State.CLOSED else f"be in {state}"
        return run_until(
            self.board.port,
            self.board.trace,
            lambda event: event.conn == conn and leads_to(event, state),
            limit_ms,
            f"connection c{conn} was expected to {aim}",
            forced=forced,
        ).after_ms

    # What the scenario itself insists on.

    def insist(self, holds: bool, expected: str) -> None:
        """The scenario fails unless it is so; `expected` says what was expected."""
        if not holds:
            raise NotAsExpected(f"expected {expected}")

    def deviation_seen(self, name: str) -> None:
        """A known deviation has shown itself: to be called behind what insists on it."""
        self.deviations.add(deviation(name).name)

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
