"""Board time is a variable (DESIGN D7): moved by the host, stopped, and the same in every run."""

from __future__ import annotations

from collections.abc import Callable

from board.helpers import SILENT_IP, run, silent_host, start, wait_output
from lwipscope.board.agent import BoardOSError
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.trace.event import Died, Event, Segment

NewBoard = Callable[..., EmulatedBoard]


def ticks_ms(board: EmulatedBoard) -> int:
    return int(run(board, "import time; print(time.ticks_ms())"))


def test_advance_moves_every_clock_of_the_board(board: EmulatedBoard) -> None:
    before_ms, before_us = ticks_ms(board), board.port.sync().clock_us
    assert board.port.advance(3_600_000) == 3_600_000
    after_ms, after_us = ticks_ms(board), board.port.sync().clock_us
    assert 3_600_000 <= after_ms - before_ms < 3_610_000
    assert 3_600_000_000 <= after_us - before_us < 3_610_000_000


def test_advance_ends_a_sleep(board: EmulatedBoard) -> None:
    start(board, "import time\nprint('sleeping')\ntime.sleep(3600)\nprint('awake')")
    wait_output(board, b"sleeping")
    board.port.advance(3_600_000)
    assert board.repl.wait(5.0).output.endswith(b"awake\r\n")


def test_advance_stops_after_a_frame(board: EmulatedBoard) -> None:
    """So that a peer can answer before more time passes: each SYN is a step of its own."""
    board.agent.start()
    with silent_host(board.switch):
        client = board.agent.socket()
        client.connect(SILENT_IP, 6666)
        board.trace.wait_for(lambda e: isinstance(e, Segment), 5.0, "the SYN")
        moved = [board.port.advance(60_000, forced=True) for _ in range(3)]
        assert all(2_000 < ms <= 3_000 for ms in moved)
        client.close()


def test_time_stands_still_in_manual_mode(board: EmulatedBoard) -> None:
    board.port.clock("manual")
    first = board.port.sync().clock_us
    assert ticks_ms(board) == ticks_ms(board) == first // 1000
    assert board.port.sync().clock_us == first
    assert board.port.advance(1500) == 1500
    assert board.port.sync().clock_us == first + 1_500_000
    assert board.port.hello().fields["time"] == "manual"


def test_running_clock_resumes_without_a_jump(board: EmulatedBoard) -> None:
    board.port.clock("manual")
    stopped_us = board.port.sync().clock_us
    start(board, "import time\nt = time.ticks_ms()\ntime.sleep_ms(30)\nprint('slept')")
    for _ in range(20):
        board.port.request("ping")
    assert board.repl.output == b""
    board.port.clock("running")
    wait_output(board, b"slept\r\n")
    board.repl.wait(5.0)
    assert stopped_us + 30_000 <= board.port.sync().clock_us < stopped_us + 5_000_000


def test_timeouts_of_sockets_follow_board_time(board: EmulatedBoard) -> None:
    board.port.clock("manual")
    start(
        board,
        """
        import errno, socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        s.settimeout(600)
        print("waiting")
        try:
            s.accept()
        except OSError as error:
            print(errno.errorcode[error.errno])
        """,
    )
    wait_output(board, b"waiting\r\n")
    board.port.advance(599_000)
    board.port.request("ping")
    assert board.repl.output == b"waiting\r\n"
    board.port.advance(2_000)
    assert board.repl.wait(5.0).output.endswith(b"ETIMEDOUT\r\n")


def one_run(board: EmulatedBoard) -> tuple[list[bytes], list[tuple[str, int, int, str]]]:
    """A client whose SYN nobody answers, until it gives up: frames of the wire, and events."""
    frames: list[bytes] = []

    def keep(_at_s: float, origin: str, data: bytes) -> None:
        if origin == "board":
            frames.append(data)

    with silent_host(board.switch):
        board.switch.on_frame(keep)
        board.agent.start()
        client = board.agent.socket()
        client.connect(SILENT_IP, 6666)
        board.trace.wait_for(lambda e: isinstance(e, Segment), 5.0, "the SYN")
        while not any(isinstance(e, Died) for e in board.trace.events):
            board.port.advance(1000)
            board.port.sync()
        try:
            client.send(b"x")
        except BoardOSError as error:
            assert error.errno_name == "ECONNABORTED"
        board.port.sync()
    return frames, [told(e) for e in board.trace.events]


def told(event: Event) -> tuple[str, int, int, str]:
    return type(event).__name__, event.seq, event.clock_us, event.text()


def test_two_manual_runs_are_the_same_byte_for_byte(new_board: NewBoard) -> None:
    options = StartOptions(number=7, clock="manual", random_seed=42)
    with new_board(options) as board:
        first = one_run(board)
    with new_board(options) as board:
        second = one_run(board)
    assert len(first[0]) >= 8
    assert first[0] == second[0]
    assert first[1] == second[1]


def test_another_seed_is_another_run(new_board: NewBoard) -> None:
    """Or the comparison above would not look at anything."""
    with new_board(StartOptions(number=7, clock="manual", random_seed=42)) as board:
        first = one_run(board)
    with new_board(StartOptions(number=7, clock="manual", random_seed=43)) as board:
        second = one_run(board)
    assert first[0] != second[0]
