"""`show`, `export` and `netstat`: runs that a command left, looked at later; and bad input."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import sys
import time
from pathlib import Path

import pytest

from cli.harness import LOOPBACK, SCRIPTS, WAIT_S, Desk, free_port, one_message
from lwipscope.runfile.model import Run
from unit.foreign_tools import read_with
from unit.run_examples import served_run

QUICK = "server-closes-first-textbook"
HOSTILE = b"\x1b]0;owned\x07\x1b[2J\x9b31m evil\n"


def saved(desk: Desk, name: str = "a.lwiprun", connections: int = 2) -> Path:
    path = desk.work / name
    served_run(connections, 2, HOSTILE).save(path)
    return path


def test_a_demo_leaves_what_can_be_shown_later(desk: Desk) -> None:
    done = desk.run("demo", "--only", QUICK)
    assert done.code == 0
    ladder = re.search(r"^ +ms  other end.*?(?=^path)", done.out, re.M | re.S)
    assert ladder
    shown = desk.run("show")
    assert (shown.code, shown.err) == (0, "")
    rows = [line for line in ladder[0].splitlines() if "▶" in line or "◀" in line]
    assert len(rows) == 7
    for row in rows:
        assert row in shown.out.splitlines()
    assert re.search(r"^path +LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1", shown.out, re.M)
    assert re.search("^verdict +✓ PASS$", shown.out, re.M)
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("options", ["-n", "-nS", "-SAln", "-tn"])
def test_tcpdump_s_lines_are_tcpdump_s(desk: Desk, options: str) -> None:
    assert desk.run("demo", "--only", QUICK, "--log-dir", desk.logs).code == 0
    theirs = read_with("tcpdump", options, "-r", desk.logs / f"{QUICK}.wire.pcapng")
    done = desk.run("show", desk.logs, "--tcpdump", options)
    assert (done.code, done.err) == (0, "")
    lines = [line.partition("  # ")[0] for line in done.out.split("\n")]
    assert lines == theirs.split("\n")
    assert "  # c3 SYN_RCVD > ESTABLISHED\n" in done.out


def test_export_opens_in_tshark(desk: Desk) -> None:
    assert desk.run("demo", "--only", QUICK, "--log-dir", desk.logs).code == 0
    done = desk.run("export", desk.logs, "-o", "run.pcapng")
    assert (done.code, done.err) == (0, "")
    assert re.match(r"run\.pcapng: \d+ frames of .*, PASS$", done.out)
    path = desk.work / "run.pcapng"
    found = read_with("tshark", "-r", path, "-Y", 'frame.comment contains "FIN_WAIT_2"')
    assert len(found.splitlines()) == 2
    assert read_with("tshark", "-r", path, "-Y", "_ws.malformed") == ""
    assert path.read_bytes() == (desk.logs / f"{QUICK}.wire.pcapng").read_bytes()
    wrong = desk.run("export", desk.logs, "-o", "run.pcap")
    assert wrong.code == 2
    assert ".pcapng" in one_message(wrong)


def test_run_shows_ladders_and_leaves_a_run_file(desk: Desk) -> None:
    port = free_port()
    source = (SCRIPTS / "tcp_server.py").read_text().replace("PORT = 6666", f"PORT = {port}")
    program = desk.on_board(source)
    gate = int(program.expect(rf"the board's port {port}:  nc 127.0.0.1 (\d+)")[1])
    with socket.create_connection((LOOPBACK, gate), 10) as client:
        client.sendall(b"hello\n")
        program.expect("SYN_RCVD > ESTABLISHED")
    program.expect("> CLOSED|> LAST_ACK|> TIME_WAIT")
    program.interrupt()
    done = program.finish()
    assert re.search(r"SYN_SENT +── SYN seq=0 mss=1460 ─+▶  SYN_RCVD +rx SYN$", done.out, re.M)
    run = Run.load(desk.logs / "run.lwiprun")
    assert run.problems() == []
    assert run.about.command == "run"
    assert "Program" not in run.about.ended
    shown = desk.run("show", desk.logs / "run.lwiprun", "--console")
    assert shown.code == 0
    assert "prints " in shown.out


def test_an_interrupted_scenario_leaves_a_run_file(desk: Desk) -> None:
    # All segments are dropped, so it waits until it is interrupted.
    options = ("--trouble", "drop", "--log-dir", desk.logs)
    program = desk.start("run-scenario", QUICK, *options)
    deadline_s = time.monotonic() + WAIT_S
    while "CLOSED > LISTEN" not in _text(desk.logs / f"{QUICK}.serial.log"):
        assert not program.pause(0.02), str(program)
        assert time.monotonic() < deadline_s
    program.interrupt()
    assert program.finish(10).code == 130
    run = Run.load(desk.logs / f"{QUICK}.lwiprun")
    assert (run.about.ended, run.about.verdict) == ("interrupted", "")
    assert [str(c.path[0]) for c in run.lives[0].connections] == ["LISTEN"]
    shown = desk.run("show", desk.logs)
    assert shown.code == 4
    assert "ended early: interrupted" in shown.out
    desk.assert_nothing_left()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_json(desk: Desk) -> None:
    done = desk.run("show", saved(desk), "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert told["schema"] == "lwipscope.run/1"
    (life,) = told["lives"]
    assert [c["role"] for c in life["connections"]] == ["listener", "server", "server"]
    assert life["connections"][1]["peer_path"][0] == "SYN_SENT"
    segments = [m for m in life["timeline"] if m.get("event") in ("rx", "tx")]
    assert [m["frame"] for m in segments] == list(range(1, len(segments) + 1))


def test_explain(desk: Desk) -> None:
    path = saved(desk)
    done = desk.run("show", path, "--explain", "6")
    assert (done.code, done.err) == (0, "")
    for words in ("PSH: the data", "its first number + 1", "RFC 9293 3.1", "no change of state"):
        assert words in done.out
    done = desk.run("show", path, "--explain", "3")
    assert "SYN_RCVD > ESTABLISHED (rx ACK, tcp_in.c:942)" in done.out
    assert "tcp_process:942" in done.out
    assert "3.10.7.4, fifth" in " ".join(done.out.split())
    done = desk.run("show", "--explain", "FIN-WAIT-2")
    assert (done.code, done.err) == (0, "")
    assert "FIN_WAIT_2 > TIME_WAIT by rx FIN" in done.out
    done = desk.run("show", "--explain", "SYN_SENT > SYN_RCVD")
    assert "simultaneous open" in done.out and "not there" in done.out
    wrong = desk.run("show", path, "--explain", "FIN_WEIGHT")
    assert wrong.code == 2
    assert "did you mean FIN_WAIT_2?" in one_message(wrong)
    wrong = desk.run("show", path, "--explain", "900")
    assert (wrong.code, "carried" in one_message(wrong)) == (2, True)


def test_choosing_connection_and_width(desk: Desk) -> None:
    path = saved(desk, connections=3)
    done = desk.run("show", path, "--connection", "c4", "--width", "80")
    assert (done.code, done.err) == (0, "")
    assert "c4 server" in done.out and "c3 server" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    for options in (("--connection", "c9"), ("--connection", "x"), ("--width", "20"), ("-S",)):
        wrong = desk.run("show", path, *options)
        assert wrong.code == 2
        one_message(wrong)


def test_on_a_terminal_there_is_colour_and_nothing_else(desk: Desk) -> None:
    program = desk.start("show", saved(desk), "--console", terminal=True)
    done = program.finish()
    assert "\x1b[1m" in done.out
    left = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", left)
    assert "\\x1b]0;owned" in left


@pytest.mark.parametrize("option", [(), ("--tcpdump", "-nA"), ("--console",)])
def test_hostile_text_is_shown_as_text(desk: Desk, option: tuple[str, ...]) -> None:
    done = desk.run("show", saved(desk), *option)
    assert done.code == 0
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.out)


def test_a_terminal_without_utf_8(desk: Desk) -> None:
    done = desk.run("show", saved(desk), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "-- SYN seq=0" in done.out


@pytest.mark.parametrize("option", [(), ("--tcpdump", "-n"), ("--json",)])
def test_head(desk: Desk, option: tuple[str, ...]) -> None:
    path = saved(desk, connections=60)
    words = [sys.executable, "-m", "lwipscope", "show", str(path), *option]
    program = desk.start_other("/bin/sh", "-c", f"{' '.join(words)} | head -n 2")
    done = program.finish()
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == 2


def test_bad_run_files(desk: Desk) -> None:
    path = saved(desk)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done = desk.run("show", path)
    assert done.code == 4
    assert "cut off" in done.err and "c3 server" in done.out
    for content, words in (
        (b"", "an empty file"),
        (b"hello", "no run file"),
        (gzip.compress(b'{"format": "lwipscope-run", "version": 9, "about": {}}\n'), "version 9"),
    ):
        path.write_bytes(content)
        for command in (("show", path), ("export", path, "-o", "x.pcapng")):
            done = desk.run(*command)
            assert done.code == 2
            assert words in one_message(done)
    assert not (desk.work / "x.pcapng").exists()
    for missing in ("no.lwiprun", "/dev/null", desk.runtime):
        assert desk.run("show", missing).code == 2


def test_no_run_yet(desk: Desk) -> None:
    done = desk.run("show")
    assert done.code == 2
    assert "lwipscope demo" in one_message(done)


def test_a_folder_with_several(desk: Desk) -> None:
    saved(desk, "a.lwiprun")
    saved(desk, "b.lwiprun")
    done = desk.run("show", desk.work)
    assert done.code == 2
    assert "a.lwiprun" in done.err and "b.lwiprun" in done.err


def test_netstat_has_both_ends_and_labels_the_gate(desk: Desk, wire: str) -> None:
    port = free_port()
    program = desk.start("start", "--log-dir", desk.logs, "--port", str(port), "--wire", wire)
    program.expect("^Ctrl-C ends it")
    serial = program.expect(r"^serial: +(\S+)")[1]
    source = f"import socket, time\ns = socket.socket()\ns.bind(('', {port}))\ns.listen(1)\n"
    script = desk.script(source + "c, _ = s.accept()\nc.send(b'met')\ntime.sleep(60)\n")
    words = ("-m", "mpremote", "connect", serial, "run", "--no-follow", script)
    assert desk.start_other(sys.executable, *words).finish().code == 0
    with _met(port):
        done = desk.run("netstat", "--find", str(port))
        told = json.loads(desk.run("netstat", "--json").out)
        windows = desk.run("netstat", "--style", "windows", "--find", str(port))
    assert (done.code, done.err) == (0, "")
    assert re.search(rf"192\.0\.2\.10:{port} .*ESTABLISHED +board c\d+, ", done.out)
    assert re.search(rf"0\.0\.0\.0:{port} .*LISTEN +board c\d+, ", done.out)
    assert re.search(rf"127\.0\.0\.1:{port} .*ESTABLISHED +gate: ends there, not", done.out)
    kernel = re.search(rf"192\.0\.2\.10:{port} +ESTABLISHED +host: other end of c\d+", done.out)
    assert bool(kernel) == (wire == "tap")
    assert "LISTENING" in windows.out
    assert told["schema"] == "lwipscope.netstat/1"
    assert {"board", "gate"} <= {row["where"] for row in told["rows"]}
    program.interrupt()
    assert program.finish().code == 0


def _met(port: int) -> socket.socket:
    """A connection to the board, once its program serves; the gate refuses before that."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        client = socket.create_connection((LOOPBACK, port), 10)
        with contextlib.suppress(ConnectionError):
            if client.recv(3) == b"met":
                return client
        client.close()
        assert time.monotonic() < deadline_s


def test_netstat_without_a_board(desk: Desk) -> None:
    done = desk.run("netstat")
    assert done.code == 3
    assert "lwipscope start" in one_message(done)
    assert desk.run("netstat", "nobody").code == 3
    assert desk.run("netstat", "/dev/null").code in (2, 3)
