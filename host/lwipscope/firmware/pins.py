"""Which upstream files the firmware is built from, and the digests that they must have.

`pins.json` beside this module holds, for MicroPython and for lwIP, the version, Debian's tarball
(name, size, SHA-256), one SHA-256 over the list of all files that the build may read, and the
first 48 bits of each file's own SHA-256. The one over the list decides; the short ones only serve
to name the files that differ. Upstream's tags and Debian's tarballs agree in all of these files.

Maintainers make the file anew with `python -m lwipscope.firmware.pins DIR`, where DIR holds the
two tarballs and, unpacked, the two trees.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import BuildError, UsageError

_PINS_FILE = Path(__file__).with_name("pins.json")
_SHORT = 12
_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Tree:
    """One upstream project as pinned: where it comes from and what its files must be."""

    name: str
    version: str
    tag: str
    tarball: str
    tarball_bytes: int
    tarball_sha256: str
    sha256: str
    files: dict[str, str]

    def differences(self, root: Path) -> list[str]:
        """The pinned files that are missing or different under `root`; empty if all is well."""
        listing = hashlib.sha256()
        wrong: list[str] = []
        for path, short in self.files.items():
            try:
                digest = file_sha256(root / path)
            except OSError:
                wrong.append(f"{path} (missing)")
                continue
            listing.update(_line(path, digest))
            if not digest.startswith(short):
                wrong.append(path)
        if not wrong and listing.hexdigest() != self.sha256:
            wrong.append("(a file whose shortened digest is right and whose full digest is not)")
        return wrong

    def require(self, root: Path) -> None:
        """Refuse a tree that is not the pinned one, naming the first files that differ."""
        wrong = self.differences(root)
        if not wrong:
            return
        more = f" and {len(wrong) - _NAMED_AT_MOST} more" if len(wrong) > _NAMED_AT_MOST else ""
        raise BuildError(
            f"{root} is not {self.name} {self.version}: expected the files of upstream tag "
            f"{self.tag}, found {len(wrong)} of {len(self.files)} different: "
            f"{', '.join(wrong[:_NAMED_AT_MOST])}{more}; give an unchanged tree of that tag or "
            f"the file {self.tarball} (SHA-256 {self.tarball_sha256})"
        )


@dataclass(frozen=True, slots=True)
class Pins:
    """Both trees, and one digest that stands for all of it."""

    micropython: Tree
    lwip: Tree
    digest: str

    @property
    def trees(self) -> tuple[Tree, Tree]:
        return (self.micropython, self.lwip)


def load() -> Pins:
    """The pins that this version of lwipscope was made for."""
    data = json.loads(_PINS_FILE.read_text(encoding="utf-8"))
    trees = {name: Tree(name=name, **fields) for name, fields in data.items()}
    both = "".join(tree.sha256 for tree in trees.values())
    return Pins(trees["MicroPython"], trees["lwIP"], hashlib.sha256(both.encode()).hexdigest())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _line(path: str, digest: str) -> bytes:
    return f"{digest}  {path}\n".encode()


# --- for maintainers ---------------------------------------------------------------------------

# What the build may read: the parts that are compiled, the headers and tools they need.
WANTED = {
    "MicroPython": (
        "LICENSE",
        "py",
        "extmod",
        "shared",
        "ports/qemu",
        "mpy-cross",
        "lib/README.md",
        "lib/crypto-algorithms",
        "lib/libm",
        "lib/libm_dbl",
        "lib/littlefs",
        "lib/oofatfs",
        "lib/re1.5",
        "lib/uzlib",
        "tools/makemanifest.py",
        "tools/manifestfile.py",
        "tools/mpy-tool.py",
    ),
    "lwIP": (
        "COPYING",
        "src/api",
        "src/apps/mdns",
        "src/core",
        "src/include",
        "src/netif",
    ),
}
_RELEASES = {
    "MicroPython": (
        "1.25.0",
        "v1.25.0",
        "micropython_1.25.0+ds.orig.tar.xz",
        "micropython-1.25.0",
        "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
    ),
    "lwIP": (
        "2.2.1",
        "STABLE-2_2_1_RELEASE",
        "lwip_2.2.1+dfsg1.orig.tar.xz",
        "lwip-2.2.1",
        "83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1",
    ),
}


def make(folder: Path) -> str:
    """The text of pins.json, from the tarballs and the trees unpacked from them in `folder`."""
    result: dict[str, dict[str, object]] = {}
    for name, (version, tag, tarball, tree, expected) in _RELEASES.items():
        found = file_sha256(folder / tarball)
        if found != expected:
            raise BuildError(f"{folder / tarball}: expected SHA-256 {expected}, found {found}")
        digests = _digests(folder / tree, WANTED[name])
        listing = b"".join(_line(path, digest) for path, digest in digests.items())
        result[name] = {
            "version": version,
            "tag": tag,
            "tarball": tarball,
            "tarball_bytes": (folder / tarball).stat().st_size,
            "tarball_sha256": found,
            "sha256": hashlib.sha256(listing).hexdigest(),
            "files": {path: digest[:_SHORT] for path, digest in digests.items()},
        }
    return json.dumps(result, indent=0) + "\n"


def _digests(root: Path, wanted: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in wanted:
        base = root / part
        files = [base] if base.is_file() else [path for path in base.rglob("*") if path.is_file()]
        if not files:
            raise BuildError(f"{base} is missing or empty; unpack the whole tarball")
        for path in files:
            if "__pycache__" not in path.parts:
                found[path.relative_to(root).as_posix()] = file_sha256(path)
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> int:
    """Write pins.json anew."""
    if len(arguments) != 1:
        raise UsageError("usage: python -m lwipscope.firmware.pins DIR")
    _PINS_FILE.write_text(make(Path(arguments[0])), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
