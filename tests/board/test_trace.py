"""The board's stream as evidence: ids, births and deaths, losses, and who may write frames."""

from __future__ import annotations

from collections.abc import Callable

from board.helpers import (
    WAIT_S,
    Peer,
    closed_events,
    run,
    start,
    the_one,
    wait_died,
    wait_output,
    wait_state,
)
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Beat, Born, Died, Event, Return, Segment, Transition
from lwipscope.trace.frame import encode_frame

PORT = 6666
Dial = Callable[[int], Peer]
SERVER = """
    import socket
    s = socket.socket()
    s.bind(("", 6666))
    s.listen(4)
    print("listening")
    while True:
        c, a = s.accept()
        c.send(b"hello")       # what comes before accept() would be late or lost: the peer waits
        while c.recv(512):
            pass
        c.close()
    """


def test_ids_are_never_used_again_though_memory_is(board: EmulatedBoard, dial: Dial) -> None:
    """lwIP hands out the memory of a dead pcb at once: 100 connections in at most a few slots."""
    start(board, SERVER)
    wait_output(board, b"listening")
    for _ in range(100):
        peer = dial(PORT)
        assert peer.recv(10) == b"hello"
        peer.close()
    board.trace.wait_for(
        lambda _: sum(isinstance(e, Died) for e in board.trace.events) > 100,
        WAIT_S,
        "100 ends",
    )
    events = closed_events(board)
    born = [e.conn for e in events if isinstance(e, Born)]
    assert born == sorted(set(born))
    assert max(e.used for e in events if isinstance(e, Born)) < 16
    served = connections(events, role="server")
    assert len(served) == 100
    assert {c.path for c in served} == {
        (
            *(State.LISTEN, State.SYN_RCVD, State.ESTABLISHED),
            *(State.CLOSE_WAIT, State.LAST_ACK, State.CLOSED),
        )
    }


def test_births_and_deaths_count_the_memory_in_use(stage: Stage) -> None:
    sockets = [stage.board.agent.socket() for _ in range(5)]
    for port, one in enumerate(sockets[:3], PORT):
        one.bind(port)
        one.listen()
    for one in sockets:
        one.close()
    used = {"pcb": 0, "lpcb": 0}
    pool: dict[int, str] = {}
    for event in closed_events(stage.board):
        if isinstance(event, Born):
            pool[event.conn] = event.pool
            used[event.pool] += 1
            assert event.used == used[event.pool]
        elif isinstance(event, Died):
            used[pool[event.conn]] -= 1
            assert event.used == used[pool[event.conn]]
    assert used == {"pcb": 0, "lpcb": 0}
    assert sorted(pool.values()) == ["lpcb"] * 3 + ["pcb"] * 5


def test_child_is_linked_with_its_listener(stage: Stage, dial: Dial) -> None:
    """Two listeners: each child names its own, and listen()'s consumed pcb is folded in."""
    first, second = stage.board_listens(PORT), stage.board_listens(PORT + 1)
    dial(PORT + 1)
    child = wait_state(stage.board, State.ESTABLISHED)
    accepted = second.accept()
    found = {c.id: c for c in connections(closed_events(stage.board))}
    listeners = {c.local.port: c for c in found.values() if c.role == "listener" and c.local}
    assert set(listeners) == {PORT, PORT + 1}
    assert found[child].listener == listeners[PORT + 1].id
    assert [len(c.folded) for c in listeners.values()] == [1, 1]
    returned = [e for e in stage.board.trace.events if isinstance(e, Return) and e.accepted]
    assert [(e.conn, e.accepted) for e in returned] == [(listeners[PORT + 1].id, child)]
    accepted.close()
    first.close()


def test_snapshot_is_the_last_state_of_each_pcb(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peers = [dial(PORT), dial(PORT)]
    _, waiting = stage.board_accepts(listener)
    stage.wait_state(State.ESTABLISHED, conn=waiting)
    listener.accept()
    peers[0].shutdown_write()
    stage.wait_state(State.CLOSE_WAIT)
    rows = stage.board.port.snapshot()
    last: dict[int, State] = {}
    for event in stage.board.trace.events:
        match event:
            case Born():
                last[event.conn] = State.CLOSED
            case Transition():
                last[event.conn] = event.after
            case Died():
                del last[event.conn]
    assert {row.conn: row.state for row in rows} == last
    assert sorted(last.values(), key=str) == [State.CLOSE_WAIT, State.ESTABLISHED, State.LISTEN]
    assert {row.remote.port for row in rows if row.remote} == {p.local[1] for p in peers}


def test_clock_never_decreases_and_frames_are_in_order(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peer = dial(PORT)
    stage.board_accepts(listener)
    peer.reset()
    events = closed_events(stage.board)
    assert [e.seq for e in events] == list(range(len(events)))
    recorded = [e for e in events if isinstance(e, Born | Transition | Died | Segment)]
    assert [e.clock_us for e in recorded] == sorted(e.clock_us for e in recorded)


def test_print_cannot_forge_a_frame(board: EmulatedBoard) -> None:
    forged = encode_frame(1, 1, "died", ("c=9", "in=CLOSED", "by=api:close", "used=0"))
    run(board, f"import sys; sys.stdout.write({forged.decode()!r}); print('end')")
    events = closed_events(board)
    assert not any(isinstance(e, Died) for e in events)
    assert board.trace.integrity.bad_frames == board.trace.integrity.noise_frames == 0
    assert forged.replace(b"\x1e", b"?").rstrip() in b"".join(c.data for c in board.trace.console)


def test_frames_between_a_programs_output_leave_it_whole(board: EmulatedBoard, dial: Dial) -> None:
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        print("listening")
        c, a = s.accept()
        for i in range(300):
            print("line", i)
            c.send(b"x")
        c.close()
        """,
    )
    wait_output(board, b"listening")
    peer = dial(PORT)
    got = b""
    while piece := peer.recv(512):
        got += piece
    peer.close()
    end = board.repl.wait(WAIT_S)
    assert got == b"x" * 300
    lines = end.output.decode().splitlines()
    assert lines == ["listening", *(f"line {i}" for i in range(300))]
    conn = the_one(board).id
    assert len([e for e in board.trace.events if e.conn == conn]) > 300


def test_heartbeat_while_a_program_runs(board: EmulatedBoard) -> None:
    start(board, "import time\nwhile True: time.sleep(1)")

    def beat(event: Event) -> bool:
        return isinstance(event, Beat)

    first = board.trace.wait_for(beat, 3.0, "a heartbeat")
    second = board.trace.wait_for(beat, 3.0, "a heartbeat", board.trace.after(first))
    assert 900_000 <= second.clock_us - first.clock_us <= 2_000_000
    board.repl.interrupt()


def test_a_dead_pcbs_memory_is_told_once(stage: Stage, dial: Dial) -> None:
    listener = stage.board_listens(PORT)
    peer = dial(PORT)
    _, conn = stage.board_accepts(listener)
    peer.reset()
    wait_died(stage.board, conn)
    events = closed_events(stage.board)
    assert len([e for e in events if isinstance(e, Died) and e.conn == conn]) == 1
