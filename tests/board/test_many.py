"""Several connections at once, and a board whose serial line nobody reads."""

from __future__ import annotations

from collections.abc import Callable

from board.helpers import WAIT_S, Peer, closed_events, start, unread_line, wait_output
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import connections
from lwipscope.trace.event import Died, Lost
from lwipscope.trace.verdict import Verdict, check_path

PORT = 6666
PEERS = 12
Dial = Callable[[int], Peer]
PEER_CLOSES = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
POLLING_SERVER = """
    import select, socket
    s = socket.socket()
    s.bind(("", 6666))
    s.listen(12)
    s.setblocking(False)
    poll = select.poll()
    poll.register(s, select.POLLIN)
    print("listening")
    while True:
        for ready, _ in poll.poll():
            if ready is s:
                c, a = s.accept()
                c.setblocking(False)
                poll.register(c, select.POLLIN)
                continue
            try:
                data = ready.recv(512)
            except OSError:
                data = b""
            if data:
                ready.send(data)
            else:
                poll.unregister(ready)
                ready.close()
    """


def exactly(peer: Peer, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = peer.recv(count - len(got))
        assert piece, f"the board closed after {got!r}"
        got += piece
    return got


def test_twelve_interleaved_peers(board: EmulatedBoard, dial: Dial) -> None:
    """All are open at once; each gets its own data back and goes its own way, told by its port."""
    start(board, POLLING_SERVER)
    wait_output(board, b"listening")
    peers = [dial(PORT) for _ in range(PEERS)]
    for turn in range(3):
        for number, peer in enumerate(peers):
            peer.send(b"peer %02d turn %d." % (number, turn))
    for number, peer in enumerate(reversed(peers)):
        own = PEERS - 1 - number
        wanted = b"".join(b"peer %02d turn %d." % (own, turn) for turn in range(3))
        assert exactly(peer, len(wanted)) == wanted
    established = [r for r in board.port.snapshot() if r.state.name == "ESTABLISHED"]
    assert len(established) == PEERS
    for peer in peers[::2]:
        peer.close()
    board.trace.wait_for(
        lambda _: sum(isinstance(e, Died) for e in board.trace.events) == 1 + PEERS // 2,
        WAIT_S,
        "half of the ends",
    )
    for peer in peers[1::2]:
        peer.reset()
    board.trace.wait_for(
        lambda _: sum(isinstance(e, Died) for e in board.trace.events) == 1 + PEERS,
        WAIT_S,
        "all ends",
    )
    events, integrity = board.trace.evidence(board.port.sync())
    for number, peer in enumerate(peers):
        path = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSED" if number % 2 else PEER_CLOSES
        check = check_path(events, integrity, path, remote_port=peer.local[1])
        assert check.verdict is Verdict.PASS, check.text
    # Without saying which one is meant there is no verdict.
    assert check_path(events, integrity, PEER_CLOSES).verdict is Verdict.ERROR


def test_a_board_without_a_reader_serves_1000_connections(board: EmulatedBoard, dial: Dial) -> None:
    """Nobody reads its serial line; later everything is found in its ring."""
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(8)
        print("listening")
        for i in range(1000):
            c, a = s.accept()
            c.send(b"%d" % i)      # what comes before accept() would be late or lost
            while c.recv(64):
                pass
            c.close()
        """,
    )
    wait_output(board, b"listening")
    with unread_line(board):
        seen = board.trace.mark()
        for number in range(1000):
            peer = dial(PORT)
            assert exactly(peer, len(str(number))) == b"%d" % number
            peer.close()
        assert board.trace.mark() - seen < 1000, "the line was read after all"
    board.repl.wait(30)
    events = closed_events(board)
    assert not [e for e in events if isinstance(e, Lost)]
    served = connections(events, role="server")
    assert len(served) == 1000
    assert {path_text(c.path) for c in served} == {PEER_CLOSES}


def test_a_program_that_prints_waits_for_its_reader(board: EmulatedBoard, dial: Dial) -> None:
    """A full line stops the program that prints, never the stack: SYNs are answered all the same,
    and no byte is lost."""
    start(
        board,
        """
        import socket
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(8)
        print("listening")
        s.accept()
        for i in range(3000):
            print("line", i)
        """,
    )
    wait_output(board, b"listening")
    with unread_line(board):
        for _ in range(5):
            dial(PORT)
    output = board.repl.wait(30).output.decode().splitlines()
    assert output == ["listening", *(f"line {i}" for i in range(3000))]
    assert len(connections(closed_events(board), role="server")) == 5
