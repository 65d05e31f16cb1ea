"""Parses the command line, runs a command, turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from lwipscope import __version__
from lwipscope.errors import LwipscopeError

_EPILOG = """\
A first look:       lwipscope demo
Your own program:   lwipscope run app.py        then, in another terminal: nc 127.0.0.1 6666
With mpremote:      lwipscope start             it prints the serial port to connect to

Exit codes: 0 all as expected, 1 mismatch, 2 usage, 3 no board, 4 board lost or evidence
incomplete, 130 interrupted.
"""

# Name of the command, and module of this package (a command imports what it needs, no more).
_COMMANDS = {
    "demo": "demo",
    "run": "run",
    "start": "start",
    "watch": "watch",
    "shell": "shell",
    "nc": "nc",
    "boards": "boards",
    "firmware": "firmware",
    "setup": "setup",
    "bench": "bench",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="lwipscope",
        description="Watch and check every TCP state of a board whose stack is lwIP.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lwipscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    for name, module_name in _COMMANDS.items():
        # `lwipscope --help` lists all; anything else needs one.
        if chosen in ("", name) or chosen not in _COMMANDS:
            module = importlib.import_module(f"lwipscope.cli.{module_name}")
            module.add(commands)
    # nc's flags are its own, and its -h too.
    if chosen == "nc" and arguments[0] == "nc":
        return _run(lambda: importlib.import_module("lwipscope.cli.nc").run_flags(arguments[1:]))
    options = parser.parse_args(arguments)
    if not options.command:
        parser.print_help()
        return 2
    return _run(lambda: options.run(options))


def _run(call: object) -> int:
    assert callable(call)
    # Ends like Ctrl-C: everything is closed on the way out.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        code = call()
        sys.stdout.flush()
        return int(code)
    except LwipscopeError as error:
        print(f"lwipscope: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nlwipscope: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `| head`: what follows would say the same again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
