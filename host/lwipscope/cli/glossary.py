"""`lwipscope glossary [WORD]`: states and words of TCP, in everybody's spelling."""

from __future__ import annotations

import argparse
import sys

from lwipscope.cli.json_output import add_json_option, print_json
from lwipscope.glossary.page import as_json, entry, whole
from lwipscope.words.catalogue import translator
from lwipscope.words.lang import add_lang_option, chosen_lang, console_lang, shows_chinese

_EXAMPLES = """\
examples:
  lwipscope glossary                 every state and every word
  lwipscope glossary TIMED_WAIT      a state, in any spelling
  lwipscope glossary wait_close      as an article has it
  lwipscope glossary half-close --lang zh
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "glossary",
        help="the words of TCP, and each state's name in every tool",
        description="Tells what a word of TCP means, where the standard has it and which command\n"
        "shows it; of a state also its name in lwIP, the RFC, Linux, Windows and BSD.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", metavar="WORD", nargs="*", help="a state or a word (default: all)")
    add_json_option(parser, "glossary")
    add_lang_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    if options.json:  # ASCII: any terminal takes it
        print_json(
            "glossary", as_json(" ".join(options.word), translator(chosen_lang(options.lang)))
        )
        return 0
    tr = translator(console_lang(options.lang))
    if options.word:
        print(entry(" ".join(options.word), tr, chinese=shows_chinese(sys.stdout)))
    else:
        print(whole(tr))
    return 0
