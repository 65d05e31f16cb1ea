"""Which firmware image is run: a file that is named, else the pack in use, else a built one.

Called by everyone who starts an emulated board.
"""

from __future__ import annotations

from pathlib import Path

from lwipscope.errors import BuildError
from lwipscope.firmware import build, pack
from lwipscope.firmware.firmware import Firmware, Profile
from lwipscope.firmware.progress import Progress, quiet


def choose(
    profile: Profile,
    *,
    file: Path | None = None,
    sources: Path | None = None,
    workarounds: bool = True,
    grading: bool = False,
    progress: Progress = quiet,
) -> Firmware:
    """The image to run for `profile`; it is built only if there is no other.

    `file`: a pack, an ELF file with its provenance beside it, or a folder with both. Firmware of
    unpinned sources is only run if it is named so. `workarounds`: False for one with MicroPython's
    defects left in; `grading`: True for one in which programs reach neither memory nor the trace.
    """
    if file is not None:
        firmware = pack.unpack(file) if pack.is_pack(file) else Firmware.load(file)
        if firmware.profile != profile:
            raise BuildError(
                f"{file} has the lwIP options of profile {firmware.profile!r}, but {profile!r} was "
                "asked for; name another file or another profile"
            )
        if not firmware.has_tracer:
            raise BuildError(
                f"{file} was built without the tracer, so its board tells nothing by itself; only "
                "the memory probe can watch it (lwipscope.board.probe). Name firmware with the "
                "tracer, or leave the option out"
            )
        if not workarounds and firmware.has_workarounds:
            raise BuildError(
                f"{file} works around MicroPython's defects, but --no-workarounds was asked for; "
                "leave out one of the two options"
            )
        if grading and not firmware.grading:
            raise BuildError(
                f"{file} lets programs reach memory and the trace, so what its board tells of a "
                "program that wants to deceive proves nothing; leave the option out, or name "
                "firmware made by: lwipscope firmware build --grading"
            )
        return firmware
    chosen = pack.current(profile) if workarounds and not grading else None
    return chosen or build.build(
        profile, sources=sources, workarounds=workarounds, grading=grading, progress=progress
    )
