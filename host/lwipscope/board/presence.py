"""Who is at the other end of a serial line, found out without disturbing what runs there.

First the command port is asked, which our firmware serves also while a program runs; then, if no
program shows itself, Enter and Ctrl-B are sent, which a prompt answers and a program that does not
read its input never notices. Ctrl-C is sent by `take_over` alone. Times in seconds.
Source: firmware/README.md, "When frames are sent"; MicroPython's shared/runtime/pyexec.c.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from lwipscope.board.command_port import CommandPort
from lwipscope.board.link import Link
from lwipscope.errors import BoardLost, DeadlineExceeded, NoBoard
from lwipscope.trace.event import Beat, Hello

HELLO_S = 1.0
BEAT_S = 1.5  # a program that runs sends one each second
PROMPT_S = 1.0
TAKE_OVER_S = 3.0
PROMPT = b">>> "
_QUIET_S = 0.1
# Enter first: what somebody left on the line is not to become part of a command.
_ASK_PROMPT = b"\r\x02"
_MOST_HEARD = 2000


class BoardBusy(NoBoard):
    """A program runs on the board, and nobody said that it may be interrupted."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What was found. `hello`: the command port's answer, None without one."""

    hello: Hello | None
    at_prompt: bool
    runs: str
    """Why a program is taken to run there; empty if none is, or nothing answered."""
    heard: bytes
    """Console text that came meanwhile."""

    @property
    def has_tracer(self) -> bool:
        """Whether transitions are recorded."""
        return self.hello is not None and {"pcb", "ring"} <= set(self.hello.fields)

    @property
    def silent(self) -> bool:
        """Nobody answered and nothing came."""
        return self.hello is None and not self.at_prompt and not self.heard

    def require_idle(self, url: str) -> None:
        """BoardBusy unless it is at its prompt."""
        if self.at_prompt:
            return
        if self.silent:
            raise BoardBusy(
                f"{url}: neither a prompt nor a command port answered. If MicroPython runs there, "
                "a program that says nothing may be running: --take-over interrupts it. Else: is "
                "it another port, another speed?"
            )
        raise BoardBusy(
            f"{url}: {self.runs}; it is left alone unless you say that it may be interrupted: "
            "--take-over (its sockets are closed, it does not start again by itself)"
        )


def look(link: Link, port: CommandPort) -> Presence:
    """Ask and listen; at most HELLO_S + BEAT_S + PROMPT_S. Nothing is interrupted."""
    hello: Hello | None = None
    heard = b""
    since = link.trace.mark()
    try:
        hello = port.hello(HELLO_S)
    except DeadlineExceeded:
        heard += link.console.read_some(0)
    if hello is not None and _program_shows(link, port, hello, since):
        heard += link.console.read_some(0)
        return Presence(hello, False, "a program runs on the board", heard[-_MOST_HEARD:])
    link.write(_ASK_PROMPT)
    prompt, more = _await_prompt(link, PROMPT_S)
    heard += more
    runs = ""
    if not prompt:
        runs = "it shows no prompt, so a program runs on the board or it hangs"
    return Presence(hello, prompt, runs, heard[-_MOST_HEARD:])


def take_over(link: Link, timeout_s: float = TAKE_OVER_S) -> bool:
    """Ctrl-C until there is a prompt: whether there is one. For boards that may be interrupted."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        link.console.clear()
        link.write(b"\r\x03\x03")
        _drain(link, deadline_s)
        # Leaves the raw REPL; at the prompt it prints it once more.
        link.write(b"\x02")
        if _await_prompt(link, min(0.5, max(0.05, deadline_s - time.monotonic())))[0]:
            return True
    return False


def _program_shows(link: Link, port: CommandPort, hello: Hello, since: int) -> bool:
    """By its heartbeat, which is sent while a program runs, the clock runs and the stream is on."""
    if hello.fields.get("time") == "manual" or "ring" not in hello.fields:
        return False
    silenced = hello.fields.get("stream") == "off"
    if silenced:
        port.stream("all")
    try:
        link.trace.wait_for(lambda e: isinstance(e, Beat), BEAT_S, "a heartbeat", since)
    except DeadlineExceeded:
        return False
    finally:
        if silenced:
            port.stream("off")
    return True


def _await_prompt(link: Link, timeout_s: float) -> tuple[bool, bytes]:
    heard = b""
    deadline_s = time.monotonic() + timeout_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        if link.console.closed:
            raise link.trace.lost or BoardLost(f"{link.url} closed")
        heard += link.console.read_some(left_s)
        if heard.endswith(PROMPT):
            # Output that looks like a prompt goes on; a prompt waits.
            more = link.console.read_some(_QUIET_S)
            if not more:
                return True, heard
            heard += more
    return False, heard


def _drain(link: Link, deadline_s: float) -> None:
    while time.monotonic() < deadline_s and link.console.read_some(_QUIET_S):
        pass
