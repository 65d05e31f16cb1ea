"""`lwipscope doctor`, as a person types it."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any

import pytest

from cli.harness import Desk, one_message

LIMIT_S = 3.0
MARKS = {"ok", "warning", "problem", "not looked at"}


def report(desk: Desk, *options: str, code: int = 0, **env: str) -> dict[str, Any]:
    done = desk.run("doctor", "--json", *options, **env)
    assert (done.code, done.err) == (code, "")
    read: dict[str, Any] = json.loads(done.out)
    assert read["exit_code"] == code
    return read


def check(read: dict[str, Any], name: str) -> dict[str, str]:
    return next(one for one in read["checks"] if one["name"] == name)


def test_this_machine_within_the_time(desk: Desk) -> None:
    desk.run("doctor")
    begin_s = time.monotonic()
    done = desk.run("doctor")
    took_s = time.monotonic() - begin_s
    assert (done.code, done.err) == (0, "")
    assert took_s < LIMIT_S
    for title in ("host", "rights", "cache", "serial", "network"):
        assert re.search(f"^{title}$", done.out, re.M), done.out
    assert re.search(r"^  ✓ QEMU: ", done.out, re.M)
    assert done.out.splitlines()[-1].endswith("; a board can be used")
    assert "\x1b" not in done.out


def test_json(desk: Desk) -> None:
    read = report(desk)
    assert read["usable"] is True
    assert {one["mark"] for one in read["checks"]} <= MARKS
    for one in read["checks"]:
        assert one["seen"] and "\n" not in one["seen"] + one["remedy"]
    assert len(read["states"]) == 2 * 22
    assert {one["board"] for one in read["states"]} == {"emulated", "real"}


def test_table_says_what_the_tour_shows(desk: Desk) -> None:
    tour = desk.run("tour", "--log-dir", desk.logs)
    assert tour.code == 0
    cells = report(desk, "--board", "qemu-mps2-an385")["states"]
    held = {(one["state"], one["role"]) for one in cells if one["verdict"] == "now"}
    never = {(one["state"], one["role"]) for one in cells if one["verdict"] == "never"}
    assert len(held) == 19 and len(never) == 3
    assert tour.out.count("lwIP can't") == len(never)


def test_machine_without_qemu_or_serial_port_has_no_board(desk: Desk) -> None:
    read = report(desk, code=3, PATH="/nonexistent")
    assert read["usable"] is False
    assert check(read, "QEMU")["mark"] == "problem"
    assert re.search(r"install \S*qemu", check(read, "QEMU")["remedy"])
    verdicts = {one["verdict"] for one in read["states"] if one["board"] == "emulated"}
    assert verdicts == {"no board", "never"}


def test_port_that_somebody_holds(desk: Desk) -> None:
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    try:
        held = report(desk, "--port", name, code=3)
        assert check(held, "serial port")["mark"] == "problem"
        assert f"({os.getpid()})" in check(held, "serial port")["seen"], "it is us"
    finally:
        os.close(ours)
        os.close(theirs)


def test_port_that_is_not_there(desk: Desk) -> None:
    done = desk.run("doctor", "--port", "/dev/ttyUSB77")
    assert (done.code, done.err) == (3, "")
    assert re.search(r"✗ serial port: /dev/ttyUSB77: there is no such device", done.out)
    assert done.out.splitlines()[-1].endswith("; no board can be used")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--ip", "ten"), "IPv4"),
        (("--board", "qemu-mps2-an38"), "did you mean"),
        (("--board", "qemu-mps2-an385", "--ip", "10.0.0.7"), "is emulated"),
    ],
)
def test_wrong_options(desk: Desk, arguments: tuple[str, ...], word: str) -> None:
    done = desk.run("doctor", *arguments)
    assert (done.code, done.out) == (2, "")
    assert word in one_message(done)


def test_output_that_nobody_reads(desk: Desk) -> None:
    program = desk.start("doctor")
    program.close_output()
    done = program.finish()
    assert (done.code, done.err) == (0, "")
