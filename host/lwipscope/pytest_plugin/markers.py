"""Markers: what a test needs, what is known to be broken, and what takes long.

`lwip_needs` is looked at when the test is set up, since only then it is known what this machine and
this board can do; `lwip_known_issue` and `lwip_slow` become pytest's own xfail and
pytest-timeout's timeout when tests are collected.
"""

from __future__ import annotations

import pytest

from lwipscope.pytest_plugin import options

NEEDS = {
    "tap": "the kernel's TCP behind a TAP",
    "nc": "OpenBSD's nc",
    "raw": "a wire for raw peers",
    "clock": "board time that can be moved",
    "tracer": "firmware with the tracer",
}
_SLOW_S = 120.0


def declare(config: pytest.Config) -> None:
    """With signature and text, for `pytest --markers`."""
    for line in (
        f"lwip_needs(*what): skip where one of these is missing: {', '.join(NEEDS)}",
        "lwip_known_issue(reason, boards=None): expected to fail, for all or for these boards; "
        "passing unexpectedly is a failure",
        "lwip_leaks_allowed(reason): pcbs may be left after a test with lwip_agent",
        f"lwip_slow(seconds={_SLOW_S:g}): may take that long; deselect with -m 'not lwip_slow'",
    ):
        config.addinivalue_line("markers", line)


def apply(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Translate the markers of all tests; UsageError for a wrong one."""
    settings = config.stash[options.SETTINGS]
    for item in items:
        for marker in item.iter_markers("lwip_needs"):
            _check_needs(item, marker)
        for marker in item.iter_markers("lwip_known_issue"):
            _known_issue(item, marker, settings.board_names | _own_board(item))
        slow = item.get_closest_marker("lwip_slow")
        if slow is not None and config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(_seconds(item, slow)), append=False)


def needs_of(item: pytest.Item) -> list[str]:
    """All that a test needs."""
    return [str(need) for marker in item.iter_markers("lwip_needs") for need in marker.args]


def judge_known_issue(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Incomplete evidence does not show that the issue is still there: no expected failure."""
    from lwipscope.errors import Inconclusive

    excused = getattr(report, "wasxfail", None) is not None and report.skipped
    known = item.get_closest_marker("lwip_known_issue") is not None
    if known and excused and call.excinfo and isinstance(call.excinfo.value, Inconclusive):
        report.outcome = "failed"
        del report.wasxfail


def _check_needs(item: pytest.Item, marker: pytest.Mark) -> None:
    for need in marker.args:
        if need not in NEEDS:
            raise pytest.UsageError(
                f"{item.nodeid}: lwip_needs({need!r}): expected one of {', '.join(NEEDS)}"
            )


def _own_board(item: pytest.Item) -> frozenset[str]:
    """With `--lwip-board all`, the one of this test."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return frozenset({params["lwip_bench"]} if "lwip_bench" in params else ())


def _known_issue(item: pytest.Item, marker: pytest.Mark, names: frozenset[str]) -> None:
    if not marker.args or not isinstance(marker.args[0], str):
        raise pytest.UsageError(
            f"{item.nodeid}: lwip_known_issue(reason, boards=None): the reason is missing"
        )
    boards = marker.kwargs.get("boards")
    if boards is None or names & set([boards] if isinstance(boards, str) else boards):
        # What pytest.fail() raises is no Exception: a missing board is not the known issue.
        mark = pytest.mark.xfail(reason=marker.args[0], strict=True, raises=Exception)
        item.add_marker(mark)


def _seconds(item: pytest.Item, marker: pytest.Mark) -> float:
    seconds = marker.kwargs.get("seconds", marker.args[0] if marker.args else _SLOW_S)
    if not isinstance(seconds, int | float) or seconds <= 0:
        raise pytest.UsageError(
            f"{item.nodeid}: lwip_slow(seconds={_SLOW_S:g}): expected a number of seconds, "
            f"found {seconds!r}"
        )
    return float(seconds)
