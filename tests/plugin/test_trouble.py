"""Boards that die, people in a hurry, mistakes: clear words, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lwipscope.paths import temporary_dir
from plugin.conftest import Run

pytest_plugins = ["pytester"]

WAIT_S = 20.0


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_board_that_dies_fails_its_test_only(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import os
        import signal

        def test_before(lwip_board): pass

        def test_killed(lwip_app, lwip_nc):
            app = lwip_app("examples/echo_server.py")
            with lwip_nc(app.ip, 6666) as peer:
                peer.send(b"hello")
                assert peer.recv() == b"hello"
                os.kill(app.board.pid, signal.SIGKILL)
            app.path(port=6666).must_be("LISTEN > ... > CLOSED")

        def test_after(lwip_app):
            assert lwip_app(source="print(1)").wait_end().output == b"1\\r\\n"
        """
    )
    done = run(*workers)
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(
        [
            "E *BoardLost: the board is lost: QEMU was ended by SIGKILL*",
            "*lwip timeline*",
            "the evidence is incomplete: *",
            "*SYN_RCVD > ESTABLISHED*",
        ]
    )


def test_a_board_that_is_deaf_gets_a_reset(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import os
        import signal

        def test_stopped(lwip_board):
            os.kill(lwip_board.pid, signal.SIGSTOP)
            lwip_board.port.request("ping", timeout_s=0.3)

        def test_after(lwip_app):
            assert lwip_app(source="print(1)").wait_end().output == b"1\\r\\n"
        """
    )
    done = run()
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["E *DeadlineExceeded: the board's answer to 'ping' did not happen*"])


def test_ctrl_c_leaves_nothing(pytester: pytest.Pytester, run: Run) -> None:
    assert run  # the folder with examples, and the environment
    pytester.makepyfile(
        """
        from pathlib import Path

        def test_it(lwip_app, lwip_nc, lwip_bench):
            app = lwip_app("examples/echo_server.py")
            peer = lwip_nc(app.ip, 6666)
            pids = (app.board.pid, *lwip_bench.keeper.pids, peer.netcat.process.pid)
            Path("new").write_text(" ".join(map(str, pids)))
            Path("new").rename("pids")
            app.wait_end(60)
        """
    )
    before = set(temporary_dir().glob("lwipscope-*"))
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        pids = [int(pid) for pid in read_when_there(pytester.path / "pids").split()]
        assert len(pids) >= 3
        # Ctrl-C goes to all processes of the terminal's foreground group.
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=WAIT_S)[0].decode()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "KeyboardInterrupt" in said
    assert not [pid for pid in pids if is_alive(pid)]
    assert set(temporary_dir().glob("lwipscope-*")) <= before
    assert not (pytester.path / "lwipscope-logs").exists()


def test_the_firmware_is_made_before_the_first_test(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(
        """
        import time
        from lwipscope.firmware import build, selection
        from lwipscope.firmware.progress import Step

        def pytest_configure():
            real = selection.choose

            def slow(profile, **options):
                options["progress"](Step("CC tcp.c", 1, 100))
                time.sleep(1.2)
                return real(profile, **options)

            selection.choose = slow
        """
    )
    pytester.makepyfile("def test_it(lwip_board): pass")
    for workers in ((), ("-n", "1")):
        done = run("--timeout=1", "--timeout-method=signal", *workers)
        done.assert_outcomes(passed=1)
        if not workers:
            done.stdout.fnmatch_lines(["lwip: making the firmware, once (*CC tcp.c)"])
    pytester.makepyfile("def test_it(): pass")
    run().stdout.no_fnmatch_line("lwip: *")


def test_the_manual_clock_refuses_nc(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        def test_nc(lwip_app, lwip_nc):
            lwip_nc(lwip_app("examples/echo_server.py").ip, 6666)

        def test_raw(lwip_app, lwip_raw_peer):
            app = lwip_app("examples/echo_server.py")
            lwip_raw_peer().connection(40000, app.ip, 6666).handshake()
            app.wait_state("ESTABLISHED")
        """
    )
    done = run("--lwip-clock=manual")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["E *UsageError: nc can't be the other end now: expected the board's clock to run, but*"]
    )


def test_mistakes_are_told_without_our_inside(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        def test_none(lwip_app): lwip_app("none.py")

        def test_syntax(lwip_app): lwip_app(source="def :")

        def test_twice(lwip_app):
            lwip_app("examples/echo_server.py")
            lwip_app("examples/echo_server.py")

        def test_elsewhere(lwip_nc): lwip_nc("127.0.0.1", 6666)

        def test_pattern(lwip_app):
            lwip_app("examples/echo_server.py").path(port=6666).must_be("LISTEN > SYN_RECIEVED")
        """
    )
    done = run()
    done.assert_outcomes(failed=5)
    done.stdout.fnmatch_lines(
        [
            "E *UsageError: there is no program 'none.py'; looked for:",
            "E *UsageError: <text> ended with an exception:",
            "E *UsageError: */examples/echo_server.py still runs on the board*stop() it first",
            "E *UsageError: lwip_nc('127.0.0.1', 6666): *the board is 192.0.2.10 (app.ip)",
            "*SYN_RECIEVED*",
        ]
    )
    shown = [line for line in done.outlines if line.startswith("/") and ".py:" in line]
    assert not [line for line in shown if "/lwipscope/" in line], shown


def read_when_there(path: Path) -> str:
    """Its text, once it is there."""
    deadline_s = time.monotonic() + WAIT_S
    while not path.exists():
        assert time.monotonic() < deadline_s, f"{path} did not come"
        # A process that waits is the pause between two looks.
        subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    return path.read_text()


def is_alive(pid: int) -> bool:
    """False for a zombie too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
