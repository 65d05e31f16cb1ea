"""Where finished images stand in the cache, and how they get there: all of one or nothing.

Called by build.py and pack.py. An image is a folder with the ELF file and its provenance.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lwipscope import paths
from lwipscope.errors import BuildError
from lwipscope.firmware.firmware import ELF_NAME, PROVENANCE_NAME, Firmware

_KEPT = 8


def folder() -> Path:
    """The folder that all images stand in. May not exist."""
    return paths.cache_dir().resolve() / "firmware"


def find(name: str) -> Firmware | None:
    """The image called `name`, verified; None if it is not there or was damaged."""
    home = folder() / name
    try:
        return Firmware.load(home) if home.is_dir() else None
    except BuildError:
        # Whoever asked makes it again, which mends the cache.
        return None


def install(name: str, elf: bytes, provenance: bytes) -> Firmware:
    """Verify an image and put it in place by renaming a folder, so that no reader sees half."""
    home = folder() / name
    paths.made(home.parent)
    with tempfile.TemporaryDirectory(prefix="install-", dir=home.parent) as scratch:
        image = Path(scratch) / "image"
        image.mkdir()
        (image / ELF_NAME).write_bytes(elf)
        (image / PROVENANCE_NAME).write_bytes(provenance)
        Firmware.load(image)
        if home.exists():
            home.replace(Path(scratch) / "old")
        image.replace(home)
    return Firmware.load(home)


def copy(firmware: Firmware, out: Path) -> Firmware:
    """Copy an image's two files into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(firmware.elf, out / ELF_NAME)
    shutil.copyfile(firmware.elf.with_name(PROVENANCE_NAME), out / PROVENANCE_NAME)
    return Firmware.load(out)


def forget_old(prefix: str) -> None:
    """Images are 3 MB each, and every edit makes one: the newest few of a kind are enough."""
    images = sorted(folder().glob(f"{prefix}-*"), key=lambda path: path.stat().st_mtime)
    for old in images[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
