"""`lwipscope show [RUN]`: an old run in the terminal, as ladder, as tcpdump, as JSON; explained."""

from __future__ import annotations

import argparse
import re
import shutil
import sys

from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.cli.run_files import LOGS, add_run_argument, the_run
from lwipscope.errors import Inconclusive, UsageError
from lwipscope.report.explain import explain, verdict_explained
from lwipscope.report.ladder import LEAST_WIDTH, WIDTH
from lwipscope.report.run_json import run_json
from lwipscope.report.run_text import run_text
from lwipscope.report.style import Style
from lwipscope.report.tcpdump_text import Flags, tcpdump_lines
from lwipscope.runfile.model import SUFFIX, Run
from lwipscope.words.lang import add_lang_option, console_lang

_EXAMPLES = f"""\
examples:
  lwipscope show                                  the newest run: ladder, path, verdict
  lwipscope show {LOGS}/demo-1/x{SUFFIX} --connection c3
  lwipscope show --tcpdump -n                     as tcpdump -n, with the board's state behind #
  lwipscope show --tcpdump -SAl                   absolute numbers, and the bytes as text
  lwipscope show --explain 5                      the fifth frame: its fields, and what it caused
  lwipscope show --explain FIN_WAIT_2             a state: ways in, ways out, with their sources
  lwipscope show --explain 'SYN_SENT > ESTABLISHED'
  lwipscope show --explain TIME_WAIT --lang zh    in Chinese

In the ladder the board is on the right; the other end's states, on the left, are deduced from its
segments by RFC 9293's rules. Exit code: 0, or 4 if the run's evidence is incomplete.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "show",
        help="show a recorded run: ladder, tcpdump's lines, explanations",
        description="Shows a run from its file: segments with both ends' states side by side.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_run_argument(parser)
    parser.add_argument("--connection", metavar="cN", help="this connection only, as in c3")
    parser.add_argument(
        "--width",
        type=int,
        metavar="N",
        help=f"columns, {LEAST_WIDTH} at least (the terminal's; {WIDTH} in files)",
    )
    parser.add_argument("--console", action="store_true", help="with what the board printed")
    add_json_option(parser, "run", what="everything, as JSON")
    parser.add_argument(
        "--explain", metavar="WHAT", help="a segment's number, a state, an edge, a verdict"
    )
    add_lang_option(parser)
    dump = parser.add_argument_group("as tcpdump")
    dump.add_argument(
        "--tcpdump", action="store_true", help="tcpdump's lines instead of the ladder"
    )
    dump.add_argument("-n", action="store_true", help="ports as numbers")
    dump.add_argument("-S", action="store_true", help="absolute sequence numbers")
    dump.add_argument("-A", action="store_true", help="the packets' bytes as text")
    dump.add_argument("-l", action="store_true", help="line by line, as always here")
    dump.add_argument("-t", action="count", default=0, help="no times; -tt: seconds since 1970")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    if not options.tcpdump and (options.n or options.S or options.A or options.t or options.l):
        raise UsageError("-n, -S, -A, -l and -t are tcpdump's: add --tcpdump")
    if options.tcpdump and (options.json or options.explain):
        raise UsageError("--tcpdump, --json and --explain are different things: choose one")
    if options.width is not None and not LEAST_WIDTH <= options.width <= 1000:
        raise UsageError(f"--width {options.width}: from {LEAST_WIDTH} to 1000 columns")
    if options.explain and options.run_file is None:
        shown = _newest_if_any()
    else:
        _, shown = the_run(options.run_file)
    dress = Style.of(sys.stdout)
    if options.explain:
        lang = console_lang(options.lang)
        text = explain(options.explain, shown, lang)
        # Chinese goes out as it is: its encoding has been looked at.
        print(text if lang == "zh" else dress.plain(text))
        return 0
    assert shown is not None
    conn = _connection(options.connection, shown)
    if options.json:
        print_json("run", run_json(shown, conn))
    elif options.tcpdump:
        flags = Flags(options.n, options.S, options.A, options.t)
        for line in tcpdump_lines(shown, flags):
            print(line)
    else:
        width = options.width or _width()
        print(run_text(shown, dress, width=width, conn=conn, console=options.console))
        if (lang := console_lang(options.lang)) != "en":
            print(verdict_explained(shown.about.verdict, lang))
    if shown.cut:
        print(f"lwipscope: {shown.cut}; what is there is shown", file=sys.stderr)
    return Inconclusive.exit_code if shown.problems() else 0


def _newest_if_any() -> Run | None:
    """States and edges can be explained without a run."""
    try:
        return the_run(None)[1]
    except UsageError:
        return None


def _width() -> int:
    if not sys.stdout.isatty():
        return WIDTH
    return min(WIDTH, max(LEAST_WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def _connection(text: str | None, run_: Run) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"c?([0-9]{1,9})", text)
    if found is None:
        raise UsageError(f"--connection {text}: a connection is called c3, or 3")
    conn = int(found[1])
    there = [c.id for life in run_.lives for c in life.connections]
    if conn not in there:
        listed = ", ".join(f"c{each}" for each in dict.fromkeys(there)) or "none"
        raise UsageError(f"this run has no connection c{conn}; it has {listed}")
    return conn
