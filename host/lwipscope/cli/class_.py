"""`lwipscope class pack`: one file with which a class installs lwipscope without network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lwipscope.classroom.bundle import INSTALLER, TOP, write_bundle


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "class",
        help="make one file with which a class installs lwipscope without network",
        description="For teachers: what a class needs, as one file.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    packing = verbs.add_parser(
        "pack",
        help="write the bundle",
        description="Writes one zip file with lwipscope and all that it needs as wheels, the "
        "firmware of both profiles, lessons and exercises. It is made from what is installed "
        "here; nothing is fetched. Students need Python 3.11 or newer on a system like this one, "
        "and QEMU.",
        epilog=f"Students unpack it and type: python3 {TOP}/{INSTALLER}",
    )
    packing.add_argument("file", type=Path, help="the file to write, as in class.zip")
    packing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make it, and say what to do with it."""
    shown = sys.stderr.isatty()

    def progress(text: str) -> None:
        if shown:
            print(f"{text} ...", file=sys.stderr, flush=True)

    bundle = write_bundle(options.file, progress)
    print(f"{bundle.file}: {bundle.size / 1e6:.1f} MB")
    print(f"  wheels    {', '.join(name.split('-')[0] for name in bundle.wheels)}")
    print(f"  firmware  {', '.join(bundle.firmware)}")
    print(f"students: unzip {bundle.file.name} && python3 {TOP}/{INSTALLER}")
    return 0
