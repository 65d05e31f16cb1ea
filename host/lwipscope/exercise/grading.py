"""Grades all submissions, several at a time, each in a process of its own.

A submission gets a fresh interpreter, a keeper, a board and a temporary folder; none is shared, so
none can harm another. A process that is not done in time is killed by its pid; what it had found
until then counts. Called by `lwipscope grade`. Times in seconds of host time.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import lwipscope
from lwipscope.errors import UsageError
from lwipscope.exercise.guard import Limits
from lwipscope.exercise.library import exercise
from lwipscope.exercise.lines import Lines
from lwipscope.exercise.result import Grade, Status, TestResult
from lwipscope.exercise.submissions import Submission
from lwipscope.firmware.firmware import Firmware, Profile
from lwipscope.paths import temporary_dir

_START_S = 30.0
_LOOK_S = 0.2
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Conditions:
    """The same for all submissions. `recordings`: where run files go of tests not passed."""

    firmware: Mapping[Profile, Firmware]
    network: str = "auto"
    lang: str = "en"
    recordings: Path | None = None
    most_s: float | None = None
    """What a submission may take at most; if not given, what its tests may take together."""


class Grading:
    """`grades()` yields each grade when it is there; `close()` kills what still runs."""

    def __init__(
        self,
        submitted: Sequence[Submission],
        conditions: Conditions,
        jobs: int,
        on_start: Callable[[Submission], None] = lambda _submission: None,
    ) -> None:
        if jobs < 1:
            raise UsageError(f"--jobs {jobs}: expected 1 or more")
        self._conditions = conditions
        self._on_start = on_start
        self._todo: queue.SimpleQueue[Submission] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Grade] = queue.SimpleQueue()
        self._left = len(submitted)
        self._stop = threading.Event()
        for each in submitted:
            self._todo.put(each)
        count = min(jobs, self._left)
        self._workers = [threading.Thread(target=self._work) for _ in range(count)]

    def __enter__(self) -> Grading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def grades(self) -> Iterator[Grade]:
        """In the order in which they are ready."""
        for worker in self._workers:
            worker.start()
        while self._left:
            try:
                grade = self._done.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            self._left -= 1
            yield grade

    def close(self) -> None:
        """End all that runs; idempotent."""
        self._stop.set()
        for worker in self._workers:
            if worker.ident is not None:
                worker.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                submission = self._todo.get_nowait()
            except queue.Empty:
                return
            self._on_start(submission)
            self._done.put(self._grade(submission))

    def _grade(self, submission: Submission) -> Grade:
        """Whatever happens to this one, the others go on."""
        begun_s = time.monotonic()
        if submission.refused:
            return _grade_of(submission, "refused", submission.refused, (), begun_s)
        try:
            return self._run(submission, begun_s)
        except Exception as error:
            return _grade_of(submission, "error", f"{type(error).__name__}: {error}", (), begun_s)

    def _run(self, submission: Submission, begun_s: float) -> Grade:
        chosen = exercise(submission.exercise)
        limit_s = self._conditions.most_s or _START_S + len(chosen.tests) * Limits().seconds
        # A short name: a unix socket's path has at most 107 bytes.
        folder = Path(tempfile.mkdtemp(prefix="lwg-", dir=temporary_dir()))
        try:
            with (folder / "stderr").open("w+b") as said:
                process = self._spawn(folder, said)
                try:
                    lines = Lines(process, self._job(submission))
                    status, reason = self._follow(process, lines, begun_s + limit_s)
                finally:
                    _kill(process)
                if status == "error" and not reason:
                    said.seek(0)
                    end = said.read()[-_SHOWN:].decode("utf-8", "replace").strip()
                    reason = f"the grading process ended with {process.returncode}: {end}"
            return _grade_of(submission, status, reason, lines.tests, begun_s)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _spawn(self, folder: Path, said: IO[bytes]) -> subprocess.Popen[bytes]:
        package = str(Path(lwipscope.__file__).resolve().parents[1])
        unwanted = ("PYTHONSTARTUP", "PYTHONPATH", "PYTHONINSPECT", "PYTHONBREAKPOINT")
        env = {key: value for key, value in os.environ.items() if key not in unwanted}
        env |= {"TMPDIR": str(folder), "LWIPSCOPE_GRADING_FOLDER": str(folder)}
        env |= {"PYTHONPATH": package, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lwipscope.exercise.one_submission"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=env,
            cwd=folder,
            # The terminal's Ctrl-C is for us; we end it.
            start_new_session=True,
        )

    def _job(self, submission: Submission) -> bytes:
        conditions = self._conditions
        folder = conditions.recordings
        firmware = conditions.firmware[exercise(submission.exercise).profile]
        job = {
            "path": str(submission.path.absolute()),
            "student": submission.student,
            "exercise": submission.exercise,
            "seed": submission.seed,
            "elf": str(firmware.elf),
            "network": conditions.network,
            "lang": conditions.lang,
            "recordings": str((folder / submission.student).absolute()) if folder else "",
        }
        return json.dumps(job).encode() + b"\n"

    def _follow(
        self, process: subprocess.Popen[bytes], lines: Lines, deadline_s: float
    ) -> tuple[Status, str]:
        """Read what it says until it is over: how that was, and why."""
        while not lines.over:
            if self._stop.is_set():
                return "not graded", "interrupted"
            if time.monotonic() > deadline_s:
                return "killed", "it was not done in time; its process was killed"
            if not lines.read(_LOOK_S):
                if lines.too_long:
                    return "killed", "it said too much; its process was killed"
                process.wait(_START_S)
                break
        if lines.refused:
            return "refused", lines.refused
        return ("graded", "") if lines.ended else ("error", lines.error)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it, and reap it. Its keeper notices, and ends QEMU and the rest."""
    if process.poll() is None:
        try:
            process.wait(_LOOK_S)  # it has said its last line, and is about to end
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _grade_of(
    submission: Submission,
    status: Status,
    reason: str,
    tests: Sequence[TestResult],
    begun_s: float,
) -> Grade:
    most = len(exercise(submission.exercise).tests) if submission.exercise else 0
    return Grade(
        submission.student,
        submission.exercise,
        submission.seed,
        status,
        sum(test.passed for test in tests),
        most,
        reason,
        tuple(tests),
        round(time.monotonic() - begun_s, 3),
    )
