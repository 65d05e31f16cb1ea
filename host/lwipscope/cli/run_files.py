"""Finds the run file that is meant: by its name, its folder, or the newest that there is."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from lwipscope.cli.progress import ProgressLine
from lwipscope.errors import UsageError
from lwipscope.runfile.model import SUFFIX, Run

LOGS = Path("lwipscope-logs")
_MOST_LISTED = 12
_LARGE_BYTES = 1_000_000  # some 20 000 segments: a second or so


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """RUN."""
    parser.add_argument(
        "run_file",
        nargs="?",
        type=Path,
        metavar="RUN",
        help=f"a run file (NAME{SUFFIX}), or a folder with one; default: the newest in {LOGS}/",
    )


def run_path(given: Path | None) -> Path:
    """The file meant; UsageError that lists what there is."""
    if given is not None and not given.is_dir():
        return given
    folder = given or LOGS
    found = sorted(folder.rglob(f"*{SUFFIX}"), key=_age)
    if not found:
        raise UsageError(
            f"there is no run file (*{SUFFIX}) in {folder}{'/' if given is None else ''}; "
            "`lwipscope demo` and `lwipscope run APP.py` leave some"
        )
    if given is not None and len(found) > 1:
        listed = "\n".join(f"  {path}" for path in found[:_MOST_LISTED])
        more = f"\n  and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
        raise UsageError(f"{folder} has {len(found)} run files; say which one:\n{listed}{more}")
    return found[0]


def the_run(given: Path | None) -> tuple[Path, Run]:
    """That file, loaded."""
    path = run_path(given)
    with working_on(path, "reading"):
        return path, Run.load(path)


@contextlib.contextmanager
def working_on(path: Path, doing: str) -> Iterator[None]:
    """Says so on a terminal while it lasts, if the run file is large enough to take a while."""
    size = 0
    with contextlib.suppress(OSError):
        size = path.stat().st_size
    with ProgressLine() as progress:
        if size > _LARGE_BYTES:
            progress.say(f"{doing} {path.name}, {size / 1e6:.1f} MB")
        yield


def _age(path: Path) -> tuple[float, str]:
    """Newest first."""
    try:
        return (-path.stat().st_mtime, str(path))
    except OSError:
        return (0.0, str(path))
