"""The plugin with a board without the tracer on a serial port: the emulated one behind its pty.

Its network belongs to the outer test, which is the peer of the inner tests' programs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.untraced import UntracedBoard
from lwipscope.firmware import build, elf_layout
from lwipscope.firmware.firmware import Firmware
from lwipscope.firmware.selection import choose
from lwipscope.peer.raw_connection import RawConnection
from lwipscope.scenario.network import Network
from lwipscope.wire.keeper import Keeper
from plugin.conftest import Run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.skipif(
    bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
)

PEER_PORT = 40000
PEER_S = 40.0
LISTENS = "import socket\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\n"
CLIENT = """\
import socket, time
s = socket.socket()
s.connect(("192.0.2.100", 40000))
time.sleep(0.2)  # long enough to be sampled in
s.send(b"up")
time.sleep(0.2)
while s.recv(10):
    pass
time.sleep(0.1)
s.close()
time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def stock() -> Firmware:
    """Firmware without the tracer."""
    return build.build("roomy", tracer=False)


@pytest.fixture
def desk(
    stock: Firmware, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[str, Network]]:
    """A board's serial port, and the network that it is in."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with (
        Keeper.start("none") as keeper,
        UntracedBoard(BoardFile.load(DEFAULT_BOARD), stock.elf, keeper) as emulated,
        Network(keeper, emulated.switch, emulated.ip) as network,
    ):
        yield emulated.release_line(), network


@pytest.fixture
def layout(stock: Firmware, tmp_path: Path) -> Path:
    file = tmp_path / "layout.json"
    file.write_text(elf_layout.read(stock.elf).as_json())
    return file


class ClosingPeer:
    """Takes the client's connection, and closes it first; `resets` ends it at once."""

    def __init__(self, network: Network, *, resets: bool) -> None:
        self._peer = network.raw()
        self._peer.listen(PEER_PORT)
        self._resets = resets
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="test-peer")

    def __enter__(self) -> ClosingPeer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PEER_S + 5)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            connection: RawConnection = self._peer.expect_syn(PEER_PORT, timeout_s=PEER_S)
            connection.accept_handshake()
            # connect() must have returned: what ends the connection before makes it fail.
            connection.expect("P.", timeout_s=PEER_S)
            connection.send(".")
            if self._resets:
                connection.send("R.")
                return
            connection.send("F.")
            connection.expect("F.", timeout_s=PEER_S)
            connection.send(".")
        except BaseException as problem:
            self.problem = problem


def test_paths_are_judged_by_samples(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network], layout: Path
) -> None:
    port, network = desk
    pytester.makepyfile(
        f"""
        import pytest
        from lwipscope.errors import Inconclusive
        from lwipscope.scenario.path_claim import PathMismatch

        def test_it(lwip_app, lwip_timeline):
            app = lwip_app(source={CLIENT!r})
            assert app.ip == "192.0.2.10"
            app.wait_state("CLOSE_WAIT", remote_port=40000)
            seen = app.path(remote_port=40000).must_be("... > ESTABLISHED > CLOSE_WAIT > ...")
            assert seen.text().startswith("c") and "sampled" in seen.text()
            with pytest.raises(PathMismatch, match="sampled: no path that explains"):
                app.path(peer="192.0.2.100").must_be("... > FIN_WAIT_1 > ...")
            with pytest.raises(Inconclusive, match="sampling can't decide|no connection"):
                app.path(peer="192.0.2.99").must_be("SYN_SENT > ...", 0.2)
            assert app.wait_end().error == ""
            app.no_leaks()
            assert {{"ESTABLISHED", "CLOSE_WAIT"}} <= {{s.name for s in lwip_timeline.states}}
            assert len(app.checks) == 3
        """
    )
    with ClosingPeer(network, resets=False) as peer:
        done = run(f"--lwip-board={port}", f"--lwip-layout={layout}", "--lwip-require-board")
    done.assert_outcomes(passed=1)
    assert peer.problem is None


def test_what_samples_can_not_decide(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network], stock: Firmware
) -> None:
    """By the ELF file itself; the failure's report has what was sampled."""
    port, network = desk
    pytester.makepyfile(
        f"""
        def test_it(lwip_app):
            app = lwip_app(source={CLIENT!r})
            assert "ECONNRESET" in app.wait_end().error
            app.path(remote_port=40000).must_be("SYN_SENT > ESTABLISHED > CLOSED")
        """
    )
    with ClosingPeer(network, resets=True):
        done = run(f"--lwip-board={port}", f"--lwip-layout={stock.elf}")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["E *Inconclusive: c* client *: sampled *", "E *sampling can't decide: *", "*c? client *"]
    )


def test_leaks_by_the_last_sampled_table(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network], layout: Path
) -> None:
    port, _ = desk
    (pytester.path / "folder").mkdir()
    (pytester.path / "folder/main.py").write_text(
        "import mine, time\nmine.listen()\ntime.sleep(0.2)\nraise ValueError(7)"
    )
    (pytester.path / "folder/mine.py").write_text(
        f"def listen():\n    global s\n    {LISTENS.replace(chr(10), '; ')}"
    )
    pytester.makepyfile(
        f"""
        import pytest
        from lwipscope.errors import UsageError
        from lwipscope.scenario.leak_claims import LeakFound

        LISTENS = {LISTENS!r}

        def test_runs(lwip_app):
            app = lwip_app(source=LISTENS + "import time\\nwhile True: time.sleep(1)")
            app.wait_listening(6666)
            app.no_leaks()                      # a server may listen while it runs
            assert [c.role for c in app.table()] == ["listener"]
            assert "KeyboardInterrupt" in app.stop().error
            with pytest.raises(LeakFound, match="sampled: 1 pcb(.|\\n)*a listener is left"):
                app.no_leaks(0.2)

        def test_closes(lwip_app):
            source = LISTENS + "print('up')\\nimport time\\ntime.sleep(0.1)\\ns.close()"
            app = lwip_app(source=source)
            assert app.wait_output("up")
            assert app.wait_end().error == ""
            app.no_leaks()
            app.path(role="listener").must_be("LISTEN > CLOSED")

        def test_grows(lwip_app):
            source = "import time\\ntime.sleep(2.5)\\n" + LISTENS + "time.sleep(5)"
            app = lwip_app(source=source, ready_timeout_s=0.1)
            with pytest.raises(LeakFound, match="more pcbs than before: LISTEN .1"):
                with app.returns_to_baseline(0.2):
                    app.wait_listening(6666)

        def test_folder(lwip_app):
            app = lwip_app("folder")
            assert app.wait_end().error.count("File") == 1
            assert 'folder/main.py", line 4' in app.wait_end().error
            with pytest.raises(UsageError, match='folder/main.py", line 2(.|\\n)*EADDRINUSE'):
                lwip_app("folder")

        def test_needs_the_tracer(lwip_app):
            app = lwip_app(source="print(1)")
            app.wait_end()
            for claim in (app.pool, lambda: app.no_leaks(least_free=2), lambda: app.pass_time(1)):
                with pytest.raises(UsageError, match="only sampled"):
                    claim()
        """
    )
    done = run(f"--lwip-board={port}", f"--lwip-layout={layout}", "--lwip-require-board")
    done.assert_outcomes(passed=5)


def test_agent_and_program_take_turns(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network], layout: Path
) -> None:
    """The agent and the probe continue one stream, of one life of the board."""
    port, _ = desk
    pytester.makepyfile(
        f"""
        import pytest
        from lwipscope.errors import UsageError

        SOURCE = {LISTENS!r} + "import time\\ntime.sleep(0.1)\\ns.close()\\ntime.sleep(0.1)"

        def uses(agent, port):
            listener = agent.socket()
            listener.bind(port)
            listener.listen()
            listener.close()

        def test_it(lwip_agent, lwip_app):
            uses(lwip_agent, 7000)
            with pytest.raises(UsageError, match="lwip_agent.stop"):
                lwip_app(source=SOURCE)
            uses(lwip_agent, 7001)              # it still serves
            lwip_agent.stop()
            for port in (7002, 7003):
                app = lwip_app(source=SOURCE.replace("6666", str(port)))
                assert app.wait_end().error == ""
                app.path(role="listener", port=port).must_be("LISTEN > CLOSED")
                app.no_leaks()
                lwip_agent.start()
                uses(lwip_agent, port)
                lwip_agent.stop()
        """
    )
    done = run(f"--lwip-board={port}", f"--lwip-layout={layout}", "--lwip-require-board")
    done.assert_outcomes(passed=1)


def test_the_agent_is_ended_without_a_tracer(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network]
) -> None:
    port, _ = desk
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def afterwards(lwip_board):
            yield
            assert not lwip_board.repl.running
            lwip_board.repl.run("import socket; s = socket.socket(); s.bind(('', 6666)); s.close()")

        @pytest.mark.parametrize("ends", [False, True])
        def test_it(afterwards, lwip_agent, ends):
            listener = lwip_agent.socket()
            listener.bind(6666)
            listener.listen()
            assert lwip_agent.running
            if ends:
                lwip_agent.stop()
        """
    )
    done = run(f"--lwip-board={port}", "--lwip-require-board")
    done.assert_outcomes(passed=2)


def test_without_a_layout_it_is_refused(
    pytester: pytest.Pytester, run: Run, desk: tuple[str, Network], tmp_path: Path
) -> None:
    port, _ = desk
    pytester.makepyfile('def test_it(lwip_app): lwip_app(source="print(1)")')
    done = run(f"--lwip-board={port}")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E *without the tracer*lwipscope layout*--lwip-layout layout.json*"])
    other = tmp_path / "other.json"
    other.write_text(elf_layout.read(choose("rp2").elf).as_json())
    pytester.makeini(f"[pytest]\nlwip_layout = {other}\n")
    done = run(f"--lwip-board={port}")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*the layout does not belong to the image*lwipscope layout*"])
