"""Brings modules of ours to a board that does not have them, into its RAM, through the REPL.

Nothing is written to the board's filesystem. A module that is frozen into the firmware is left
alone. A soft reset forgets what was brought.
"""

from __future__ import annotations

from lwipscope.board.repl import Repl
from lwipscope.paths import share_dir

_INSTALL = """\
import sys
try:
    import {name}
except ImportError:
    class _Module:
        pass
    _names = {{'__name__': {name!r}}}
    exec({source!r}, _names)
    _module = _Module()
    for _key in _names:
        setattr(_module, _key, _names[_key])
    sys.modules[{name!r}] = _module
"""
_ABOUT = """\
import os as _os
_u = _os.uname() if hasattr(_os, 'uname') else None
_about = 'board=%s mp=%s lwip=unknown' % (
    (_u.sysname if _u else sys.platform).replace(' ', '_'),
    '.'.join(str(_n) for _n in sys.implementation[1][:3]))
"""


def install_module(repl: Repl, name: str) -> None:
    """Make `import name` work on the board."""
    repl.run(_INSTALL.format(name=name, source=_source(name)), 30.0)


def agent_source(boot: str, first_seq: int) -> str:
    """A program: the agent with a command port of its own, for firmware without the tracer."""
    return "\n".join(
        (
            _source("lwip_port"),
            _source("lwip_agent"),
            _ABOUT,
            f"sys.modules['tcptrace'] = CommandPort({boot!r}, {first_seq}, _about)",
            "run()",
        )
    )


def _source(name: str) -> str:
    text = (share_dir("firmware") / "agent" / f"{name}.py").read_text(encoding="utf-8")
    # What explains it need not travel.
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(line for line in lines if line.strip()) + "\n"
