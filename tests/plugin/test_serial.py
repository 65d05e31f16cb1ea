"""The plugin with a board on a serial port: the emulated one behind its pseudo-terminal.

Its network belongs to the outer test, so the inner ones have programs and no peers, unless they are
run inside that network.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware.selection import choose
from lwipscope.runfile import model as lwiprun
from lwipscope.trace.event import Segment
from lwipscope.wire import enter
from lwipscope.wire.keeper import Keeper
from plugin.conftest import INNER_TIMEOUT_S, Run
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
    assert said["lwip_clean"] == "no pcb is left (by the tracer's snapshot)"
    assert "words" in (Path(said["lwip_logs"]) / "console.txt").read_text()


def beside_the_board(pytester: pytest.Pytester, *through: str) -> pytest.RunResult:
    """As `lwipscope shell -- pytest`, which the words `through` start."""
    with Keeper.start("auto") as keeper:
        if keeper.tap is None:
            assert os.environ.get("LWIPSCOPE_REQUIRE_TAP") != "1", keeper.notes
            pytest.skip(f"no TAP on this machine: {'; '.join(keeper.notes)}")
        file = BoardFile.load(DEFAULT_BOARD)
        with EmulatedBoard(file, choose("roomy").elf, keeper) as emulated:
            emulated.port.stream("off")
            options = (f"--lwip-board={emulated.release_line()}", "--lwip-keep-logs=all", "-rs")
            inside = (sys.executable, "-I", enter.__file__, str(keeper.pids[1]))
            command = (*inside, *through, sys.executable, "-m", "pytest", *options)
            return pytester.run(*command, timeout=INNER_TIMEOUT_S)


@pytest.mark.usefixtures("run")
def test_without_the_right_to_see_the_wire(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses it: CAP_NET_RAW is taken away for good. Paths are judged all the same."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv (util-linux)")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    pytester.makepyfile(
        """
        import pytest

        def test_peer(lwip_app, lwip_nc):
            app = lwip_app("examples/echo_server.py")
            with lwip_nc(app.ip, 6666) as peer:
                peer.send(b"hello")
                assert peer.recv() == b"hello"
            closed = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
            app.path(port=6666, role="server").must_be(closed)

        @pytest.mark.lwip_needs("raw")
        def test_raw(lwip_raw_peer): pass
        """
    )
    taken = ("--bounding-set=-net_raw", "--inh-caps=-net_raw")
    done = beside_the_board(pytester, setpriv, *taken)
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["*needs a wire for raw peers: no packet socket*; type: *"])
    (file,) = pytester.path.rglob("*test_peer*/*.lwiprun")
    peer = lwiprun.Run.load(file)
    assert peer.about.verdict == "PASS"
    (remark,) = peer.about.remarks
    assert "no frames of the wire were seen: no packet socket on lwip0" in remark
    assert "CAP_NET_RAW" in remark
    assert [life.wire for life in peer.lives] == [()]
    assert not [*pytester.path.rglob("wire.pcapng")]


@pytest.mark.usefixtures("run")
def test_evidence_of_the_wire(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the board's network is, its frames are seen."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    pytester.makepyfile(
        """
        def test_peer(lwip_app, lwip_nc):
            app = lwip_app("examples/echo_server.py")
            with lwip_nc(app.ip, 6666) as peer:
                peer.send(b"hello")
                assert peer.recv() == b"hello"
            app.path(port=6666, role="server").must_be("LISTEN > SYN_RCVD > CLOSED")

        def test_alone(lwip_app):
            lwip_app(source="print(1)").wait_end()
        """
    )
    done = beside_the_board(pytester)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*lwip ladder*", "*ESTABLISHED*"])
    runs = {path.parent.name: lwiprun.Run.load(path) for path in pytester.path.rglob("*.lwiprun")}
    peer, alone = (
        next(each for name, each in runs.items() if test in name)
        for test in ("test_peer", "test_alone")
    )
    assert (peer.about.verdict, peer.about.remarks) == ("FAIL", ())
    (life,) = peer.lives
    assert {frame.origin for frame in life.wire} == {"board", "lwip0"}
    segments = [each.seq for each in life.plain_events if isinstance(each, Segment)]
    assert segments and set(segments) <= set(life.frame_of)
    assert alone.about.remarks == ("no frames of the wire were seen: the test asked for no peer",)
    assert len([*pytester.path.rglob("wire.pcapng")]) == 1


def test_a_board_that_does_not_get_clean(
    pytester: pytest.Pytester, run: Run, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says of its pcbs is a fake; it ends in quarantine, and so do the tests."""
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(pytester.path / "cache"))
    monkeypatch.setenv("LWIP_FIRMWARE", "")
    pytester.makeconftest(
        """
        import pytest
        from lwipscope.board import cleanness

        @pytest.fixture(autouse=True, scope="session")
        def dirty():
            cleanness.look = lambda *_: cleanness.Cleanness("snapshot", ("c3 is in FIN_WAIT_1",))
        """
    )
    pytester.makepyfile("def test_one(lwip_board): pass\ndef test_two(lwip_board): pass")
    done = run(f"--lwip-board={port}", "-rs")
    done.assert_outcomes(skipped=2)
    done.stdout.fnmatch_lines(
        ["2 test(s) without a board: *quarantined since *c3 is in FIN_WAIT_1*"]
    )
    done = run(f"--lwip-board={port}", "--lwip-require-board")
    done.assert_outcomes(errors=2)


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
