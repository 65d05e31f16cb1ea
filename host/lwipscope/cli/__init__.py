"""The command line: `lwipscope COMMAND`. Each command is a module with `add` and `run`.

Exit codes: 0 all as expected, 1 mismatch, 2 usage, 3 no board, 4 board lost or evidence
incomplete, 130 interrupted.
"""

from __future__ import annotations

from lwipscope.cli.main import main

__all__ = ["main"]
