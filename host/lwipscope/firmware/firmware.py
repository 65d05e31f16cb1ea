"""A firmware image for the emulated board: the ELF file and where it came from.

Made by build.py and pack.py, read by whoever starts a board. `provenance.json` stands beside the
ELF file and holds its SHA-256; an image whose two halves don't belong together is never run.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from lwipscope.errors import BuildError

Profile = Literal["roomy", "rp2"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

ELF_NAME = "firmware.elf"
PROVENANCE_NAME = "provenance.json"
FORMAT = 1

# ELF header, 32-bit (System V ABI, "ELF Header"): identification, type, machine, ...
_ELF_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_ELF32_LITTLE_ENDIAN = b"\x7fELF\x01\x01"
_ET_EXEC = 2
_EM_ARM = 40


@dataclass(frozen=True, slots=True)
class Firmware:
    """A verified image; `provenance` is the content of provenance.json."""

    elf: Path
    provenance: dict[str, Any]
    profile: Profile

    @property
    def build_id(self) -> str:
        """What the board says about itself in `hello build=...`."""
        return str(self.provenance["build"])

    @property
    def unpinned(self) -> bool:
        """True if it was built from sources of unknown content."""
        return bool(self.provenance.get("unpinned", False))

    @property
    def has_workarounds(self) -> bool:
        """False if MicroPython's defects were left in."""
        return bool(self.provenance.get("workarounds", True))

    @property
    def has_tracer(self) -> bool:
        """False if the board tells nothing by itself and takes no commands."""
        return bool(self.provenance.get("tracer", True))

    @property
    def grading(self) -> bool:
        """True if programs can neither reach memory nor the trace."""
        return bool(self.provenance.get("grading", False))

    def remarks(self) -> list[str]:
        """What sets it apart from the usual firmware, in words; usually nothing."""
        found = []
        if self.unpinned:
            trees = "; ".join(_tree_text(tree) for tree in self.provenance.get("sources", []))
            found.append(f"unpinned sources: {trees}")
        if not self.has_workarounds:
            found.append("MicroPython's defects are left in (no workarounds)")
        if not self.has_tracer:
            found.append("without the tracer: for the memory probe only")
        if self.grading:
            found.append("for grading: programs reach neither memory nor the trace; no agent")
        return found

    @property
    def options(self) -> dict[str, int | str]:
        """lwIP's options in force, e.g. {"TCP_MSS": 1460}."""
        return dict(self.provenance["lwip_options"])

    @classmethod
    def load(cls, path: Path) -> Firmware:
        """The image in folder `path`, or the ELF file `path` with its provenance.json beside it."""
        elf = path / ELF_NAME if path.is_dir() else path
        beside = elf.with_name(PROVENANCE_NAME)
        content = _read(elf)
        check_elf(content, str(elf))
        return cls.verified(elf, content, _read(beside), str(elf))

    @classmethod
    def verified(cls, elf: Path, content: bytes, provenance: bytes, name: str) -> Firmware:
        """The image made of these bytes, if they belong together; `name` is for the message."""
        record = parse_provenance(provenance, name)
        found = hashlib.sha256(content).hexdigest()
        if found != record["elf_sha256"]:
            raise BuildError(
                f"{name} was altered: its provenance expects SHA-256 {record['elf_sha256']}, "
                f"found {found}; build it again with `lwipscope setup`, or fetch the pack again"
            )
        return cls(elf, record, record["profile"])


def _tree_text(tree: dict[str, Any]) -> str:
    """`lwIP 2.2.1, content 0123456789ab, git 0123456789ab, dirty`."""
    if not tree.get("unpinned"):
        return f"{tree.get('name')} {tree.get('version')} as pinned"
    text = f"{tree.get('name')} {tree.get('version')}, content {str(tree['files_sha256'])[:12]}"
    if tree.get("git_revision"):
        text += f", git {str(tree['git_revision'])[:12]}"
        if tree.get("dirty") is not None:
            text += ", dirty" if tree["dirty"] else ", clean"
    return text


def check_elf(content: bytes, name: str) -> None:
    """Refuse what is not a complete 32-bit Arm executable."""
    problem = ""
    if len(content) < _ELF_HEADER.size or not content.startswith(b"\x7fELF"):
        problem = f"it starts with {content[:4]!r}"
    else:
        header = _ELF_HEADER.unpack_from(content)
        kind, machine, sections = header[1], header[2], header[6] + header[11] * header[12]
        if not content.startswith(_ELF32_LITTLE_ENDIAN) or (kind, machine) != (_ET_EXEC, _EM_ARM):
            problem = f"its ELF type is {kind} for machine {machine}"
        elif len(content) < sections:
            problem = f"it has {len(content)} of at least {sections} bytes: it was cut off"
    if problem:
        raise BuildError(
            f"{name} is no firmware for the emulated board: expected an ELF executable "
            f"(type {_ET_EXEC}) for 32-bit Arm (machine {_EM_ARM}), but {problem}"
        )


def parse_provenance(data: bytes, name: str) -> dict[str, Any]:
    """The record, if it has the form that this version of lwipscope reads."""
    try:
        record = json.loads(data)
    except ValueError:
        record = None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        seen = record.get("format") if isinstance(record, dict) else "no JSON object"
        raise BuildError(
            f"{name}: {PROVENANCE_NAME} has format {seen!r}, expected {FORMAT}; build the "
            "firmware again with this version of lwipscope"
        )
    fields = {"build": str, "elf_sha256": str, "profile": str, "lwip_options": dict}
    wrong = [field for field, kind in fields.items() if not isinstance(record.get(field), kind)]
    if wrong or record["profile"] not in PROFILES:
        raise BuildError(
            f"{name}: {PROVENANCE_NAME} has no usable {', '.join(wrong) or 'profile'}; build the "
            "firmware again"
        )
    return record


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"{path} cannot be read ({error.strerror}); expected {ELF_NAME} and "
            f"{PROVENANCE_NAME} side by side, as `lwipscope setup` leaves them"
        ) from error
