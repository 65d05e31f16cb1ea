"""The README's Python examples are run as they stand (the test is run by tests/plugin)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEN_LINES = ROOT / "tests/plugin/test_ten_lines.py"


def examples() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_test_is_the_one_that_is_tried() -> None:
    (test,) = [each for each in examples() if "def test_" in each]
    assert test in TEN_LINES.read_text(encoding="utf-8")


def test_the_example_runs_and_passes() -> None:
    (example,) = [each for each in examples() if "def test_" not in each]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=example.encode(),
        cwd=ROOT,
        capture_output=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Verdict.PASS" in done.stdout
