"""`lwipscope doctor`: what is missing here, and the command that gets it."""

from __future__ import annotations

import argparse

from lwipscope.cli.common import style
from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.errors import NoBoard

_EPILOG = """\
Marks: ✓ fine, ! something can't be done or may go wrong, ✗ stands in the way of a board,
- not looked at. The table tells which states a board can be held in: now, with CAP_NET_RAW
(raw), or never on its stack.
No packet is sent to any network, no serial port is opened, nothing is changed.

Exit codes: 0 a board can be used (also with warnings), 2 usage, 3 no board can be used: not
the one that was named, or none at all.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor",
        help="check this machine, its boards and the network between",
        description="Looks at tools, rights, cache, serial ports and network, and names the\n"
        "command that helps on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--board", metavar="NAME", help="look at what this board needs only")
    which.add_argument(
        "--port", metavar="DEVICE", help="a real board's serial device, such as /dev/ttyUSB0"
    )
    parser.add_argument(
        "--ip", metavar="ADDRESS", help="a real board's IPv4 address, to judge the network"
    )
    add_json_option(parser, "doctor")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, tell."""
    # Only now: `lwipscope --help` declares this command too.
    from lwipscope.doctor import page
    from lwipscope.doctor.examination import Target, collect, examine

    target = Target.of(options.board, options.port, options.ip)
    report = examine(collect(target), target)
    code = 0 if report.usable else NoBoard.exit_code
    if options.json:
        print_json("doctor", page.data(report, code))
    else:
        for line in page.lines(report, style()):
            print(line)
    return code
