"""The record of what a firmware image was made of: provenance.json beside the ELF file.

Written by build.py, read through firmware.py. It has no times and no paths: the same inputs give
the same bytes, so that two people can compare what they run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from lwipscope.firmware.firmware import FORMAT, Profile
from lwipscope.firmware.pins import Pins

# What the build does to the behaviour of the upstream sources, and why. They are not edited.
WORKAROUNDS: tuple[str, ...] = (
    "tcp_err() and tcp_recv() ignore listeners: modlwip 1.25.0 calls them on a LISTEN pcb when a "
    "listening socket is closed, which lwIP's assertions forbid",
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that decides about the bytes of an image."""

    pins: Pins
    profile: Profile
    compiler: str
    recipe: str
    files: dict[str, bytes]

    def key(self) -> str:
        """40 hex digits that stand for all inputs."""
        return _digest(
            self.pins.digest,
            self.profile,
            self.compiler,
            self.recipe,
            *(f"{name} {_sha256(content)}" for name, content in sorted(self.files.items())),
        )

    def shape(self) -> str:
        """Like key(), but the same while only code changes: make can go on where it was.

        Options, linker scripts and the list of files are outside of make's dependencies.
        """
        return _digest(
            self.pins.digest,
            self.profile,
            self.compiler,
            self.recipe,
            *sorted(self.files),
            *(
                f"{name} {_sha256(content)}"
                for name, content in sorted(self.files.items())
                if not name.endswith((".c", ".h", ".py"))
            ),
        )


def record(
    inputs: Inputs, build_id: str, elf: bytes, options: dict[str, int | str]
) -> dict[str, Any]:
    """The content of provenance.json."""
    return {
        "format": FORMAT,
        "build": build_id,
        "profile": inputs.profile,
        "elf_sha256": _sha256(elf),
        "elf_bytes": len(elf),
        "compiler": inputs.compiler,
        "recipe": inputs.recipe,
        "sources": [
            {
                "name": tree.name,
                "version": tree.version,
                "upstream_tag": tree.tag,
                "tarball": tree.tarball,
                "tarball_sha256": tree.tarball_sha256,
                "files_sha256": tree.sha256,
            }
            for tree in inputs.pins.trees
        ],
        "workarounds": list(WORKAROUNDS),
        "lwip_options": dict(sorted(options.items())),
        "firmware_files": {
            name: _sha256(content) for name, content in sorted(inputs.files.items())
        },
    }


def as_json(record_: dict[str, Any]) -> bytes:
    """The bytes of provenance.json."""
    return (json.dumps(record_, indent=1) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
