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

# Name of the command, and module of this package (a command imports what it needs, no more).
_COMMANDS = {
    "demo": "demo",
    "scenarios": "scenarios",
    "run-scenario": "run_scenario",
    "tour": "tour",
    "run": "run",
    "start": "start",
    "watch": "watch",
    "clock": "clock",
    "shell": "shell",
    "nc": "nc",
    "boards": "boards",
    "firmware": "firmware",
    "layout": "layout",
    "setup": "setup",
    "doctor": "doctor",
    "bench": "bench",
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
    for name, module_name in _COMMANDS.items():
        # `lwipscope --help` lists all; anything else needs one.
        if chosen == name or chosen not in _COMMANDS:
            importlib.import_module(f"lwipscope.cli.{module_name}").add(commands)
    options = parser.parse_args(arguments)
    if not options.command:
        parser.print_help()
        return 2
    return int(options.run(options))
