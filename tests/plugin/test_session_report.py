"""`--lwip-report`: an index of the session's runs with verdicts, and a page for each."""

from __future__ import annotations

import re

import pytest

from lwipscope.cli.main import main
from lwipscope.runfile.model import SUFFIX
from lwipscope.runfile.model import Run as RunFile
from plugin.conftest import Run

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_good(lwip_agent):
    lwip_agent.socket()

@pytest.mark.parametrize("word", ["<b>x</b>"])
def test_bad(lwip_agent, word):
    assert word == ""

def test_without_a_board():
    pass
"""


def test_all_runs_are_in_it(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_one=TESTS)
    done = run("--lwip-report=out/index.html", "-n0")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*report: *out/index.html, and 2 pages beside it"])
    index = (pytester.path / "out/index.html").read_text()
    rows = re.findall(r'class="v (\w+)">\w+</td><td><a href="([^"]+)">([^<]+)</a>', index)
    assert [row[0] for row in rows] == ["FAIL", "PASS"]
    assert "test_one.py::test_good" in rows[1][2] and "<b>x" not in index
    assert 'id="edges"' in index
    for _, link, _ in rows:
        assert (pytester.path / "out" / link.replace("%25", "%")).is_file()
    # Also what is usually thrown away: the logs of tests that passed.
    assert len([*pytester.path.rglob(f"*{SUFFIX}")]) == 2


def test_nothing_to_report(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_one=TESTS)
    done = run("--lwip-report=x.html", "--lwip-keep-logs=none", "-n0", "-k", "good")
    done.stdout.fnmatch_lines(["*no report: no test of this session left a run*"])
    assert not (pytester.path / "x.html").exists()


LOOPING = """
def test_it(lwip_app, lwip_network):
    app = lwip_app("examples/echo_server.py")
    for expected in ("CLOSE_WAIT > LAST_ACK > CLOSED", "FIN_WAIT_1 > ..."):
        peer = lwip_network.connect(6666)
        remote = peer.local[1]
        peer.send(b"x")
        assert peer.recv(1) == b"x"
        peer.close()
        app.path(port=6666, remote_port=remote).must_be(
            "LISTEN > SYN_RCVD > ESTABLISHED > " + expected
        )
"""


def test_the_run_of_a_failed_claim_says_what_was_expected(
    pytester: pytest.Pytester, run: Run
) -> None:
    """And it is whole, though the server goes on behind the claim."""
    pytester.makepyfile(test_one=LOOPING)
    run("-n0").assert_outcomes(failed=1)
    (file,) = pytester.path.rglob(f"*{SUFFIX}")
    seen = RunFile.load(file)
    assert seen.problems() == []
    assert [(j.subject, j.verdict) for j in seen.about.judged] == [
        ("path", "PASS"),
        ("path", "FAIL"),
    ]
    wrong = seen.about.judged[1]
    assert wrong.expected == "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > ..."
    assert wrong.seen == "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
    assert main(["show", str(file)]) == 0
