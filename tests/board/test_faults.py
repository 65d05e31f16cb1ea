"""How a board ends: faults, assertions, signals, resets. Each is told, and never passes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable

import pytest

from board.helpers import WAIT_S, Peer, run, start, symbol, unread_line, wait_output, wait_state
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import BoardFault, BoardLost, BoardReset, DeadlineExceeded
from lwipscope.firmware.firmware import Firmware
from lwipscope.tcp.state import State
from lwipscope.trace.event import Event, Fault
from lwipscope.trace.verdict import Verdict, check_path

PORT = 6666
pytestmark = pytest.mark.evidence_spoiled("the board stops in the middle")


def never(_event: Event) -> bool:
    return False


def assert_no_pass(board: EmulatedBoard) -> None:
    """The evidence of a board that stopped gives ERROR, even for a path that would fit."""
    events, integrity = board.trace.evidence()
    check = check_path(events, integrity, "LISTEN > ...", role="listener")
    assert check.verdict is Verdict.ERROR, check.text


@pytest.mark.parametrize(
    "crash",
    ["machine.mem32[0xFFFFFFF0]", "machine.mem32[0x60000000] = 1", "jump(0x60000001)"],
)
def test_a_fault_is_told_once_and_ends_qemu_with_98(board: EmulatedBoard, crash: str) -> None:
    start(
        board,
        f"""
        import machine, socket, sys
        @micropython.asm_thumb
        def jump(r0):
            data(2, 0x4780)          # blx r0
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        print("going to crash")
        {crash}
        print("survived")
        """,
    )
    with pytest.raises(BoardFault, match="stopped with a fault") as caught:
        board.trace.wait_for(never, WAIT_S, "a fault")
    assert "kind=" in str(caught.value)
    assert not board.alive(WAIT_S)
    (fault,) = (e for e in board.trace.events if isinstance(e, Fault))
    assert "pc=" in fault.said
    assert [e for e in board.trace.events if e.seq > fault.seq] == []
    with pytest.raises(BoardLost):
        board.repl.wait(WAIT_S)
    assert board.repl.output == b"going to crash\r\n"
    assert "a processor fault" in (board.trace.integrity.board_lost or "")
    assert_no_pass(board)


def test_a_failed_assertion_is_told_with_its_place_and_ends_qemu_with_99(
    board: EmulatedBoard, dial: Callable[[int], Peer], firmware: Firmware
) -> None:
    """The state of an active pcb is overwritten with CLOSED: lwIP's slow timer asserts."""
    start(
        board,
        f"""
        import machine, socket, time
        s = socket.socket()
        s.bind(("", {PORT}))
        s.listen(1)
        print("listening")
        s.accept()
        pcb = machine.mem32[{symbol(firmware.elf, "tcp_active_pcbs")}]
        at = [i for i in range(8, 40, 2) if machine.mem16[pcb + i] == {PORT}][0] - 2
        assert machine.mem8[pcb + at] == 4, "not ESTABLISHED"
        machine.mem8[pcb + at] = 0
        print("spoiled")
        time.sleep(5)
        """,
    )
    wait_output(board, b"listening")
    dial(PORT)
    with pytest.raises(BoardFault, match=r"kind=assert at=tcp\.c:\d+ text=tcp_slowtmr"):
        board.trace.wait_for(never, WAIT_S, "an assertion")
    assert not board.alive(WAIT_S)
    with pytest.raises(BoardLost):
        board.repl.wait(WAIT_S)
    assert "a failed lwIP assertion" in (board.trace.integrity.board_lost or "")
    assert_no_pass(board)


def test_last_words_wait_for_a_late_reader(board: EmulatedBoard) -> None:
    """QEMU has ended long before they are read."""
    with unread_line(board):
        start(
            board,
            """
            import machine, socket, time
            time.sleep_ms(50)
            socket.socket()
            time.sleep_ms(50)
            for i in range(100):
                print(i, "last words")
            machine.mem32[0xFFFFFFF0]
            """,
        )
        assert not board.alive(WAIT_S)
    with pytest.raises(BoardFault, match="stopped with a fault"):
        board.trace.wait_for(never, WAIT_S, "a fault")
    with pytest.raises(BoardLost):
        board.repl.wait(WAIT_S)
    assert board.repl.output == b"".join(b"%d last words\r\n" % i for i in range(100))
    assert not board.trace.integrity.gaps


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_qemu_is_a_lost_board_that_names_the_signal(
    board: EmulatedBoard, number: signal.Signals
) -> None:
    start(board, "import socket\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\ns.accept()")
    wait_state(board, State.LISTEN)
    board.port.sync()
    os.kill(board.pid, number)
    named = number.name if number is signal.SIGKILL else "QEMU ended|SIGTERM"
    with pytest.raises(BoardLost, match=named):
        board.trace.wait_for(never, WAIT_S, "the end")
    with pytest.raises(BoardLost):
        board.port.request("ping")
    with pytest.raises(BoardLost):
        board.repl.wait(WAIT_S)
    assert not board.alive(WAIT_S)


def test_after_a_loss_the_next_test_gets_a_new_board(board: EmulatedBoard) -> None:
    assert run(board, "print('alive')") == "alive\n"
    assert board.port.sync().ok


def reset_by_program(board: EmulatedBoard) -> None:
    """The program resets the board, and MicroPython has greeted again: the new life has begun."""
    greeted = threading.Event()
    said = bytearray()

    def listen(data: bytes, _at_s: float) -> None:
        said.extend(data)
        if b"MicroPython v" in said:
            greeted.set()

    stop = board.trace.on_console(listen)
    board.repl.start("import machine; machine.reset()")
    assert greeted.wait(WAIT_S), bytes(said)
    stop()


def test_a_reset_by_the_program_is_told(board: EmulatedBoard) -> None:
    first = board.trace.boot
    reset_by_program(board)
    with pytest.raises(BoardReset, match=f"boot {first} became"):
        board.port.hello(timeout_s=1.0)
    assert board.trace.integrity.reset
    assert not board.trace.integrity.complete
    again = board.reset()
    assert again.boot.split(".")[0] == (first or "").split(".")[0]


def test_a_reset_that_nobody_asked_about_is_never_complete_evidence(board: EmulatedBoard) -> None:
    """No hello tells of it here; the numbers that begin again do, answered sync or not."""
    board.port.sync()
    run(board, "pass")
    reset_by_program(board)
    with contextlib.suppress(DeadlineExceeded):
        board.port.sync(timeout_s=1.0)
    assert board.trace.integrity.repeats > 0
    assert not board.trace.integrity.complete


def test_recursion_and_memory_errors_are_pythons_affair(board: EmulatedBoard) -> None:
    printed = run(
        board,
        """
        def f():
            f()
        try:
            f()
        except RuntimeError as error:
            print("recursion")
        try:
            bytearray(1 << 24)
        except MemoryError:
            print("memory")
        """,
    )
    assert printed == "recursion\nmemory\n"
    assert board.port.sync().ok
