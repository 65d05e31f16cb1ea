"""The plugin with a board on a serial port: the emulated one behind its pseudo-terminal.

Its network belongs to the outer test, so the inner ones have programs and no peers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware.selection import choose
from lwipscope.wire.keeper import Keeper
from plugin.conftest import Run
from plugin.test_ten_lines import properties

pytest_plugins = ["pytester"]

PROGRAM = """
import pytest

LISTENS = "import socket\\ns = socket.socket()\\ns.bind(('', 6666))\\ns.listen(1)\\n"

def test_path(lwip_app):
    app = lwip_app(source=LISTENS + "s.close()\\n")
    app.wait_end()
    app.path(role="listener").must_be("LISTEN > CLOSED")
    app.no_leaks()

def test_leak(lwip_app):
    lwip_app(source=LISTENS).wait_end()

def test_fresh(lwip_app):
    app = lwip_app(source="print('clean')")
    app.wait_end()
    app.no_leaks()

@pytest.mark.lwip_needs("raw")
def test_raw(lwip_raw_peer): lwip_raw_peer()
"""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The serial port of a board that is not ours."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = BoardFile.load(DEFAULT_BOARD)
    with (
        Keeper.start("none") as keeper,
        EmulatedBoard(file, choose("roomy").elf, keeper) as emulated,
    ):
        emulated.port.stream("off")
        yield emulated.release_line()


def test_a_board_on_a_port(pytester: pytest.Pytester, run: Run, port: str) -> None:
    pytester.makepyfile(test_it=PROGRAM)
    done = run(f"--lwip-board={port}", "-rs", "--lwip-require-board")
    done.assert_outcomes(passed=3, skipped=1)
    done.stdout.fnmatch_lines(["*needs a wire for raw peers: *"])
    done.stdout.fnmatch_lines(["3 test(s) on any-micropython"])


def test_one_worker_holds_it(pytester: pytest.Pytester, run: Run, port: str) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(2))
        def test_it(lwip_app, n):
            lwip_app(source="import time\\ntime.sleep(1)").wait_end()
        """
    )
    done = run(f"--lwip-board={port}", "-n", "2", "--junitxml=report.xml", "-rs")
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["1 test(s) on any-micropython", f"*{port}*in use by*"])


def test_a_failure_names_the_port(pytester: pytest.Pytester, run: Run, port: str) -> None:
    pytester.makepyfile(
        """
        def test_it(lwip_app):
            app = lwip_app(source="import socket\\ns = socket.socket()\\nprint('words')")
            app.wait_end()
            app.no_leaks(0.2)
        """
    )
    done = run(f"--lwip-board={port}", "--junitxml=report.xml")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E *LeakFound: *", "*lwip timeline*", "*console words*"])
    said = properties(pytester.path / "report.xml")
    assert (said["lwip_board"], said["lwip_port"]) == ("any-micropython", port)
    assert "words" in (Path(said["lwip_logs"]) / "console.txt").read_text()


def test_each_board_of_the_rack(
    pytester: pytest.Pytester, run: Run, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is not plugged in."""
    rack = pytester.path / "lwip-rack.toml"
    entry = '[[board]]\nname = "{}"\ntype = "any-micropython"\nport = "{}"\n'
    rack.write_text(
        "schema = 1\n" + entry.format("left", port) + entry.format("right", "/dev/none-such")
    )
    monkeypatch.chdir(pytester.path)
    pytester.makepyfile(
        """
        import pytest
        def test_host(): pass
        def test_runs(lwip_app): lwip_app(source="print(1)").wait_end()
        @pytest.mark.lwip_known_issue("for this test", boards="left")
        def test_issue(lwip_board): raise OSError
        """
    )
    done = run("--lwip-board=all", "-v", "-rs")
    done.assert_outcomes(passed=2, skipped=2, xfailed=1)
    done.stdout.fnmatch_lines_random(
        [
            "*::test_host PASSED*",
            "*::test_runs?left? PASSED*",
            "*::test_runs?right? SKIPPED*",
            "*::test_issue?left? XFAIL*",
        ]
    )
    rack.unlink()
    done = run("--lwip-board=all")
    done.stderr.fnmatch_lines(["*--lwip-board all: expected boards in lwip-rack.toml*"])
    assert done.ret == pytest.ExitCode.USAGE_ERROR


def test_the_agent_leaves_nothing(pytester: pytest.Pytester, run: Run) -> None:
    """A pcb whose death the trace has not told stands for one that no close() reaches."""
    pytester.makepyfile(
        """
        import pytest
        from lwipscope.trace.event import Died

        def listens(agent):
            listener = agent.socket()
            listener.bind(6666)
            listener.listen()

        def forget_deaths(monkeypatch):
            from lwipscope.scenario.watch import Watch
            whole = Watch.complete
            alive = lambda self: [e for e in whole(self) if not isinstance(e, Died)]
            monkeypatch.setattr(Watch, "complete", alive)

        @pytest.fixture
        def undying(monkeypatch): forget_deaths(monkeypatch)

        def test_left_open(lwip_agent): listens(lwip_agent)

        def test_ended(lwip_agent):
            listens(lwip_agent)
            lwip_agent.stop()

        def test_leak(undying, lwip_agent): listens(lwip_agent)

        @pytest.mark.lwip_leaks_allowed("to see that it is")
        def test_allowed(undying, lwip_agent): listens(lwip_agent)
        """
    )
    done = run("--lwip-wire=gate")
    done.assert_outcomes(passed=4, errors=1)
    done.stdout.fnmatch_lines(["E *LeakFound: * left that the agent should have closed:*"])
