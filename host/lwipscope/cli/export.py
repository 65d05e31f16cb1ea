"""`lwipscope export [RUN] -o FILE`: a run in other tools' formats, or as a bug report."""

from __future__ import annotations

import argparse
from pathlib import Path

from lwipscope.cli.run_files import add_run_argument, the_run, working_on
from lwipscope.errors import Inconclusive, UsageError
from lwipscope.firmware import images
from lwipscope.firmware.firmware import PROVENANCE_NAME, Firmware
from lwipscope.report.bug_report import write_bug_report
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import Run


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export",
        help="write a run as pcapng, for Wireshark, tshark and tcpdump",
        description="Writes the frames of a run as pcapng. The board's transitions are comments "
        "on the packets that caused them; the file's comment names run, verdict and board.",
        epilog='Then: wireshark run.pcapng; tshark -r run.pcapng -Y "frame.comment contains '
        'TIME_WAIT"; tcpdump -n -r run.pcapng',
    )
    add_run_argument(parser)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("-o", "--output", type=Path, metavar="FILE", help="NAME.pcapng")
    target.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="a bug report for maintainers instead: README.md with versions, options and what was "
        "expected, run.pcapng, ladder.txt, and two plain scripts that repeat it",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write it, say what is in it."""
    if options.report is not None:
        return _report(options)
    if options.output.suffix != ".pcapng":
        raise UsageError(f"{options.output}: expected a name that ends with .pcapng")
    path, loaded = the_run(options.run_file)
    with working_on(path, "exporting"):
        write_pcapng(loaded, options.output)
    frames = sum(len(life.wire) for life in loaded.lives)
    print(
        f"{options.output}: {frames} frames of {path.name}, {loaded.about.verdict or 'not judged'}"
    )
    for problem in loaded.problems():
        print(f"the evidence is incomplete: {problem}")
    return Inconclusive.exit_code if loaded.cut else 0


def _report(options: argparse.Namespace) -> int:
    path, loaded = the_run(options.run_file)
    firmware = _firmware_of(loaded)
    with working_on(path, "writing the bug report of"):
        steps = write_bug_report(loaded, options.report, firmware.provenance if firmware else None)
    print(f"{options.report}/: bug report of {path.name}; begin with README.md")
    for limit in steps.limits:
        print(f"  the scripts can't repeat all of it: {limit}")
    return Inconclusive.exit_code if loaded.cut else 0


def _firmware_of(loaded: Run) -> Firmware | None:
    """The image that ran, by the build that the board named, if it is still in the cache."""
    build = loaded.lives[0].fields.get("build", "") if loaded.lives else ""
    names = sorted(path.parent.name for path in images.folder().glob(f"*/{PROVENANCE_NAME}"))
    found = (images.find(name) for name in names if build)
    return next((image for image in found if image and image.build_id == build), None)
