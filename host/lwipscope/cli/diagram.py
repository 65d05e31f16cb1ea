"""`lwipscope diagram`: the state diagram of a stack, as SVG or Mermaid."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lwipscope.board.board_file import read
from lwipscope.cli.run_files import LOGS, the_run
from lwipscope.errors import UsageError
from lwipscope.report import mermaid, svg
from lwipscope.report.diagram import Diagram, diagram_of
from lwipscope.runfile.model import SUFFIX, Run
from lwipscope.tcp.graph import PROFILES, graph_of
from lwipscope.trace.legality import coverage

_EPILOG = """\
The picture is drawn from the same edges that judge the runs. In the SVG each arrow tells, when
pointed at, all the edges that it stands for, with their sources.

  lwipscope diagram -o lwip.svg                          the emulated board's stack
  lwipscope diagram --stack rfc9293 -o rfc.svg           as the RFC has it
  lwipscope diagram --compare -o both.svg                what only one of them has
  lwipscope diagram --run -o seen.svg                    what the newest run took
  lwipscope diagram --run lwipscope-logs/.../NAME.lwiprun -o seen.svg
  lwipscope diagram -o states.mmd                        Mermaid, for a README
"""

_DEFAULT_STACK = "modlwip-2.2.1"
_NEWEST = Path("-newest-")  # no file's name on a command line: it begins as an option does


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diagram",
        help="draw the states and edges of a stack, or those that a run took",
        description="Draws the eleven states and every edge of a stack.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--board", metavar="NAME", help="the stack of this board")
    which.add_argument("--stack", choices=PROFILES, help=f"this stack (default: {_DEFAULT_STACK})")
    parser.add_argument(
        "--run",
        dest="run_file",
        nargs="?",
        const=_NEWEST,
        metavar="RUN",
        type=Path,
        help=f"a run file (*{SUFFIX}), without a name the newest in {LOGS}/: what it took is "
        "coloured and counted, the rest is grey",
    )
    parser.add_argument(
        "--compare", action="store_true", help="RFC 9293 and the stack in one picture (SVG)"
    )
    parser.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        type=Path,
        help="FILE.svg or FILE.mmd (default: SVG to the standard output)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw."""
    output: Path | None = options.output
    suffix = output.suffix.lower() if output is not None else ".svg"
    if suffix not in (".svg", ".mmd"):
        raise UsageError(f"{output}: expected a name that ends in .svg or .mmd")
    if options.compare and suffix == ".mmd":
        raise UsageError("Mermaid can't show a comparison: use -o FILE.svg")
    loaded = None
    if options.run_file is not None:
        loaded = the_run(None if options.run_file == _NEWEST else options.run_file)[1]
    profile = _profile(options, loaded)
    if options.compare and not graph_of(profile).exact:
        raise UsageError(f"{profile}: nothing is known beside RFC 9293, so nothing to compare")
    diagram, subtitle = _diagram(profile, loaded)
    if suffix == ".mmd":
        text = mermaid.text(diagram)
    else:
        text = svg.picture(diagram, compare=options.compare, subtitle=subtitle)
    if output is None:
        # What the terminal's encoding does not know is a character reference: it stays SVG.
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "xmlcharrefreplace").decode(encoding))
        return 0
    write(output, text)
    print(f"wrote {output}")
    return 0


def write(path: Path, text: str) -> None:
    """Write a file that a person named."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error


def _profile(options: argparse.Namespace, loaded: Run | None) -> str:
    if options.stack:
        return str(options.stack)
    if options.board:
        found = read(options.board)[1].get("lwip", {}).get("stack_profile", "unknown")
        return found if found in PROFILES else "unknown"
    if loaded is not None and loaded.lives:
        return loaded.lives[-1].profile
    return _DEFAULT_STACK


def _diagram(profile: str, loaded: Run | None) -> tuple[Diagram, str]:
    """The diagram, and what stands below its title."""
    if loaded is None:
        return diagram_of(profile), ""
    graph = graph_of(profile)
    total = coverage((), graph)
    for life in loaded.lives:
        total += coverage(life.plain_events, graph)
    problems = loaded.problems()
    gap = f"; incomplete: {problems[0]}" if problems else ""
    return diagram_of(profile, total.counts), f"{loaded.about.name}: {total.text()}{gap}"
