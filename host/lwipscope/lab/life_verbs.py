"""The verbs of the board's life and of what runs on it: reset, a file of the learner's, the agent.

Timeouts in seconds of host time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lwipscope.board.repl import ProgramEnd
from lwipscope.errors import DeadlineExceeded
from lwipscope.lab.board_verbs import way_in
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.on_board import RunningFile, last_words, stop_agent
from lwipscope.lab.site import STEP_S, Site, Told
from lwipscope.scenario.program import Program
from lwipscope.tcp.state import State
from lwipscope.trace.event import Transition

_Args = dict[str, str]
PROGRAMS = "programs"
"""Below the lab's folder: what was written on the page."""
_FILE_STEP_S = 0.3


def collect(site: Site, _args: _Args, told: Told) -> None:
    """gc.collect()."""
    site.need_agent()
    told.python += ["import gc", "gc.collect()", "gc.mem_free()"]
    (free,) = site.board.agent.call("gc")
    told.said.append(site.tr("{free} bytes are free on the board", free=free))


def reset(site: Site, _args: _Args, told: Told) -> None:
    """A new life."""
    told.python.append("machine.reset()")
    site.record.note("host", "resets the board")
    site.reset()
    told.events = False
    told.said.append(
        site.tr("the board has started anew: no sockets, no pcbs. Its peers know nothing of it")
    )


def run(site: Site, args: _Args, told: Told) -> None:
    """The learner's own file."""
    site.need_board()
    path = Path(args["FILE"]).expanduser()
    program = Program.load(path)
    if path.parent == site.record.folder / PROGRAMS:
        program = replace(program, name=path.name)  # it came by the page, which knows no folders
    told.shell.append(f"mpremote run {args['FILE']}")
    if site.running_file is not None:
        if site.running_file.running:
            raise Mistake(
                site.tr(
                    "{file} is running; `board agent` ends it", file=site.running_file.program.name
                )
            )
        site.running_file.leave()
        site.running_file = None
    else:
        stop_agent(site.board)
    site.sockets.clear()
    try:
        _start_file(site, program, told)
    finally:
        if site.running_file is None and site.board.trace.lost is None:
            site.start_agent()


def agent(site: Site, _args: _Args, told: Told) -> None:
    """The board obeys again."""
    site.need_board()
    if site.running_file is None:
        told.said.append(site.tr("the board obeys the verbs already"))
        return
    name = site.running_file.program.name
    try:
        site.running_file.stop()
    except DeadlineExceeded as error:
        raise Mistake(
            site.tr("{file} goes on after Ctrl-C: `board reset` ends it", file=name)
        ) from error
    site.start_agent()
    told.said.append(
        site.tr(
            "{file} has ended; the board obeys the verbs again. What it left open stays: `table`",
            file=name,
        )
    )


def revive(site: Site, told: Told) -> None:
    """The agent has ended, which it should not: say why, start it anew."""
    why = last_words(site.board.repl).splitlines()
    site.start_agent()
    told.said.append(
        site.tr(
            "the program on the board that obeys the verbs had ended ({why}); its sockets are "
            "closed, and it runs again",
            why=why[-1] if why else "?",
        )
    )


def _start_file(site: Site, program: Program, told: Told) -> None:
    site.gates.keep_out(6666)
    record = site.record

    def ended(end: ProgramEnd) -> None:
        error = end.error.strip()
        record.note("app", f"ends with an exception:\n{error}" if error else "has ended")

    record.note("host", f"runs {program.name} on the board")
    mark = site.mark()
    file = RunningFile(site.board, program, lambda line: record.note("app", line), ended)
    site.running_file = file
    site.wait(
        lambda e: isinstance(e, Transition) and e.after in (State.LISTEN, State.SYN_SENT),
        mark,
        _FILE_STEP_S,
    )
    if file.wait(_FILE_STEP_S) and file.end is not None:
        site.start_agent()
        if file.end.error.strip():
            raise Mistake(
                site.tr("{file} ended with an exception:", file=program.name)
                + f"\n{file.end.error.strip()}"
            )
        told.said.append(
            site.tr("{file} has ended; the board obeys the verbs again", file=program.name)
        )
        return
    told.said.append(site.tr("{file} runs on the board; `board agent` ends it", file=program.name))
    site.worker.drain(STEP_S)
    for event in site.since(mark):
        if isinstance(event, Transition) and event.after is State.LISTEN and event.local:
            near = site.gates.port_of(event.local.port)
            if near is not None:
                told.said.append(way_in(site, event.local.port, near))
