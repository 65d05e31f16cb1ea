"""What a grading process says (`one_submission`): a line of JSON for each result."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
from typing import Any

from lwipscope.exercise.result import TestResult

_MOST_SAID_BYTES = 1 << 20


class Lines:
    """What a grading process says, line by line."""

    def __init__(self, process: subprocess.Popen[bytes], job: bytes) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.tests: list[TestResult] = []
        self.refused = self.error = ""
        self.ended = self.too_long = False
        self._fd = process.stdout.fileno()
        self._rest = b""
        self._bytes = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, selectors.EVENT_READ)
        process.stdin.write(job)
        process.stdin.flush()

    @property
    def over(self) -> bool:
        """Nothing more is to come."""
        return self.ended or bool(self.refused or self.error)

    def read(self, timeout_s: float) -> bool:
        """What has come within the time; False at the end."""
        if not self._selector.select(timeout_s):
            return True
        data = os.read(self._fd, 1 << 16)
        self._bytes += len(data)
        self.too_long = self._bytes > _MOST_SAID_BYTES
        if not data or self.too_long:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return True

    def _take(self, said: dict[str, Any]) -> None:
        if "test" in said:
            self.tests.append(TestResult.of(said["test"]))
        self.refused = str(said.get("refused", self.refused))
        self.error = str(said.get("error", self.error))
        self.ended = self.ended or "end" in said
