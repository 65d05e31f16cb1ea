"""Runs GNU make for build.py: progress from its output, a log, a deadline, an error that helps.

The environment is made anew, because every variable in it is a make variable: a DEBUG or CFLAGS
of the user's shell would change the firmware.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import BuildError
from lwipscope.firmware.progress import Progress, Step

_TAIL_LINES = 30
_DEADLINE_S = 1800.0
_STOP_S = 5.0
_STEP = re.compile(r"(?:CC|AS|GEN|MPY|LINK|FREEZE) \S.*")
_NOISE = re.compile(r"mkdir -p |-e See |.*Waiting for unfinished jobs")
_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# The date in the banner: the day of the MicroPython release, so that builds don't differ by day.
_RELEASE_DAY = "1744675200"


@dataclass(frozen=True, slots=True)
class Make:
    """One `make -C folder NAME=VALUE...`, which may be run for several targets."""

    folder: Path
    variables: dict[str, str]
    build_id: str
    log: Path
    # What to replace in messages: the build sees copies, people know the originals.
    shown_as: dict[str, str]
    # MicroPython's banner says it.
    version: str = "v1.25.0"

    def run(
        self,
        progress: Progress,
        *targets: str,
        total: int = 0,
        prefix: str = "",
        extra: dict[str, str] | None = None,
    ) -> int:
        """Make `targets` (or the default one); returns how many steps it took."""
        command = ["make", "--no-print-directory", "-C", str(self.folder)]
        command += [f"{name}={value}" for name, value in (self.variables | (extra or {})).items()]
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        done = 0
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join([*command, *targets])}\n")
            process = subprocess.Popen(
                [*command, *targets],
                env=_environment(self.build_id, self.version),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # A group of its own, so that its compilers can be stopped with it.
                start_new_session=True,
            )
            expired = threading.Event()
            timer = threading.Timer(_DEADLINE_S, _expire, (process, expired))
            timer.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    log.write(line)
                    text = self._for_people(line.rstrip())
                    if not _NOISE.match(text):
                        tail.append(text)
                    if _STEP.fullmatch(text):
                        done += 1
                        progress(Step(prefix + self._short(text), done, total and max(total, done)))
                code = process.wait()
            finally:
                timer.cancel()
                timer.join()
                _stop(process)
                if process.stdout is not None:
                    process.stdout.close()
        if expired.is_set():
            raise BuildError(f"the build took more than {_DEADLINE_S:.0f} s; log: {self.log}")
        if code:
            said = "\n".join(tail)
            raise BuildError(
                f"the firmware could not be built (make ended with {code}); the whole log is in "
                f"{self.log}; its last lines:\n{said}"
            )
        return done

    def _for_people(self, text: str) -> str:
        for internal, original in self.shown_as.items():
            text = text.replace(internal, original)
        return text

    def _short(self, text: str) -> str:
        """`CC ../../py/gc.c` as `CC py/gc.c`."""
        word, _, path = text.partition(" ")
        inside = (self.variables.get("LWIP_ROOT", ".."), self.variables["BUILD"], "../..", "..")
        for folder in (*self.shown_as.values(), *inside):
            path = path.removeprefix(folder + "/")
        return f"{word} {path}"


def _environment(build_id: str, version: str) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "LC_ALL": "C",
        "MICROPY_GIT_TAG": version,
        "MICROPY_GIT_HASH": build_id,
        "SOURCE_DATE_EPOCH": _RELEASE_DAY,
        # MicroPython's build scripts must leave no __pycache__ in the source tree, warn about
        # nothing and order nothing by chance.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONHASHSEED": "0",
        "PYTHON": sys.executable,
    }


def _expire(process: subprocess.Popen[str], expired: threading.Event) -> None:
    expired.set()
    _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_STOP_S)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
