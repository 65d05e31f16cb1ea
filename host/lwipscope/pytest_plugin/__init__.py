"""The pytest plugin: boards, applications and peers as fixtures. Inert unless a test asks for it.

Entry point `pytest11`. Importing it imports nothing of pytest's neighbours and nothing of ours but
its own small modules: a test run that has nothing to do with boards pays a few milliseconds.
Fixtures are in `fixtures`, options in `options`, markers in `markers`.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from lwipscope.pytest_plugin import markers, options
from lwipscope.pytest_plugin.fixtures import (
    _lwip_other_end,
    lwip_agent,
    lwip_app,
    lwip_bench,
    lwip_board,
    lwip_nc,
    lwip_network,
    lwip_raw_peer,
    lwip_timeline,
)

__all__ = [
    "_lwip_other_end",
    "lwip_agent",
    "lwip_app",
    "lwip_bench",
    "lwip_board",
    "lwip_nc",
    "lwip_network",
    "lwip_raw_peer",
    "lwip_timeline",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    options.declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    markers.declare(config)
    settings = config.stash[options.SETTINGS] = options.read(config)
    config.stash[options.INSTANCES] = options.instances(settings)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`--lwip-board all`: once on each board of the rack file."""
    names = metafunc.config.stash[options.INSTANCES]
    if names and "lwip_bench" in metafunc.fixturenames:
        metafunc.parametrize("lwip_bench", names, ids=names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    markers.apply(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """What takes long is done before any test's clock ticks."""
    stopped = session.testsfailed or session.config.option.collectonly
    if not stopped and any(_uses_board(item) for item in session.items):
        from lwipscope.pytest_plugin import preparing

        preparing.prepare(session.config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Only where somebody has said something about boards."""
    settings = config.stash[options.SETTINGS]
    return f"lwip: {settings.text()}" if settings.said else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if not _uses_board(item):
        return (yield)
    from lwipscope.pytest_plugin import evidence

    if call.excinfo is not None and not item.config.option.fulltrace:
        evidence.hide_our_inside(call.excinfo)
    report = yield
    markers.judge_known_issue(item, call, report)
    evidence.attach(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which board the tests ran on, and why there was none; nothing if none was asked for."""
    lines = _summary(terminalreporter)
    settings = terminalreporter.config.stash[options.SETTINGS]
    if lines and settings.report is not None:
        from lwipscope.pytest_plugin import session_report

        lines.append(session_report.write(terminalreporter, settings))
    if lines:
        terminalreporter.section("lwip boards")
        for line in lines:
            terminalreporter.write_line(line)


def _uses_board(item: pytest.Item) -> bool:
    return "lwip_bench" in getattr(item, "fixturenames", ())


def _summary(terminalreporter: pytest.TerminalReporter) -> list[str]:
    ran: dict[str, int] = {}
    missing: dict[str, int] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            said = dict(getattr(report, "user_properties", ()))
            when = getattr(report, "when", "")
            if when == "call" and "lwip_board" in said:
                ran[str(said["lwip_board"])] = ran.get(str(said["lwip_board"]), 0) + 1
            elif when == "setup" and "lwip_missing" in said:
                why = str(said["lwip_missing"])
                missing[why] = missing.get(why, 0) + 1
    return [
        *(f"{count} test(s) on {board}" for board, count in sorted(ran.items())),
        *(f"{count} test(s) without a board: {why}" for why, count in missing.items()),
    ]
