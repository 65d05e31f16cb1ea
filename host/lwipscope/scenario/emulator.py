"""Which emulator a board runs in, for the versions in a run file. Empty for a real board."""

from __future__ import annotations

from functools import cache

from lwipscope.board.board_file import read
from lwipscope.errors import LwipscopeError


@cache
def emulator_of(board: str) -> str:
    """The program that its board file names."""
    try:
        table = read(board)[1].get("emulator", {})
    except (LwipscopeError, OSError):
        return ""  # a board that was named in another way than by a file
    return str(table.get("program", "")) if isinstance(table, dict) else ""
