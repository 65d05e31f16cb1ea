"""The lab bench: one emulated board, its network and its peers, driven by lines of text.

Made by `lwipscope lab`, for its page and its prompt. Thread-safe: one `do` at a time, the others
wait for it; reading (`things`, `table`, `run`, `changed`) never waits for a `do`, and asks the
board nothing. Timeouts in seconds of host time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from lwipscope.board.agent import BoardOSError
from lwipscope.board.command_port import CommandRefused
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import BoardLost, DeadlineExceeded, LwipscopeError
from lwipscope.lab import (
    board_verbs,
    lab_verbs,
    life_verbs,
    nc_verbs,
    raw_opening,
    raw_verbs,
    time_verbs,
)
from lwipscope.lab.inventory import things_of
from lwipscope.lab.mistakes import Mistake, why_lost
from lwipscope.lab.other_ends import peer_states
from lwipscope.lab.record import Record
from lwipscope.lab.site import Site, Told
from lwipscope.lab.things import Done, Kind, Thing, Who
from lwipscope.lab.verbs import VERBS, Argument, Verb, parse
from lwipscope.report.netstat_text import Row
from lwipscope.runfile.model import Run, RunLife
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Event, Fault, Transition
from lwipscope.trace.timeline import Note
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator

_Do: TypeAlias = Callable[[Site, dict[str, str], Told], None]

_PROGRAM = re.compile(r"[A-Za-z0-9_-]{1,60}\.py")
_DO: dict[str, _Do] = {
    "board listen": board_verbs.listen,
    "board connect": board_verbs.connect,
    "board accept": board_verbs.accept,
    "board send": board_verbs.send,
    "board recv": board_verbs.recv,
    "board close": board_verbs.close,
    "board abort": board_verbs.abort,
    "board reuse": board_verbs.reuse,
    "board gc": life_verbs.collect,
    "board reset": life_verbs.reset,
    "board run": life_verbs.run,
    "board agent": life_verbs.agent,
    "script": life_verbs.run,
    "nc connect": nc_verbs.connect,
    "nc listen": nc_verbs.listen,
    "nc type": nc_verbs.type_,
    "nc end": nc_verbs.end,
    "nc kill": nc_verbs.kill,
    "raw connect": raw_opening.connect,
    "raw listen": raw_opening.listen,
    "raw ack": raw_verbs.ack,
    "raw send": raw_verbs.send,
    "raw fin": raw_verbs.fin,
    "raw fin-ack": raw_verbs.fin_ack,
    "raw rst": raw_verbs.rst,
    "raw silent": raw_verbs.silent,
    "raw polite": raw_verbs.polite,
    "raw withhold": raw_verbs.withhold,
    "raw close-crossing": raw_verbs.close_crossing,
    "time": time_verbs.move,
    "time until": time_verbs.until,
    "time manual": time_verbs.manual,
    "time running": time_verbs.running,
    "table": lab_verbs.show,
    "netstat": lab_verbs.netstat,
    "help": lab_verbs.explain,
    "save": lab_verbs.save,
}


class Lab:
    """A lab. Owns the board that `open_board` makes; the keeper stays the caller's."""

    def __init__(
        self,
        keeper: Keeper,
        open_board: Callable[[], EmulatedBoard],
        *,
        folder: Path,
        tr: Translator,
    ) -> None:
        """Start board, network and agent. `folder` gets captures and logs as they come, and
        lab.lwiprun at `save` and at the end. `tr`: the language of what verbs answer."""
        self.folder = folder
        self._tr = tr
        self._one = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        self._record = Record(folder)
        self._site = Site(keeper, open_board, self._record, tr)
        self._site.verbs = VERBS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Doing.

    def do(self, line: str, tr: Translator | None = None) -> Done:
        """Do what a line says, and wait (5 s at most) until it has happened. Never raises for
        what a learner can do wrong, nor for a board that is lost. `tr`: the language that the lab
        answers in from now on."""
        with self._one:
            self.speak(tr or self._tr)
            if self._closed:
                return Done(line, False, error=self._tr("the lab has ended"))
            return self._do(line)

    def run_text(self, line: str, text: str, tr: Translator | None = None) -> Done:
        """`board run NAME.py`, where the program is this text: it is kept in the lab's folder under
        that name. What is answered speaks of the name alone."""
        verb, _, name = line.strip().rpartition(" ")
        if verb != "board run" or _PROGRAM.fullmatch(name) is None:
            said = self._tr("expected `board run NAME.py`, the name in letters, digits, - and _")
            return Done(line, False, error=said)
        path = self.folder / life_verbs.PROGRAMS / name
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8", "surrogatepass", "\n")
        except OSError as error:
            return Done(line, False, error=f"{path}: {error.strerror}")
        done = self.do(f"board run {path}", tr)
        return replace(done, line=line, error=done.error.replace(str(path), name))

    def speak(self, tr: Translator) -> None:
        """Answer in this language from now on, and tell things in it."""
        if tr.lang != self._tr.lang:
            self._tr = self._site.tr = tr
            self._record.bump()

    def _do(self, line: str) -> Done:
        told = Told()
        error = ""
        trace, mark = self._site.board.trace, self._site.mark()
        try:
            verb, args = parse(line, self._tr)
            _DO[verb.words](self._site, args, told)
        except LwipscopeError as failure:
            error = self._words(failure, told)
        except OSError as failure:
            error = self._tr("the system refused: {why}", why=failure.strerror or failure)
        if told.events and self._site.board.trace is trace:
            with suppress(LwipscopeError):
                self._site.settle(mark)
            told.said += filter(None, map(self.told, self._site.since(mark)))
            lost = trace.lost
            if lost is not None and not error:
                error = self._tr(
                    "the board has stopped: {why}. `board reset` brings it back",
                    why=why_lost(lost),
                )
        self._record.bump()
        return Done(
            *(line, not error, "\n".join(told.said), "\n".join(told.python)),
            *("\n".join(told.shell), error),
        )

    def _words(self, failure: LwipscopeError, told: Told) -> str:
        """A failure in the learner's words. An agent that has ended is started anew."""
        site = self._site
        if isinstance(failure, Mistake):
            return str(failure)
        if isinstance(failure, BoardOSError):
            return board_verbs.board_error(site, failure)
        if isinstance(failure, BoardLost):
            return self._tr(
                "the board has stopped: {why}. `board reset` brings it back",
                why=why_lost(failure),
            )
        if isinstance(failure, CommandRefused):
            if failure.reason == "no-agent":
                try:
                    life_verbs.revive(site, told)
                except LwipscopeError as worse:
                    return str(worse)
                return self._tr("nothing was done; say it again if it still makes sense")
            return board_verbs.board_error(site, failure)
        if isinstance(failure, DeadlineExceeded):
            return self._tr(
                "the board did not answer in time: {why}. `board reset` brings it back if it hangs",
                why=str(failure).partition("\n")[0],
            )
        return str(failure)

    def told(self, event: Event) -> str:
        """One line for a transition, as `do` tells it; empty for what is none."""
        sockets = list(self._site.sockets.values())
        name = next((f" ({s.name})" for s in sockets if s.conn == event.conn), "")
        match event:
            case Transition(before=before, after=after) if before is not after:
                return f"c{event.conn}{name} {before} > {after}: {event.cause.text()}"
            case Died(state=state) if state is not State.CLOSED:
                return f"c{event.conn}{name} {state} > CLOSED: {event.cause.text()}"
            case Fault():
                return event.text()
        return ""

    # Looking.

    def verbs(self) -> Sequence[Verb]:
        """All verbs, in the order of help."""
        return self._site.verbs

    def things(self, peers: Mapping[int, str] | None = None) -> list[Thing]:
        """All named things that are there now. `peers`: the states of the other ends by
        connection, for those who know them."""
        if peers is None:
            lives = self.run().lives
            peers = peer_states(lives[-1] if lives else None)
        return things_of(self._site, peers)

    def names(self) -> dict[str, list[str]]:
        """The names that there are, by what an argument takes: for completion, so it is quick."""
        site = self._site
        open_ones = [s for s in list(site.sockets.values()) if not s.closed]
        return {
            "board-socket": [s.name for s in open_ones],
            "board-listener": [s.name for s in open_ones if s.kind == "listener"],
            "nc": [n for n, e in list(site.ncs.items()) if e.running],
            "raw": [n for n, e in list(site.raws.items()) if not getattr(e, "ended", "")],
        }

    def table(self) -> list[Row]:
        """The board's pcbs now, with age, from the trace alone: asking costs the board nothing
        and brings no new version."""
        return self._record.live.rows(running=lab_verbs.clock_runs(self._site))

    def run(self) -> Run:
        """All that has happened so far, all lives of the board. The same object until something
        has happened; a life that is over is the same RunLife in every later run."""
        return self._record.run()

    def lives(self) -> list[RunLife]:
        """The lives of `run`, at little cost: the frames of the newest one may not be matched."""
        return self._record.lives()

    def wall_ns(self, at_s: float) -> int:
        """A host time of lives in nanoseconds since 1970."""
        return self._record.wall_ns(at_s)

    def host_rows(self) -> list[Row]:
        """The kernel's connections in the lab's own network: what netstat shows at the other end.
        Empty where there is no such network."""
        return lab_verbs.host_rows(self._site, self.table())

    @property
    def program(self) -> str:
        """The learner's file that runs on the board instead of the agent; empty if none does."""
        file = self._site.running_file
        return file.program.name if file is not None else ""

    @property
    def lost(self) -> str:
        """Why the board has stopped; empty while it has not."""
        lost = self._site.board.trace.lost
        return "" if lost is None else why_lost(lost)

    def changed(self, since: int, timeout_s: float) -> int:
        """Wait until the version is greater than `since`: the version, or `since` after the time.
        The version grows with events (heartbeats excepted), frames, notes and things."""
        return self._record.changed(since, timeout_s)

    def on_event(self, tell: Callable[[Event], None]) -> None:
        """Call `tell` with each event of the board from now on, over resets. Must be quick."""
        self._record.on_event(tell)

    def on_note(self, tell: Callable[[Note], None]) -> None:
        """Call `tell` with each thing that a peer, a program or the host did. Must be quick."""
        self._record.on_note(tell)

    @property
    def whose_tcp(self) -> str:
        """Whose TCP nc and the learner's terminals speak with the board by."""
        return self._record.whose_tcp

    @property
    def serial(self) -> str:
        """The board's serial line."""
        return self._site.board.link.url

    @property
    def board_name(self) -> str:
        """The board's type."""
        return self._site.board.file.name

    @property
    def clock(self) -> str:
        """Whether board time goes by itself: running or manual."""
        return self._site.clock

    @property
    def problems(self) -> list[str]:
        """Why files are incomplete, if they are."""
        return list(self._record.problems)

    @property
    def describe(self) -> str:
        """The board, whose TCP is at the other end, and where the files go: a few lines."""
        file = self._site.board.file
        return self._tr(
            "board:    {title}\nnetwork:  {tcp}\ncaptures: {folder}",
            title=file.title,
            tcp=self.whose_tcp,
            folder=self.folder,
        )

    def save(self, path: Path | None = None) -> Path:
        """Write a run file (None: lab.lwiprun in the lab's folder); where it is."""
        return self._record.save(path)

    def close(self) -> None:
        """End everything, write the run file. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            # A `do` under way ends by its own deadline; nothing new begins.
            with self._one:
                self._record.finish()
                self._site.close()
            self._record.bump()


__all__ = ["Argument", "Done", "Kind", "Lab", "Thing", "Verb", "Who"]
