"""The submissions in a teacher's folder: each sub-folder, and each .py file beside them, is one.

An archive is one, too: it is refused, so that its student is not forgotten.

Nothing of them is run, and nothing is followed: what a submission holds is read by `board_files`.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.exercise.board_files import ARCHIVES, Refused, read
from lwipscope.exercise.exercise import Exercise
from lwipscope.exercise.library import exercise as exercise_named
from lwipscope.exercise.seeds import student_seed


@dataclass(frozen=True, slots=True)
class Submission:
    """`refused` says why it can't be graded; empty if it can. `exercise` is "" if not known."""

    student: str
    path: Path
    exercise: str
    seed: int
    refused: str = ""


def submissions(folder: Path, teacher_seed: int, only: Exercise | None) -> list[Submission]:
    """All of them, by name; `only` is for those that don't say which exercise they are for."""
    try:
        paths = sorted(p for p in folder.iterdir() if _may_be_one(p))
    except OSError as error:
        raise UsageError(f"{folder}: can't be read: {error.strerror}") from error
    if not paths:
        raise UsageError(
            f"{folder}: expected a folder or a .py file for each submission, found none; an own "
            "program is checked by: lwipscope exercise check FOLDER"
        )
    found = []
    for path, student in zip(paths, _students(paths), strict=True):
        name, why = _exercise_of(path, only)
        seed = student_seed(teacher_seed, name, student)
        found.append(Submission(student, path, name, seed, why))
    return found


def _may_be_one(path: Path) -> bool:
    if path.name.startswith(".") or path.name == "__pycache__":
        return False
    mode = path.lstat().st_mode
    # Lists and notes of the teacher's are left alone, but nothing that could be a program.
    return not stat.S_ISREG(mode) or path.suffix.lower() in (".py", *ARCHIVES)


def _students(paths: Sequence[Path]) -> list[str]:
    """A name for each that no other has: without .py if that is nobody else's."""
    names = {path.name for path in paths}
    shorts = [path.stem if path.suffix.lower() == ".py" else path.name for path in paths]
    count = Counter(shorts)
    return [
        path.name if count[short] > 1 or short in names else short
        for path, short in zip(paths, shorts, strict=True)
    ]


def _exercise_of(path: Path, only: Exercise | None) -> tuple[str, str]:
    """The exercise's name, and why it can't be graded."""
    try:
        said = read(path).exercise
        if only is not None:
            if said and said != only.name:
                return only.name, f"it says that it is for the exercise {said}, not {only.name}"
            return only.name, ""
        if not said:
            return "", (
                "it does not say which exercise it is for: its main.py needs the line "
                "`# lwipscope exercise: NAME`; or grade with --exercise NAME"
            )
        return exercise_named(said).name, ""
    except (Refused, UsageError) as error:
        return only.name if only is not None else "", str(error)
    except (LwipscopeError, OSError, ValueError) as error:
        return only.name if only is not None else "", f"it can't be read: {error}"
