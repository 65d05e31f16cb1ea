"""`lwipscope report`: a run, or a folder of runs, as HTML files that need nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lwipscope.cli.diagram import write
from lwipscope.cli.progress import ProgressLine
from lwipscope.cli.run_files import LOGS, run_path, the_run, working_on
from lwipscope.errors import Inconclusive, UsageError
from lwipscope.report import html
from lwipscope.report.index_files import Source, write_index
from lwipscope.runfile.model import SUFFIX

_EPILOG = f"""\
Runs are saved as *{SUFFIX} in the log folder of each command, and beside what a test leaves.

  lwipscope report -o run.html                                 the newest run
  lwipscope report lwipscope-logs/.../NAME{SUFFIX} -o run.html
  lwipscope report lwipscope-logs/demo-... -o index.html       one page for each run, and an index
  pytest --lwip-report out/index.html                          the same of a test session

The page is stepped with the arrow keys, Home, End and space; / filters. #t=17 in its address is
moment 17. It loads nothing, so that it can be sent to anybody.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report",
        help="show a run as one HTML file, to be stepped through",
        description="Writes a run as one HTML file: both ends' state diagrams, and the ladder of "
        "segments between them. A folder of runs gets an index.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_file",
        nargs="?",
        metavar="RUN",
        type=Path,
        help=f"a run file, or a folder: all runs in it (default: the newest run in {LOGS}/)",
    )
    parser.add_argument(
        "-o", dest="output", metavar="FILE", type=Path, help="(default: RUN.html, or index.html)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write."""
    source = options.run_file or run_path(None)
    if source.is_dir():
        output = options.output or source / "index.html"
        count = _folder(source, output)
        print(f"wrote {output} and {count} report{'' if count == 1 else 's'} beside it")
        return 0
    output = options.output or source.with_suffix(".html")
    source, loaded = the_run(source)
    with working_on(source, "drawing"):
        write(output, html.page(loaded))
    print(f"wrote {output}")
    for problem in loaded.problems():
        print(f"the evidence is incomplete: {problem}", file=sys.stderr)
    return Inconclusive.exit_code if loaded.cut else 0


def _folder(source: Path, output: Path) -> int:
    """A report for each run, and the index; says how many there are."""
    files = sorted(source.rglob(f"*{SUFFIX}"))
    if not files:
        raise UsageError(
            f"{source}: expected a folder with run files (*{SUFFIX}), found none; `lwipscope demo` "
            "and `lwipscope run-scenario` make such folders"
        )
    with ProgressLine() as progress:
        counted = progress.each(files, "writing reports", len(files))
        return write_index(output, map(Source, counted))
