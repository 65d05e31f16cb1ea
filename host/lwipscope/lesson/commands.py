"""The words that this machine understands in place of a lesson's `{nc}`, `{netstat}`, `{tcpdump}`.

Articles type `nc -l -p 6666`; Nmap's ncat and the BSDs want `nc -l 6666`, and some machines have no
nc at all: then it is ours. Asked once per command, by `find_nc`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from lwipscope.peer.nc import Variant, find_nc

OWN_NC = "lwipscope nc"
# Whose `nc -l` takes the port with -p: Debian's build of OpenBSD's does, those of the BSDs do not.
_WITH_P = (Variant.OPENBSD, Variant.TRADITIONAL, Variant.BUSYBOX)
# The articles' filter; macOS and the BSDs have grep in the place of Windows' find.
_FILTERS = {
    "win32": 'netstat -an -p tcp | find "6666"',
    "linux": "netstat -ant | grep 6666",
}
_PLACE = re.compile(r"\{(folder|nc|nc_listen|nc_half|netstat|netstat_here|tcpdump)\}")


def words_here(folder: Path) -> dict[str, str]:
    """What to put into a lesson's texts, for a learner whose folder this is."""
    return words_for(folder, find_nc(), sys.platform)


def words_for(folder: Path, nc: tuple[str, Variant] | None, platform: str) -> dict[str, str]:
    """The same for any machine."""
    name = OWN_NC if nc is None or nc[1] is Variant.UNKNOWN else Path(nc[0]).name
    # With Debian's both builds installed, `nc` is OpenBSD's.
    name = "nc" if name == "nc.openbsd" else name
    variant = nc[1] if nc is not None else None
    with_p = name == OWN_NC or (variant in _WITH_P and platform != "darwin")
    half = f"{name} -N" if variant is Variant.OPENBSD and platform != "darwin" else f"{OWN_NC} -N"
    return {
        "folder": _shown(folder),
        "nc": name,
        "nc_listen": f"{name} -l -p" if with_p else f"{name} -l",
        "nc_half": half,
        "netstat": "lwipscope netstat --find",
        "netstat_here": _FILTERS.get(platform, "netstat -an -p tcp | grep 6666"),
        "tcpdump": "lwipscope show --tcpdump -n -S",
    }


def filled(text: str, words: Mapping[str, str]) -> str:
    """The text with its placeholders filled in; other braces stay."""
    return _PLACE.sub(lambda found: words[found[1]], text)


def _shown(folder: Path) -> str:
    """From here, if that is shorter; as a shell wants it."""
    relative = os.path.relpath(folder)
    return shlex.quote(relative if len(relative) < len(str(folder)) else str(folder))
