"""Grades one submission, in a process of its own: `python -P -m lwipscope.exercise.one_submission`.

The job comes as one line of JSON on standard input, which then stays open: when it ends, whoever
gave the job is gone, and this process ends at once; its keeper ends what it has started. Each
result is one line of JSON on standard output, so that what was found is known even if this process
has to be killed. The submission's files go to the board and are never run here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from lwipscope.errors import LwipscopeError
from lwipscope.exercise.board_files import Refused, read
from lwipscope.exercise.examiner import Examiner
from lwipscope.exercise.library import exercise
from lwipscope.firmware.firmware import Firmware
from lwipscope.paths import temporary_dir
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import translator


def main() -> int:
    """0 if the submission was graded or refused, 1 if this machine could not do it."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _grade(job)
    except Refused as error:
        _say({"refused": str(error)})
    except (LwipscopeError, OSError) as error:
        _say({"error": str(error) or type(error).__name__})
        return 1
    return 0


def _grade(job: dict[str, Any]) -> None:
    chosen = exercise(job["exercise"])
    files = read(Path(job["path"]), job["student"])
    recordings = Path(job["recordings"]) if job["recordings"] else None
    with (
        Keeper.start(job["network"]) as keeper,
        Examiner(
            Firmware.load(Path(job["elf"])),
            keeper,
            translator(job["lang"]),
            recordings=recordings,
        ) as examiner,
    ):
        for result in examiner.examine(chosen, files, job["seed"]):
            _say({"test": result.as_dict()})
    _say({"end": True})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    # The folder was made for this process alone; who made it can't remove it any more.
    if os.environ.get("LWIPSCOPE_GRADING_FOLDER") == str(temporary_dir()):
        shutil.rmtree(temporary_dir(), ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
