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
from lwipscope.firmware.unpinned import Tree

# What the build does to the behaviour of the upstream sources, and why. They are not edited.
WORKAROUNDS: tuple[str, ...] = (
    "tcp_err() and tcp_recv() ignore listeners: modlwip 1.25.0 calls them on a LISTEN pcb when a "
    "listening socket is closed, which lwIP's assertions forbid",
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that decides about the bytes of an image.

    `trees` are the sources of an unpinned one; empty: the pinned ones. Without `workarounds`
    MicroPython's defects are left in; without `tracer` it is as firmware that others publish; with
    `grading` programs can neither reach memory nor the trace.
    """

    pins: Pins
    profile: Profile
    compiler: str
    recipe: str
    files: dict[str, bytes]
    workarounds: bool = True
    trees: tuple[Tree, ...] = ()
    tracer: bool = True
    grading: bool = False

    @property
    def kind(self) -> str:
        """Images and work folders of one kind are kept apart from those of all others."""
        marks = (
            "unpinned-" if self.trees else "",
            "" if self.workarounds else "no-workarounds-",
            "" if self.tracer else "no-tracer-",
            "grading-" if self.grading else "",
        )
        return "".join((*marks, self.profile))

    def key(self) -> str:
        """40 hex digits that stand for all inputs."""
        return _digest(
            *(self._sources() or [self.pins.digest]),
            self.kind,
            self.compiler,
            self.recipe,
            *(f"{name} {_sha256(content)}" for name, content in sorted(self.files.items())),
        )

    def shape(self) -> str:
        """Like key(), but the same while only code changes: make can go on where it was.

        Options, linker scripts and the list of files are outside of make's dependencies. Unpinned
        sources count as code, where they are decides.
        """
        return _digest(
            *([str(tree.folder.resolve()) for tree in self.trees] or [self.pins.digest]),
            self.kind,
            self.compiler,
            self.recipe,
            *sorted(self.files),
            *(
                f"{name} {_sha256(content)}"
                for name, content in sorted(self.files.items())
                # What of MicroPython's modules is in: make's list of them would stay the old one.
                if not name.endswith((".c", ".h", ".py")) or "mpconfig" in name
            ),
        )

    def _sources(self) -> list[str]:
        return [f"{tree.sha256} {tree.revision} {tree.dirty}" for tree in self.trees]


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
        "unpinned": bool(inputs.trees),
        "tracer": inputs.tracer,
        "grading": inputs.grading,
        "sources": _sources(inputs),
        "workarounds": list(WORKAROUNDS) if inputs.workarounds else [],
        "lwip_options": dict(sorted(options.items())),
        "firmware_files": {
            name: _sha256(content) for name, content in sorted(inputs.files.items())
        },
    }


def _sources(inputs: Inputs) -> list[dict[str, Any]]:
    pinned = {
        tree.name: {
            "name": tree.name,
            "version": tree.version,
            "upstream_tag": tree.tag,
            "tarball": tree.tarball,
            "tarball_sha256": tree.tarball_sha256,
            "files_sha256": tree.sha256,
        }
        for tree in inputs.pins.trees
    }
    found = [pinned[tree.name] if tree.pinned else _unpinned(tree) for tree in inputs.trees]
    return found or list(pinned.values())


def _unpinned(tree: Tree) -> dict[str, Any]:
    # Never where it was: that is nobody's business, and differs between machines.
    return {
        "name": tree.name,
        "version": tree.version,
        "unpinned": True,
        "files_sha256": tree.sha256,
        "git_revision": tree.revision or None,
        "dirty": tree.dirty,
    }


def as_json(record_: dict[str, Any]) -> bytes:
    """The bytes of provenance.json."""
    return (json.dumps(record_, indent=1) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
