"""Builds the emulated board's firmware from pinned sources, once per set of inputs.

Called by `lwipscope setup` and selection.py. MicroPython's own ports/qemu/Makefile does the work,
with the board folder outside of its tree (py/mkrules.mk, extmod/extmod.mk); nothing is written
into a source tree. In the cache: `firmware/KIND-KEY/` is a finished image, `work/KIND/` is where
make works, on a copy of firmware/, so that an edited C file costs a second and an edit during a
build does no harm. KIND is the profile, or says first what is unusual. The same inputs give the
same bytes in every folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lwipscope import paths, toolchain
from lwipscope.errors import BuildError
from lwipscope.firmware import images, options, pins, provenance, stores, unpinned
from lwipscope.firmware import sources as upstream
from lwipscope.firmware.firmware import ELF_NAME, PROFILES, Firmware, Profile
from lwipscope.firmware.generate import generate, write_if_changed
from lwipscope.firmware.lock import exclusive
from lwipscope.firmware.make import Make
from lwipscope.firmware.progress import Progress, quiet
from lwipscope.firmware.sources import Sources
from lwipscope.firmware.unpinned import Tree

# The parts of firmware/ that get into the image.
_PARTS = ("port", "tcptrace", "agent")
# Steps of a whole build, for the percentage of the first one; afterwards the last count is used.
_TYPICAL_STEPS = 340


def build(
    profile: Profile,
    *,
    sources: Path | None = None,
    as_it_is: bool = False,
    workarounds: bool = True,
    tracer: bool = True,
    grading: bool = False,
    out: Path | None = None,
    jobs: int | None = None,
    progress: Progress = quiet,
) -> Firmware:
    """The firmware of `profile`; a finished one with the same inputs is used again at once.

    `sources`: a folder with the upstream sources (see sources.py), or, if they are to be taken
    `as_it_is`, with trees of any content (see unpinned.py); `workarounds`: False leaves
    MicroPython's defects in; `tracer`: False leaves the tracer out; `grading`: programs can neither
    reach memory nor the trace; `out`: a folder that gets a copy of the ELF file and its provenance;
    `jobs`: how many compilers at once.
    """
    if grading and not tracer:
        raise BuildError(
            "firmware that grades a program needs the tracer, which is the witness; leave out one "
            "of --grading and --without-tracer"
        )
    if profile not in PROFILES:
        raise BuildError(f"unknown profile {profile!r}; there are {', '.join(PROFILES)}")
    given: Sources | None = None
    if as_it_is:
        if sources is None:
            raise BuildError("unpinned sources need a name: --unpinned --sources DIR")
        toolchain.require(toolchain.BUILD_TOOLS)
        given = upstream.get(progress=progress)
        inputs = _inputs(profile, workarounds, _found(sources, given), tracer, grading)
    else:
        if sources is not None:
            given = upstream.get(sources, progress=progress)
        toolchain.require(toolchain.BUILD_TOOLS)
        inputs = _inputs(profile, workarounds, tracer=tracer, grading=grading)
    firmware = images.find(_name(inputs))
    if firmware is None:
        with exclusive(_work_top(inputs), progress=progress):
            # Another process may have built it while we waited.
            firmware = images.find(_name(inputs)) or _make(
                inputs, given or upstream.get(progress=progress), jobs, progress
            )
    return images.copy(firmware, out) if out else firmware


def built(profile: Profile) -> Firmware | None:
    """The finished image for the inputs of now, or None; never builds."""
    if toolchain.missing(toolchain.BUILD_TOOLS):
        return None
    return images.find(_name(_inputs(profile)))


def _name(inputs: provenance.Inputs) -> str:
    return f"{inputs.kind}-{inputs.key()[:16]}"


def _work_top(inputs: provenance.Inputs) -> Path:
    return paths.cache_dir().resolve() / "work" / inputs.kind


# --- inputs ------------------------------------------------------------------------------------


def _inputs(
    profile: Profile,
    workarounds: bool = True,
    trees: tuple[Tree, ...] = (),
    tracer: bool = True,
    grading: bool = False,
) -> provenance.Inputs:
    return provenance.Inputs(
        pins.load(),
        profile,
        _compiler(),
        _recipe(),
        _files(paths.share_dir("firmware")),
        workarounds,
        trees,
        tracer,
        grading,
    )


def _found(folder: Path, pinned: Sources) -> tuple[Tree, ...]:
    return unpinned.find(folder, {"MicroPython": pinned.micropython, "lwIP": pinned.lwip})


def _files(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in _PARTS:
        for path in sorted((folder / part).rglob("*")):
            name = path.relative_to(folder).as_posix()
            # Notes, editors' backups and Python's leftovers don't get into the image.
            if path.is_file() and not re.search(r"(^|/)[._]|~$|\.(md|pyc)$", _plain(name)):
                found[name] = path.read_bytes()
    if "port/mpconfigboard.mk" not in found:
        raise BuildError(f"{folder} has no port/mpconfigboard.mk; install lwipscope again")
    return found


def _plain(name: str) -> str:
    # Modules may be called __init__.py; folders called __pycache__ are no modules.
    return name.replace("/__init__.py", "/init.py").replace("/__main__.py", "/main.py")


def _recipe() -> str:
    """A digest of the code that decides how the image is made."""
    folder = Path(__file__).parent
    names = ("build.py", "generate.py", "make.py", "options.py", "provenance.py", "stores.py")
    code = b"".join((folder / name).read_bytes() for name in names)
    return hashlib.sha256(code).hexdigest()[:16]


def _compiler() -> str:
    """Compiler, linker and C headers in one line."""
    versions = [_first_line(name) for name in ("arm-none-eabi-gcc", "arm-none-eabi-ld")]
    command = ["arm-none-eabi-gcc", "-dM", "-E", "-x", "c", "-"]
    macros = subprocess.run(
        command, input="#include <string.h>", capture_output=True, text=True, timeout=30
    ).stdout
    match = re.search(r'#define _?_?(NEWLIB|PICOLIBC)(?:_VERSION|__VERSION)\w* "([^"]+)"', macros)
    return "; ".join([*versions, f"headers of {match[1].lower()} {match[2]}" if match else ""])


def _first_line(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    return (done.stdout.splitlines() or [program])[0]


# --- the work ----------------------------------------------------------------------------------


def _make(
    inputs: provenance.Inputs, trees: Sources, jobs: int | None, progress: Progress
) -> Firmware:
    upstream.check(trees)
    top = _work_top(inputs)
    work = top / inputs.shape()[:16]
    for old in top.iterdir():
        if old.is_dir() and old != work:
            shutil.rmtree(old)
    _without_spaces(work)
    for name, content in inputs.files.items():
        write_if_changed(work / "firmware" / name, content)
    shown_as = {str(work / "firmware"): str(paths.share_dir("firmware"))}
    version = f"v{trees.pins.micropython.version}"
    if inputs.trees:
        trees, version = _mirrored(inputs, work, trees)
        shown_as |= {
            str(path): str(tree.folder)
            for tree, path in zip(inputs.trees, (trees.micropython, trees.lwip), strict=True)
        }
    elif inputs.tracer:
        generate(trees.micropython, trees.lwip, work / "build/gen")
    build_id = inputs.key()[:12]
    cross = _mpy_cross(inputs, trees, jobs, progress)
    log = work / "make.log"
    log.unlink(missing_ok=True)
    make = Make(
        trees.micropython / "ports/qemu",
        _variables(inputs, trees, work, cross),
        build_id,
        log,
        shown_as,
        version,
    )
    counted = work.parent / "steps"
    usual = int(counted.read_text()) if counted.is_file() else _TYPICAL_STEPS
    fresh = not (work / "build" / ELF_NAME).is_file()
    steps = make.run(
        progress,
        _at_once(jobs),
        total=usual if fresh else 0,
        prefix=f"{inputs.kind}: ",
    )
    if fresh:
        counted.write_text(str(steps))
    elf = (work / "build" / ELF_NAME).read_bytes()
    in_force = options.read(_preprocessor(make, work), work / "options")
    record = provenance.record(inputs, build_id, elf, in_force)
    firmware = images.install(_name(inputs), elf, provenance.as_json(record))
    images.forget_old(inputs.kind)
    return firmware


def _mirrored(inputs: provenance.Inputs, work: Path, pinned: Sources) -> tuple[Sources, str]:
    """Unpinned trees where make reads them, the generated sources made from them, the version."""
    places = [
        stores.Place(
            tree.folder if tree.pinned else unpinned.mirror(tree, work / "sources" / tree.name),
            tree.folder,
        )
        for tree in inputs.trees
    ]
    micropython, lwip = places
    if inputs.tracer:
        stores.generate(micropython, lwip, work / "build/gen")
    return Sources(micropython.root, lwip.root, pinned.pins), f"v{inputs.trees[0].version}-unpinned"


def _variables(
    inputs: provenance.Inputs, trees: Sources, work: Path, cross: Path
) -> dict[str, str]:
    # Paths in the image (debug information, __FILE__) are the same whoever built it, where ever.
    names = {
        trees.micropython: "micropython",
        trees.lwip: "lwip",
        work / "firmware": "firmware",
        work / "build": "build",
    }
    maps = [f"-ffile-prefix-map={path}={name}" for path, name in names.items()]
    manifest_needs = work / "micropython-lib"
    write_if_changed(manifest_needs / "README.md", b"MicroPython's manifests look for this file.\n")
    return {
        "BOARD": "LWIPSCOPE",
        "BOARD_DIR": str(work / "firmware/port"),
        "BUILD": str(work / "build"),
        "LWIP_ROOT": str(trees.lwip),
        "LWIPSCOPE_FIRMWARE": str(work / "firmware"),
        "LWIPSCOPE_GEN": str(work / "build/gen"),
        "LWIPSCOPE_PROFILE": inputs.profile,
        "LWIPSCOPE_UNPINNED": str(int(bool(inputs.trees))),
        "LWIPSCOPE_WORKAROUNDS": str(len(provenance.WORKAROUNDS) * inputs.workarounds),
        "LWIPSCOPE_TRACER": str(int(inputs.tracer)),
        "LWIPSCOPE_GRADING": str(int(inputs.grading)),
        "MICROPY_MPYCROSS": str(cross),
        "MPY_LIB_DIR": str(manifest_needs),
        "CFLAGS_EXTRA": " ".join(maps),
        # ports/qemu takes another C library's headers if it finds them; all builds be alike.
        "PICOLIBC_SPECS": "picolibc.specs",
    }


def _mpy_cross(
    inputs: provenance.Inputs, trees: Sources, jobs: int | None, progress: Progress
) -> Path:
    """MicroPython's cross-compiler for frozen modules; made once for these sources."""
    top = paths.cache_dir().resolve() / "tools"
    digest = trees.pins.micropython.sha256
    if inputs.trees and not inputs.trees[0].pinned:
        digest = _cross_digest(inputs.trees[0].files, trees.pins.micropython.files) or digest
    program = top / f"mpy-cross-{digest[:12]}"
    with exclusive(top, progress=progress):
        if not program.is_file():
            with tempfile.TemporaryDirectory(prefix="mpy-cross-", dir=top) as folder:
                make = Make(
                    trees.micropython / "mpy-cross",
                    {"BUILD": folder, "PROG": "mpy-cross"},
                    "0",
                    top / "mpy-cross.log",
                    {},
                )
                make.log.unlink(missing_ok=True)
                make.run(progress, _at_once(jobs), prefix="mpy-cross: ")
                (Path(folder) / "mpy-cross").replace(program)
    return program


def _cross_digest(files: dict[str, str], pinned: dict[str, str]) -> str:
    """A digest of what mpy-cross is made of; empty if it is as pinned.

    An edit of the socket layer must not cost another one of these.
    """

    def parts(of: dict[str, str]) -> list[str]:
        return [
            f"{name} {digest[:12]}"
            for name, digest in of.items()
            if name.startswith(("py/", "mpy-cross/", "shared/", "lib/"))
            or (name.startswith("extmod/") and not name.endswith((".c", ".py")))
        ]

    found = parts(files)
    if found == parts(pinned):
        return ""
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _at_once(jobs: int | None) -> str:
    # A container may own fewer processors than the machine has.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"-j{jobs or usable or 1}"


def _preprocessor(make: Make, work: Path) -> options.Preprocess:
    """Runs the build's own preprocessor command: only make knows all of its flags."""
    extra = work / "options/options.mk"
    write_if_changed(
        extra,
        b".PHONY: lwipscope-options\nlwipscope-options:\n\t@$(CC) $(CFLAGS) $(LWIPSCOPE_OPTIONS)\n",
    )

    def preprocess(source: Path, switches: str) -> str:
        result = source.with_suffix(".out")
        make.run(
            quiet,
            *("-f", "Makefile", "-f", str(extra), "lwipscope-options"),
            extra={"LWIPSCOPE_OPTIONS": f"{switches} -o {result} {source}"},
        )
        return result.read_text(encoding="utf-8", errors="replace")

    return preprocess


def _without_spaces(path: Path) -> None:
    if re.search(r"[\s$#:%'\"\\]", str(path)):
        raise BuildError(
            f"make cannot work in {path}: the name has a space or a sign that it treats "
            "specially; set LWIPSCOPE_CACHE to a folder with a plain name"
        )
