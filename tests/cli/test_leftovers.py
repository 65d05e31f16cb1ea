"""However a command ends: no process, no file and no listening port of it stays."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import dpkt
import pytest

from cli.harness import LOOPBACK, Desk, Program, free_port

# Milliseconds after the start of the demo, which takes some 600 to 1500.
MOMENTS_MS = sorted(random.Random(793).sample(range(0, 1400), 10))
SERVER = "import socket\ns = socket.socket()\ns.bind(('', {port}))\ns.listen(1)\ns.accept()\n"


def assert_captures_readable(folder: Path) -> None:
    for path in folder.glob("*.pcapng"):
        with path.open("rb") as file:
            for _stamp, frame in dpkt.pcapng.Reader(file):
                assert len(frame) >= 14


def demo(desk: Desk, wire: str = "auto") -> Program:
    program = desk.start("demo", "--wire", wire, "--log-dir", desk.logs)
    program.catches(signal.SIGTERM)
    return program


def interrupt(program: Program) -> None:
    program.interrupt()


def terminate_group(program: Program) -> None:
    program.signal_group(signal.SIGTERM)  # as timeout(1) does


def terminate(program: Program) -> None:
    program.process.send_signal(signal.SIGTERM)


def hang_up(program: Program) -> None:
    program.process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
def test_ctrl_c_in_the_middle_of_a_demo(desk: Desk, moment_ms: int) -> None:
    program = demo(desk, "gate" if moment_ms % 2 else "auto")
    program.pause(moment_ms / 1000)
    program.interrupt()
    done = program.finish(10)
    assert done.code == 130 or (done.code == 0 and "exchanges in" in done.out)
    assert done.err in ("", "\nlwipscope: interrupted\n")
    desk.assert_nothing_left()
    assert_captures_readable(desk.logs)


@pytest.mark.parametrize("end", [interrupt, terminate_group, terminate, hang_up])
@pytest.mark.parametrize("moment", ["at the start", "in the middle"])
def test_other_ways_to_be_interrupted(
    desk: Desk, end: Callable[[Program], None], moment: str
) -> None:
    program = demo(desk)
    if moment == "in the middle":
        program.expect("^path ")
    end(program)
    done = program.finish(10)
    assert done.code == 130
    assert done.err == "\nlwipscope: interrupted\n"
    desk.assert_nothing_left()
    assert_captures_readable(desk.logs)


def test_impatience(desk: Desk) -> None:
    program = demo(desk)
    program.expect("^path ")
    for _ in range(20):
        program.interrupt()
        if program.pause(0.005):
            break
    done = program.finish(10)
    assert done.code == 130
    assert done.err in ("", "\nlwipscope: interrupted\n")


@pytest.mark.parametrize("moment_ms", [0, *MOMENTS_MS[1::3]])
def test_killed_in_the_middle_of_a_demo(desk: Desk, moment_ms: int) -> None:
    program = demo(desk)
    program.pause(moment_ms / 1000)
    program.process.kill()
    program.process.wait(10)
    desk.assert_nothing_left()
    assert_captures_readable(desk.logs)


def test_a_killed_run_keeps_what_it_has_captured(desk: Desk) -> None:
    port = free_port()
    program = desk.on_board(SERVER.format(port=port) + "print('met')\nwhile True: pass\n")
    gate = int(program.expect(rf"the board's port {port}:  nc 127.0.0.1 (\d+)")[1])
    with socket.create_connection((LOOPBACK, gate), 10):
        program.expect("met")
        program.expect("SYN_RCVD > ESTABLISHED")
        program.process.kill()
        program.process.wait(10)
        desk.assert_nothing_left()
    with (desk.logs / "wire.pcapng").open("rb") as file:
        frames = [dpkt.ethernet.Ethernet(frame) for _stamp, frame in dpkt.pcapng.Reader(file)]
    flags = [frame.data.data.flags for frame in frames if isinstance(frame.data.data, dpkt.tcp.TCP)]
    assert flags[:3] == [dpkt.tcp.TH_SYN, dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK, dpkt.tcp.TH_ACK]
    assert re.search(r"SYN_RCVD > ESTABLISHED", (desk.logs / "serial.log").read_text())
    assert_closed(gate)


@pytest.mark.parametrize("end", [interrupt, terminate])
def test_no_port_stays_open(desk: Desk, wire: str, end: Callable[[Program], None]) -> None:
    port = free_port()
    program = desk.start("start", "--wire", wire, "--port", str(port), "--log-dir", desk.logs)
    program.expect("^Ctrl-C ends it")
    with socket.socket() as client:
        # Nobody listens on the board, so the gate resets this at once.
        assert client.connect_ex((LOOPBACK, port)) in (0, errno.ECONNRESET)
        end(program)
        done = program.finish(10)
    assert (done.code, done.err) == (0, "")
    assert_closed(port)


def assert_closed(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), 10).close()


@pytest.mark.parametrize("victim", ["qemu-system-arm", "keeper"])
def test_helpers_that_are_killed(desk: Desk, victim: str) -> None:
    program = desk.on_board("print('begun')\nwhile True: pass\n")
    program.expect("begun")
    if victim == "keeper":
        keepers = [pid for pid in desk.processes() if "keeper_main.py" in command_line(pid)]
        os.kill(min(keepers), signal.SIGKILL)
    else:
        desk.kill(victim)
    done = program.finish(15)
    assert done.code == 4
    assert done.err.count("lwipscope: ") == 1
    assert "SIGKILL" in done.err
    assert "paths:" in done.out


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_after_a_failure(desk: Desk) -> None:
    assert desk.on_board("1/0").finish().code == 1
    desk.assert_nothing_left()


def test_two_at_once_do_not_disturb_each_other(desk: Desk) -> None:
    first, second = demo(desk), desk.start("demo", "--log-dir", desk.work / "other")
    first.expect("^path ")
    first.process.kill()
    first.process.wait(10)
    done = second.finish()
    assert (done.code, done.err) == (0, "")
