"""Why a state changed: the cause of each transition, as firmware/README.md lists them."""

from __future__ import annotations

from collections.abc import Callable

from board.helpers import (
    SILENT_IP,
    Peer,
    run,
    silent_host,
    start,
    the_one,
    told,
    wait_died,
    wait_output,
    wait_state,
)
from lwipscope.board.agent import BoardOSError
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.network import HOST_IP
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Died, Segment, Transition

PORT = 6666
Dial = Callable[[int], Peer]


def test_accepted_connection_that_the_peer_closes(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peer = dial(PORT)
    connection, conn = stage.board_accepts(listener)
    peer.close()
    stage.wait_state(State.CLOSE_WAIT, conn=conn)
    connection.close()
    stage.wait_end(conn)
    assert told(the_one(stage.board)) == [
        "SYN_RCVD by=rx:S",
        "ESTABLISHED by=rx:.",
        "CLOSE_WAIT by=rx:F.",
        "LAST_ACK by=api:close",
        "CLOSED by=rx:.",
    ]


def test_active_close_through_time_wait(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peer = dial(PORT)
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    peer.close()
    stage.wait_state(State.TIME_WAIT, conn=conn)
    moved_ms = stage.advance_until_end(conn, 130_000)
    # 2 x TCP_MSL of board time: nothing is skipped, and lwIP fires at most a tick or two late.
    assert 119_000 <= moved_ms <= 122_000
    assert told(the_one(stage.board))[2:] == [
        "FIN_WAIT_1 by=api:close",
        "FIN_WAIT_2 by=rx:.",
        "TIME_WAIT by=rx:F.",
        "CLOSED by=timer:2MSL",
    ]


def test_close_abort(stage: Stage, dial: Dial) -> None:
    """MicroPython gives up 10 s after close()."""
    listener = stage.board_listens(PORT)
    dial(PORT)
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    moved_ms = stage.advance_until_end(conn, 12_000)
    assert 9_000 <= moved_ms <= 10_600
    assert told(the_one(stage.board))[-1] == "CLOSED by=timer:close-abort"
    assert [e.flags for e in stage.board.trace.events if isinstance(e, Segment)][-1] == "R."


def test_client_refused_and_client_connected(stage: Stage) -> None:
    _, refused = stage.board_connects(HOST_IP, 6999)
    stage.wait_end(refused)
    listener = stage.network.listen(6998)
    _, connected = stage.board_connects(HOST_IP, 6998)
    stage.wait_state(State.ESTABLISHED, conn=connected)
    listener.accept().reset()
    stage.wait_end(connected)
    stage.board.port.sync()
    first, second = connections(stage.board.trace.events, role="client")
    assert told(first) == ["SYN_SENT by=api:connect", "CLOSED by=rx:R."]
    assert told(second)[:2] == ["SYN_SENT by=api:connect", "ESTABLISHED by=rx:S."]
    assert told(second)[2] in ("CLOSED by=rx:R", "CLOSED by=rx:R.")


def test_nobody_answers_the_syn(stage: Stage) -> None:
    with silent_host(stage.board.switch):
        _, conn = stage.board_connects(SILENT_IP, PORT)
        for _ in range(7):
            stage.board.port.advance(20_000, forced=True)
    died = wait_died(stage.board, conn)
    sent = next(e for e in stage.board.trace.events if isinstance(e, Transition))
    # 6 repetitions 3 s apart, and the tick after the last (lwIP: TCP_SYNMAXRTX, LWIP_TCP_RTO_TIME).
    assert 18_000_000 <= died.clock_us - sent.clock_us <= 19_000_000
    assert told(the_one(stage.board)) == [
        "SYN_SENT by=api:connect",
        "CLOSED by=timer:SYN-retries",
    ]
    syns = [e for e in stage.board.trace.events if isinstance(e, Segment) and e.conn == conn]
    assert [e.flags for e in syns] == ["S"] * 7


def test_full_accept_queue_is_refused_with_abort(stage: Stage, dial: Dial) -> None:
    """Backlog 1, two connects: the second is established and aborted by the same segment."""
    stage.board_listens(PORT, backlog=1)
    dial(PORT)
    first = wait_state(stage.board, State.ESTABLISHED)
    dial(PORT)
    second = stage.board.trace.wait_for(
        lambda e: (
            (isinstance(e, Died) and e.conn not in (0, first) and e.state is not State.CLOSED)
            or (isinstance(e, Transition) and e.after is State.CLOSED)
        ),
        5.0,
        "the end of the second connection",
    ).conn
    wait_died(stage.board, second)
    stage.board.port.sync()
    found = {c.id: c for c in connections(stage.board.trace.events, role="server")}
    assert told(found[first]) == ["SYN_RCVD by=rx:S", "ESTABLISHED by=rx:."]
    assert told(found[second]) == [
        "SYN_RCVD by=rx:S",
        "ESTABLISHED by=rx:.",
        "CLOSED by=rx:.,abort",
    ]


def test_time_wait_is_killed_when_pcbs_run_out(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peer = dial(PORT)
    connection, conn = stage.board_accepts(listener)
    connection.close()
    stage.wait_state(State.FIN_WAIT_2, conn=conn)
    peer.close()
    stage.wait_state(State.TIME_WAIT, conn=conn)
    sockets = [stage.board.agent.socket() for _ in range(16)]
    assert len(sockets) == 16
    assert told(the_one(stage.board))[-1] == "CLOSED by=kill:pool-empty"
    try:
        stage.board.agent.socket()
        raise AssertionError("a 17th pcb was found")
    except BoardOSError as error:
        assert error.errno_name == "ENOMEM"


def test_garbage_collection_closes(board: EmulatedBoard, dial: Dial) -> None:
    start(
        board,
        """
        import socket, gc
        def serve():
            s = socket.socket()
            s.bind(("", 6666))
            s.listen(1)
            print("listening")
            s.accept()
        serve()
        [0] * 100          # what was left of the frame on the stack is written over
        gc.collect()
        print("collected")
        """,
    )
    wait_output(board, b"listening")
    dial(PORT)
    wait_output(board, b"collected")
    board.repl.wait(5)
    # Whatever the collector's conservative scan kept, the soft reset of the next program takes.
    run(board, "import gc; gc.collect()")
    board.repl.start("pass", soft_reset=True)
    board.repl.wait(5)
    board.port.sync()
    closing = [c for c in connections(board.trace.events) if c.steps]
    assert {c.role for c in closing} == {"listener", "server"}
    for connection in closing:
        assert "by=gc:close" in " ".join(told(connection)), connection.text()
