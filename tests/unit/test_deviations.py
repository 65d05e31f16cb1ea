"""Known deviations as data: named once, explained, with source, and found by name."""

from __future__ import annotations

import re

import pytest

from lwipscope.errors import UsageError
from lwipscope.tcp.deviations import Deviation, deviation, deviations

KNOWN = deviations("modlwip-2.2.1")


@pytest.mark.parametrize("entry", KNOWN, ids=lambda d: d.name)
def test_every_entry_is_complete(entry: Deviation) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", entry.name)
    assert 60 <= len(entry.explanation) <= 400, "a paragraph: neither a word nor a page"
    assert entry.explanation.endswith(".")
    assert re.match(r"(lwIP 2\.2\.1|MicroPython 1\.25\.0) [\w/, ]+\.c", entry.source)
    assert re.match(r"RFC \d+ |user: ", entry.breaks)
    assert entry.name in entry.text()
    assert entry.source in entry.text()


def test_names_are_unique() -> None:
    names = [entry.name for entry in KNOWN]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name",
    [
        "simultaneous-open-absent",
        "rst-ignored-in-time-wait",
        "close-abort-10s",
        "pcb-timer-frozen-at-close",
        "fin-before-accept-lost",
        "listener-close-orphans",
        "refused-is-econnreset",
        "rst-window-byte-swapped",
        "bad-ack-in-syn-sent-burns-retries",
        "ack-processed-before-sequence-check",
        "no-half-close",
        "keepalive-absent",
    ],
)
def test_what_scenarios_count_on_is_there(name: str) -> None:
    assert deviation(name).name == name


def test_sources_of_the_rfc_are_sections() -> None:
    cited = [entry.breaks for entry in KNOWN if entry.breaks.startswith("RFC 9293")]
    assert cited
    assert all(re.match(r"RFC 9293 3\.\d+", text) for text in cited)


def test_an_unknown_stack_has_none_and_a_wrong_name_is_answered() -> None:
    assert deviations("unknown") == ()
    with pytest.raises(UsageError, match="did you mean 'close-abort-10s'"):
        deviation("close-abort")
    with pytest.raises(UsageError, match="0 are known"):
        deviation("close-abort-10s", "unknown")
