"""Markers: what a test needs, what is known to be broken, what takes long."""

from __future__ import annotations

import pytest

from plugin.conftest import Run

pytest_plugins = ["pytester"]


def test_needs_name_what_is_missing(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.lwip_needs("tap")
        def test_tap(lwip_board): assert 0

        @pytest.mark.lwip_needs("clock", "tracer")
        def test_rest(lwip_board): pass
        """
    )
    monkeypatch.setenv("LWIP_WIRE", "gate")
    done = run("-rs")
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(
        ["*needs the kernel's TCP behind a TAP: --lwip-wire gate was asked for"]
    )


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        (
            "lwip_needs('rights')",
            "lwip_needs('rights'): expected one of tap, nc, raw, clock, tracer",
        ),
        ("lwip_known_issue()", "lwip_known_issue(reason, boards=None): the reason is missing"),
        ("lwip_slow('long')", "lwip_slow(seconds=120): expected a number of seconds"),
    ],
)
def test_a_wrong_marker_is_a_usage_error(
    pytester: pytest.Pytester, run: Run, marker: str, told: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_it(lwip_board): pass\n")
    done = run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: *::test_it: {told.replace('[', '[[]')}*"])


def test_a_known_issue_is_strict(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest
        from lwipscope.errors import Inconclusive

        known = pytest.mark.lwip_known_issue

        @known("micropython#1")
        def test_expected(lwip_board): assert 0

        @known("micropython#2")
        def test_unexpected(lwip_board): pass

        @known("micropython#3", boards="esp32-devkit")
        def test_elsewhere(lwip_board): pass

        @known("micropython#4", boards=["qemu-mps2-an385"])
        def test_by_name(lwip_board): assert 0

        @known("micropython#5")
        def test_no_evidence(lwip_board): raise Inconclusive("a frame was lost")
        """
    )
    done = run("-rxf")
    done.assert_outcomes(xfailed=2, failed=2, passed=1)
    done.stdout.fnmatch_lines_random(
        [
            "*XPASS(strict)* micropython#2*",
            "XFAIL *::test_by_name - micropython#4",
            "FAILED *::test_no_evidence*",
            "E *Inconclusive: a frame was lost",
        ]
    )


def test_slow_tests_have_more_time(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        def endless(lwip_app, seconds):
            lwip_app(source="while True: pass", ready_timeout_s=0).wait_end(seconds)

        @pytest.mark.lwip_slow(3)
        def test_slow(lwip_app):
            with pytest.raises(Exception, match="did not end within 1.2 s"):
                endless(lwip_app, 1.2)

        def test_too_slow(lwip_app):
            endless(lwip_app, 30)

        def test_next(lwip_app):
            assert lwip_app(source="print(1)").wait_end().output == b"1\\r\\n"
        """
    )
    done = run("--timeout=0.8", "--timeout-method=signal")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*test_too_slow*", "*Timeout (>0.8s) from pytest-timeout*"])
    run("-m", "not lwip_slow", "--timeout=0.8").assert_outcomes(passed=1, failed=1, deselected=1)
