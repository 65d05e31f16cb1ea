"""`lwipscope firmware overlay DIR`: the tracer for another MicroPython port's firmware."""

from __future__ import annotations

import argparse
from pathlib import Path

from lwipscope.cli.progress import ProgressLine
from lwipscope.firmware import overlay


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "overlay",
        help="write the tracer as a user C module for other ports (rp2, esp32)",
        description="Writes DIR/tcptrace: the tracer as a MicroPython user C module, copies of "
        "lwIP's files that call it, and README.md, which says step by step how a port is built "
        "with it. Compiled in tests for Cortex-M0+ and RISC-V; not run on hardware.",
        epilog="The copies must be made of the lwIP that the port compiles: for rp2 "
        "MICROPYTHON/lib/lwip, for esp32 ESP-IDF/components/lwip/lwip. Nothing is written there.",
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder that gets tcptrace/")
    parser.add_argument("--lwip", type=Path, metavar="TREE", help="lwIP's tree (has src/core)")
    parser.add_argument(
        "--micropython", type=Path, metavar="TREE", help="MicroPython's tree (has extmod)"
    )
    parser.set_defaults(run=run_overlay)


def run_overlay(options: argparse.Namespace) -> int:
    """Write the folder and say what to do with it."""
    progress = ProgressLine()
    try:
        made = overlay.write(
            options.dir, lwip=options.lwip, micropython=options.micropython, progress=progress
        )
    finally:
        progress.done()
    names = ", ".join(path.name for path in made.copies)
    print(f"module:  {made.module}")
    print(f"copies:  {names}; {made.stores} state stores call the tracer")
    print(f"next:    USER_C_MODULES={made.module / 'micropython.cmake'}")
    print(f"         step by step: {made.module / 'README.md'} (not run on hardware)")
    return 0
