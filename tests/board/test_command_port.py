"""The command port: its answers, its refusals, and what it does with bytes that are no command."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from board.helpers import (
    SILENT_IP,
    WAIT_S,
    Peer,
    closed_events,
    run,
    silent_host,
    start,
    wait_output,
)
from lwipscope.board.command_port import CommandRefused
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import DeadlineExceeded
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Beat, Born, Hello, PcbRow, Reply, Segment, Transition
from lwipscope.trace.frame import encode_command

PORT = 6666
Dial = Callable[[int], Peer]


def test_hello_says_what_the_board_is(board: EmulatedBoard) -> None:
    hello = board.port.hello()
    assert hello.proto == 1
    assert hello.boot == board.trace.boot
    wanted = {
        "mp": "1.25.0",
        "lwip": "2.2.1",
        "profile": "roomy",
        "pcb": "16",
        "lpcb": "8",
        "mss": "1460",
        "wnd": "8760",
        "msl_ms": "60000",
        "close_ms": "10000",
        "ring": "65536",
        "time": "running",
        "stream": "all",
        "ip": board.ip,
    }
    assert {key: hello.fields[key] for key in wanted} == wanted


def test_ping_sync_snapshot_while_a_program_blocks_in_accept(board: EmulatedBoard) -> None:
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        print("listening")
        s.accept()
        """,
    )
    wait_output(board, b"listening")
    board.port.request("ping")
    (row,) = board.port.snapshot()
    assert (row.state.name, row.local and row.local.port) == ("LISTEN", PORT)
    assert board.port.sync().ok
    assert board.repl.running
    assert "KeyboardInterrupt" in board.repl.interrupt().error


@pytest.mark.parametrize(
    ("verb", "args", "reason"),
    [
        ("dance", (), "no-agent"),
        ("hellooo", (), "no-agent"),
        ("advance", ("soon",), "number"),
        ("advance", (), "number"),
        ("advance", (24 * 3600 * 1000 + 1,), "too-far"),
        ("clock", ("backwards",), "clock-mode"),
        ("stream", ("loud",), "stream-mode"),
    ],
)
def test_refusals(
    board: EmulatedBoard, verb: str, args: tuple[str | int, ...], reason: str
) -> None:
    with pytest.raises(CommandRefused) as caught:
        board.port.request(verb, *args)
    assert caught.value.reason == reason


def test_advance_is_refused_while_something_is_unacknowledged(stage: Stage) -> None:
    port = stage.board.port
    with silent_host(stage.board.switch):
        connection, _ = stage.board_connects(SILENT_IP, PORT)
        with pytest.raises(CommandRefused) as caught:
            port.advance(1000)
        assert caught.value.reason == "unacknowledged"
        assert 0 < port.advance(1000, forced=True) <= 1000
        connection.close()
    assert port.advance(1000) == 1000


def test_streams_leave_out_what_they_say(stage: Stage, dial: Dial) -> None:
    port = stage.board.port
    port.stream("states")
    since = stage.board.trace.mark()
    listener = stage.board_listens(PORT)
    dial(PORT)
    stage.board_accepts(listener)
    port.sync()
    kinds = {type(e) for e in stage.board.trace.events[since:]}
    assert kinds - {Reply, Beat} >= {Born, Transition}
    assert Segment not in kinds
    port.stream("all")


def test_a_stream_that_is_off_is_sent_at_a_sync(board: EmulatedBoard) -> None:
    """Nothing is sent by itself; a sync brings what was recorded, so that it may close."""
    board.port.stream("off")
    run(board, "import socket\ns = socket.socket()\ns.bind(('', 6666))\ns.listen(1)\ns.close()")
    board.port.request("ping")
    assert not any(isinstance(e, Born) for e in board.trace.events)
    events = closed_events(board)
    assert [e.pool for e in events if isinstance(e, Born)] == ["pcb", "lpcb"]


def test_damaged_command_is_dropped_and_not_given_to_the_program(board: EmulatedBoard) -> None:
    start(board, "import sys\nprint('ready')\nprint('got', repr(sys.stdin.readline()))")
    wait_output(board, b"ready")
    since = board.trace.mark()
    board.link.write(b"\x1e7 ping *00000000\n")
    board.port.request("ping")
    answered = [e.re for e in board.trace.events[since:] if isinstance(e, Reply)]
    assert 7 not in answered
    board.link.write(b"hello\n")
    end = board.repl.wait(WAIT_S)
    assert end.output.endswith(b"got 'hello\\n'\r\n")


@pytest.mark.parametrize(
    "text", [b"\x1eabc\n", b"\x1e\x1e\n", b"\x1e12\x01x\n", b"\x1e1" + b"2" * 200 + b"\n"]
)
def test_rs_bytes_that_are_no_command_reach_the_program(board: EmulatedBoard, text: bytes) -> None:
    start(board, "import sys\nprint('ready')\nprint('got', sys.stdin.buffer.readline())")
    wait_output(board, b"ready")
    board.link.write(text)
    end = board.repl.wait(WAIT_S)
    assert end.error == ""
    assert end.output == f"ready\r\ngot {text!r}\r\n".encode()
    board.port.request("ping")


def test_commands_between_a_programs_input_do_not_disturb_it(board: EmulatedBoard) -> None:
    start(
        board,
        """
        import sys
        print("ready")
        for i in range(50):
            line = sys.stdin.readline()
            assert line == "line %d\\n" % i, line
        print("whole")
        """,
    )
    wait_output(board, b"ready")
    for number in range(50):
        line = b"line %d\n" % number
        board.link.write(line[:3] if number % 2 else line)
        board.port.request("ping")
        if number % 2:
            board.link.write(line[3:])
    assert board.repl.wait(WAIT_S).output.endswith(b"whole\r\n")


def test_an_unanswered_command_is_an_error_with_a_deadline(board: EmulatedBoard) -> None:
    """Machine code that never comes back: no hook runs, and a reset is the only way out."""
    start(
        board,
        """
        @micropython.asm_thumb
        def forever():
            label(LOOP)
            b(LOOP)
        print("ready")
        forever()
        """,
    )
    wait_output(board, b"ready")
    with pytest.raises(DeadlineExceeded, match="answer to 'ping'"):
        board.port.request("ping", timeout_s=0.2)
    board.reset()


def test_the_answer_names_its_command(board: EmulatedBoard) -> None:
    """Spoken by hand, as a second host would: ids are the host's own, also large ones."""
    since = board.trace.mark()
    for number in (1_000_000, (1 << 31) - 1):
        body = b"%d ping" % number
        frame = b"\x1e%s *%08x\n" % (body, zlib.crc32(body))
        assert frame == encode_command(number, "ping")
        board.link.write(frame)
        board.trace.wait_for(
            lambda e, n=number: isinstance(e, Reply) and e.re == n,  # type: ignore[misc]
            WAIT_S,
            "the answer",
            since,
        )
    kinds = [type(e) for e in board.trace.events[since:]]
    assert not {Hello, PcbRow} & set(kinds)
