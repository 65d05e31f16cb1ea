"""A folder that brings the tracer into another MicroPython port's firmware: module and copies.

Called by `lwipscope firmware overlay DIR`. DIR/tcptrace is a user C module with the recipe beside
it (README.md): the tracer's own files, and below overlay/ the copies of lwIP's files in which state
stores, births and deaths of pcbs call the tracer. Made from the pinned sources, or from any tree of
lwIP and MicroPython, whose stores are found by their form (stores.py).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lwipscope import paths
from lwipscope.errors import BuildError, UsageError
from lwipscope.firmware import sources, stores
from lwipscope.firmware.progress import Progress, quiet

_MARK = "micropython.cmake"
_PLAIN = '#include "tcptrace.h"\n'
_WITH_BIRTHS = '#include "tcptrace_overlay.h"\n'
_TOLD = ("TCPTRACE_SET_STATE(", "(MEMP_TCP_PCB", "LWIP_HOOK_TCP_INPACKET_PCB(")


@dataclass(frozen=True, slots=True)
class Overlay:
    """What was written: the user C module's folder, its copies of lwIP's files, and how many
    state stores call the tracer."""

    module: Path
    copies: tuple[Path, ...]
    stores: int


def write(
    folder: Path,
    *,
    lwip: Path | None = None,
    micropython: Path | None = None,
    progress: Progress = quiet,
) -> Overlay:
    """Write `folder`/tcptrace; trees that are not given are taken as pinned."""
    for name, tree, mark in (
        ("lwip", lwip, "src/core/tcp.c"),
        ("micropython", micropython, "extmod/modlwip.c"),
    ):
        if tree is not None and not (tree / mark).is_file():
            raise UsageError(f"--{name}: {tree} has no {mark}; name the top folder of that tree")
    pinned = sources.get(progress=progress) if lwip is None or micropython is None else None
    lwip_tree = lwip.resolve() if lwip else _pinned(pinned).lwip
    python_tree = micropython.resolve() if micropython else _pinned(pinned).micropython
    module = folder.resolve() / "tcptrace"
    if module.exists() and not (module / _MARK).is_file():
        raise UsageError(f"{module} is there and was not written by this command; name another DIR")
    try:
        if module.exists():
            shutil.rmtree(module)
        shutil.copytree(paths.share_dir("firmware") / "tcptrace", module)
        return _copies(module, lwip_tree, python_tree)
    except OSError as error:
        raise BuildError(f"{module} can't be written: {error.strerror}") from error


def _pinned(found: sources.Sources | None) -> sources.Sources:
    assert found is not None
    return found


def _copies(module: Path, lwip: Path, micropython: Path) -> Overlay:
    made = module / "made"
    stores.generate(stores.Place(micropython, micropython), stores.Place(lwip, lwip), made)
    home = module / "overlay"
    copies: list[Path] = []
    count = 0
    for path in sorted((made / "src").rglob("*.c")):
        text = path.read_bytes()
        # altcp's `state` is not a pcb's.
        if path.name.startswith("altcp") or not any(mark.encode() in text for mark in _TOLD):
            continue
        if text.startswith(_PLAIN.encode()):
            text = text.replace(_PLAIN.encode(), _WITH_BIRTHS.encode(), 1)
        copy = home / "lib/lwip" / path.relative_to(made)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(text)
        copies.append(copy)
        count += text.count(_TOLD[0].encode())
    (home / "extmod").mkdir(parents=True)
    shutil.move(made / "extmod/modlwip.c", home / "extmod/modlwip.c")
    shutil.rmtree(made)
    return Overlay(module, tuple(copies), count)
