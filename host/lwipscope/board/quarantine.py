"""Boards that failed their reset ladder: kept from further use until somebody releases them.

One small file for each in the cache, with the reason and the time (`lwipscope boards --release`).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lwipscope.errors import NoBoard, UsageError
from lwipscope.paths import cache_dir, made


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One board, and why; `since_s` as time.time()."""

    name: str
    reason: str
    since_s: float

    def text(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since_s))
        return f"{self.name}: quarantined since {when}: {self.reason}"


class InQuarantine(NoBoard):
    """The board is not to be used."""


def put(name: str, reason: str) -> None:
    """Keep the board from further use."""
    made(_folder())
    entry = Quarantined(name, reason, time.time())
    path = _path(name)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(entry)), encoding="utf-8")
    fresh.replace(path)


def release(name: str) -> Quarantined:
    """Let it be used again; UsageError if it is not in quarantine."""
    entry = of(name)
    if entry is None:
        listed = ", ".join(each.name for each in everything()) or "none"
        raise UsageError(f"{name} is not in quarantine; in quarantine: {listed}")
    _path(name).unlink(missing_ok=True)
    return entry


def of(name: str) -> Quarantined | None:
    """The board's entry, if it has one."""
    return _read(_path(name))


def require_free(name: str) -> None:
    """InQuarantine with the reason, if it is."""
    entry = of(name)
    if entry is not None:
        raise InQuarantine(f"{entry.text()}\nSee to it, then: lwipscope boards --release {name}")


def everything() -> list[Quarantined]:
    """All boards in quarantine."""
    found = [_read(path) for path in sorted(_folder().glob("*.json"))]
    return [entry for entry in found if entry is not None]


def _folder() -> Path:
    return cache_dir() / "quarantine"


def _path(name: str) -> Path:
    plain = re.sub(r"[^\w.-]+", "_", name).strip("_")[:100]
    return _folder() / f"{plain}.json"


def _read(path: Path) -> Quarantined | None:
    try:
        return Quarantined(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
