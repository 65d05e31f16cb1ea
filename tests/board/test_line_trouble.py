"""Trouble on the serial line: each kind ends in a named condition, with its evidence, in time.

    what happens on the line           what the host says                                    within
    noise between frames               nothing; it is counted (`noise_bytes`)                     -
    a frame altered, cut, lost         INCONCLUSIVE: which frames never arrived              at sync
    a frame repeated, or displaced     INCONCLUSIVE: how many came twice, or out of order    at sync
    an answer or a command damaged     asked once more; then DeadlineExceeded      the time it has
    a flood of console output          nothing; not a frame is lost in it                         -
    the board restarts                 BoardReset at the next hello; never complete        at sync
    the port vanishes                  BoardLost, whoever waits                                 1 s
    the port comes back                a new Link begins new evidence with its hello            1 s
    the board takes no bytes           BoardLost                         line.WRITE_TIMEOUT_S (5 s)
    the board falls silent             DeadlineExceeded, with the last events      the time it has
    the prompt doesn't answer          DeadlineExceeded               repl.ENTER_TIMEOUT_S (10 s)
    the prompt drowns in output        DeadlineExceeded               repl.ENTER_TIMEOUT_S (10 s)
    a program arrives damaged          ProgramError, if Python sees it                      at once
    Ctrl-C is ignored                  DeadlineExceeded              interrupt's timeout_s (5 s)
    another program has the port       NoBoard, at once                                           -
    another program steals bytes       BoardLost, DeadlineExceeded or INCONCLUSIVE           at sync

The line is real pseudo-terminals, pyserial on the host's side and the emulated board behind; the
harm is done between them by `fault_line`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from board.fault_line import FaultLine, FrameHarm, Nth
from lwipscope.board import line as line_module
from lwipscope.board import repl as repl_module
from lwipscope.board.command_port import CommandPort
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.link import Link
from lwipscope.board.repl import ProgramError, Repl
from lwipscope.errors import BoardLost, BoardReset, DeadlineExceeded, LwipscopeError, NoBoard
from lwipscope.trace.event import Event
from lwipscope.trace.trace import Trace
from lwipscope.trace.verdict import PathCheck, Verdict, check_path

BAUD = 115_200
LISTENER = "LISTEN > CLOSED"
PROGRAM = """
import socket
for port in (6666, 6667):
    s = socket.socket()
    s.bind(("", port))
    s.listen(1)
    s.close()
"""


@dataclass
class Desk:
    """A host at a serial port that leads to a board, by way of the fault line."""

    board: EmulatedBoard
    line: FaultLine
    link: Link
    port: CommandPort
    repl: Repl

    @property
    def trace(self) -> Trace:
        return self.link.trace

    def problems(self) -> list[str]:
        self.port.sync(timeout_s=2.0)
        return self.trace.integrity.problems()

    def check(self) -> PathCheck:
        events, integrity = self.trace.evidence()
        return check_path(events, integrity, LISTENER, role="listener", port=6666)


def sit_down(board: EmulatedBoard, line: FaultLine) -> Desk:
    """Open the port; the board's evidence begins with its next hello."""
    link = Link(line.device, BAUD, trace=Trace(first_seq=None))
    desk = Desk(board, line, link, CommandPort(link), Repl(link))
    try:
        desk.port.hello(timeout_s=2.0)
    except BaseException:
        link.close()
        raise
    return desk


@pytest.fixture
def desk(new_board: Callable[..., EmulatedBoard]) -> Iterator[Desk]:
    board = new_board()
    with FaultLine(board.release_line()) as line:
        made = sit_down(board, line)
        yield made
        made.link.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started_s = time.monotonic()
    yield
    assert time.monotonic() - started_s < seconds


def wait_output(repl: Repl, wanted: bytes) -> None:
    end_s = time.monotonic() + 5.0
    while wanted not in repl.output:
        assert time.monotonic() < end_s, repl.output
        repl.read(1.0)


def never(_event: Event) -> bool:
    return False


def test_without_harm_the_evidence_is_complete(desk: Desk) -> None:
    desk.repl.run(PROGRAM)
    assert desk.problems() == []
    assert desk.check().verdict is Verdict.PASS


def test_noise_between_frames_is_counted_and_harmless(desk: Desk) -> None:
    rng = random.Random(1)

    def noise(frame: bytes) -> Iterable[bytes]:
        return (rng.randbytes(20), b"\x1ehalf a frame", frame, b"\x00\xff\n")

    desk.repl.start(PROGRAM)
    desk.line.on_frame = noise
    desk.repl.wait(5.0)
    assert desk.problems() == []
    assert desk.check().verdict is Verdict.PASS
    integrity = desk.trace.integrity
    assert integrity.noise_frames > 5
    assert integrity.noise_bytes > 500


def lost(_frame: bytes) -> Iterable[bytes]:
    return ()


def altered(frame: bytes) -> Iterable[bytes]:
    return (frame.replace(b"LISTEN", b"CLOSED", 1),)


def half(frame: bytes) -> Iterable[bytes]:
    """Its end is missing, and with it the end of the line."""
    return (frame[: len(frame) // 2],)


def behead(frame: bytes) -> Iterable[bytes]:
    return (frame[len(frame) // 2 :],)


def repeated(frame: bytes) -> Iterable[bytes]:
    return (frame, frame)


def spliced(frame: bytes) -> Iterable[bytes]:
    """Bytes missing in its middle."""
    return (frame[:12] + frame[20:],)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lost, "1 frame never arrived"),
        (altered, "1 frame arrived damaged"),
        (half, "1 frame arrived damaged"),
        (behead, "1 frame never arrived"),
        (spliced, "1 frame arrived damaged"),
        (repeated, "1 frame arrived twice"),
    ],
)
def test_one_harmed_frame_makes_it_inconclusive(desk: Desk, harm: FrameHarm, said: str) -> None:
    desk.line.on_frame = nth = Nth(b"CLOSED>LISTEN", harm)
    desk.repl.run(PROGRAM)
    problems = desk.problems()
    assert nth.done
    assert any(said in problem for problem in problems), problems
    check = desk.check()
    assert check.verdict is Verdict.INCONCLUSIVE
    assert said in check.text


def test_frames_out_of_order_make_it_inconclusive(desk: Desk) -> None:
    """One comes after the frame that followed it."""
    held: list[bytes] = []

    def hold(frame: bytes) -> Iterable[bytes]:
        held.append(frame)
        return ()

    nth = Nth(b"CLOSED>LISTEN", hold)
    desk.line.on_frame = lambda f: (*nth(f), *((held.pop(),) if held and f != held[0] else ()))
    desk.repl.run(PROGRAM)
    assert "1 frame arrived out of order" in " ".join(desk.problems())
    assert nth.done
    assert desk.check().verdict is Verdict.INCONCLUSIVE


def test_a_lost_answer_is_asked_for_again_and_told(desk: Desk) -> None:
    """The second answer comes; that a frame is missing stays."""
    desk.repl.run(PROGRAM)
    desk.line.on_frame = Nth(b" reply ", lost)
    with within(2.0):
        problems = desk.problems()
    assert "1 frame never arrived" in " ".join(problems)
    assert desk.check().verdict is Verdict.INCONCLUSIVE


def test_without_the_closing_answer_there_is_no_verdict(desk: Desk) -> None:
    desk.repl.run(PROGRAM)
    desk.line.on_frame = lambda frame: () if b" reply " in frame else (frame,)
    with within(2.0), pytest.raises(DeadlineExceeded, match="answer to 'sync'"):
        desk.port.sync(timeout_s=1.0)
    check = desk.check()
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "no sync has been answered" in check.text


def test_a_damaged_command_is_repeated_and_nothing_is_lost(desk: Desk) -> None:
    desk.repl.run(PROGRAM)
    harmed: list[bytes] = []

    def harm_once(data: bytes) -> bytes:
        if harmed:
            return data
        harmed.append(data)
        return data.replace(b"sync", b"sinc")

    desk.line.to_board = harm_once
    assert desk.problems() == []
    assert harmed
    assert desk.check().verdict is Verdict.PASS


@pytest.mark.parametrize("verb", ["hello", "ping", "sync", "snapshot"])
def test_a_board_that_hears_nothing_is_told_in_the_time_given(desk: Desk, verb: str) -> None:
    desk.line.to_board = lambda _data: b""
    with within(2.0), pytest.raises(DeadlineExceeded, match=verb) as caught:
        desk.port.hello(1.0) if verb == "hello" else desk.port.request(verb, timeout_s=1.0)
    assert "last events" in str(caught.value)


def test_a_silent_board_is_told_in_the_time_given(desk: Desk) -> None:
    desk.repl.start("while True: pass")
    desk.line.from_board = lambda _data: b""
    with within(2.0), pytest.raises(DeadlineExceeded, match="the next word"):
        desk.trace.wait_for(never, 1.0, "the next word")
    with within(2.0), pytest.raises(DeadlineExceeded, match="did not end"):
        desk.repl.wait(1.0)
    with within(2.0), pytest.raises(DeadlineExceeded):
        desk.port.request("ping", timeout_s=1.0)


def test_a_prompt_that_does_not_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repl_module, "ENTER_TIMEOUT_S", 1.0)
    desk.line.to_board = lambda data: data.replace(b"\x01", b"")  # raw mode is never entered
    with within(2.0), pytest.raises(DeadlineExceeded, match="REPL was expected to take a program"):
        desk.repl.start("pass")


def test_a_prompt_that_drowns_in_output(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes come all the time, so no wait for the next one ever ends."""
    monkeypatch.setattr(repl_module, "ENTER_TIMEOUT_S", 1.0)
    desk.line.babble = b"x" * 100
    desk.line.say(b"x")
    with within(3.0), pytest.raises(DeadlineExceeded, match="REPL was expected to take a program"):
        desk.repl.start("pass")
    desk.line.babble = b""
    assert desk.port.request("ping").ok


def test_a_program_that_arrives_damaged_says_so(desk: Desk) -> None:
    """A closing bracket is lost on the way: what the board says of it comes back."""
    desk.repl.run("pass")
    desk.line.to_board = lambda data: data.replace(b"arrived')", b"arrived'")
    with within(2.0), pytest.raises(ProgramError, match="SyntaxError"):
        desk.repl.run("print('arrived')")


def test_a_flood_of_console_output_loses_nothing(desk: Desk) -> None:
    desk.repl.start(
        "import socket\n"
        "for i in range(400):\n"
        "    print('x' * 1000)\n"
        "    if i in (100, 300):\n"
        "        s = socket.socket(); s.bind(('', 6666 + i - 100)); s.listen(1); s.close()\n"
    )
    desk.repl.wait(20.0)
    assert desk.repl.output.count(b"x") == 400_000
    assert desk.problems() == []
    assert desk.check().verdict is Verdict.PASS


def test_a_flood_of_garbage_on_the_line_is_survived(desk: Desk) -> None:
    """Half a megabyte, full of bytes that begin frames; then all is as before."""
    garbage = random.Random(2).randbytes(1 << 18).replace(b"\n", b"\x1e")
    desk.line.say(garbage + b"\x1e" * (1 << 18) + b"\n")
    with within(20.0):
        assert desk.port.request("ping", timeout_s=20.0).ok
    desk.repl.run(PROGRAM)
    assert desk.problems() == []
    assert desk.check().verdict is Verdict.PASS
    assert desk.trace.integrity.noise_frames > 1 << 18


def test_a_board_that_restarts_in_the_middle(desk: Desk) -> None:
    desk.repl.run(PROGRAM)
    desk.port.sync()
    first = desk.trace.boot
    greeted = threading.Event()
    said = bytearray()

    def listen(data: bytes, _at_s: float) -> None:
        said.extend(data)
        if b"MicroPython v" in said:
            greeted.set()

    desk.trace.on_console(listen)
    desk.repl.start("import machine; machine.reset()")
    assert greeted.wait(5.0)
    with within(2.0), pytest.raises(BoardReset, match=f"boot {first} became"):
        desk.port.hello(timeout_s=1.0)
    assert desk.check().verdict is Verdict.ERROR
    assert "restarted in the middle" in desk.check().text


def test_a_port_that_vanishes_is_told_at_once_to_all_who_wait(desk: Desk) -> None:
    desk.repl.start("while True: pass")
    said: list[LwipscopeError] = []

    def wait(what: Callable[[], object]) -> None:
        try:
            what()
        except LwipscopeError as error:
            said.append(error)

    waiting = [
        threading.Thread(target=wait, args=(what,))
        for what in (
            lambda: desk.trace.wait_for(never, 20.0, "something"),
            lambda: desk.repl.wait(20.0),
        )
    ]
    for thread in waiting:
        thread.start()
    with within(2.0):
        desk.line.unplug()
        for thread in waiting:
            thread.join()
    assert [type(error) for error in said] == [BoardLost, BoardLost]
    assert all("the serial line closed" in str(error) for error in said)
    for ask in (desk.port.sync, desk.port.hello, lambda: desk.repl.start("pass")):
        with within(2.0), pytest.raises(BoardLost):
            ask()
    check = desk.check()
    assert check.verdict is Verdict.ERROR
    assert "the board was lost" in check.text


def test_a_port_that_comes_back_begins_new_evidence(desk: Desk) -> None:
    """What happened meanwhile is not known, and nothing of the old evidence is mixed in."""
    desk.repl.run(PROGRAM)
    assert desk.problems() == []
    desk.line.unplug()
    with pytest.raises(BoardLost):
        desk.port.sync()
    desk.link.close()
    desk.line.plug_in_again()
    with within(2.0):
        again = sit_down(desk.board, desk.line)
    try:
        assert again.trace.events[0].seq > 0
        assert again.trace.boot == desk.trace.boot
        again.repl.run(PROGRAM)
        assert again.problems() == []
        assert again.check().verdict is Verdict.PASS
    finally:
        again.link.close()


def test_a_board_that_ends_hangs_up(desk: Desk) -> None:
    with within(5.0):
        os.kill(desk.board.pid, 9)
        with pytest.raises(BoardLost, match="the serial line closed"):
            desk.trace.wait_for(never, 5.0, "something")


def test_a_board_that_takes_no_bytes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads on the other side: the port fills up, and a write never ends by itself."""
    desk.link.close()
    monkeypatch.setattr(line_module, "WRITE_TIMEOUT_S", 1.0)
    monkeypatch.setattr("lwipscope.board.link.WRITE_TIMEOUT_S", 1.0)
    desk.link = Link(desk.line.device, BAUD, trace=Trace(first_seq=None))
    stopped = threading.Event()

    def stop_the_pump(data: bytes) -> bytes:
        stopped.wait(20.0)
        return data

    desk.line.to_board = stop_the_pump
    try:
        with within(4.0), pytest.raises(BoardLost, match=r"[Ww]rite"):
            desk.link.write(b"x" * 200_000)
    finally:
        stopped.set()
    assert desk.trace.lost is not None


def test_ctrl_c_that_is_ignored(desk: Desk) -> None:
    desk.repl.start(
        "print('on')\n"
        "while True:\n"
        "    try:\n"
        "        while True: pass\n"
        "    except KeyboardInterrupt:\n"
        "        print('no')\n"
    )
    wait_output(desk.repl, b"on")
    with within(2.0), pytest.raises(DeadlineExceeded, match="Ctrl-C"):
        desk.repl.interrupt(timeout_s=1.0)
    assert b"no" in desk.repl.output


def test_ctrl_c_that_gets_lost(desk: Desk) -> None:
    desk.repl.start("print('on')\nwhile True: pass")
    wait_output(desk.repl, b"on")
    desk.line.to_board = lambda data: data.replace(b"\x03", b"")
    with within(2.0), pytest.raises(DeadlineExceeded, match="Ctrl-C"):
        desk.repl.interrupt(timeout_s=1.0)


def test_a_port_that_another_program_has(desk: Desk) -> None:
    """Here the host itself is the other program: the lock is the port's, not the process's."""
    with within(2.0), pytest.raises(NoBoard, match=r"in use by .*process \d+"):
        Link(desk.line.device, BAUD)


THIEF = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
print("in", flush=True)
while True:
    os.read(fd, 1)
"""


def test_a_program_that_steals_bytes(desk: Desk) -> None:
    """One that doesn't heed the lock: both read, and each gets a part."""
    desk.repl.run(PROGRAM)
    command = [sys.executable, "-c", THIEF, desk.line.device]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as thief:
        try:
            assert thief.stdout is not None
            thief.stdout.readline()
            end_s = time.monotonic() + 15.0
            condition: type[Exception] | None = None
            while condition is None and not desk.trace.integrity.gaps:
                assert time.monotonic() < end_s, "nothing was stolen"
                try:
                    desk.port.request("snapshot", timeout_s=1.0)
                    desk.port.sync(timeout_s=1.0)
                except LwipscopeError as error:
                    condition = type(error)
            if condition is None:
                assert desk.check().verdict is Verdict.INCONCLUSIVE
            else:
                # What was proven before by a sync stays so; the caller has heard of the rest.
                assert condition in (BoardLost, DeadlineExceeded)
        finally:
            thief.kill()
