"""The lab on the real emulated board: each verb, whole exchanges, errors after which it goes on."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware.firmware import Firmware
from lwipscope.lab.lab import Done, Lab
from lwipscope.runfile.model import Run
from lwipscope.tcp.path import path_text
from lwipscope.trace.event import Transition
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import translator

from .conftest import WireName

WAIT_S = 5.0
VISIBLE_S = 0.1


@pytest.fixture(params=["tap", "gate"])
def lab_wire(request: pytest.FixtureRequest) -> WireName:
    name: WireName = request.param
    return name


@pytest.fixture
def make(firmware: Firmware, tmp_path: Path) -> Iterator[Callable[[WireName], Lab]]:
    """Labs of a test's own; each in a network of its own."""
    made: list[tuple[Lab, Keeper]] = []

    def start(wire: WireName = "tap") -> Lab:
        keeper = Keeper.start("auto" if wire == "tap" else "none")
        if wire == "tap" and keeper.tap is None:
            notes = "; ".join(keeper.notes)
            keeper.close()
            assert os.environ.get("LWIPSCOPE_REQUIRE_TAP") != "1", notes
            pytest.skip(f"no TAP on this machine: {notes}")
        file = BoardFile.load(DEFAULT_BOARD)
        folder = tmp_path / f"lab{len(made) + 1}"
        try:
            lab = Lab(
                keeper,
                lambda: EmulatedBoard(file, firmware.elf, keeper),
                folder=folder,
                tr=translator("en"),
            )
        except BaseException:
            keeper.close()
            raise
        made.append((lab, keeper))
        return lab

    yield start
    for lab, keeper in made:
        lab.close()
        keeper.close()


@pytest.fixture
def lab(make: Callable[[WireName], Lab]) -> Lab:
    return make("tap")


@pytest.fixture
def wired_lab(make: Callable[[WireName], Lab], lab_wire: WireName) -> Lab:
    """A test that asks for this runs with the kernel's TCP and with our own."""
    return make(lab_wire)


def do(lab: Lab, *lines: str) -> Done:
    """Each has to work; what the last one answered."""
    done = None
    for line in lines:
        done = lab.do(line)
        assert done.ok, f"{line}: {done}"
    assert done is not None
    return done


def refused(lab: Lab, line: str) -> str:
    done = lab.do(line)
    assert not done.ok, done
    return done.error


def paths(lab: Lab) -> list[str]:
    return [path_text(c.path) for c in lab.run().lives[-1].connections]


def state_of(lab: Lab, name: str) -> str:
    (thing,) = (t for t in lab.things() if t.name == name)
    return thing.state


def wait_state(lab: Lab, name: str, state: str) -> None:
    """Until the lab's own list shows it."""
    end_s, version = time.monotonic() + WAIT_S, 0
    while state_of(lab, name) != state:
        assert time.monotonic() < end_s, lab.things()
        version = lab.changed(version, 0.2)


def wait_note(lab: Lab, text: str) -> None:
    """Until somebody has done that."""
    end_s, version = time.monotonic() + WAIT_S, 0
    while text not in (notes := [note.text for note in lab.run().lives[-1].notes]):
        assert time.monotonic() < end_s, notes
        version = lab.changed(version, 0.2)


# Whole exchanges.


def test_a_passive_close_with_nc(wired_lab: Lab) -> None:
    lab = wired_lab
    listening = do(lab, "board listen 6666")
    assert 's1.bind(("0.0.0.0", 6666))' in listening.python.split("\n")
    assert listening.shell == "nc -l -p 6666"
    connected = do(lab, "nc connect 6666 -N")
    assert connected.shell.startswith("nc -N 127.0.0.1 ")
    assert "c3 CLOSED > SYN_RCVD: rx SYN" in connected.said
    assert "with 192.0.2.1:" in do(lab, "board accept s1").said
    do(lab, "nc type n1 hello")
    received = do(lab, "board recv s2")
    assert "6 bytes: b'hello\\n'" in received.said
    assert received.python == "s2.recv(48)"
    assert "3 of 3 bytes" in do(lab, "board send s2 abc").said
    assert "> CLOSE_WAIT: rx FIN" in do(lab, "nc end n1").said
    assert "peer has sent its FIN" in do(lab, "board recv s2").said
    closed = do(lab, "board close s2")
    assert "c3 (s2) CLOSE_WAIT > LAST_ACK: api close" in closed.said
    assert "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED" in paths(lab)
    wait_note(lab, "n1 prints 'abc'")


def test_an_active_close_with_the_acknowledgement_withheld(lab: Lab) -> None:
    do(lab, "board listen 6666", "raw connect 6666 withhold-ack")
    assert state_of(lab, "s1") == "LISTEN"
    assert [row.state.name for row in lab.table()] == ["LISTEN", "SYN_RCVD"]
    assert "EAGAIN" in refused(lab, "board accept s1")
    assert "SYN_RCVD > ESTABLISHED" in do(lab, "raw ack r1").said
    do(lab, "board accept s1")
    assert "ESTABLISHED > FIN_WAIT_1: api close" in do(lab, "board close s2").said
    assert "FIN_WAIT_1 > FIN_WAIT_2: rx ACK" in do(lab, "raw ack r1").said
    assert "FIN_WAIT_2 > TIME_WAIT" in do(lab, "raw fin-ack r1").said
    assert "TIME_WAIT > CLOSED: timer 2MSL" in do(lab, "time until CLOSED").said
    assert (
        "LISTEN > SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT > CLOSED"
        in paths(lab)
    )


def test_fin_and_ack_in_one_segment_leave_fin_wait_2_out(lab: Lab) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1", "board close s2")
    assert "FIN_WAIT_1 > TIME_WAIT: rx FIN+ACK" in do(lab, "raw fin-ack r1").said


@pytest.mark.parametrize("polite", [False, True])
def test_a_simultaneous_close_goes_through_closing(lab: Lab, polite: bool) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1")
    if polite:
        do(lab, "raw polite r1")
    crossing = do(lab, "raw close-crossing r1 s2")
    assert "FIN_WAIT_1 > CLOSING" in crossing.said
    assert crossing.python == "s2.close()"
    assert "CLOSING > TIME_WAIT: rx ACK" in do(lab, "raw ack r1").said
    assert "not the two ends" in refused(lab, "raw close-crossing r1 s1")


def test_the_board_as_client_of_a_raw_peer(lab: Lab) -> None:
    do(lab, "raw listen 7000")
    connected = do(lab, "board connect 7000")
    assert "SYN_SENT > ESTABLISHED" in connected.said
    assert connected.python.split("\n")[-1] == 's1.connect(("192.0.2.100", 7000))'
    do(lab, "board send s1 abc")
    assert "b'abc'" in do(lab, "raw ack r2").said
    assert "ESTABLISHED > CLOSED: rx RST" in do(lab, "raw rst r2").said
    assert "is over (RST)" in refused(lab, "raw ack r2")
    assert "ECONNRESET" in refused(lab, "board recv s1") or "ENOTCONN" in refused(
        lab, "board recv s1"
    )


def test_a_raw_listener_may_leave_the_board_in_syn_sent(lab: Lab) -> None:
    do(lab, "raw listen 7000 withhold-ack")
    assert "no answer yet: SYN_SENT" in do(lab, "board connect 7000").said
    assert "SYN_SENT > ESTABLISHED" in do(lab, "raw ack r2").said


def test_the_board_as_client_of_nc(wired_lab: Lab) -> None:
    lab = wired_lab
    refusal = refused(lab, "board connect 8000")
    assert "nobody listens at 192.0.2.1:8000" in refusal
    do(lab, "nc listen 8000")
    assert "SYN_SENT > ESTABLISHED" in do(lab, "board connect 8000").said
    do(lab, "board send s2 hi", "nc kill n1")
    wait_state(lab, "s2", "CLOSE_WAIT")
    assert "has ended" in refused(lab, "nc type n1 x")
    do(lab, "board close s2")


def test_a_plain_nc_keeps_the_board_in_fin_wait_2_until_its_input_ends(lab: Lab) -> None:
    do(lab, "board listen 6666", "nc connect 6666", "board accept s1", "board close s2")
    (row,) = (row for row in lab.table() if row.remote is not None)
    assert row.state.name == "FIN_WAIT_2"
    assert "FIN_WAIT_2 > TIME_WAIT" in do(lab, "nc end n1").said
    wait_note(lab, "n1 has ended, exit code 0")


def test_unread_data_make_close_an_abort(lab: Lab) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1")
    assert "no SO_LINGER" in refused(lab, "board abort s2")
    do(lab, "raw send r1 zzz")
    assert state_of(lab, "r1") == "ESTABLISHED"
    assert "ESTABLISHED > CLOSED: api close" in do(lab, "board abort s2").said


def test_a_polite_peer_withholds_and_a_silent_one_answers_nothing(lab: Lab) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1", "raw polite r1")
    do(lab, "raw withhold r1")
    assert "FIN_WAIT_2" not in do(lab, "board close s2").said
    assert "FIN_WAIT_1 > FIN_WAIT_2" in do(lab, "raw ack r1").said
    do(lab, "raw connect 6666", "board accept s1", "raw polite r2", "raw silent r2")
    closed = do(lab, "board close s3").said
    assert "ESTABLISHED > FIN_WAIT_1" in closed
    assert "FIN_WAIT_2" not in closed


# Errors; the lab goes on.


def test_mistakes_are_told_in_words_and_change_nothing(lab: Lab) -> None:
    do(lab, "board listen 6666")
    assert "no finished connection waits" in refused(lab, "board accept s1")
    assert "EADDRINUSE" in refused(lab, "board listen 6666")
    assert "the board has no socket s9; there are: s1" in refused(lab, "board close s9")
    assert "there is no raw peer r1" in refused(lab, "raw ack r1")
    assert "there is no nc n1" in refused(lab, "nc end n1")
    assert "nobody listens at the board's port 99" in refused(lab, "raw connect 99")
    assert "nobody listens at the board's port 99" in refused(lab, "nc connect 99")
    assert "no port" in refused(lab, "board listen 70000")
    assert "flags of nc" in refused(lab, "nc connect 6666 -e sh")
    do(lab, "raw connect 6666", "board accept s1", "board close s2")
    assert "EBADF" in refused(lab, "board send s2 x")
    assert "is closed already" in refused(lab, "board close s2")
    do(lab, "raw connect 6666", "board accept s1")
    assert state_of(lab, "s3") == "ESTABLISHED"


def test_an_exhausted_pool_is_told_and_closing_helps(lab: Lab) -> None:
    do(lab, "board listen 80 255")
    for _ in range(16):
        do(lab, "raw connect 80")
    assert "no pcb is left" in refused(lab, "raw connect 80")
    assert "ENOMEM" in refused(lab, "board connect 90")
    assert "16 of 16 pcbs" in do(lab, "table").said
    do(lab, "board accept s1", "raw rst r1")
    do(lab, "raw connect 80")


def test_an_exhausted_heap_is_told_and_a_reset_empties_it(lab: Lab, tmp_path: Path) -> None:
    hog = tmp_path / "hog.py"
    # What it keeps stays in the REPL's globals when the agent is to come back.
    hog.write_text(
        "kept = []\nsize = 65536\nwhile size > 16:\n    try:\n        while True:\n"
        "            kept.append(bytearray(size))\n    except MemoryError:\n        size //= 2\n"
    )
    assert "MemoryError" in refused(lab, f"board run {hog}")
    assert not lab.do("board listen 6666").ok
    do(lab, "table", "board reset", "board listen 6666", "raw connect 6666", "board accept s1")


def test_a_board_that_crashed_comes_back(lab: Lab, tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import machine\nmachine.mem32[0xf0000000] = 1\n")
    lab.do(f"board run {crash}")
    for line in ("board listen 80", "raw connect 80", "nc connect 80", "time 5", "board agent"):
        assert "`board reset` brings it back" in refused(lab, line)
    do(lab, "table", "netstat", "help", "save", "board reset")
    do(lab, "board listen 80", "raw connect 80", "board accept s1")
    assert len(lab.run().lives) == 2
    assert "fault" in lab.run().problems()[0]


def test_a_killed_emulator_is_replaced(lab: Lab) -> None:
    do(lab, "board listen 80", "nc connect 80", "raw connect 80")
    os.kill(lab._site.board.pid, signal.SIGKILL)
    assert not lab._site.board.alive(0) or lab._site.board.alive(WAIT_S) is False
    refused(lab, "board accept s1")
    do(lab, "board reset", "board listen 80", "nc connect 80", "board accept s2")
    assert {t.name for t in lab.things()} == {"s2", "s3", "n2"}


def test_after_a_reset_the_peers_know_nothing_of_it(lab: Lab) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1", "board reset")
    assert [t.name for t in lab.things()] == ["r1"]
    assert state_of(lab, "r1") == "ESTABLISHED"
    assert "no socket s1" in refused(lab, "board send s1 x")
    do(lab, "raw send r1 x")
    sent = [e for e in lab.run().lives[-1].plain_events if getattr(e, "direction", "") == "tx"]
    assert "R" in sent[-1].flags  # type: ignore[attr-defined]
    first, second = lab.run().lives
    assert first is lab.run().lives[0]
    assert (first.number, second.number) == (0, 1)


# The learner's own program, terminals and clock.


def test_a_file_with_errors_names_file_and_line_and_the_board_obeys_again(
    lab: Lab, tmp_path: Path
) -> None:
    wrong = tmp_path / "app.py"
    wrong.write_text("import socket\nx = (1,\ndef f(:\n")
    assert f'File "{wrong}", line 3' in refused(lab, f"board run {wrong}")
    wrong.write_text("def f():\n    return 1 / 0\n\nf()\n")
    told = refused(lab, f"script {wrong}")
    assert f'File "{wrong}", line 2, in f' in told
    assert "ZeroDivisionError" in told
    assert "can't be read" in refused(lab, f"board run {tmp_path / 'nothing.py'}")
    do(lab, "board listen 80", "raw connect 80", "board accept s1")


def test_a_server_of_the_learners_own_is_run_and_ended(lab: Lab, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 6666))\ns.listen(1)\n"
        "while True:\n    c, a = s.accept()\n    print('got', c.recv(9))\n    c.close()\n"
    )
    assert "`board agent` ends it" in do(lab, f"board run {app}").said
    assert "`board agent` ends it" in refused(lab, "board listen 1")
    do(lab, "nc connect 6666 -N", "nc type n1 hello")
    wait_note(lab, "got b'hello\\n'")
    assert "obeys the verbs again" in do(lab, "board agent").said
    do(lab, "board listen 7777")


def near_port(lab: Lab, line: str) -> int:
    said = do(lab, line).said
    (found,) = (one for one in said.split("\n") if "nc 127.0.0.1 " in one)
    return int(found.partition("nc 127.0.0.1 ")[2].split()[0])


def test_the_learners_own_terminal_works_beside_raw_peers(wired_lab: Lab) -> None:
    lab = wired_lab
    port = near_port(lab, "board listen 6666")
    do(lab, "raw connect 6666", "board accept s1")
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as terminal:
        version, end_s = 0, time.monotonic() + WAIT_S
        while not any(t.note == "waits for accept" for t in lab.things()):
            assert time.monotonic() < end_s, lab.things()
            version = lab.changed(version, 0.2)
        do(lab, "board accept s1", "board send s3 hello")
        terminal.settimeout(WAIT_S)
        assert terminal.recv(9) == b"hello"
        terminal.shutdown(socket.SHUT_WR)
        wait_state(lab, "s3", "CLOSE_WAIT")
        do(lab, "board close s3")
        assert terminal.recv(9) == b""
    assert state_of(lab, "r1") == "ESTABLISHED"


def test_the_board_reaches_the_learners_own_listener(wired_lab: Lab) -> None:
    lab = wired_lab
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        # Bound and not listening: the SYN is refused, as anywhere else.
        assert "nobody listens" in refused(lab, f"board connect {port}")
        listener.listen(1)
        listener.settimeout(WAIT_S)
        do(lab, f"board connect {port}", "board send s2 hello")
        terminal, _ = listener.accept()
        with terminal:
            terminal.settimeout(WAIT_S)
            assert terminal.recv(9) == b"hello"


def test_a_busy_port_is_told_and_a_closed_listener_gives_it_back(
    make: Callable[[WireName], Lab],
) -> None:
    first, second = make("tap"), make("tap")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert near_port(first, f"board listen {port}") == port
    other = near_port(second, f"board listen {port}")
    assert other != port
    for lab in (first, second):
        do(lab, f"raw connect {port}", "board accept s1")
    do(first, "board close s1")
    assert first._site.worker.drain(WAIT_S)
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("127.0.0.1", port))
    with socket.create_connection(("127.0.0.1", other), WAIT_S):
        wait_accept(second)


def wait_accept(lab: Lab) -> None:
    end_s, version = time.monotonic() + WAIT_S, 0
    while not lab.do("board accept s1").ok:
        assert time.monotonic() < end_s
        version = lab.changed(version, 0.2)


def test_with_the_clock_stopped_only_raw_peers_come(lab: Lab) -> None:
    do(lab, "time manual", "board listen 6666", "raw connect 6666", "board accept s1")
    assert "take a raw peer" in refused(lab, "nc connect 6666")
    before = {row.conn: row.age_ms for row in lab.table()}
    assert "moved by 1500 ms" in do(lab, "time 1500").said
    after = {row.conn: row.age_ms for row in lab.table()}
    (conn,) = (row.conn for row in lab.table() if row.remote is not None)
    assert (after[conn] or 0) - (before[conn] or 0) == 1500
    do(lab, "time running", "nc connect 6666")


def test_time_until_a_state_says_when_it_is_so_already(lab: Lab) -> None:
    assert "no connection" in refused(lab, "time until CLOSED")
    do(lab, "board listen 6666", "nc connect 6666", "board accept s1", "board close s2")
    assert "in FIN_WAIT_2 already" in do(lab, "time until FIN_WAIT_2 s2").said
    assert "> CLOSED" in do(lab, "time until CLOSED").said


# The record.


def test_what_is_saved_is_a_run_and_reading_brings_no_new_version(lab: Lab, tmp_path: Path) -> None:
    do(lab, "board listen 6666", "raw connect 6666", "board accept s1")
    version = lab.changed(0, 0)
    run = lab.run()
    lab.things(), lab.table(), lab.verbs()
    assert lab.run() is run
    assert lab.changed(version, 0.0) == version
    assert "written" in do(lab, f"save {tmp_path / 'mine'}").said
    saved = Run.load(tmp_path / "mine.lwiprun")
    assert saved.about.command == "lab"
    assert len(saved.lives[0].connections) == 2
    lab.close()
    whole = Run.load(tmp_path / "lab1" / "lab.lwiprun")
    assert whole.problems() == []
    assert not lab.do("table").ok


def test_only_one_line_is_done_at_a_time(lab: Lab) -> None:
    do(lab, "board listen 80 255")
    dones: list[Done] = []
    threads = [
        threading.Thread(target=lambda: dones.append(lab.do("raw connect 80"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert [done.ok for done in dones] == [True] * 8
    assert len({t.name for t in lab.things() if t.who == "raw"}) == 8


def test_from_a_verb_to_its_visible_transition(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until a watcher of the lab has read the transition in the run."""
    do(lab, "board listen 6666 255")
    times = [_until_visible(lab, "raw connect 6666") for _ in range(8)]
    median_s = statistics.median(times)
    with capsys.disabled():
        sys.stdout.write(f" [verb to visible transition: {median_s * 1000:.1f} ms] ")
    assert median_s < VISIBLE_S


def _transitions(lab: Lab) -> int:
    return sum(isinstance(e, Transition) for e in lab.run().lives[-1].plain_events)


def _until_visible(lab: Lab, line: str) -> float:
    seen, before, version = threading.Event(), _transitions(lab), lab.changed(0, 0)

    def watch() -> None:
        since, end_s = version, time.monotonic() + WAIT_S
        while time.monotonic() < end_s and not seen.is_set():
            since = lab.changed(since, 0.2)
            if _transitions(lab) > before:
                seen.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    began_s = time.monotonic()
    do(lab, line)
    assert seen.wait(WAIT_S)
    ended_s = time.monotonic()
    watcher.join()
    return ended_s - began_s


def test_where_there_is_no_nc_ours_is_taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwipscope.lab.nc_end.find_nc", lambda: None)
    do(lab, "board listen 6666", "nc connect 6666 -N", "board accept s1", "nc type n1 hello")
    assert "hello" in do(lab, "board recv s2").said
    assert "CLOSE_WAIT" in do(lab, "nc end n1").said
    do(lab, "nc listen 8000")
    assert "ESTABLISHED" in do(lab, "board connect 8000").said
