"""A peer of the program under test, which remembers what it sent and what came.

Wraps a kernel socket (`peer.kernel`). Every wait has a deadline in seconds of host time and ends
early when the program has ended, since nothing more comes then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from lwipscope.errors import DeadlineExceeded, PeerError
from lwipscope.exercise.seen import difference
from lwipscope.peer.kernel import KernelPeer
from lwipscope.report.style import safe
from lwipscope.words.catalogue import Translator

WAIT_S = 3.0
_LOOK_S = 0.2
_MOST_SHOWN = 40


class Client:
    """`fail` ends the test with a text; `is_over` tells that the program has ended."""

    def __init__(
        self,
        peer: KernelPeer,
        tr: Translator,
        fail: Callable[[str], NoReturn],
        is_over: Callable[[], bool],
    ) -> None:
        self.peer = peer
        self.ended = self.was_reset = False
        self._tr = tr
        self._fail = fail
        self._is_over = is_over

    def send(self, data: bytes) -> None:
        """All of it."""
        try:
            self.peer.send(data, WAIT_S)
        except ConnectionResetError:
            self._fail(self._tr("a client was reset (RST) while it sent"))
        except (DeadlineExceeded, PeerError) as error:
            self._fail(self._tr("a client could not send: {error}", error=error))

    def hear(self, size: int) -> bytes:
        """The next `size` bytes, or fewer if the other end has closed or says no more."""
        return self._read(size)[0]

    def expect(self, wanted: bytes, why: str) -> None:
        """Exactly these bytes come next; `why` they should."""
        got, how = self._read(len(wanted))
        if got != wanted:
            self._fail(f"{why}: {difference(wanted, got, self._tr)}; {how}")

    def echo(self, data: bytes) -> None:
        """Send, and expect the same back."""
        self.send(data)
        self.expect(
            data,
            self._tr("a client sent {size} bytes and expected them back", size=len(data)),
        )

    def expect_end(self, wanted: bytes, why: str) -> None:
        """These bytes come, then the end (FIN, not RST) and nothing else."""
        got, how = self._read(len(wanted) + 1)
        if got != wanted:
            self._fail(f"{why}: {difference(wanted, got, self._tr)}; {how}")
        if not self.ended:
            self._fail(self._tr("{why}, and then the connection's end: {how}", why=why, how=how))

    def expect_closed(self, why: str) -> None:
        """Nothing comes but the end, by FIN or RST."""
        got, how = self._read(1)
        if got or not (self.ended or self.was_reset):
            shown = f"{len(got)} bytes: {safe(repr(got[:_MOST_SHOWN]))}" if got else how
            self._fail(f"{why}: {shown}")

    def finish(self) -> None:
        """Half-close: FIN, and go on reading."""
        try:
            self.peer.shutdown_write()
        except OSError:
            self._fail(self._tr("a client wanted to half-close, but its connection is gone"))

    def close(self) -> None:
        """FIN, or RST if there is something unread."""
        self.peer.close()

    def reset(self) -> None:
        """RST."""
        self.peer.reset()

    def _read(self, size: int) -> tuple[bytes, str]:
        """What came, and how it went on."""
        got = bytearray()
        deadline_s = time.monotonic() + WAIT_S
        last = False
        while len(got) < size:
            try:
                piece = self.peer.recv(size - len(got), _LOOK_S)
            except DeadlineExceeded:
                if last:
                    return bytes(got), self._tr("then nothing more; the program has ended")
                if time.monotonic() > deadline_s:
                    return bytes(got), self._tr("then nothing more for {wait_s} s", wait_s=WAIT_S)
                last = self._is_over()  # what it has sent may still be on its way
                continue
            except ConnectionResetError:
                self.was_reset = True
                return bytes(got), self._tr("then RST came")
            except PeerError as error:
                return bytes(got), str(error)
            if not piece:
                self.ended = True
                return bytes(got), self._tr("then the board closed (FIN)")
            got += piece
            deadline_s = max(deadline_s, time.monotonic() + WAIT_S / 2)
        return bytes(got), self._tr("and maybe more")
