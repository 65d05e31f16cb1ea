"""How far a learner is with a lesson: progress.json in the lesson's folder, and no other place.

It remembers what was predicted and when, which runs were looked at, and which questions were tried.
Times are nanoseconds since 1970, as in run files.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError

FILE = "progress.json"
_FORMAT = "lwipscope-lesson"
_VERSION = 1


@dataclass(slots=True)
class Predicted:
    """A prediction and when it was written down. `later`: what it was changed to after the run."""

    text: str
    at_ns: int
    later: str = ""


@dataclass(slots=True)
class Observed:
    """A run that was as the experiment means it."""

    file: str
    wall_ns: int
    conn: int


@dataclass(slots=True)
class Tried:
    """A question: what was answered last, how often, and whether it is right."""

    given: str = ""
    tries: int = 0
    right: bool = False


@dataclass(slots=True)
class Progress:
    """All of it. `explained_ns`, `completed_ns`: 0 while that has not happened."""

    lesson: str
    started_ns: int
    predicted: dict[str, Predicted] = field(default_factory=dict)
    observed: dict[str, Observed] = field(default_factory=dict)
    tried: dict[str, Tried] = field(default_factory=dict)
    explained_ns: int = 0
    completed_ns: int = 0

    def save(self, folder: Path) -> None:
        """Write it beside its place and move it there."""
        table = {"format": _FORMAT, "version": _VERSION, **asdict(self)}
        path = folder / FILE
        beside = folder / f".{FILE}.{secrets.token_hex(4)}"
        try:
            try:
                beside.write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise UsageError(f"{path}: can't be written: {error.strerror}") from error

    @classmethod
    def load(cls, folder: Path) -> Progress | None:
        """Of the lesson in this folder; None if none was started there."""
        path = folder / FILE
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            if table["format"] != _FORMAT or table["version"] != _VERSION:
                raise ValueError(f"format {table['format']}, version {table['version']}")
            return cls._of(table)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {error.strerror}") from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UsageError(
                f"{path}: damaged, or not written by `lwipscope lesson` ({error!r}). Remove the "
                "folder and start the lesson again; keep answers.toml if you want"
            ) from error

    @classmethod
    def _of(cls, table: dict[str, Any]) -> Progress:
        return cls(
            str(table["lesson"]),
            int(table["started_ns"]),
            {str(k): Predicted(**v) for k, v in table["predicted"].items()},
            {str(k): Observed(**v) for k, v in table["observed"].items()},
            {str(k): Tried(**v) for k, v in table["tried"].items()},
            int(table["explained_ns"]),
            int(table["completed_ns"]),
        )
