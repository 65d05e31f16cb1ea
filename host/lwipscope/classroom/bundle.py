"""The bundle for a class: one zip file with wheels, firmware and an installer.

Called by `lwipscope class pack`. Who has the file needs Python, QEMU and no network. Lessons,
exercises and board files are parts of lwipscope's wheel.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lwipscope.classroom.wheels import write_wheels
from lwipscope.errors import UsageError
from lwipscope.firmware import pack
from lwipscope.firmware.firmware import PROFILES
from lwipscope.firmware.selection import choose
from lwipscope.paths import temporary_dir

TOP = "lwipscope-class"
INSTALLER = "install.py"
PACK_SUFFIX = ".lwipfw"
_TEXTS = (INSTALLER, "README.txt", "README.zh.txt")
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was written: what is in it, and its size in bytes."""

    file: Path
    wheels: tuple[str, ...]
    firmware: tuple[str, ...]
    size: int


def write_bundle(file: Path, progress: Callable[[str], None] = lambda _text: None) -> Bundle:
    """Write the bundle; the file is there only when it is whole."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder; name the file to write, as in class.zip")
    with tempfile.TemporaryDirectory(prefix="lwipscope-class-", dir=temporary_dir()) as made:
        scratch = Path(made)
        progress("making the wheels")
        wheels = write_wheels(scratch)
        images = []
        for profile in PROFILES:
            progress(f"packing the firmware {profile}")
            images.append(pack.pack(choose(profile), scratch / f"{profile}{PACK_SUFFIX}"))
        progress("writing the bundle")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_name(f".{file.name}.{os.getpid()}")
            try:
                _write(unfinished, wheels, images)
                unfinished.replace(file)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"{file} can't be written: {error.strerror}") from error
    names = tuple(path.name for path in wheels)
    return Bundle(file, names, tuple(path.name for path in images), file.stat().st_size)


def _write(file: Path, wheels: list[Path], images: list[Path]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        texts = resources.files("lwipscope.classroom") / "assets"
        for name in _TEXTS:
            entry = zipfile.ZipInfo(f"{TOP}/{name}", _TIME)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (texts / name).read_bytes(), zipfile.ZIP_DEFLATED)
        for folder, paths in (("wheels", wheels), ("firmware", images)):
            for path in paths:
                # Compressed once is enough.
                entry = zipfile.ZipInfo(f"{TOP}/{folder}/{path.name}", _TIME)
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_STORED)
