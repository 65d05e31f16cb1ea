"""What lwipscope keeps in its cache, and how to remove all of it.

Called by `lwipscope clean`. Removes only folders that lwipscope made, by name: the cache may be a
folder that the user named and uses for other things as well.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lwipscope import paths
from lwipscope.firmware.lock import exclusive

_FOLDERS = ("work", "firmware", "tools", "sources")


def clear(*, timeout_s: float = 60.0) -> list[Path]:
    """Remove sources, tools and images; returns what was removed. Waits for running builds."""
    cache = paths.cache_dir().resolve()
    removed: list[Path] = []
    for name in _FOLDERS:
        folder = cache / name
        if folder.is_dir():
            with exclusive(folder, timeout_s=timeout_s):
                shutil.rmtree(folder)
            removed.append(folder)
    if removed and not any(cache.iterdir()):
        cache.rmdir()
    return removed


if __name__ == "__main__":
    # For `make clean`, which must also work where nothing is installed yet.
    clear()
