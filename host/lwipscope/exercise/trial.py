"""One test of one program: a fresh board, its peers, and what the test may ask and claim.

The tests of the exercises are functions of a `Trial`. Whatever does not hold is `Failed`, whose
text says what was expected and what was seen. Board time is moved by `pass_time`; all other waits
are for events, with deadlines in seconds of host time.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from lwipscope.board.board_time import UNACKNOWLEDGED, elapse
from lwipscope.board.command_port import CommandRefused
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import DeadlineExceeded, PeerError, UsageError
from lwipscope.exercise.client import Client
from lwipscope.exercise.failure import Failed, NeverReady
from lwipscope.exercise.seen import seen_text
from lwipscope.exercise.sight import Sight
from lwipscope.peer.kernel import KernelListener, KernelPeer
from lwipscope.peer.raw import RAW_IP, RawPeer
from lwipscope.report.style import safe
from lwipscope.scenario.application import Application
from lwipscope.scenario.leak_claims import LeakFound
from lwipscope.scenario.network import Network
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.program import Program
from lwipscope.tcp.state import State
from lwipscope.trace.event import Return
from lwipscope.words.catalogue import Translator

READY_S = 3.0
WAIT_S = 3.0
_AT_PORT_S = 1.0
_ACCEPT_S = 0.5
_LOOK_S = 0.2
_STEP_MS = 500
_PATIENCE_S = 1.0


class Trial(Sight):
    """`settings` is what stands in the program's config.py; `random` is this test's own."""

    def __init__(
        self,
        board: EmulatedBoard,
        network: Network,
        other_end: OtherEnd,
        settings: Mapping[str, int | str],
        rng: random.Random,
        tr: Translator,
    ) -> None:
        super().__init__(board)
        self.network = network
        self.settings = settings
        self.random = rng
        self.tr = tr
        self._other_end = other_end
        self._app: Application | None = None
        self._peers: list[KernelPeer] = []
        self._listener: KernelListener | None = None
        self._raw: RawPeer | None = None

    # The program.

    def start(self, program: Program) -> None:
        """Run it; it has to listen, connect or end soon."""
        since = self.board.trace.mark()
        try:
            self._app = Application.start(
                self.board, self._other_end, program, ready_timeout_s=READY_S
            )
        except UsageError as error:  # it ended with an exception
            ended = self.tr("the program ended with an exception:")
            traceback = str(error).partition("\n")[2]
            text = "\n".join(f"  {safe(line)}" for line in traceback.splitlines())
            raise NeverReady(f"{ended}\n{text}", "failed") from error
        if self.board.trace.mark() > since and (self.listeners() or self.attempts()):
            return
        what = self.tr(
            "expected the program to listen or to connect within {limit_s} s", limit_s=READY_S
        )
        raise NeverReady(self._with_seen(what), "hung" if self._app.running else "failed")

    @property
    def app(self) -> Application:
        """The program that runs."""
        assert self._app is not None
        return self._app

    @property
    def port(self) -> int:
        """PORT of the settings."""
        return int(self.settings["PORT"])

    def must_listen(self) -> None:
        """At PORT."""

        def there() -> bool:
            ends = (listener.local for listener in self.listeners())
            return any(end is not None and end.port == self.port for end in ends)

        try:
            text = self.tr("expected the program to listen at port {port}", port=self.port)
            self.until(there, text, _AT_PORT_S)
        except Failed as error:
            where = ", ".join(str(each.local) for each in self.listeners())
            seen = self.tr("it listens at {where}", where=where or "-")
            raise NeverReady(f"{error}\n  {seen}", "failed") from error

    def must_run(self) -> None:
        """It has not ended."""
        if not self.app.running:
            self.fail(self.tr("expected the program to go on"))

    # Peers.

    def client(self, *, accepted: bool = True) -> Client:
        """A client that is connected to PORT; `accepted`: once the program has accept()ed it, or
        does not do so soon. (What comes before accept() is repeated by the peer 0.2 s later.)"""
        since = self.board.trace.mark()
        try:
            peer = self.network.connect(self.port, WAIT_S)
        except ConnectionRefusedError:
            self.fail(
                self.tr("a client was refused: nobody listens at port {port}", port=self.port)
            )
        except (PeerError, DeadlineExceeded, OSError) as error:
            self.fail(self.tr("a client could not connect: {error}", error=error))
        if accepted:
            with suppress(DeadlineExceeded):
                self.board.trace.wait_for(
                    lambda e: isinstance(e, Return) and e.name == "accept",
                    _ACCEPT_S,
                    "accept()",
                    since,
                )
        return self.speak(peer)

    def speak(self, peer: KernelPeer) -> Client:
        """A connected peer with a memory."""
        self._peers.append(peer)
        return Client(peer, self.tr, self.fail, self._is_over)

    def listen(self) -> None:
        """A server at PORT of the other end, for `accept`."""
        self._listener = self.network.listen(self.port)

    def accept(self, why: str) -> Client:
        """The program's next connection; `why` it is expected."""
        listener = self._listener
        assert listener is not None
        deadline_s = time.monotonic() + WAIT_S
        while True:
            try:
                return self.speak(listener.accept(_LOOK_S))
            except DeadlineExceeded:
                if self._is_over() or time.monotonic() > deadline_s:
                    self.fail(why)

    @property
    def raw(self) -> RawPeer:
        """A host of its own, at `RAW_IP`, which does only what it is told."""
        if self._raw is None:
            self._raw = self.network.raw(RAW_IP)
            self._other_end.add(self._raw)
        return self._raw

    def end(self) -> None:
        """Forget all peers: none may go on sending to the next life of the board."""
        for peer in self._peers:
            peer.reset()

    def until(self, holds: Callable[[], bool], expected: str, timeout_s: float = WAIT_S) -> None:
        """Wait until it is so; else the test has failed."""
        deadline_s = time.monotonic() + timeout_s
        while not holds():
            if self._is_over() or time.monotonic() > deadline_s:
                break
            self._watch.more(min(deadline_s, time.monotonic() + _LOOK_S))
        else:
            return
        if not holds():
            self.fail(expected)

    # What is claimed.

    def fail(self, text: str) -> NoReturn:
        """The test has failed; what was seen on the board is added."""
        self._need_board()
        raise Failed(self._with_seen(text))

    def no_leaks(self) -> None:
        """No pcb is left that the program should have closed."""
        try:
            self.app.no_leaks(WAIT_S / 2)
        except LeakFound as error:
            raise Failed(self._with_seen(str(error))) from error

    def only_listener_left(self, limit_s: float = 0.0, *, forced: bool = False) -> None:
        """No pcb but listeners and TIME_WAIT; up to `limit_s` of board time may pass before."""

        def clean() -> bool:
            return all(pcb.state is State.LISTEN for pcb in self.living())

        passed_ms = 0
        while not clean() and passed_ms < limit_s * 1000 and not self._is_over():
            self.pass_time(_STEP_MS / 1000, forced=forced)
            passed_ms += _STEP_MS
        text = self.tr("expected that only the listener is left")
        if limit_s:
            text = self.tr(
                "expected that only the listener is left after {limit_s} s of board time",
                limit_s=f"{limit_s:g}",
            )
        self.until(clean, text, WAIT_S / 2)

    def play(self, test: Callable[[Trial], None]) -> None:
        """Play it; what a raw peer did not get is a failure of the program."""
        try:
            test(self)
        except PeerError as error:
            self.fail(safe(str(error).partition("\n")[0]))

    def pass_time(self, seconds: float, *, forced: bool = False) -> None:
        """Move board time; `forced` also while something is unacknowledged (raw peers only)."""
        try:
            elapse(self.board.port, int(seconds * 1000), forced=forced, patience_s=_PATIENCE_S)
        except CommandRefused as error:
            if error.reason != UNACKNOWLEDGED:
                raise
            self.fail(self.tr("the board goes on sending, and nobody acknowledges it"))

    # Payloads.

    def text(self, least: int, most: int) -> bytes:
        """Letters and digits, no line end."""
        size = self.random.randint(least, most)
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=size)).encode()

    # Inside.

    def _is_over(self) -> bool:
        """Nothing more is to be expected: the program has ended, or the board is lost."""
        self._need_board()
        return self._app is not None and not self._app.running

    def _need_board(self) -> None:
        lost = self.board.trace.lost
        if lost is not None:
            raise lost

    def _with_seen(self, text: str) -> str:
        events = self._watch.now()[0]
        self._need_board()
        return f"{text}\n{seen_text(self.app, events, self.tr)}"
