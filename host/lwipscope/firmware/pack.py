"""A firmware image as one file, to be carried to machines that have no compiler.

A pack is a zip archive of the ELF file and its provenance, with fixed times, so that the same
image gives the same pack. `use` verifies a pack and makes it the chosen image of its profile: a
pointer in the cache, `firmware/current-PROFILE.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from pathlib import Path

from lwipscope import paths
from lwipscope.errors import BuildError
from lwipscope.firmware import images
from lwipscope.firmware.firmware import (
    ELF_NAME,
    PROVENANCE_NAME,
    Firmware,
    Profile,
    check_elf,
)

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3
# A damaged or hostile archive must not fill the memory: images have about 3 MB.
_LARGEST_BYTES = 64 << 20


def pack(firmware: Firmware, file: Path) -> Path:
    """Write `firmware` as the one file `file`; its bytes depend on nothing but the image."""
    # The image may have been altered since it was loaded.
    Firmware.load(firmware.elf)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name in (ELF_NAME, PROVENANCE_NAME):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _MODE
            entry.create_system = _UNIX
            target.writestr(entry, firmware.elf.with_name(name).read_bytes(), compresslevel=9)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, archive.getvalue())
    except OSError as error:
        raise BuildError(f"{file} can't be written: {error.strerror}") from error
    return file


def use(file: Path) -> Firmware:
    """Verify the pack `file`, keep it in the cache and choose it for its profile."""
    firmware = unpack(file)
    if firmware.remarks():
        raise BuildError(
            f"{file} is no usual firmware ({'; '.join(firmware.remarks())}), so it is never run "
            f"unasked; name it where it is wanted: --firmware {file}"
        )
    pointer = {"image": firmware.elf.parent.name, "from": file.name}
    paths.made(images.folder())
    _replace(_pointer(firmware.profile), (json.dumps(pointer) + "\n").encode())
    return firmware


def unpack(file: Path) -> Firmware:
    """Verify the pack `file` and keep its image in the cache, without choosing it."""
    elf, provenance = _read(file)
    check_elf(elf, f"{file}: {ELF_NAME}")
    firmware = Firmware.verified(file, elf, provenance, str(file))
    digest = hashlib.sha256(elf + provenance).hexdigest()
    name = f"packed-{firmware.profile}-{digest[:16]}"
    return images.find(name) or images.install(name, elf, provenance)


def current(profile: Profile) -> Firmware | None:
    """The image that `use` chose for `profile`, or None; BuildError if it went away since."""
    pointer = _pointer(profile)
    try:
        chosen = json.loads(pointer.read_bytes())
        name, origin = str(chosen["image"]), str(chosen["from"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise BuildError(
            f"{pointer} is damaged; remove it, or choose a pack again with `lwipscope firmware use`"
        ) from None
    firmware = images.find(name)
    if firmware is None or firmware.profile != profile:
        raise BuildError(
            f"the chosen pack {origin} is no longer intact in {images.folder() / name}; choose it "
            f"again with `lwipscope firmware use`, or remove {pointer}"
        )
    return firmware


def forget(profile: Profile) -> bool:
    """Take back what `use` chose; True if there was something."""
    try:
        _pointer(profile).unlink()
    except FileNotFoundError:
        return False
    return True


def is_pack(file: Path) -> bool:
    """Whether `file` looks like a pack, whole or not; otherwise it may be an ELF file."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def _pointer(profile: Profile) -> Path:
    return images.folder() / f"current-{profile}.json"


def _read(file: Path) -> tuple[bytes, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = sorted(archive.namelist())
            if names != [ELF_NAME, PROVENANCE_NAME]:
                raise _no_pack(file, f"it has {', '.join(names[:5]) or 'nothing'}")
            size = sum(entry.file_size for entry in archive.infolist())
            if size > _LARGEST_BYTES:
                raise _no_pack(file, f"its content would be {size} bytes")
            # The sizes in the directory may lie; never read more than they say.
            return _member(archive, ELF_NAME), _member(archive, PROVENANCE_NAME)
    except OSError as error:
        raise BuildError(f"{file} cannot be read: {error.strerror or error}") from error
    # What zipfile raises on altered bytes: also a method, a flag or a version it doesn't know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _no_pack(file, str(error) or "it was cut off") from error
    except (ValueError, LookupError) as error:
        raise _no_pack(file, f"its directory is damaged ({error})") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        return stream.read(archive.getinfo(name).file_size + 1)


def _no_pack(file: Path, why: str) -> BuildError:
    return BuildError(
        f"{file} is no intact firmware pack: expected {ELF_NAME} and {PROVENANCE_NAME} as "
        f"`lwipscope firmware pack` writes them, but {why}; fetch or pack it again"
    )


def _replace(path: Path, content: bytes) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
