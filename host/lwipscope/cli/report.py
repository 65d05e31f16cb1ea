"""`lwipscope report`: a run, or a folder of runs, as HTML files that need nothing else."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from urllib.parse import quote

from lwipscope.cli.diagram import write
from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.report import html, index_page
from lwipscope.runfile.model import SUFFIX, Run

_EPILOG = f"""\
Runs are saved as *{SUFFIX} in the log folder of each command, and beside what a test leaves.

  lwipscope report lwipscope-logs/.../NAME{SUFFIX} -o run.html
  lwipscope report lwipscope-logs/demo-... -o index.html       one page for each run, and an index

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
    parser.add_argument("run_file", metavar="RUN", type=Path, help="a run file, or a folder")
    parser.add_argument(
        "-o", dest="output", metavar="FILE", type=Path, help="(default: RUN.html, or index.html)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write."""
    source: Path = options.run_file
    if source.is_dir():
        output = options.output or source / "index.html"
        print(f"wrote {output} and {_folder(source, output)} reports beside it")
        return 0
    output = options.output or source.with_suffix(".html")
    write(output, html.page(Run.load(source)))
    print(f"wrote {output}")
    return 0


def _folder(source: Path, output: Path) -> int:
    """A report for each run, and the index; says how many there are."""
    files = sorted(source.rglob(f"*{SUFFIX}"))
    if not files:
        raise UsageError(
            f"{source}: expected a folder with run files (*{SUFFIX}), found none; `lwipscope demo` "
            "and `lwipscope run-scenario` make such folders"
        )
    linked: list[tuple[str, Run]] = []
    broken: list[tuple[Path, str]] = []
    used: set[str] = {output.name}
    for file in files:
        try:
            loaded = Run.load(file)
        except LwipscopeError as error:
            broken.append((file, str(error)))
            continue
        name = _free(re.sub(r"[^\w.-]+", "-", file.name.removesuffix(SUFFIX)) or "run", used)
        write(output.parent / name, html.page(loaded))
        linked.append((quote(name), loaded))
    write(output, index_page.index_page(linked, broken))
    return len(linked)


def _free(stem: str, used: set[str]) -> str:
    """A file name that no other report has."""
    name, number = f"{stem}.html", 2
    while name in used:
        name, number = f"{stem}-{number}.html", number + 1
    used.add(name)
    return name
