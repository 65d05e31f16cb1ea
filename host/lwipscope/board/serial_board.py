"""A MicroPython board on a serial port or URL, with our tracer firmware or without.

It is locked, looked at without being disturbed, and used only if nothing runs on it or the caller
may take it over. What changes the board lives in its RAM; `close` leaves it at its prompt, and
restarts (softly) what had to be interrupted. Without the tracer the agent is uploaded with a
command port of its own. Times in seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from lwipscope.board import cleanness, network_way, quarantine
from lwipscope.board.agent import FROZEN, Agent
from lwipscope.board.board import Capabilities
from lwipscope.board.cleanness import Cleanness
from lwipscope.board.command_port import CommandPort
from lwipscope.board.device_file import DeviceFile, Rung
from lwipscope.board.files import Files
from lwipscope.board.held_board import HeldBoard
from lwipscope.board.ladder import Attempt, LadderFailed, climb
from lwipscope.board.link import Link, SerialLine, open_line
from lwipscope.board.lock import BoardLock
from lwipscope.board.power import NO_POWER, Power
from lwipscope.board.presence import Presence, look, take_over
from lwipscope.board.upload import agent_source, install_module
from lwipscope.errors import DeadlineExceeded, LwipscopeError, NoBoard
from lwipscope.firmware.layout import Layout
from lwipscope.trace.event import Hello
from lwipscope.trace.trace import Trace

_HELLO_S = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a board is. `locate` finds its port, again when it has moved; None if it is gone."""

    name: str
    locate: Callable[[], str | None]
    power: Power = NO_POWER

    @classmethod
    def at(cls, url: str) -> Place:
        """A port that stays where it is."""
        return cls(url, lambda: url)


class SerialBoard(HeldBoard):
    """A board that is held until `close`."""

    def __init__(
        self,
        file: DeviceFile,
        place: Place,
        *,
        may_take_over: bool = False,
        must_be_idle: bool = True,
        lock_wait_s: float = 0.0,
    ) -> None:
        """`must_be_idle=False`: also a board on which a program runs, to look at and to watch."""
        self.file = file
        self.place = place
        self._ip = ""
        self._took_over = self._mounted = self._closed = False
        self._lives = 0
        self.layout: Layout | None = None
        """That of firmware without the tracer; a reset board is proven to be clean with it."""
        self.cleanness: Cleanness | None = None
        """How it was found after the last reset."""
        url = place.locate()
        if url is None:
            raise NoBoard(f"{place.name}: there is no such serial port now; is it plugged in?")
        self.url = url
        self._lock = BoardLock(url, lock_wait_s)
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise
        try:
            self.presence = look(self.link, self.port)
            self._tracer = self.presence.has_tracer
            if not self.presence.at_prompt and may_take_over:
                self._take_over()
            elif must_be_idle:
                self.presence.require_idle(url)
        except BaseException:
            self.close()
            raise

    # What a user of the board works with.

    @property
    def taken_over(self) -> bool:
        """Whether a program had to be interrupted."""
        return self._took_over

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self._tracer, self._tracer, False, self._fresh_rungs())

    @property
    def ip(self) -> str:
        """Its address; brings the network up if need be, which takes the prompt."""
        if not self._ip and self.presence.hello is not None:
            told = self.presence.hello.fields.get("ip", "")
            self._ip = told if told != "0.0.0.0" else ""
        if not self._ip:
            self._ip = network_way.bring_up(self.repl, self.file.network)
        return self._ip

    @cached_property
    def agent(self) -> Agent:
        if self._tracer:
            return Agent(self.port, self.repl, self._frozen_agent)
        return _UploadedAgent(self.port, self.repl, self._uploaded_agent)

    @cached_property
    def files(self) -> Files:
        """A filesystem in RAM, in front of the board's own until it is closed."""
        install_module(self.repl, "lwip_files")
        self._mounted = True
        return Files(self.repl)

    def reset(self) -> Hello | None:
        """A fresh board by the rungs that restart all of it, and its network. If pcbs are left the
        next rung is tried, and after the last one it is in quarantine."""
        had_ip = bool(self._ip)
        self._climb(self._fresh_rungs(), self._prove_clean)
        self._ip = ""
        if had_ip and not self._tracer:
            _ = self.ip
        return self.presence.hello

    def recover(self) -> tuple[Attempt, ...]:
        """The whole ladder, mildest first: what was tried. In quarantine if nothing helped."""
        return self._climb(self.file.reset.ladder)

    def alive(self, timeout_s: float = 0.0) -> bool:
        """False once the line is gone, which is waited for up to `timeout_s`."""
        with contextlib.suppress(LwipscopeError):
            self.trace.wait_for(lambda _: False, timeout_s, "its end", self.trace.mark())
        return self.trace.lost is None

    def close(self) -> None:
        """Leave the board as it was found. Idempotent."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(LwipscopeError):
            self._leave()
        self.link.close()
        self._line.close()
        self._lock.close()

    # What the reset ladder needs.

    def reopen(self) -> bool:
        """Open the line again if it is gone: whether there is one now."""
        if not self.link.console.closed:
            return True
        self.link.close()
        with contextlib.suppress(OSError):
            self._line.close()
        url = self.place.locate()
        if url is None:
            return False
        try:
            self.url = url
            self._open()
        except NoBoard:
            return False
        return True

    def new_life(self, act: Callable[[], None]) -> None:
        """Do something that ends the board's life, with a new trace from then on."""
        self._forget_clients()
        self._lives += 1
        self.link.new_life(act, None)

    def ask_hello(self, timeout_s: float) -> Hello | None:
        """A hello, from firmware with the tracer; None from others."""
        if not self._tracer:
            return None
        hello = self.port.hello(timeout_s)
        self.presence = Presence(hello, True, "", b"")
        return hello

    def pulse_rts(self, seconds: float) -> None:
        """OSError if the line has none."""
        if not isinstance(self._line, SerialLine):
            raise OSError("this line has no RTS")
        self._line.pulse_rts(seconds)

    # Inside.

    def _open(self) -> None:
        wanted = self.file.link
        self._line = open_line(self.url, wanted.baud, dtr=wanted.dtr, rts=wanted.rts)
        self._link = Link(self.url, wanted.baud, line=self._line, trace=Trace(first_seq=None))
        self.port = CommandPort(self.link)
        self._lives += 1
        self._forget_clients()

    def _fresh_rungs(self) -> tuple[Rung, ...]:
        ladder = self.file.reset.ladder
        usable = [rung for rung in ladder if rung != "power" or self.place.power.can_cycle]
        return tuple(rung for rung in usable if rung != "soft") or tuple(usable)

    def _prove_clean(self) -> None:
        self.cleanness = None
        self.cleanness = cleanness.prove(self, self.layout, self.file.reset.boot_s)

    def _climb(
        self, rungs: Sequence[Rung], prove: Callable[[], None] | None = None
    ) -> tuple[Attempt, ...]:
        if self._tracer:
            # What led to the reset is of no use, and would come in the middle of it.
            with contextlib.suppress(LwipscopeError):
                self.port.stream("off")
        try:
            ways = self.file.reset
            tried = climb(self, self.place.name, rungs, ways.boot_s, self.place.power, prove)
        except LadderFailed as failure:
            quarantine.put(self.place.name, "; ".join(a.text() for a in failure.attempts))
            raise
        if self._tracer:
            self.ask_hello(_HELLO_S)
            self.port.stream("all")
        return tried

    def _take_over(self) -> None:
        self._took_over = True
        if take_over(self.link):
            return
        self._climb(self.file.reset.ladder)
        if not self._tracer:
            # It may have been silent only because of what ran there.
            self.presence = look(self.link, self.port)
            self._tracer = self.presence.has_tracer

    def _frozen_agent(self) -> str:
        install_module(self.repl, "lwip_agent")
        return FROZEN

    def _uploaded_agent(self) -> str:
        events = self.trace.events
        first = events[-1].seq + 1 if events else 0
        return agent_source(f"0.{self._lives}", first)

    def _leave(self) -> None:
        if self.trace.lost is not None:
            return
        if self._tracer:
            self.port.stream("off")
        if "repl" not in self.__dict__ and not self._took_over:
            return
        if not take_over(self.link) or not (self._took_over or self._mounted):
            return
        self.link.write(b"\x04")
        with contextlib.suppress(DeadlineExceeded):
            self._hear(b"soft reboot")

    def _hear(self, words: bytes) -> None:
        heard = b""
        while words not in heard:
            more = self.link.console.read_some(_HELLO_S)
            if not more:
                raise DeadlineExceeded(f"the board did not say {words!r}")
            heard += more


class _UploadedAgent(Agent):
    """With a command port of its own, whose trace begins with its hello."""

    def start(self) -> None:
        super().start()
        self._port.hello()
