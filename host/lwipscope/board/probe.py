"""The memory probe: TCP states of a board whose firmware has no tracer, by sampling (DESIGN D9).

`Probe` uploads firmware/agent/lwip_probe.py with a layout (lwipscope.firmware.layout) and the
developer's program, which runs as ever while a software timer looks at lwIP's lists. What it sees
comes as `sample` frames; `trace.sampled` makes verdicts of them. Times in seconds of host time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from lwipscope import paths
from lwipscope.board.command_port import TIMEOUT_S
from lwipscope.board.link import Link
from lwipscope.board.repl import ProgramEnd, Repl
from lwipscope.errors import DeadlineExceeded, LwipscopeError, UsageError
from lwipscope.firmware.layout import LISTS, Layout
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Hello, Reply
from lwipscope.trace.frame import RS, FrameSplitter
from lwipscope.trace.integrity import Integrity
from lwipscope.trace.sample import Sample, Unseen, Walks
from lwipscope.trace.trace import Trace

START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 15.0
_AGAIN_S = 0.5
_LOOK_S = 0.05
# What the agent was asked in the same life has smaller numbers.
_FIRST_ID = 1_000_000
_BOOT = "0.0"
# A console driver with the tracer makes `?` of the RS in what programs print.
_DISARMED = re.compile(rb"\?(\d+ \d+ [ -~]* \*[0-9a-f]{8}\r?\n)")


# What is closing at the program's end is watched to its end, for half a second at most.
_LINGER_MS = 500
# Whatever ends the program, no frame may come at the prompt: the timer is stopped even if a Ctrl-C
# comes just then. One that came before kbd_intr(-1) is raised by the sleep at the latest.
_RUN = """
try:
    try:
        exec(SOURCE, {"__name__": "__main__", "time": time, "probe": _probe})
    finally:
        kbd_intr(-1)
finally:
    try:
        time.sleep_ms(1)
    except KeyboardInterrupt:
        pass
"""
_OURS, _THEIRS = 'File "<stdin>"', 'File "<string>"'


class NotThisImage(UsageError):
    """The layout is not that of the image that runs on the board."""


class Probe:
    """Samples while a program runs. `beside_tracer`: on firmware with the tracer, whose frames
    go to the link's trace as ever, the samples to a trace of their own."""

    def __init__(
        self, link: Link, repl: Repl, layout: Layout, *, beside_tracer: bool = False
    ) -> None:
        self._link, self._repl, self._layout = link, repl, layout
        self._beside = beside_tracer
        self._trace = Trace()
        self._id = 0
        self._stop_listening: Callable[[], None] = _nothing

    @property
    def trace(self) -> Trace:
        """Where the samples are."""
        return self._trace if self._beside else self._link.trace

    def start(self, source: str = "", *, period_ms: int = 1, plain: bool = False) -> None:
        """Start `source` (or nothing, until `stop`) with the probe beside it.

        NotThisImage if the layout is another image's. `plain`: without MicroPython's native code.
        """
        if self._beside:
            self._listen()
        events = self.trace.events
        since = self.trace.mark()
        self._id = _FIRST_ID + since
        self.trace.sync_sent(self._id)
        seq = events[-1].seq + 1 if events else 0
        conn = 1 + max((event.conn for event in events), default=0)
        self._repl.start(
            program(
                self._layout,
                f"Probe(LAYOUT, {seq}, {conn}, {plain})",
                source or "while True:\n    time.sleep_ms(1000)\n",
                period_ms,
                self._id,
                self.trace.boot or _BOOT,
            )
        )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not any(isinstance(event, Hello) for event in self.trace.events[since:]):
            if not self._repl.running:
                self._explain(self._repl.wait(0))
            if time.monotonic() > deadline_s:
                raise DeadlineExceeded(
                    f"the probe was expected to say hello within {START_TIMEOUT_S:g} s; the board "
                    f"printed {self._repl.output[-200:]!r}"
                )
            self._repl.read(_LOOK_S)

    def wait_seen(self, *states: State, since: int = 0, timeout_s: float = TIMEOUT_S) -> Sample:
        """The first sample in one of `states`."""
        event = self.trace.wait_for(
            lambda e: isinstance(e, Sample) and e.state in states,
            timeout_s,
            f"a sample in {' or '.join(map(str, states))}",
            since,
        )
        assert isinstance(event, Sample)
        return event

    def wait_unseen(self, conn: int, timeout_s: float = TIMEOUT_S) -> Unseen:
        """Wait until this pcb is in no list any more."""
        event = self.trace.wait_for(
            lambda e: isinstance(e, Unseen) and e.conn == conn, timeout_s, f"the end of c{conn}"
        )
        assert isinstance(event, Unseen)
        return event

    def stop(self, timeout_s: float = _STOP_TIMEOUT_S) -> ProgramEnd:
        """Ctrl-C, until the program has ended: its end. The evidence is closed then."""
        deadline_s = time.monotonic() + timeout_s
        while self._repl.running:
            # One that comes while the timer's callback runs is swallowed by MicroPython.
            self._repl.press_ctrl_c()
            try:
                self._repl.wait(_AGAIN_S)
            except DeadlineExceeded:
                if time.monotonic() > deadline_s:
                    raise
        return self.finish(0)

    def finish(self, timeout_s: float) -> ProgramEnd:
        """Wait for the program's own end, which closes the evidence."""
        end = self._repl.wait(timeout_s)
        self.trace.wait_for(
            lambda e: isinstance(e, Reply) and e.re == self._id, TIMEOUT_S, "the probe's last frame"
        )
        self._stop_listening()
        return ProgramEnd(end.output, _theirs(end.error))

    @property
    def finished(self) -> bool:
        """Whether the program has ended and the probe with it: nothing more will come."""
        return self._id > 0 and any(
            isinstance(event, Reply) and event.re == self._id for event in self.trace.events
        )

    def wait_closed(self, since: int, timeout_s: float = TIMEOUT_S) -> Walks:
        """The next summary of its walks, once a second: all that was sampled before has come."""
        event = self.trace.wait_for(
            lambda e: isinstance(e, Walks), timeout_s, "a walk of the probe", since
        )
        assert isinstance(event, Walks)
        return event

    def evidence(self) -> tuple[list[Event], Integrity]:
        """Everything up to the last frame of the probe: for `trace.sampled.check_sampled`."""
        return self.trace.evidence()

    def _listen(self) -> None:
        self._trace = trace = Trace()
        splitter = FrameSplitter()
        rest = b""

        def take(data: bytes, at_s: float) -> None:
            nonlocal rest
            # Whole lines only: a frame may come in pieces.
            text, newline, rest = (rest + data).rpartition(b"\n")
            for match in _DISARMED.finditer(text + newline):
                for item in splitter.feed(RS + match[1]):
                    trace.feed(item, at_s)

        self._stop_listening()
        self._stop_listening = self._link.trace.on_console(take)

    def _explain(self, end: ProgramEnd) -> None:
        found = re.search(r"WrongImage: (.*)", end.error)
        if found:
            raise NotThisImage(
                f"the layout does not belong to the image that runs on the board: {found[1]}; make "
                "it from that image's own ELF file: lwipscope layout FIRMWARE.elf"
            )
        raise LwipscopeError(f"the probe did not start:\n{end.error or end.output.decode()}")


def program(
    layout: Layout, make: str, source: str, period_ms: int, reply_id: int, boot: str = _BOOT
) -> str:
    """The probe, the layout and the developer's program as one; `boot`: the life that it is in."""
    text = (paths.share_dir("firmware") / "agent/lwip_probe.py").read_text(encoding="utf-8")
    probe = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    probe = probe.replace(f" boot={_BOOT} ", f" boot={boot} ")
    return (
        f"{probe}\nLAYOUT = {_for_the_board(layout)!r}\n_probe = {make}\n"
        f"_probe.start({period_ms}, {reply_id})\nSOURCE = {source!r}\n{_RUN}    "
        f"_probe.linger({_LINGER_MS})\n    _probe.stop({reply_id})\n"
    )


def _theirs(traceback: str) -> str:
    """Without what the probe is around the program; named as MicroPython does without it."""
    kept = [line for line in traceback.split("\n") if _OURS not in line]
    return "\n".join(kept).replace(_THEIRS, _OURS)


def _for_the_board(layout: Layout) -> dict[str, object]:
    """The layout as lwip_probe.py wants it: flat, in the order of its walk."""
    pcb = layout.structs["tcp_pcb"]
    fields = ("next", "state", "local_port", "remote_port", "remote_ip")
    # In pools of their own the listeners are smaller; elsewhere a range holds both.
    sizes = [pcb.size] * len(layout.ranges)
    if len(sizes) > 1 and layout.ranges[1][1] - layout.ranges[1][0] < pcb.size * layout.most:
        sizes[1] = min(pcb.size, layout.structs["tcp_pcb_listen"].size)
    prints = layout.fingerprint
    return {
        "machine": layout.machine,
        "sha256": layout.sha256,
        "sha256_at": prints.sha256_at,
        "words": prints.words,
        "crc": prints.crc,
        "heads": [layout.heads[name] for name in LISTS],
        "shape": [
            *(pcb.offset(field) for field in fields),
            *(pcb.fields["state"][1], layout.most, len(layout.ranges)),
        ],
        # A pcb may begin where all of it lies inside.
        "ranges": [
            (start, end - start - size + 1)
            for (start, end), size in zip(layout.ranges, sizes, strict=True)
        ],
        "most": layout.most,
        "local_ip": pcb.offset("local_ip"),
        "ip_type": layout.ip_type,
        "ip_size": layout.ip_size,
    }


def _nothing() -> None:
    """Nobody listens."""
