"""What all verbs of a lab work with: board, network, record, gates, and what is called what.

Owned by `Lab`; verbs are functions of a `Site`, their arguments and a `Told` that they fill in.
Only one verb runs at a time. Timeouts in seconds of host time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from lwipscope.board.command_port import ClockMode
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError
from lwipscope.lab.gates import Gates, Worker
from lwipscope.lab.live_table import Pcb
from lwipscope.lab.mistakes import Mistake, why_lost
from lwipscope.lab.names import Names, Socket, Told
from lwipscope.lab.on_board import RunningFile, start_agent
from lwipscope.lab.other_ends import peer_states
from lwipscope.lab.raw_end import RawEnd, RawListener
from lwipscope.lab.record import Record
from lwipscope.lab.verbs import Verb
from lwipscope.peer.raw import RAW_IP, RawPeer
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Segment, Transition
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator

QUICK_S = 0.05
STEP_S = 1.0
SYNC_S = 3.0
_SILENCE_S = 2.5  # a heart beats once a second


class Site(Names):
    """One lab's things."""

    def __init__(
        self,
        keeper: Keeper,
        open_board: Callable[[], EmulatedBoard],
        record: Record,
        tr: Translator,
    ) -> None:
        self.keeper = keeper
        self.record = record
        super().__init__(tr)
        self.reuse = False
        self.clock: ClockMode = "running"
        self.running_file: RunningFile | None = None
        self.verbs: tuple[Verb, ...] = ()
        self._open_board = open_board
        self._raw: RawPeer | None = None
        self._stack = ExitStack()
        self.worker = Worker()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        record.on_event(self._event)

    def _open(self) -> None:
        """A board that has just started, and its network; the agent runs."""
        self.board = self._stack.enter_context(self._open_board())
        self.network = Network(
            self.keeper, self.board.switch, self.board.ip, self.board.port.clock_mode
        )
        self._stack.enter_context(self.network)
        self.gates = Gates(
            *(self.network, self.worker, lambda text: self.record.note("host", text)),
            lambda: self.clock == "manual",
        )
        self._stack.callback(self.gates.close)
        self.record.whose_tcp = self.network.whose_tcp
        self._begin()

    def _begin(self) -> None:
        """The board has started: record it, and let it obey."""
        self.clock = "running"
        self.record.begin(self.board)
        start_agent(self.board)

    def close(self) -> None:
        """End all; the record is finished before. Idempotent."""
        self._leave_file()
        self.worker.close()
        self._end_ncs()
        self._stack.close()

    def _end_ncs(self) -> None:
        for nc in self.ncs.values():
            nc.join()
        self.ncs.clear()

    @property
    def raw_host(self) -> RawPeer:
        """The host on which the lab's raw peers are."""
        if self._raw is None:
            self._raw = self.network.raw(RAW_IP)
        return self._raw

    # The board.

    def need_board(self) -> None:
        """Mistake if the board has stopped."""
        self._listen_for_restart()
        lost = self.board.trace.lost
        if lost is not None:
            raise Mistake(
                self.tr(
                    "the board has stopped: {why}. `board reset` brings it back",
                    why=why_lost(lost),
                )
            )

    def _listen_for_restart(self) -> None:
        """A running program lets the board's heart beat. Has it restarted the board?"""
        file, heard_s = self.running_file, self.board.trace.last_heard_s or 0.0
        if file is not None and time.monotonic() - max(heard_s, file.started_s) > _SILENCE_S:
            with contextlib.suppress(LwipscopeError):
                self.board.port.hello(STEP_S)

    def need_agent(self) -> None:
        """Mistake unless the agent obeys the verbs."""
        self.need_board()
        file = self.running_file
        if file is not None:
            raise Mistake(
                self.tr(
                    "{file} has the board: `board agent` ends it, then the board obeys again",
                    file=file.program.name,
                )
            )

    def reset(self) -> None:
        """A new life of the board; if QEMU has ended, a new board on the same wire."""
        self._leave_file()
        self.worker.drain(STEP_S)
        self._forget_connections()
        self.record.end_life()
        self.sockets.clear()
        self.reuse = False
        self.gates.new_life()
        if self.board.alive():
            try:
                self.board.reset()
            except LwipscopeError:
                self._replace()
                return
            self._begin()
        else:
            self._replace()

    def _forget_connections(self) -> None:
        """The numbers of connections begin anew; their other ends stay as they are."""
        run = self.record.run()
        states = peer_states(run.lives[-1] if run.lives else None)
        for each in (*self.ncs.values(), *self.raws.values()):
            if not isinstance(each, RawListener) and each.conn is not None:
                each.state, each.conn = states.get(each.conn, ""), None

    def start_agent(self) -> None:
        """Start the agent anew; its sockets are gone."""
        self._leave_file()
        self.sockets.clear()
        start_agent(self.board)

    def _replace(self) -> None:
        """The wire ends with a board, and so does what is on it."""
        self._end_ncs()
        self._stack.close()
        self._raw = None
        self.raws.clear()
        self._open()

    def _leave_file(self) -> None:
        if self.running_file is not None:
            self.running_file.leave()
            self.running_file = None

    # What has happened.

    def mark(self) -> int:
        return self.board.trace.mark()

    def since(self, mark: int) -> list[Event]:
        return self.board.trace.events[mark:]

    def settle(self, since: int) -> None:
        """Until what was done has had its effect: the board's record is complete, and the kernel
        at the other end has had a moment to answer what the board sent it."""
        if self.board.trace.lost is not None:
            return
        end_s = time.monotonic() + QUICK_S
        mark = since
        while True:
            self.board.port.sync(SYNC_S)
            unanswered = self._unanswered(self.since(mark))
            left_s = end_s - time.monotonic()
            if unanswered is None or left_s <= 0:
                return
            conn, mark = unanswered.conn, self.board.trace.after(unanswered)
            self.wait(partial(_is_answer, conn), mark, left_s)

    def wait(
        self, reached: Callable[[Event], bool], since: int, timeout_s: float = STEP_S
    ) -> Event | None:
        """The first event of that kind; None if it does not come within the time."""
        try:
            return self.board.trace.wait_for(reached, timeout_s, "it", since)
        except (DeadlineExceeded, BoardLost):
            return None

    def elapse_peers(self, ms: int) -> None:
        """The clocks of raw peers that behave go along with the board's."""
        for each in self.raws.values():
            if isinstance(each, RawEnd) and each.polite is not None:
                each.polite.elapse(ms / 1000)

    def pcb_with(self, *, port: int, ip: str, remote_port: int | None = None) -> Pcb | None:
        """The newest connection of the board's port with somebody."""
        for pcb in reversed(self.record.live.living()):
            if pcb.local is not None and pcb.remote is not None and pcb.local.port == port:
                fits = remote_port is None or pcb.remote.port == remote_port
                if pcb.remote.ip == ip and fits:
                    return pcb
        return None

    def _unanswered(self, events: list[Event]) -> Segment | None:
        """The newest segment that the board sent to the kernel's TCP and that wants an answer."""
        last: dict[int, Segment] = {}
        for event in events:
            if isinstance(event, Segment):
                last[event.conn] = event
        for segment in reversed(last.values()):
            pcb = self.record.live.pcb(segment.conn)
            host = pcb is not None and pcb.remote is not None and pcb.remote.ip == HOST_IP
            wants = segment.length > 0 or set(segment.flags) & set("SF")
            if host and segment.direction == "tx" and wants:
                return segment
        return None

    def _event(self, event: Event) -> None:
        """On the reader's thread."""
        self.gates.event(event)
        if isinstance(event, Transition) and event.after is State.SYN_SENT and event.remote:
            remote = event.remote
            for nc in list(self.ncs.values()):
                fits = nc.listens and nc.running and remote.ip == HOST_IP and nc.port == remote.port
                if fits and (nc.conn is None or self.record.live.state(nc.conn) is State.CLOSED):
                    nc.conn = event.conn
            for name, each in list(self.raws.items()):
                if (
                    isinstance(each, RawListener)
                    and each.port == remote.port
                    and remote.ip == RAW_IP
                ):
                    self.worker.submit(partial(self._answer, name, each, event.conn))

    def _answer(self, name: str, listener: RawListener, conn: int) -> None:
        """The board's SYN has come, or comes, to a raw peer that listens."""
        raw = self.raw_host.expect_syn(listener.port, timeout_s=STEP_S)
        made = RawEnd(self.new_name("r"), raw, listener.port)
        made.syn_waits, made.conn = True, conn
        self.raws[made.name] = made
        if listener.answers:
            made.syn_waits = False
            raw.send("S.")
        self.record.note("raw", f"{name}: {made.name} is the connection from the board")


def _is_answer(conn: int, event: Event) -> bool:
    return isinstance(event, Segment) and event.conn == conn and event.direction == "rx"


__all__ = ["HOST_IP", "RAW_IP", "Site", "Socket", "Told"]
