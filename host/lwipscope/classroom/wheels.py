"""Wheels of lwipscope and of all that it needs, made from what is installed here.

Nothing is fetched: what this installation runs with is what the class gets. An installed
distribution has a list of its files (RECORD), so its wheel can be made again; lwipscope's own
comes from the checkout if it is installed from one. Called by `classroom.bundle`.
Source of the format: PyPA specifications, "Binary distribution format" and "Recording installed
projects".
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_string
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lwipscope.errors import LwipscopeError
from lwipscope.paths import share_dir

OURS = "lwipscope"
# Its own wheel runs without being installed: a venv needs no pip from the system then.
INSTALLER = "pip"
_WANTED_EXTRAS = ("tui",)
_TIME = (1980, 1, 1, 0, 0, 0)
_BUILD_S = 120.0
# Of the installation, not of the distribution.
_NOT_PACKED = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")


class NotPackable(LwipscopeError):
    """A distribution that can't be packed here."""


def write_wheels(folder: Path) -> list[Path]:
    """Wheels of lwipscope, what it needs, and pip; in the order of their names."""
    names = [*needed(OURS, _WANTED_EXTRAS), INSTALLER]
    made = [_ours(folder)]
    made += [repack(_distribution(name), folder) for name in names if name != OURS]
    return sorted(made)


def needed(name: str, extras: tuple[str, ...] = ()) -> list[str]:
    """Canonical names of a distribution and all that it requires on a machine like this one.

    An extra of which something is not installed here is left out.
    """
    found: dict[str, None] = {}
    _collect(name, ("",), found)
    for extra in extras:
        more = dict(found)
        try:
            _collect(name, (extra,), more, again=True)
        except NotPackable:
            continue
        found = more
    return list(found)


def _collect(
    name: str, extras: tuple[str, ...], found: dict[str, None], *, again: bool = False
) -> None:
    key = canonicalize_name(name)
    if key in found and not again:
        return
    found[key] = None
    for line in _distribution(key).requires or ():
        wish = Requirement(line)
        if wish.marker is None or any(wish.marker.evaluate({"extra": e}) for e in extras):
            _collect(wish.name, ("", *wish.extras), found)


def repack(distribution: Distribution, folder: Path) -> Path:
    """The wheel of an installed distribution, in `folder`."""
    name, version = distribution.metadata["Name"], distribution.version
    about = message_from_string(distribution.read_text("WHEEL") or "")
    if about.get("Root-Is-Purelib", "").lower() != "true":
        raise NotPackable(
            f"{name} {version} has parts for this machine only, or was not installed from a "
            "wheel: it can't go into a bundle for others"
        )
    label = re.sub(r"[-_.]+", "_", name).lower()
    wheel = folder / f"{label}-{version}-{_tag(about.get_all('Tag', []))}.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for where, data in _files(distribution):
            archive.writestr(zipfile.ZipInfo(where, _TIME), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow((where, f"sha256={digest}", len(data)))
        place = f"{_information(distribution)}/RECORD"
        rows.writerow((place, "", ""))
        archive.writestr(zipfile.ZipInfo(place, _TIME), record.getvalue(), zipfile.ZIP_DEFLATED)
    return wheel


def _files(distribution: Distribution) -> Iterator[tuple[str, bytes]]:
    name = distribution.metadata["Name"]
    if distribution.files is None:
        raise NotPackable(f"{name}: there is no list of its files; install it again with pip")
    for path in sorted(distribution.files, key=str):
        where = path.as_posix()
        # What lies outside (commands in bin/) is made anew when the wheel is installed.
        if where.startswith("..") or path.suffix == ".pyc":
            continue
        if path.parent.name.endswith(".dist-info") and path.name in _NOT_PACKED:
            continue
        try:
            yield where, path.read_binary()
        except OSError as error:
            raise NotPackable(f"{name}: {where} can't be read: {error.strerror}") from error


def _information(distribution: Distribution) -> str:
    for path in distribution.files or ():
        if path.name == "METADATA" and path.parent.name.endswith(".dist-info"):
            return path.parent.as_posix()
    raise NotPackable(f"{distribution.metadata['Name']}: it has no METADATA; install it again")


def _tag(tags: list[str]) -> str:
    """`py2-none-any` and `py3-none-any` are `py2.py3-none-any` in a file name."""
    parts = [tag.split("-") for tag in tags] or [["py3", "none", "any"]]
    return "-".join(".".join(sorted({each[i] for each in parts})) for i in range(3))


def _distribution(name: str) -> Distribution:
    try:
        return importlib.metadata.distribution(name)
    except PackageNotFoundError as error:
        raise NotPackable(
            f"{name} is not installed here, but the bundle needs it; try `python -m pip install "
            f"{name}`"
        ) from error


def _ours(folder: Path) -> Path:
    distribution = _distribution(OURS)
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return repack(distribution, folder)
    checkout = share_dir("firmware").parent
    if importlib.util.find_spec("hatchling") is None:
        raise NotPackable(
            f"lwipscope runs from {checkout}, and making a wheel of it needs hatchling; try "
            "`python -m pip install hatchling`"
        )
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(
        build, cwd=checkout, capture_output=True, text=True, timeout=_BUILD_S, check=False
    )
    made = sorted(folder.glob(f"{OURS}-*.whl"))
    if done.returncode or not made:
        raise NotPackable(f"no wheel of {checkout} could be made:\n{done.stdout}{done.stderr}")
    return made[-1]
