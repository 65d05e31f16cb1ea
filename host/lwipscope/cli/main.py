"""Parses the command line, runs a command, turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Sequence

from lwipscope import __version__
from lwipscope.cli import interrupts
from lwipscope.errors import Inconclusive, LwipscopeError

_EPILOG = """\
A first look:       lwipscope demo
Your own program:   lwipscope run app.py        then, in another terminal: nc 127.0.0.1 6666
With mpremote:      lwipscope start             it prints the serial port to connect to

Exit codes: 0 all as expected, 1 mismatch, 2 usage, 3 no board, 4 board lost or evidence
incomplete, 130 interrupted.
"""

INTERRUPTED = 130

# Name of the command: module of this package, and what the list of commands says of it. (A command
# imports what it needs, no more, and the list imports none of them.)
COMMANDS = {
    "demo": ("demo", "play the first exchanges on the emulated board, and explain them"),
    "scenarios": ("scenarios", "list the scenarios, or explain one"),
    "run-scenario": ("run_scenario", "play one scenario of the library and show it"),
    "tour": ("tour", "drive the board through all eleven states, in both roles"),
    "lesson": ("lesson", "learn the states of TCP: predict, observe, explain"),
    "run": ("run", "run a MicroPython program on the board and watch its connections"),
    "start": ("start", "start a board and keep it running, for mpremote"),
    "lab": ("lab", "a lab bench: a board, nc and raw peers to play with, every state in sight"),
    "glossary": ("glossary", "the words of TCP, and each state's name in every tool"),
    "myth": ("myth", "what people say of TCP and isn't so: settle it by a run on the board"),
    "watch": ("watch", "show the transitions of a running board, live"),
    "clock": ("clock", "stop, run or move the time of a running board"),
    "diagram": ("diagram", "draw the states and edges of a stack, or those that a run took"),
    "report": ("report", "show a run as one HTML file, to be stepped through"),
    "show": ("show", "show a recorded run: ladder, tcpdump's lines, explanations"),
    "export": ("export", "write a run as pcapng, for Wireshark, tshark and tcpdump"),
    "netstat": ("netstat", "list the board's connections as netstat or ss would"),
    "shell": ("shell", "enter the board's network, for nc, tcpdump, ss, curl"),
    "nc": ("nc", "a netcat of our own: -l -p PORT, -N, -k, -v, -z, -w, -q"),
    "boards": ("boards", "list the boards, the serial ports and the rack"),
    "identify": ("identify", "tell what a board is and what runs on it"),
    "flash": ("flash", "put firmware onto a board"),
    "test": ("test", "identify a board and play every scenario that it can decide"),
    "clean": ("clean", "remove from a board what lwipscope left on it"),
    "firmware": ("firmware", "build, pack or use the emulated boards' firmware"),
    "layout": ("layout", "read out of an ELF file where a stock firmware keeps its pcbs"),
    "probe": ("probe", "run a program on a board with stock firmware and sample its TCP states"),
    "class": ("class_", "make one file with which a class installs lwipscope without network"),
    "exercise": ("exercise", "write the board's program yourself, and have it checked"),
    "grade": ("grade", "grade a folder of submissions, each in a process of its own"),
    "setup": ("setup", "install what is missing and build the firmware"),
    "doctor": ("doctor", "check this machine, its boards and the network between"),
    "bench": ("bench", "measure how fast the board and the host are"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    interrupts.listen()
    for stream in (sys.stdout, sys.stderr):
        # What a program printed or a file is called may not be known to the terminal's encoding.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = _guarded(list(sys.argv[1:] if argv is None else argv))
    if argv is None:
        interrupts.done()
    if argv is None and (code == INTERRUPTED or threading.active_count() > 1):
        # An interrupt in an unlucky moment leaves a thread that nobody joins (the keeper ends and
        # removes what it belongs to), or makes Python end itself by SIGINT instead of with a code.
        os._exit(code)
    return code


def _guarded(arguments: list[str]) -> int:
    """The exit code of `_run`, whatever ends it; all output is written when this returns."""
    try:
        try:
            code = _run(arguments)
        except SystemExit as end:  # argparse: 0 after help, 2 after a wrong option
            code = end.code if isinstance(end.code, int) else 2
        except LwipscopeError as error:
            print(f"lwipscope: {error}", file=sys.stderr)
            code = error.exit_code
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        interrupts.hang_up()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        print("\nlwipscope: interrupted", file=sys.stderr, flush=True)
        return INTERRUPTED
    except BrokenPipeError:
        # `| head`: what follows would say the same again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        interrupts.hang_up()
        print(f"lwipscope: the system refused: {error}", file=sys.stderr)
        return Inconclusive.exit_code


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="lwipscope",
        description="Watch and check every TCP state of a board whose stack is lwIP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lwipscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    # nc's flags are its own, and its -h too.
    if arguments[:1] == ["nc"]:
        return int(importlib.import_module("lwipscope.cli.nc").run_flags(arguments[1:]))
    if chosen in COMMANDS:
        importlib.import_module(f"lwipscope.cli.{COMMANDS[chosen][0]}").add(commands)
    else:
        for name, (_, about) in COMMANDS.items():
            commands.add_parser(name, help=about)
    options = parser.parse_args(arguments)
    if not options.command:
        parser.print_help()
        return 2
    return int(options.run(options))
