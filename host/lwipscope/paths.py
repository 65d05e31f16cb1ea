"""Where the parts that are not Python live: board files and firmware sources; and the cache.

In a checkout `boards/` and `firmware/` stand beside `host/`; an installed wheel carries them as
`lwipscope/_share/`. The cache follows the XDG base directory specification and is outside any
checkout, so that a second clone builds nothing twice.
"""

from __future__ import annotations

import os
from pathlib import Path

from lwipscope.errors import BuildError, LwipscopeError


def share_dir(name: str) -> Path:
    """The folder `name` ("boards" or "firmware") of the checkout or of the installed package."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_share" / name, package.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise LwipscopeError(
        f"the folder {name!r} is missing: expected it beside host/ in a checkout or inside the "
        "installed package; install lwipscope again"
    )


def made(folder: Path) -> Path:
    """Make a folder of the cache if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(
            f"{folder}: can't be made: {error.strerror}; set LWIPSCOPE_CACHE to a folder that can "
            "be written"
        ) from error
    return folder


def cache_dir() -> Path:
    """$LWIPSCOPE_CACHE, else $XDG_CACHE_HOME/lwipscope, else ~/.cache/lwipscope. May not exist."""
    own = os.environ.get("LWIPSCOPE_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return root / "lwipscope"


def temporary_dir() -> Path:
    """$TMPDIR, else /tmp. Not tempfile.gettempdir(), which tries the folder by writing a file into
    it: Ctrl-C in that moment would leave the file behind."""
    return Path(os.environ.get("TMPDIR") or "/tmp")
