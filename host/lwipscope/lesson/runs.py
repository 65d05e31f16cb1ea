"""The learner's run files: those of an experiment, newest first, in the places where they may be.

`lwipscope run` and `run-scenario` leave them in lwipscope-logs/ where they were called; the lab
where it was told to. A file of another lesson, or one that is no run file, is passed over here;
which of the rest count is for `observing` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.lesson.text import Experiment
from lwipscope.runfile.model import SUFFIX, Run

LOGS = "lwipscope-logs"
_MOST = 24  # of the newest: a learner looks at the run just made
_LAB = "lab"


@dataclass(frozen=True)
class Made:
    """A run and its file."""

    path: Path
    run: Run

    @property
    def wall_ns(self) -> int:
        """When it began."""
        return self.run.about.wall_ns


def places(folder: Path) -> list[Path]:
    """Where runs may be: below here, below the lesson's folder, and beside the lessons."""
    found = [Path(LOGS), folder, folder.parent / LOGS, folder.parent.parent / LOGS]
    return list(dict.fromkeys(path.resolve() for path in found if path.is_dir()))


def runs_since(folders: Iterable[Path], since_ns: int) -> list[Made]:
    """All run files written after that moment, newest first; unreadable ones are left out."""
    paths = {path for folder in folders for path in folder.rglob(f"*{SUFFIX}")}
    dated = sorted(((_written_ns(path), path) for path in paths), reverse=True)
    found = []
    for written_ns, path in dated[:_MOST]:
        if written_ns < since_ns:
            break
        try:
            found.append(Made(path, Run.load(path)))
        except UsageError:
            continue
    return found


def of_experiment(experiment: Experiment, among: Iterable[Made]) -> Iterator[Made]:
    """Those made with the experiment's program or scenario, or in the lab."""
    for made in among:
        about = made.run.about
        if about.name == (experiment.program or experiment.scenario) or about.command == _LAB:
            yield made


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
