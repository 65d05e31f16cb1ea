"""JUnit XML, as CI systems read it: one test case for each scenario, the board in its properties.

Reads results, touches nothing live. Times in seconds. FAIL is a failure; INCONCLUSIVE and ERROR are
errors, since they say nothing about the board's TCP; what could not be played is skipped.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import UsageError


@dataclass(frozen=True, slots=True)
class Case:
    """One test case; `outcome` is PASS, FAIL, SKIP, or anything else for an error."""

    name: str
    outcome: str
    text: str = ""
    wall_s: float = 0.0


def write_junit(
    path: Path, suite: str, cases: Sequence[Case], properties: Mapping[str, str]
) -> None:
    """Write the file; UsageError if that can't be done."""
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    root = ET.Element("testsuites")
    top = ET.SubElement(root, "testsuite", name=suite, tests=str(len(cases)))
    listed = ET.SubElement(top, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", name=name, value=_clean(value))
    for case in cases:
        element = ET.SubElement(
            top, "testcase", classname=suite, name=case.name, time=f"{case.wall_s:.3f}"
        )
        if case.outcome == "PASS":
            continue
        kind, count = {"FAIL": ("failure", "failures"), "SKIP": ("skipped", "skipped")}.get(
            case.outcome, ("error", "errors")
        )
        counts[count] += 1
        first = _clean(case.text).partition("\n")[0] or case.outcome
        told = ET.SubElement(element, kind, message=first)
        if kind != "skipped":
            told.text = _clean(case.text)
    for name, number in counts.items():
        top.set(name, str(number))
    top.set("time", f"{sum(case.wall_s for case in cases):.3f}")
    ET.indent(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error


def _clean(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(c if c >= " " or c in "\n\t" else "?" for c in text)
