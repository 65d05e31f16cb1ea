"""Options, their twins in the environment and the ini file, and what works without any board."""

from __future__ import annotations

import pytest

from plugin.conftest import Run

pytest_plugins = ["pytester"]

SHOW = """
def test_show(lwip_bench):
    s = lwip_bench.settings
    print("clock", s.clock, "wire", s.wire, "keep", s.keep_logs, "require", s.require_board)
"""
USES_BOARD = "def test_it(lwip_board): pass\n"


def test_command_line_then_environment_then_ini(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_show=SHOW)
    pytester.makeini("[pytest]\nlwip_clock = manual\nlwip_wire = gate\nlwip_keep_logs = all\n")
    monkeypatch.setenv("LWIP_WIRE", "tap")
    monkeypatch.setenv("LWIP_KEEP_LOGS", "none")
    monkeypatch.setenv("LWIP_REQUIRE_BOARD", "yes")
    done = run("-s", "--lwip-keep-logs", "fail")
    done.stdout.fnmatch_lines(["lwip: board qemu, wire tap, clock manual, a board is required"])
    done.stdout.fnmatch_lines(["*clock manual wire tap keep fail require True"])


@pytest.mark.parametrize(
    ("args", "env", "ini", "told"),
    [
        (("--lwip-clock=fast",), {}, "", "--lwip-clock: expected one of running, manual; found"),
        ((), {"LWIP_WIRE": "air"}, "", "LWIP_WIRE: expected one of auto, tap, gate; found 'air'"),
        ((), {}, "lwip_keep_logs = some", "lwip_keep_logs in the ini file: expected one of fail"),
        ((), {"LWIP_REQUIRE_BOARD": "maybe"}, "", "LWIP_REQUIRE_BOARD: expected one of 1, 0"),
    ],
)
def test_a_wrong_value_names_its_place(
    pytester: pytest.Pytester,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    env: dict[str, str],
    ini: str,
    told: str,
) -> None:
    pytester.makepyfile(test_it=USES_BOARD)
    pytester.makeini(f"[pytest]\n{ini}\n")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    done = run(*args)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {told}*"])
    assert "Traceback" not in done.stderr.str()


def test_nothing_needs_a_board_before_a_test_runs(
    pytester: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(test_it=USES_BOARD)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(pytester.path / "empty"))
    run("--help").stdout.fnmatch_lines(["*TCP on lwIP boards*", "*--lwip-board=BOARD*", "*LWIP_*"])
    run("--markers").stdout.fnmatch_lines(
        [
            "@pytest.mark.lwip_needs(?what): skip where one of these is missing: tap, nc, *",
            "@pytest.mark.lwip_known_issue(reason, boards=None): *",
            "@pytest.mark.lwip_slow(seconds=120): *",
        ]
    )
    done = run("--collect-only", "-q", "--lwip-require-board")
    done.stdout.fnmatch_lines(["test_it.py::test_it"])
    assert done.ret == 0
    assert not (pytester.path / "empty").exists()


def test_it_is_inert_unless_used(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_other="""
        import sys

        def test_other():
            ours = {name for name in sys.modules if name.startswith("lwipscope")}
            plugin = {"options", "markers", "fixtures"}
            known = {"lwipscope", "lwipscope.pytest_plugin"}
            assert ours <= known | {f"lwipscope.pytest_plugin.{name}" for name in plugin}
            assert not {"serial", "mpremote"} & set(sys.modules)
        """
    )
    done = run()
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*lwip*boards*")
    done.stdout.no_fnmatch_line("lwip: *")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_board_that_does_not_exist(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_it="def test_a(lwip_board): pass\ndef test_b(lwip_board): pass\n")
    done = run("--lwip-board=nowhere", *workers)
    done.assert_outcomes(errors=2)
    done.stdout.fnmatch_lines(["2 test(s) without a board: there is no board 'nowhere'; *"])
    told = done.stdout.str()
    assert "Traceback" not in told
    assert told.count("qemu-mps2-an385") == 1


@pytest.mark.parametrize("required", [False, True])
def test_no_qemu_on_this_machine(pytester: pytest.Pytester, run: Run, required: bool) -> None:
    pytester.makepyfile(
        test_it="""
        import os
        import pytest

        @pytest.fixture(autouse=True, scope="session")
        def no_qemu(lwip_bench):
            lwip_bench.firmware
            os.environ["PATH"] = ""

        @pytest.mark.parametrize("n", range(5))
        def test_it(n, lwip_board): pass

        @pytest.mark.lwip_known_issue("something else")
        def test_known(lwip_board): assert 0
        """
    )
    done = run("-rs", *(("--lwip-require-board",) if required else ()))
    done.assert_outcomes(**({"errors": 6} if required else {"skipped": 6}))
    done.stdout.fnmatch_lines(
        ["6 test(s) without a board: qemu-system-arm is not installed (Debian: qemu-system-arm)*"]
    )
    if not required:
        done.stdout.fnmatch_lines(["SKIPPED [[]5] *no board: qemu-system-arm is not installed*"])
    else:
        done.stdout.fnmatch_lines(["*(a failure by --lwip-require-board)"])
