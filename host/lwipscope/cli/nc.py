"""`lwipscope nc`: a netcat for machines that have none, with the flags of the usual articles."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lwipscope.peer.stdnc import run_nc


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command; its flags are parsed by the netcat itself."""
    commands.add_parser(
        "nc",
        help="a netcat of our own: -l -p PORT, -N, -k, -v, -z, -w, -q",
        add_help=False,
    )


def run_flags(flags: Sequence[str]) -> int:
    """Run it."""
    return run_nc(list(flags))
