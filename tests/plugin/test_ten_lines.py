"""The test that the product promises, word for word, and what a failing one tells."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from plugin.conftest import Run

pytest_plugins = ["pytester"]

TEN_LINES = """
def test_echo_server_closes_cleanly(lwip_app, lwip_nc):
    app = lwip_app("examples/echo_server.py")
    with lwip_nc(app.ip, 6666) as peer:
        peer.send(b"hello")
        assert peer.recv() == b"hello"
    app.path(port=6666).must_be("LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED")
    app.no_leaks()          # any pcb left that the application should have closed: named, with the evidence
"""  # noqa: E501
LEAKY = TEN_LINES.replace("echo_server.py", "leaky_server.py").replace("must_be(", "check(")
WRONG_PATH = TEN_LINES.replace("CLOSE_WAIT > LAST_ACK > CLOSED", "FIN_WAIT_1 > ... > CLOSED")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_ten_lines(pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(test_echo=TEN_LINES)
    done = run("--junitxml=report.xml", *workers)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*lwip boards*", "1 test(s) on qemu-mps2-an385"])
    assert not (pytester.path / "lwipscope-logs").exists()
    assert properties(pytester.path / "report.xml")["lwip_board"] == "qemu-mps2-an385"


def test_a_leaking_server_fails_with_the_evidence(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_echo=LEAKY)
    done = run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*app.no_leaks()*",
            "E *LeakFound: 1 pcb(s) left that */examples/leaky_server.py should have closed:",
            "E *c3 CLOSE_WAIT 192.0.2.10:6666 - 192.0.2.1:*: the peer has closed, the application "
            "has not; no timer ends this",
            "E *since * s: c3 ESTABLISHED > CLOSE_WAIT (rx FIN+ACK) at tcp_in.c:*",
            "E *the board's pcbs: 1 LISTEN, 1 CLOSE_WAIT; 1 of 16 pcbs taken, at most 1 so far",
        ]
    )
    # The user's line is the last one shown: nothing of the plugin's inside.
    assert "leak_claims.py" not in done.stdout.str().replace("lwipscope.scenario.leak_claims", "")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_wrong_path_is_explained(
    pytester: pytest.Pytester, run: Run, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_echo=WRONG_PATH)
    done = run("--junitxml=report.xml", *workers)
    done.assert_outcomes(failed=1)
    seen = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
    told = [
        "*expected  LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > ... > CLOSED",
        f"*seen      {seen}",
        "*the timeline around it:",
        "*> *board   c3 ESTABLISHED > CLOSE_WAIT (rx FIN+ACK) at tcp_in.c:*",
    ]
    done.stdout.fnmatch_lines(
        [*told, "*lwip ladder*", "*lwip timeline*", "*c3 server 192.0.2.10:6666 - *", "*lwip logs*"]
    )
    said = properties(pytester.path / "report.xml")
    assert said["lwip_board"] == "qemu-mps2-an385"
    assert said["lwip_clock"] == "running"
    folder = Path(said["lwip_logs"])
    assert folder.is_relative_to(pytester.path / "lwipscope-logs/pytest")
    (capture,) = folder.glob("wire.pcap*")
    names = {
        "failure.txt",
        "timeline.txt",
        "console.txt",
        "serial.log",
        capture.name,
        "run.lwiprun",
    }
    assert {path.name for path in folder.iterdir()} >= names
    pytest.LineMatcher((folder / "failure.txt").read_text().splitlines()).fnmatch_lines(told)
    assert "LAST_ACK > CLOSED" in (folder / "timeline.txt").read_text()
    assert "listening on port 6666" in (folder / "console.txt").read_text()
    assert capture.stat().st_size > 300


def test_logs_of_all_or_none(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(test_echo=TEN_LINES, test_wrong=WRONG_PATH)
    run("--lwip-keep-logs=all", "--lwip-log-dir=here")
    assert len(list((pytester.path / "here").iterdir())) == 2
    run("--lwip-keep-logs=none", "--lwip-log-dir=nowhere").assert_outcomes(passed=1, failed=1)
    assert not (pytester.path / "nowhere").exists()


def properties(report: Path) -> dict[str, str]:
    """The properties of the only test of a JUnit file."""
    (case,) = ET.parse(report).getroot().iter("testcase")
    return {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
