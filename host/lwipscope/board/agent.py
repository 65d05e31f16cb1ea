"""Client of the agent (firmware/agent/lwip_agent.py): socket calls on the board, one at a time.

For tests and scenarios that drive the board step by step. Sockets on the board are non-blocking:
wait for the trace, not for the agent. Errors come as errno names.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from lwipscope.board.command_port import CommandPort, CommandRefused
from lwipscope.board.repl import Repl
from lwipscope.errors import DeadlineExceeded, LwipscopeError

START_TIMEOUT_S = 5.0
FROZEN = "import lwip_agent\nlwip_agent.run()"
_READY = b"lwip_agent: ready"


class BoardOSError(LwipscopeError):
    """A socket call on the board failed; `errno_name` as in Python's errno module."""

    def __init__(self, call: str, errno_name: str) -> None:
        super().__init__(f"{call} on the board failed: {errno_name}")
        self.errno_name = errno_name


@dataclass(frozen=True, slots=True)
class BoardSocket:
    """A socket on the board."""

    agent: Agent
    name: int

    def reuse_address(self) -> None:
        """setsockopt(SO_REUSEADDR)."""
        self.agent.call("reuse", self.name)

    def bind(self, port: int) -> None:
        self.agent.call("bind", self.name, port)

    def listen(self, backlog: int = 2) -> None:
        self.agent.call("listen", self.name, backlog)

    def accept(self) -> BoardSocket:
        """BoardOSError EAGAIN if no connection waits."""
        new = self.agent.new_name()
        self.agent.call("accept", self.name, new)
        return BoardSocket(self.agent, new)

    def connect(self, ip: str, port: int) -> None:
        """Starts connecting; the trace tells how it ends."""
        self.agent.call("connect", self.name, ip, port)

    def send(self, data: bytes) -> int:
        """How many bytes the board took."""
        return int(self.agent.call("sendhex", self.name, data.hex())[0])

    def recv(self, most_bytes: int = 48) -> bytes:
        """b"" at the peer's FIN; BoardOSError EAGAIN if nothing has come. At most 48 bytes."""
        words = self.agent.call("recv", self.name, most_bytes)
        return bytes.fromhex(words[0]) if words else b""

    def close(self) -> None:
        self.agent.call("close", self.name)


class Agent:
    """The running agent."""

    def __init__(
        self, port: CommandPort, repl: Repl, source: Callable[[], str] = lambda: FROZEN
    ) -> None:
        """`source` makes the program that runs it, when it starts."""
        self._port = port
        self._repl = repl
        self._source = source
        self._names = itertools.count(1)
        self._started = False

    def start(self) -> None:
        """Start the agent and wait until it serves."""
        self._repl.start(self._source())
        seen = b""
        while _READY not in seen:
            data = self._repl.read(START_TIMEOUT_S)
            if not data:
                raise DeadlineExceeded(
                    f"the agent did not start within {START_TIMEOUT_S:g} s; it said: {seen!r}"
                )
            seen += data
        self._started = True

    @property
    def running(self) -> bool:
        """Started and not told to stop since then, as far as this end knows."""
        return self._started and self._repl.running

    def socket(self) -> BoardSocket:
        """A new TCP socket on the board."""
        name = self.new_name()
        self.call("socket", name)
        return BoardSocket(self, name)

    def call(self, verb: str, *args: str | int) -> tuple[str, ...]:
        """The words of the agent's answer; BoardOSError if the call failed on the board."""
        try:
            return self._port.request(verb, *args).words
        except CommandRefused as refusal:
            if refusal.reason.startswith("E"):
                raise BoardOSError(f"{verb}{args}", refusal.reason) from refusal
            raise

    def new_name(self) -> int:
        return next(self._names)

    def stop(self) -> None:
        """End the agent; its sockets are closed."""
        self.call("quit")
        self._started = False
        self._repl.wait(5.0)
