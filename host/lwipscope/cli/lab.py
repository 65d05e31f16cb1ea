"""`lwipscope lab`: a board, its network and peers to play with, on a local page or at a prompt."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import sys
import webbrowser
from pathlib import Path
from typing import Any

from lwipscope.board.board_file import BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.running import announced
from lwipscope.cli.common import (
    NETWORK,
    add_board_options,
    add_log_option,
    firmware_of,
    style,
)
from lwipscope.errors import UsageError
from lwipscope.lab.lab import Lab
from lwipscope.lab.prompt import Prompt, rendered
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.lang import Lang, add_lang_option, console_lang

_IDLE_MINUTES = 60.0
_EPILOG = """\
A first exchange at the prompt (lwipscope lab --terminal):
  board listen 6666                       in another terminal: nc 127.0.0.1 6666
  board accept s1
  board close s2                          the board closes first: FIN_WAIT_1, FIN_WAIT_2
  raw connect 6666 withhold-ack           a peer that leaves the board in SYN_RCVD
  time until CLOSED                       board time moves; nobody has to wait
  help

From a script, each line with its answer; exit code 1 if one of them failed:
  printf 'board listen 6666\\nraw connect 6666\\ntable\\n' | lwipscope lab --terminal
Your own MicroPython file on the lab's board:
  lwipscope lab script app.py

Everything is recorded: lab.lwiprun in the folder that is printed at the end is for
`lwipscope show`, `lwipscope report` and `lwipscope lesson check`.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "lab",
        help="a lab bench: a board, nc and raw peers to play with, every state in sight",
        description="Starts the emulated board and its network, and opens a page on this machine\n"
        "(loopback only) on which the board, nc-style peers and raw peers obey buttons and lines.\n"
        "With --terminal the same lines at a prompt. Your own nc in other terminals works beside.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="*", metavar="LINE", help="a first line to do, such as: script app.py"
    )
    parser.add_argument("--terminal", action="store_true", help="a prompt instead of the page")
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="the page's port [a free one]"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    parser.add_argument(
        "--idle-minutes",
        type=_minutes,
        default=_IDLE_MINUTES,
        metavar="M",
        help=f"end when nothing was done for so long; 0: never [{_IDLE_MINUTES:g}]",
    )
    add_lang_option(parser)
    add_board_options(parser)
    add_log_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Until it is ended, or left alone."""
    lang = console_lang(options.lang)
    tr = translator(lang)
    board_file = BoardFile.load(options.board)
    firmware = firmware_of(options, board_file)
    folder = _folder(options.log_dir)
    code = 0
    with Keeper.start(NETWORK[options.wire]) as keeper:
        lab = Lab(
            keeper,
            lambda: EmulatedBoard(board_file, firmware.elf, keeper),
            folder=folder,
            tr=tr,
        )
        with lab, announced(lab.board_name, lab.serial, keeper):
            try:
                code = _use(lab, options, lang, tr)
            except KeyboardInterrupt:
                print()
    print(tr("ended; the run: lwipscope show {path}", path=folder / "lab.lwiprun"), flush=True)
    for problem in lab.problems:
        print(f"lwipscope: {problem}", file=sys.stderr)
    return code


def _use(lab: Lab, options: argparse.Namespace, lang: Lang, tr: Translator) -> int:
    idle_s = options.idle_minutes * 60 or None
    print(lab.describe, flush=True)
    first = " ".join(options.words)
    if options.terminal:
        prompt = Prompt(lab, tr, style(), idle_s)
        if first:
            prompt.do(first)
        print(tr("`help` tells the verbs, Tab completes, Ctrl-D ends"), flush=True)
        return prompt.run()
    if first:
        print(rendered(lab.do(first), tr, style()), end="", flush=True)

    def ready(server: Any) -> None:
        print(tr("the lab's page: {url}", url=server.url))
        print(tr("Ctrl-C ends it"), flush=True)
        if not options.no_browser:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(server.url)

    server = importlib.import_module("lwipscope.lab.server")
    why = server.serve(lab, options.port, lang, idle_s, ready=ready)
    if why == "idle":
        print(tr("nobody has used the lab for a while: it ends"))
    return 0


def _folder(wanted: Path | None) -> Path:
    """A new folder, also where two labs begin in the same second."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    base = Path("lwipscope-logs")
    try:
        if wanted is not None:
            wanted.mkdir(parents=True, exist_ok=True)
            return wanted
        base.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = base / (f"lab-{now}" if number == 1 else f"lab-{now}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        where = wanted or base
        raise UsageError(f"{where}: can't be made: {error.strerror}; try --log-dir") from error
    raise UsageError(f"{base}: a thousand labs began in this second; try --log-dir")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= 100_000:
        raise argparse.ArgumentTypeError(f"expected minutes, 0 or more, not {text!r}")
    return minutes
