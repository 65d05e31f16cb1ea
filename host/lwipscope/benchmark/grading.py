"""How long a class takes: thirty submissions of five tests each, a third of them wrong or harmful.

The good ones are the example `firmware/scripts/echo_server.py`, with the port from its
`config.py`; the others are changed from it. The firmware for grading is built before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.starting import temporary_folder
from lwipscope.benchmark.workshop import Workshop
from lwipscope.errors import LwipscopeError
from lwipscope.firmware.selection import choose
from lwipscope.paths import share_dir

SUBMISSIONS = 30
JOBS = 2
_GRADE_S = 300.0
_HEAD = "# lwipscope exercise: echo-server\n"


def thirty(_shop: Workshop, times: int) -> Rows:
    """Seconds for `lwipscope grade` on two cores."""
    choose("roomy", grading=True)
    for _ in range(times):
        with temporary_folder() as folder:
            good = _write_class(folder / "class")
            started_s = time.monotonic()
            marks = _graded(folder)
            took_s = time.monotonic() - started_s
            full = sum(each["points"] == each["most"] > 0 for each in marks)
            if (len(marks), full) != (SUBMISSIONS, good):
                raise LwipscopeError(
                    f"{good} of {SUBMISSIONS} submissions were expected to pass all tests; it "
                    f"was {full} of {len(marks)}"
                )
        yield (took_s,)


def _write_class(folder: Path) -> int:
    """How many of them are good."""
    example = (share_dir("firmware") / "scripts/echo_server.py").read_text(encoding="utf-8")
    echo = _HEAD + example.replace("PORT = 6666\n", "from config import PORT\n")
    bad = [
        echo.replace("            connection.close()\n", "            pass\n"),
        echo.replace("    while True:\n        data", "    if True:\n        data"),
        echo.replace("except OSError as error:", "except ValueError as error:"),
        f"{_HEAD}while True:\n    pass\n",
        echo.replace("if not data:", "if not data"),
    ]
    good = 0
    for number in range(SUBMISSIONS):
        student = folder / f"student-{number + 1:02}"
        student.mkdir(parents=True)
        is_good = number % 3 < 2
        good += is_good
        source = echo if is_good else bad[number // 3 % len(bad)]
        (student / "main.py").write_text(source, encoding="utf-8")
    return good


def _graded(folder: Path) -> list[dict[str, int]]:
    marks = folder / "marks.json"
    command = [sys.executable, "-m", "lwipscope", "grade", str(folder / "class")]
    command += ["--jobs", str(JOBS), "--json", str(marks), "--log-dir", str(folder / "logs")]
    done = subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, timeout=_GRADE_S, check=False
    )
    if not marks.is_file():
        raise LwipscopeError(
            f"`lwipscope grade` ended with {done.returncode}: {done.stderr[-800:]}"
        )
    grades: list[dict[str, int]] = json.loads(marks.read_text(encoding="utf-8"))["grades"]
    return grades
