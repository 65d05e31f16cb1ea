"""The REPL through our own client: results, errors, Ctrl-C, soft resets, commands beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from board.helpers import (
    WAIT_S,
    Peer,
    closed_events,
    run,
    start,
    told,
    wait_output,
    wait_state,
    wait_synced,
)
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.board.repl import ProgramError
from lwipscope.errors import DeadlineExceeded
from lwipscope.tcp.state import State
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Call, Transition

PORT = 6666
TIME_WAIT = State.TIME_WAIT
Dial = Callable[[int], Peer]
LISTEN = """
import socket, select, time
s = socket.socket()
s.bind(("", 6666))
s.listen(2)
"""
BLOCKED = {
    "busy loop": "while True: pass",
    "sleep": "time.sleep(1000)",
    "accept": "s.accept()",
    "recv": "c, a = s.accept()\nprint('accepted')\nc.recv(10)",
    "poll": "p = select.poll()\np.register(s)\np.register(socket.socket())\nc = s.accept()[0]\n"
    "print('accepted')\nq = select.poll()\nq.register(c, select.POLLIN)\nq.poll()",
    "connect": "socket.socket().connect(('192.0.2.250', 1))",
    "readline": "import sys\nsys.stdin.readline()",
    "print": "while True: print('x' * 200)",
}


def test_results_and_state_between_programs(board: EmulatedBoard) -> None:
    assert run(board, "x = 6 * 7\nprint(x)") == "42\n"
    assert run(board, "print(x + 1)") == "43\n"
    assert run(board, "print('\\u00e4\\u4e2d')") == "ä中\n"
    assert run(board, "pass") == ""


def test_traceback_names_line_and_error(board: EmulatedBoard) -> None:
    with pytest.raises(ProgramError) as caught:
        board.repl.run("def f():\n    return 1 / 0\nprint('before')\nf()")
    assert "line 2, in f" in str(caught.value)
    assert "ZeroDivisionError" in str(caught.value)
    assert board.repl.output == b"before\r\n"
    assert run(board, "print('alive')") == "alive\n"


def test_syntax_error_runs_nothing(board: EmulatedBoard) -> None:
    with pytest.raises(ProgramError, match="SyntaxError"):
        board.repl.run("print('first')\nif True print(1)")
    assert board.repl.output == b""


def test_large_program_and_large_output(board: EmulatedBoard) -> None:
    source = "".join(f"a{i} = {i}  # {'x' * 60}\n" for i in range(400))
    assert run(board, source + "print('y' * 30000)") == "y" * 30000 + "\n"


def test_endless_program_has_a_deadline(board: EmulatedBoard) -> None:
    with pytest.raises(DeadlineExceeded, match="did not end within"):
        board.repl.run("while True: pass", timeout_s=0.2)
    assert "KeyboardInterrupt" in board.repl.interrupt().error
    assert run(board, "print('alive')") == "alive\n"


@pytest.mark.parametrize("where", BLOCKED)
def test_ctrl_c_interrupts(board: EmulatedBoard, dial: Dial, where: str) -> None:
    board.repl.start(f"{LISTEN}\nprint('listening')\n{BLOCKED[where]}")
    wait_output(board, b"listening")
    if "accepted" in BLOCKED[where]:
        dial(PORT)
        wait_output(board, b"accepted")
    # The command port answers beside the blocked program.
    board.port.request("ping")
    assert any(row.state is State.LISTEN for row in board.port.snapshot())
    end = board.repl.interrupt()
    assert "KeyboardInterrupt" in end.error, end
    assert run(board, "print('alive')") == "alive\n"


def test_snapshot_and_ping_while_a_program_waits_in_accept(
    board: EmulatedBoard, dial: Dial
) -> None:
    """And the program goes on as if nothing had been asked."""
    board.repl.start(f"{LISTEN}\nprint('listening')\nc, a = s.accept()\nprint(a[0], c.recv(10))")
    wait_output(board, b"listening")
    for _ in range(20):
        board.port.request("ping")
        assert [row.state for row in board.port.snapshot()] == [State.LISTEN]
    peer = dial(PORT)
    board.trace.wait_for(lambda e: isinstance(e, Call) and e.name == "accept", WAIT_S, "accept()")
    peer.send(b"hello")
    assert board.repl.wait(WAIT_S).output.endswith(b" b'hello'\r\n")


def test_soft_reset_closes_sockets_and_the_trace_goes_on(board: EmulatedBoard, dial: Dial) -> None:
    board.repl.start(f"{LISTEN}\nprint('listening')\nc, a = s.accept()\nprint('accepted')")
    wait_output(board, b"listening")
    peer = dial(PORT)
    wait_output(board, b"accepted")
    board.repl.wait(WAIT_S)
    closed_events(board)
    assert wait_state(board, State.ESTABLISHED)
    board.repl.start("print('after')", soft_reset=True)
    assert board.repl.wait(WAIT_S).output == b"after\r\n"
    assert peer.recv(1) == b""
    peer.close()
    events = wait_synced(
        board,
        lambda events: any(isinstance(e, Transition) and e.after is TIME_WAIT for e in events),
        "TIME_WAIT",
    )
    found = {c.role: c for c in connections(events)}
    assert told(found["server"])[2] == "FIN_WAIT_1 by=gc:close"
    assert told(found["listener"])[-1] == "CLOSED by=gc:close"
    # The same port, in the new session of Python: TIME_WAIT still has it (as on other boards).
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", 6666))
        s.listen(1)
        print("again")
        s.accept()
        """,
    )
    wait_output(board, b"again")
    dial(PORT).close()
    board.repl.wait(WAIT_S)
    assert len(connections(closed_events(board), role="server")) == 2


def test_soft_reset_forgets_the_agent(board: EmulatedBoard) -> None:
    board.agent.start()
    board.agent.socket()
    board.link.write(b"\x03")
    board.repl.wait(WAIT_S)
    board.repl.start("pass", soft_reset=True)
    board.repl.wait(WAIT_S)
    assert board.port.snapshot() == []
    board.agent.start()
    board.agent.socket().bind(PORT)
    board.agent.stop()
    assert board.port.snapshot() == []
