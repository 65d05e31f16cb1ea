"""`--lwip-report FILE`: the runs of a test session as an index with a page for each.

Written when the session ends, by the process that has the reports of all workers. A test's run is
found by its folder (`evidence.folder_name`); its verdict is the test's own, also for tests that
judge something else than paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lwipscope.errors import LwipscopeError
from lwipscope.pytest_plugin.evidence import folder_name
from lwipscope.pytest_plugin.options import Settings

if TYPE_CHECKING:
    from lwipscope.report.index_files import Source

_GRAVITY = ("PASS", "FAIL", "ERROR")


def write(reporter: pytest.TerminalReporter, settings: Settings) -> str:
    """Write it; the line that says so, or why it could not be."""
    from lwipscope.report.index_files import write_index

    assert settings.report is not None
    sources = [*_sources(_verdicts(reporter), settings.log_dir)]
    if not sources:
        return f"no report: no test of this session left a run in {settings.log_dir}"
    try:
        count = write_index(settings.report, sources)
    except LwipscopeError as error:
        return f"no report: {error}"
    return f"report: {settings.report}, and {count} page{'' if count == 1 else 's'} beside it"


def _verdicts(reporter: pytest.TerminalReporter) -> dict[str, str]:
    """By test: PASS, FAIL, or ERROR if it failed before or after its own lines."""
    found: dict[str, str] = {}
    for reports in reporter.stats.values():
        for report in reports:
            nodeid, outcome = getattr(report, "nodeid", ""), getattr(report, "outcome", "")
            if not nodeid or outcome not in ("passed", "failed"):
                continue
            when = getattr(report, "when", "")
            if outcome == "passed" and when != "call":
                continue
            verdict = "PASS" if outcome == "passed" else "FAIL" if when == "call" else "ERROR"
            found[nodeid] = max(verdict, found.get(nodeid, verdict), key=_GRAVITY.index)
    return found


def _sources(verdicts: Mapping[str, str], logs: Path) -> Iterator[Source]:
    from lwipscope.report.index_files import Source
    from lwipscope.runfile.model import SUFFIX

    for nodeid, verdict in verdicts.items():
        for path in sorted((logs / folder_name(nodeid)).glob(f"*{SUFFIX}")):
            yield Source(path, nodeid, verdict)
