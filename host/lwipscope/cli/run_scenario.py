"""`lwipscope run-scenario`: plays one scenario and shows it; for `git bisect run`, too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lwipscope.board.emulated import StartOptions
from lwipscope.cli.common import (
    add_board_options,
    add_log_option,
    bench,
    describe,
    log_folder,
    style,
)
from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import (
    DeadlineExceeded,
    Inconclusive,
    LwipscopeError,
    UsageError,
    WireUnavailable,
)
from lwipscope.report.exchange import shown
from lwipscope.report.explain import verdict_explained
from lwipscope.scenario.defects import require_firmware
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.network import Network
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import NEED_TEXTS, Need, Scenario
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.rule_text import EXAMPLES, parse_rule
from lwipscope.words.lang import add_lang_option, console_lang

CANNOT_TELL = 125
_WITH_A_CLOCK: tuple[Need, ...] = ("nc", "kernel")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run-scenario",
        help="play one scenario of the library and show it",
        description="Plays one scenario on a fresh board: segments and states side by side, the\n"
        "path, and the verdict. `lwipscope scenarios` lists the names.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="the scenario")
    parser.add_argument(
        "--bisect",
        action="store_true",
        help="exit codes for `git bisect run`: 0 good, 1 bad, 125 cannot tell",
    )
    parser.add_argument(
        "--trouble",
        action="append",
        default=[],
        metavar="RULE",
        help="what happens to segments under way, see below; may be given several times, the "
        "first rule that applies decides",
    )
    parser.add_argument(
        "--clock",
        choices=("running", "manual"),
        default="running",
        help="manual: board time stands still unless the scenario moves it, so that every run is "
        "the same; only for scenarios without nc or a kernel socket (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=_natural,
        default=None,
        metavar="N",
        help="of rules with p= (default: 0), and of the board's random numbers with the manual "
        "clock (default: 1)",
    )
    parser.add_argument(
        "--number",
        type=_natural,
        default=None,
        metavar="N",
        help="the first half of the boot id, for the manual clock (default: 1)",
    )
    add_lang_option(parser)
    add_board_options(parser)
    add_log_option(parser)
    parser.set_defaults(run=run)


def _epilog() -> str:
    width = max(len(rule) for rule, _ in EXAMPLES)
    examples = "\n".join(
        f"  --trouble {f'{rule!r}':<{width + 2}}  {what}" for rule, what in EXAMPLES
    )
    return (
        "A RULE is what happens (drop, delay, duplicate, reorder) and to which segments: a number\n"
        "(only that one of those that fit, counted from 1), flags as tcpdump writes them,\n"
        "to-board or from-board, data or no-data, ip=, port=, p= (by chance); delay has by=,\n"
        "duplicate copies=.\n\n"
        f"{examples}\n\n"
        "The scenario is judged as ever, though lost segments may well change the path. The rules\n"
        "change no clock: the other end's TCP repeats in real time, and so does the board, after\n"
        "0.5 to 3 s, unless the scenario moves its time. A step that takes more than 5 s fails."
    )


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 999999999")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Play, print, judge."""
    if not options.bisect:
        return _play(options).exit_code
    try:
        verdict = _play(options)
    except (LwipscopeError, OSError) as error:
        # Whatever it is, it says nothing about the tree: git would take any other code for bad.
        print(f"lwipscope: {error}", file=sys.stderr)
        return CANNOT_TELL
    return {Verdict.PASS: 0, Verdict.FAIL: 1}.get(verdict, CANNOT_TELL)


def _play(options: argparse.Namespace) -> Verdict:
    scenario = scenario_named(options.name)
    rules = [parse_rule(text) for text in options.trouble]
    _need_board(scenario, options)
    start = _start_options(scenario, options)
    dress = style()
    with _answering(), bench(options, start) as on:
        require_firmware(scenario, on.firmware)
        with Network(on.keeper, on.board.switch, on.board.ip) as network:
            if scenario.needs_nc and not network.nc_there:
                raise WireUnavailable(
                    f"{scenario.name} is played against OpenBSD's nc, which is not on this "
                    "machine; install netcat-openbsd"
                )
            print(dress.plain(describe(on, network.whose_tcp)))
        folder = log_folder(options, "scenario")
        seed = options.seed or 0
        with ProgressLine() as progress:
            progress.say(f"playing {scenario.name}")
            played = play(scenario, on.board, on.keeper, folder, rules=rules, seed=seed)
        print(shown(played, dress))
        if (lang := console_lang(options.lang)) != "en":
            print(verdict_explained(played.verdict.name, lang))
        print(f"\ncaptures (pcapng) and logs: {folder}", flush=True)
    return played.verdict


def _start_options(scenario: Scenario, options: argparse.Namespace) -> StartOptions:
    if options.clock == "running":
        if options.number is not None:
            raise UsageError("--number is for --clock manual: otherwise a run is never the same")
        return StartOptions()
    foreign = [NEED_TEXTS[need] for need in _WITH_A_CLOCK if need in scenario.needs]
    if foreign:
        raise UsageError(
            f"{scenario.name} can't be played with the manual clock: it has "
            f"{' and '.join(foreign)}, whose own clock goes on while the board's stands still; "
            "leave out --clock manual, or choose a scenario with the raw peer (`lwipscope "
            "scenarios NAME` says what it needs)"
        )
    number = 1 if options.number is None else options.number
    # 0 would leave the board's random numbers to chance.
    return StartOptions(number=number, clock="manual", random_seed=options.seed or 1)


@contextmanager
def _answering() -> Iterator[None]:
    """A board that does not say hello has no tracer, or nothing that runs."""
    try:
        yield
    except DeadlineExceeded as error:
        if "'hello'" not in str(error):
            raise
        raise Inconclusive(
            "the board runs but does not answer: expected its hello on the serial line, which "
            "firmware without the transition tracer (module tcptrace) can't send, and without it "
            f"no path can be told; run firmware made by `lwipscope firmware build`\n({error})"
        ) from error


def _need_board(scenario: Scenario, options: argparse.Namespace) -> None:
    if options.profile is not None and options.profile not in scenario.profiles:
        raise UsageError(
            f"{scenario.name} can't be played with the profile {options.profile}: it is for "
            f"{', '.join(scenario.profiles)}"
        )
    if options.board not in scenario.boards:
        raise UsageError(
            f"{scenario.name} can't be played on the board {options.board}: it is for "
            f"{', '.join(scenario.boards)}"
        )
