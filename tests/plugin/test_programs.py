"""Programs of several files, large ones, and many connections: on the board, through the plugin."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lwipscope.errors import UsageError
from lwipscope.paths import share_dir
from lwipscope.pytest_plugin.factories import AppFactory, RawPeerFactory
from lwipscope.pytest_plugin.timeline import TestTimeline
from lwipscope.scenario.leak_claims import LeakFound
from lwipscope.scenario.network import Network
from lwipscope.tcp.state import State
from plugin.conftest import Run

pytest_plugins = ["pytester"]

SCRIPTS = share_dir("firmware") / "scripts"
MOST_UPLOAD_S = 3.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program of several files, with data."""
    made = tmp_path / "app"
    (made / "lib/deep").mkdir(parents=True)
    (made / "data").mkdir()
    (made / "main.py").write_text(
        "import helper\nfrom lib.greet import text\nfrom lib.deep import NUMBER\n"
        "print(__name__, text(), NUMBER)\n"
        "print(open('data/page.html', 'rb').read() == bytes(range(256)) * 40)\n"
        "with open('/made.txt', 'w') as f: f.write('x' * 3000)\n"
        "print(len(open('made.txt').read()))\nhelper.fail()\n"
    )
    (made / "helper.py").write_text("def fail():\n    return 1 // 0\n")
    (made / "lib/greet.py").write_text("def text():\n    return 'hi'\n")
    (made / "lib/deep/__init__.py").write_text("NUMBER = 42\n")
    (made / "data/page.html").write_bytes(bytes(range(256)) * 40)
    return made


def test_a_folder_is_the_boards_filesystem(lwip_app: AppFactory, folder: Path) -> None:
    with pytest.raises(UsageError) as told:
        lwip_app(folder)
    lines = str(told.value).split("\n")
    assert lines[0] == f"{folder} ended with an exception:"
    assert lines[2:] == [
        f'  File "{folder}/main.py", line 8, in <module>',
        f'  File "{folder}/helper.py", line 2, in fail',
        "ZeroDivisionError: divide by zero",
    ]


def test_a_folder_prints_what_it_has_found(lwip_app: AppFactory, folder: Path) -> None:
    (folder / "helper.py").write_text("def fail():\n    pass\n")
    end = lwip_app(folder).wait_end()
    assert end.output.split(b"\r\n") == [b"__main__ hi 42", b"True", b"3000", b""]
    assert end.error == ""
    # The next one gets a filesystem of its own.
    (folder / "main.py").write_text("import os\nprint(sorted(os.listdir('/')))\n")
    assert lwip_app(folder).wait_end().output == b"['data', 'helper.py', 'lib', 'main.py']\r\n"
    other = lwip_app(folder, entry="lib/greet.py").wait_end()
    assert other.error == ""


@pytest.mark.parametrize("in_folder", [False, True])
def test_twenty_kilobytes_are_there_soon(
    lwip_app: AppFactory, tmp_path: Path, in_folder: bool
) -> None:
    functions = "".join(f"def f{n}(a, b):\n    return a * b + {n}\n" for n in range(520))
    source = f"{functions}print(f519(2, 3))\n"
    assert len(source) >= 20_000
    (tmp_path / "main.py").write_text(source)
    started_s = time.monotonic()
    app = lwip_app(tmp_path if in_folder else tmp_path / "main.py")
    assert time.monotonic() - started_s <= MOST_UPLOAD_S
    assert app.wait_end().output == b"525\r\n"


def test_two_hundred_connections_on_a_small_pool(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        def visit(network, times, port=6666):
            for n in range(times):
                peer = network.connect(port)
                peer.send(b"x")
                assert peer.recv(1) == b"x"
                peer.close()

        @pytest.mark.timeout(50)
        def test_echo(lwip_app, lwip_network):
            app = lwip_app("examples/asyncio_server.py")
            with app.returns_to_baseline(most_time_wait=0):
                visit(lwip_network, 200)
            pool = app.pool()
            assert (pool.size, pool.used) == (5, 0)
            assert 1 <= pool.peak <= 5

        def test_leaky(lwip_app, lwip_network):
            app = lwip_app("examples/leaky_server.py")
            with app.returns_to_baseline(0.3):
                visit(lwip_network, 2)
        """
    )
    done = run("--lwip-profile=rp2", "--durations=3")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        [
            "*table of pcbs did not return to where it was: CLOSE_WAIT +2",
            "*c3 CLOSE_WAIT *: the peer has closed, the application has not*",
            "*the board's pcbs: 1 LISTEN, 2 CLOSE_WAIT; 2 of 5 pcbs taken, at most 2 so far",
        ]
    )


def test_the_pool_must_have_room(lwip_app: AppFactory, lwip_network: Network) -> None:
    app = lwip_app(SCRIPTS / "asyncio_server.py")
    peers = [lwip_network.connect(6666) for _ in range(3)]
    app.no_leaks(least_free=13)
    with pytest.raises(LeakFound, match="13 pcbs free, 14 expected at least"):
        app.no_leaks(0.2, least_free=14)
    assert len(peers) == 3


def test_the_timeline_knows_all_states(
    lwip_app: AppFactory, lwip_raw_peer: RawPeerFactory, lwip_timeline: TestTimeline
) -> None:
    app = lwip_app(SCRIPTS / "asyncio_server.py")
    first, second = lwip_raw_peer(), lwip_raw_peer()
    assert (first.ip, second.ip) == ("192.0.2.100", "192.0.2.101")
    for peer in (first, second):
        peer.connection(40000, app.ip, 6666).handshake()
    app.wait_state("ESTABLISHED", port=6666)
    assert lwip_timeline.states == {State.LISTEN, State.SYN_RCVD, State.ESTABLISHED}
    told = lwip_timeline.text()
    assert "console listening on port 6666" in told
    assert "SYN_RCVD > ESTABLISHED (rx ACK)" in told
    assert "raw REPL" not in told
