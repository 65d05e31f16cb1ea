"""What can stand at the switch beside the board: peers in this process, and a TAP.

`Switch` makes and drives these; peers know only `Wire` and `WirePort`, so that the same peer runs
on any other wire that offers them (a packet socket, a test that loses frames).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lwipscope.errors import UsageError


class WirePort(Protocol):
    """What a peer holds of a wire: it can send frames and leave."""

    def send(self, frame: bytes) -> None: ...
    def close(self) -> None: ...


class Wire(Protocol):
    """Anything that peers can be attached to; `Switch` is one."""

    def attach(
        self, mac: bytes, receive: Callable[[bytes], None], *, name: str | None = None
    ) -> WirePort: ...


@dataclass(frozen=True, slots=True)
class Counters:
    """Frames that came from and went to each kind of station, and those that did not arrive.

    `callback_errors` above 0 means that a watcher or peer failed: what it saw is incomplete.
    """

    from_board: int
    to_board: int
    from_tap: int
    to_tap: int
    from_ports: int
    to_ports: int
    dropped_paused: int
    dropped_no_board: int
    dropped_board_full: int
    dropped_tap: int
    dropped_inbox_full: int
    dropped_nowhere: int
    dropped_malformed: int
    callback_errors: int


class Port:
    """A peer's place on the switch, made by `Switch.attach`. `deliver` is the peer's receive
    function; it runs on the switch's thread."""

    def __init__(
        self,
        mac: bytes,
        name: str,
        deliver: Callable[[bytes], None],
        send: Callable[[Port, bytes], None],
        leave: Callable[[Port], None],
    ) -> None:
        self.mac = mac
        self.name = name
        self.deliver = deliver
        self._send = send
        self._leave = leave

    def send(self, frame: bytes) -> None:
        """Hand a frame to the switch, from any thread; never waits."""
        self._send(self, frame)

    def close(self) -> None:
        """Leave. Frames sent before still go out; `receive` is not called after this returned.
        Do not hold a lock that `receive` takes."""
        self._leave(self)


class TapLine:
    """The file descriptor of a TAP (without packet information), or one that acts like it."""

    name = "tap"

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.sent = self.dropped = 0
        try:
            os.set_blocking(fd, False)
        except OSError as error:
            raise UsageError(f"descriptor {fd} is no open TAP: {error.strerror}") from error

    def deliver(self, frame: bytes) -> None:
        try:
            os.write(self.fd, frame)
            self.sent += 1
        except OSError:  # queue full, or the interface is down: a switch drops, TCP repeats
            self.dropped += 1
