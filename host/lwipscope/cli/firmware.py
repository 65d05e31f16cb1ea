"""`lwipscope firmware build|pack|use|overlay`: the emulated boards' firmware, and other ports'."""

from __future__ import annotations

import argparse
from pathlib import Path

from lwipscope.cli import overlay
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import UsageError
from lwipscope.firmware import build, pack, selection
from lwipscope.firmware.firmware import PROFILES, Firmware


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its verbs."""
    parser = commands.add_parser(
        "firmware",
        help="build, pack or use the emulated boards' firmware",
        description="MicroPython and lwIP come from Debian's source packages, pinned by SHA-256, "
        "and are compiled unmodified with the tracer beside them.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    building = verbs.add_parser(
        "build",
        help="build it; a second build with the same inputs is free",
        description="Builds one profile, in the cache: nothing is written into the checkout. The "
        "same inputs give the same bytes on every machine.",
        epilog="People who change lwIP or MicroPython build their own tree with --unpinned and "
        "run the result with --firmware FILE of run, run-scenario and others: a path is judged "
        "as ever, but nothing is held to be verified about that stack.",
    )
    building.add_argument("--profile", choices=PROFILES, default="roomy", help="lwIP's sizes")
    building.add_argument(
        "--sources",
        type=Path,
        metavar="DIR",
        help="take MicroPython and lwIP from here instead of from Debian's mirror (verified)",
    )
    building.add_argument(
        "--unpinned",
        action="store_true",
        help="take what is in --sources DIR as it is: an lwIP tree, a MicroPython tree, or a "
        "folder with both, of any content",
    )
    building.add_argument(
        "--no-workarounds",
        dest="workarounds",
        action="store_false",
        help="leave MicroPython's defects in",
    )
    building.add_argument(
        "--without-tracer",
        dest="tracer",
        action="store_false",
        help="as firmware that others publish: its states are seen by the memory probe only; "
        "never run unless it is named",
    )
    building.add_argument(
        "--grading",
        action="store_true",
        help="for judging programs of other people: no way for them to touch memory, to hold back "
        "or forge what the tracer tells, or to move time; never run unless it is named",
    )
    building.add_argument("-o", "--out", type=Path, metavar="DIR", help="also copy the result here")
    building.add_argument("-j", "--jobs", type=int, metavar="N", help="compile N files at once")
    building.set_defaults(run=run_build)
    packing = verbs.add_parser(
        "pack",
        help="write ELF and provenance as one file",
        description="Writes the firmware, built first if need be, as one file with its provenance, "
        "for machines without a compiler: lwipscope firmware use FILE.",
    )
    packing.add_argument("file", type=Path, help="the file to write")
    packing.add_argument("--profile", choices=PROFILES, default="roomy", help="lwIP's sizes")
    packing.add_argument(
        "--grading",
        action="store_true",
        help="the firmware for judging programs of other people (firmware build --grading); name "
        "the file where it is wanted",
    )
    packing.set_defaults(run=run_pack)
    using = verbs.add_parser(
        "use",
        help="verify a packed firmware and use it; needs no compiler",
        description="Verifies a file that `firmware pack` wrote and makes it the firmware of its "
        "profile from now on, for this user. Needs no compiler. `--built` takes that back.",
    )
    which = using.add_mutually_exclusive_group(required=True)
    which.add_argument("file", type=Path, nargs="?", help="a file that `firmware pack` wrote")
    which.add_argument(
        "--built", action="store_true", help="use what is built here again, in all profiles"
    )
    using.set_defaults(run=run_use)
    overlay.add(verbs)


def run_build(options: argparse.Namespace) -> int:
    """Build one profile."""
    if options.unpinned and options.sources is None:
        raise UsageError("--unpinned needs a folder with the sources: --sources DIR")
    progress = ProgressLine()
    try:
        firmware = build.build(
            options.profile,
            sources=options.sources,
            as_it_is=options.unpinned,
            workarounds=options.workarounds,
            tracer=options.tracer,
            grading=options.grading,
            out=options.out,
            jobs=options.jobs,
            progress=progress,
        )
    finally:
        progress.done()
    _tell(firmware)
    return 0


def run_pack(options: argparse.Namespace) -> int:
    """Build if need be, then pack."""
    progress = ProgressLine()
    try:
        firmware = selection.choose(options.profile, grading=options.grading, progress=progress)
    finally:
        progress.done()
    print(f"packed: {pack.pack(firmware, options.file)}")
    _tell(firmware)
    return 0


def run_use(options: argparse.Namespace) -> int:
    """Verify and install, or take that back."""
    if options.built:
        forgotten = [profile for profile in PROFILES if pack.forget(profile)]
        told = f"no longer in use: the pack for {', '.join(forgotten)}; " if forgotten else ""
        print(f"{told}the firmware that is built from the sources is in use")
        return 0
    firmware = pack.use(options.file)
    print(f"in use for profile {firmware.profile}: {options.file}")
    _tell(firmware)
    return 0


def _tell(firmware: Firmware) -> None:
    print(f"ELF:        {firmware.elf}")
    print(f"provenance: {firmware.elf.with_name('provenance.json')}")
    print(f"build id:   {firmware.build_id}")
    for remark in firmware.remarks():
        print(f"remark:     {remark}")
