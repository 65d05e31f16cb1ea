"""`lwipscope setup`: installs the tools that are missing and builds the firmware, once."""

from __future__ import annotations

import argparse

from lwipscope import toolchain
from lwipscope.cli.progress import ProgressLine
from lwipscope.firmware.firmware import PROFILES
from lwipscope.firmware.selection import choose


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "setup",
        help="install what is missing and build the firmware",
        description="Installs missing Debian packages (as root or with sudo; elsewhere it names "
        "them), gets the sources and builds the firmware. A second run does nothing.",
    )
    parser.set_defaults(run=run)


def run(_options: argparse.Namespace) -> int:
    """Idempotent."""
    progress = ProgressLine()
    try:
        installed = toolchain.install_missing(progress)
        for profile in PROFILES:
            choose(profile, progress=progress)
    finally:
        progress.done()
    if installed:
        print(f"installed: {' '.join(installed)}")
    return 0
