"""--json of the commands that need a board: one document on standard output, as its schema says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli.harness import Desk

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from json_check import checked

QUICK = "client-refused"


def test_demo(desk: Desk) -> None:
    done = desk.run("demo", "--only", QUICK, "--json", "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    [one] = checked(done.out, "played")["played"]
    assert (one["name"], one["verdict"]) == (QUICK, "PASS")
    assert one["path"] == ["SYN_SENT", "CLOSED"]
    shown = desk.run("show", desk.logs / f"{QUICK}.lwiprun", "--json")
    about = checked(shown.out, "run")["about"]
    assert about["versions"]["qemu"].startswith("QEMU emulator version ")


def test_tour(desk: Desk) -> None:
    done = desk.run("tour", "--json", "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    document = checked(done.out, "tour")
    assert len(document["cells"]) == 22 and all(cell["expected"] for cell in document["cells"])


@pytest.mark.parametrize("only", [QUICK, "absent"])
def test_test(desk: Desk, only: str) -> None:
    done = desk.run("test", "qemu", "--only", only, "--json", "--log-dir", desk.logs)
    if only == "absent":  # an error is no document
        assert (done.code, done.out) == (2, "")
        return
    assert done.code == 0 and "PASS" in done.err
    document = checked(done.out, "test")
    assert [case["outcome"] for case in document["cases"]] == ["PASS"]
    assert document["board"]["board"] == "qemu-mps2-an385"


def test_identify(desk: Desk) -> None:
    done = desk.run("identify", "qemu", "--json")
    assert (done.code, done.err) == (0, "")
    document = checked(done.out, "identity")
    assert document["complete"] and document["hello"]["lwip"] == "2.2.1"


def test_doctor(desk: Desk) -> None:
    done = desk.run("doctor", "--json")
    assert done.code in (0, 3)
    assert checked(done.out, "doctor")["exit_code"] == done.code


def test_netstat(desk: Desk) -> None:
    board = desk.start("start", "--log-dir", desk.logs)
    board.expect("^Ctrl-C ends it")
    done = desk.run("netstat", "--json")
    assert (done.code, done.err) == (0, "")
    checked(done.out, "netstat")
    assert json.loads(done.out)["rows"] is not None
    board.interrupt()
    board.finish()
