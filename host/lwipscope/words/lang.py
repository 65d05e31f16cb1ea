"""Which language a person reads: by `--lang`, by LWIPSCOPE_LANG, or by the locale.

Called by commands and by pages. Anything that begins with `zh` means Simplified Chinese, all else
English. `console_lang` is for what goes to a terminal: one that can't show Chinese gets English.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Literal, TextIO, TypeAlias

Lang: TypeAlias = Literal["en", "zh"]

VARIABLES = ("LWIPSCOPE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first of these that is set and not empty decides."""

_PROBE = "中文状态"


def chosen_lang(option: str | None, environ: Mapping[str, str] | None = None) -> Lang:
    """The language that `--lang` names, or else the environment."""
    where = os.environ if environ is None else environ
    said = option or next((where[name] for name in VARIABLES if where.get(name)), "")
    return "zh" if said.lower().startswith("zh") else "en"


def console_lang(option: str | None, stream: TextIO | None = None) -> Lang:
    """As `chosen_lang`, for text that goes to `stream` (standard output).

    Where its encoding has no Chinese the answer is English; who asked for Chinese in so many words
    is told why, on standard error.
    """
    lang = chosen_lang(option)
    out = sys.stdout if stream is None else stream
    if lang == "zh" and not shows_chinese(out):
        if option:
            print(  # noqa: T201 (the one message that no caller can give better)
                f"lwipscope: this output's encoding ({out.encoding}) has no Chinese, so here is "
                "English; try PYTHONIOENCODING=utf-8",
                file=sys.stderr,
            )
        return "en"
    return lang


def shows_chinese(stream: TextIO) -> bool:
    """Whether the encoding of a stream has Chinese characters (UTF-8, GBK, GB 18030, Big5 not)."""
    try:
        _PROBE.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def add_lang_option(parser: argparse.ArgumentParser) -> None:
    """`--lang en|zh`."""
    parser.add_argument(
        "--lang",
        choices=("en", "zh"),
        help="English or Simplified Chinese (default: LWIPSCOPE_LANG, or else the locale)",
    )
