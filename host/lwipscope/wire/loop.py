"""One thread that waits for descriptors and for calls from other threads: the switch's engine.

Other threads hand over functions or items through one inbox; the order in which they come is the
order in which they are served. There is no lock per item: `deque` is safe by itself, and a byte on
a socket pair wakes the thread only when it may be asleep.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from lwipscope.errors import DeadlineExceeded, WireUnavailable

_CALL_TIMEOUT_S = 5.0

T = TypeVar("T")
Item = TypeVar("Item")


class Loop(Generic[Item]):
    """Serves `serve(item)` for items put, and functions registered for descriptors. `after_turn`
    runs after each turn, before the thread may sleep. Starts with `start()`."""

    def __init__(
        self, name: str, serve: Callable[[Item], None], after_turn: Callable[[], None]
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self.closed = False
        self._serve = serve
        self._after_turn = after_turn
        self._inbox: deque[tuple[Item] | Callable[[], None]] = deque()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self.selector.register(self._wake_receiver, selectors.EVENT_READ, self._woken)
        self._awake = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Start the thread, after the first descriptors were registered."""
        self._thread.start()

    def waiting(self) -> int:
        """How many items and calls wait in the inbox."""
        return len(self._inbox)

    def put(self, item: Item) -> None:
        """Hand over an item; never waits."""
        self._inbox.append((item,))
        if not self._awake:
            self._wake()

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the thread, after all that was put before; its result."""
        if threading.current_thread() is self._thread:
            return function()
        if self.closed:
            raise WireUnavailable("this wire is closed; make a new one")
        done = threading.Event()
        results: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                results.append(function())
            except Exception as error:
                errors.append(error)
            done.set()

        self._inbox.append(run)
        self._wake()
        if not done.wait(_CALL_TIMEOUT_S):
            raise DeadlineExceeded(
                f"{self._thread.name} did not answer within {_CALL_TIMEOUT_S} s: a watcher or a "
                "peer's receive function is blocking it"
            )
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """Serve what was put before, end the thread."""
        if self.closed:
            return

        def stop() -> None:
            self._stopping = True

        self.call(stop)
        self.closed = True
        self._thread.join()
        self.selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _wake(self) -> None:
        self._awake = True
        with suppress(OSError):  # full: it will wake anyway; closed: nobody to wake
            self._wake_sender.send(b"w")

    def _run(self) -> None:
        while not self._stopping:
            # Order matters: whoever appends after this line sees False and wakes us; what was
            # appended before it is seen by the test of the inbox.
            self._awake = False
            events = self.selector.select(0 if self._inbox else None)
            self._awake = True
            for key, _ in events:
                key.data()
            for _ in range(len(self._inbox)):  # not until empty: answers could go on for ever
                entry = self._inbox.popleft()
                if isinstance(entry, tuple):
                    self._serve(entry[0])
                else:
                    entry()
            self._after_turn()

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            self._wake_receiver.recv(4096)
