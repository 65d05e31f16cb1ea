"""`lwipscope clock`: board time stopped and moved from another process than the board's."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cli.harness import LOOPBACK, SCRIPTS, Desk, Program, free_port, one_message
from cli.test_start import ended, mpremote, started


@contextmanager
def serving(desk: Desk) -> Iterator[tuple[Program, str, int]]:
    """A board that serves tcp_server.py at a port: the program, its serial port, the port."""
    port = free_port()
    program, serial = started(desk, "--port", str(port))
    source = (SCRIPTS / "tcp_server.py").read_text().replace("PORT = 6666", f"PORT = {port}")
    done = mpremote(desk, serial, "run", "--no-follow", desk.script(source)).finish()
    assert (done.code, done.err) == (0, "")
    yield program, serial, port
    ended(program)


def test_time_stands_still_is_moved_and_runs_again(desk: Desk) -> None:
    program, serial = started(desk)
    first = desk.run("clock", serial, "manual")
    assert (first.code, first.err) == (0, "")
    stopped = re.search(r"^board time stands still at ([\d.]+) s;", first.out)
    assert stopped, first.out
    again = desk.run("clock", serial, "manual")
    assert again.out.startswith(f"board time stands still at {stopped[1]} s, as before")
    moved = desk.run("clock", "qemu-mps2-an385", "advance", "90500")
    assert (moved.code, moved.err) == (0, "")
    told = re.search(r"^board time moved by 90\.500 s, from ([\d.]+) s to ([\d.]+) s$", moved.out)
    assert told and told[1] == stopped[1], moved.out
    assert float(told[2]) == pytest.approx(float(told[1]) + 90.5)
    running = desk.run("clock", serial, "running")
    resumed = re.search(r"^board time runs; it is ([\d.]+) s now$", running.out)
    assert resumed and float(resumed[1]) >= float(told[2]), running.out
    # The line is free again for others, and quiet.
    done = mpremote(desk, serial, "exec", "import tcptrace; print(tcptrace.stream())").finish()
    assert (done.code, done.out) == (0, "off\n")
    ended(program)


def test_until_goes_through_time_wait_in_no_time(desk: Desk) -> None:
    port = free_port()
    program, serial = started(desk, "--port", str(port))
    source = f"""
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", {port}))
s.listen(1)
c = s.accept()[0]
c.close()
while True: s.accept()
"""
    done = mpremote(desk, serial, "run", "--no-follow", desk.script(source)).finish()
    assert done.code == 0
    with socket.create_connection((LOOPBACK, port), 10.0) as peer:
        assert peer.recv(1) == b""  # the board closes first
    there = desk.run("clock", serial, "until", "TIMED_WAIT", "--port", str(port))
    assert (there.code, there.err) == (0, "")
    assert re.search(r"^c\d+ is in TIME_WAIT", there.out, re.M), there.out
    over = desk.run("clock", serial, "until", "closed", "--port", str(port), "--limit", "130")
    assert (over.code, over.err) == (0, "")
    assert re.search(r"^ +\+1\d\d\.\d+ s  c\d+ freed in TIME_WAIT \(timer 2MSL\)", over.out, re.M)
    after = re.search(r"^c\d+ has ended after ([\d.]+) s of board time$", over.out, re.M)
    assert after and 100 < float(after[1]) <= 130
    # Only the listener is left, which time does not end.
    nothing = desk.run("clock", serial, "until", "closed", "--port", str(port))
    assert nothing.code == 2
    assert "a listener, but no connection at port" in one_message(nothing)
    ended(program)


def test_until_tells_where_the_limit_found_it(desk: Desk) -> None:
    with serving(desk) as (_program, serial, port):
        with socket.create_connection((LOOPBACK, port), 10.0):
            late = desk.run(
                *("clock", serial, "until", "FIN-WAIT-2", "--port", str(port), "--limit", "5")
            )
            assert late.code == 4
            said = one_message(late)
            assert "expected to be in FIN_WAIT_2 within 5 s of board time and has not" in said
            assert "is in ESTABLISHED" in said and "--limit" in said
            assert re.search(r"^board time moved by [56]\.\d+ s", late.out, re.M), late.out


def test_mistakes_are_told_with_what_to_try(desk: Desk) -> None:
    program, serial = started(desk)
    unknown = desk.run("clock", serial, "until", "FIN_WAIT_3")
    assert unknown.code == 2
    assert "did you mean FIN_WAIT" in one_message(unknown)
    nothing = desk.run("clock", serial, "until", "CLOSED", "--port", "4711")
    assert nothing.code == 2
    assert "there is nothing at port 4711" in one_message(nothing)
    assert "--port" in nothing.err
    name = desk.run("clock", "pico-w", "manual")
    assert name.code == 3
    assert "qemu-mps2-an385 at /dev/" in one_message(name)
    for wrong in ("0", "-1", "5s", "1e9999", "864000000"):
        done = desk.run("clock", serial, "advance", "--", wrong)
        assert done.code == 2 and "milliseconds" in done.err, done.err
    assert desk.run("clock", serial, "until", "CLOSED", "--limit", "nan").code == 2
    assert desk.run("clock", serial).code == 2
    # Somebody else has the line: it is not taken from them.
    watching = desk.start("watch", serial)
    watching.expect("watching")
    busy = desk.run("clock", serial, "manual")
    assert busy.code == 3
    assert "is in use by lwipscope" in one_message(busy)
    watching.interrupt()
    watching.finish()
    ended(program)


def test_a_line_where_nobody_answers(desk: Desk) -> None:
    silent = desk.run("clock", "loop://", "manual")
    assert silent.code == 3
    assert "loop://: the board did not answer within 2 s" in one_message(silent)


def test_time_is_not_moved_while_something_is_unacknowledged(desk: Desk) -> None:
    """The board has sent a SYN to a host that is not there."""
    program, serial = started(desk)
    source = """
import socket, time
s = socket.socket()
s.setblocking(False)
try:
    s.connect(("192.0.2.77", 4711))
except OSError:
    pass
while True: time.sleep(1)
"""
    done = mpremote(desk, serial, "run", "--no-follow", desk.script(source)).finish()
    assert done.code == 0
    refused = desk.run("clock", serial, "advance", "1000")
    assert refused.code == 2
    said = one_message(refused)
    assert "has not acknowledged" in said and "--forced" in said
    assert re.search(r"^board time moved by [01]\.\d+ s", refused.out, re.M), refused.out
    forced = desk.run("clock", serial, "until", "CLOSED", "--port", "4711", "--forced")
    assert (forced.code, forced.err) == (0, "")
    assert "freed in SYN_SENT (timer SYN-retries)" in forced.out
    ended(program)
