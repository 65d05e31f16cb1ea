"""Myths about servers: listeners, many clients, and a restart.

Sources: RFC 9293 3.3.1, 3.4.3, 3.10.4; lwIP 2.2.1 tcp.c (tcp_close_shutdown, tcp_bind, tcp_init),
tcp_in.c (tcp_input).
"""

from __future__ import annotations

from lwipscope.board.agent import BoardSocket
from lwipscope.glossary.evidence import (
    death,
    events,
    first,
    insist,
    life_of,
    lines,
    need,
    note,
    note_line,
    segment,
    step,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.glossary.option_agent import with_options
from lwipscope.glossary.servers import leaves_time_wait
from lwipscope.peer.raw import RawPeer
from lwipscope.runfile.model import Run, RunLife
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    accepted,
    delivered,
    knocking,
)
from lwipscope.scenario.scenario import RAW, RAW_AND_POWER, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Event, Segment
from lwipscope.words.catalogue import mark

_CLIENTS = 4
_NO_THREADS = "this firmware has no module _thread: one program, one thread"
_MSL_US = 60_000_000


def _connection_outlives(run: Run) -> Finding:
    life = life_of(run)
    closed = need(
        step(life, State.LISTEN, State.CLOSED), mark("no listener was closed in this run")
    )
    data = need(
        segment(life, "rx", behind=closed, fits=lambda s: s.length > 0),
        mark("no data came behind the end of the listener"),
    )
    taken = need(
        first(events(life, Call, data.conn, after=data), lambda e: e.name == "recv"),
        mark("the board's program did not read it"),
    )
    insist(death(life, data.conn) is None, mark("the accepted connection has ended"))
    refused = need(
        segment(life, "tx", has="R", behind=closed), mark("no connection was reset in this run")
    )
    ended = need(death(life, refused.conn), mark("the connection that was reset has not ended"))
    insist(refused.conn != data.conn, mark("the accepted connection was reset"))
    return Finding(
        mark(
            "The listener is closed, and c{alive}, which was accepted, still takes {length} bytes. "
            "Only c{gone}, whose handshake nobody had accepted yet, is reset."
        ),
        lines(closed, data, taken, refused, ended),
        {"alive": data.conn, "length": data.length, "gone": refused.conn},
    )


def _one_program_serves_many(stage: Stage) -> None:
    with_options(stage)
    listener = stage.board_listens(PORT, backlog=_CLIENTS)
    peer = stage.network.raw()
    pairs = []
    for number in range(_CLIENTS):
        raw, _ = knocking(stage, peer, port=PEER_PORT + number)
        raw.handshake()
        pairs.append(accepted(stage, raw, listener))
    for number, pair in enumerate(pairs):
        said = f"client {number}".encode()
        delivered(stage, pair.raw.send("P.", said))
    for number, pair in enumerate(reversed(pairs)):
        heard = pair.socket.recv()
        wanted = f"client {_CLIENTS - 1 - number}".encode()
        stage.insist(heard == wanted, f"{wanted!r}, not {heard!r}")
        pair.socket.send(heard)
        pair.raw.expect("P.", payload=heard)
        pair.raw.send(".")
    if stage.board.agent.call("threads") == ("none",):
        stage.note("host", _NO_THREADS)


def _many_at_once(run: Run) -> Finding:
    life = life_of(run)
    told = need(note(life, _NO_THREADS), mark("this firmware has threads"))
    served = [c for c in life.connections if c.role == "server"]
    insist(len(served) > 1, mark("there were not several clients"))
    open_ = [need(step(life, None, State.ESTABLISHED, c.id), "ESTABLISHED") for c in served]
    latest = max(open_, key=lambda e: e.seq)
    insist(
        all(death(life, c.id) is None and not c.ended for c in served),
        mark("the connections were not open at the same time"),
    )
    answers = []
    for c in served:
        heard = segment(life, "rx", c.id, fits=lambda s: s.length > 0, behind=latest)
        asked = need(heard, mark("a client said nothing while all were connected"))
        answer = segment(life, "tx", c.id, fits=lambda s: s.length > 0, behind=asked)
        answers.append(need(answer, mark("a client was not answered")))
    return Finding(
        mark(
            "{count} connections are in ESTABLISHED at the same time, each is a pcb of its own, "
            "and one program without threads answers all of them."
        ),
        (note_line(told), *lines(*open_, *answers)),
        {"count": len(served)},
    )


def _restarts(stage: Stage) -> None:
    peer = leaves_time_wait(stage)
    again = stage.board.agent.socket()
    again.reuse_address()
    again.bind(PORT)
    again.listen(1)
    stage.note("host", "the server's program starts again, its old connection in TIME_WAIT")
    _is_served(stage, peer, again, PEER_PORT + 1)
    stage.reboot()
    listener = stage.board_listens(PORT)
    _is_served(stage, peer, listener, PEER_PORT + 2)


def _is_served(stage: Stage, peer: RawPeer, listener: BoardSocket, port: int) -> None:
    raw, _ = knocking(stage, peer, port=port)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    pair.socket.send(b"served")
    pair.raw.expect("P.", payload=b"served")
    pair.raw.send(".")
    pair.nothing()


def _no_quiet_time(run: Run) -> Finding:
    insist(len(run.lives) >= 2, mark("the board was not reset"))
    old, new = life_of(run, 0), life_of(run, -1)
    waiting = need(step(old, None, State.TIME_WAIT), mark("nobody was in TIME_WAIT"))
    again = need(
        step(old, None, State.LISTEN, behind=waiting),
        mark("the server was not started again during TIME_WAIT"),
    )
    insist(death(old, waiting.conn) is None, mark("TIME_WAIT was over"))
    one = need(_first_data(old, again), mark("the server that started again served nobody"))
    listens = need(step(new, None, State.LISTEN), mark("the board did not listen after its reset"))
    two = need(_first_data(new, listens), mark("the board served nobody after its reset"))
    insist(two.clock_us < _MSL_US, mark("the board kept quiet for an MSL"))
    return Finding(
        mark(
            "The program starts again while c{conn} is in TIME_WAIT, and serves {program} s later. "
            "The board is reset, and serves {board} s after it started. Nobody kept quiet."
        ),
        (*lines(waiting, again, one), *lines(listens, two)),
        {
            "conn": waiting.conn,
            "program": f"{(one.clock_us - waiting.clock_us) / 1e6:.2f}",
            "board": f"{two.clock_us / 1e6:.2f}",
        },
    )


def _first_data(life: RunLife, behind: Event) -> Segment | None:
    return segment(life, "tx", behind=behind, fits=lambda s: s.length > 0)


MYTHS: tuple[Myth, ...] = (
    Myth(
        "listener-closes-connections",
        "wrong",
        mark("Stopping the listener closes its connections."),
        mark(
            "A listener only makes connections; an accepted one is a pcb and a socket of its own "
            "and lives on. What nobody has accepted yet has no socket, so lwIP resets it."
        ),
        "3.10.4 (CLOSE in LISTEN)",
        "tcp.c: tcp_close_shutdown(), tcp_listen_closed(); modlwip.c: lwip_socket_close()",
        scenario_named("listener-closed"),
        _connection_outlives,
    ),
    Myth(
        "process-per-connection",
        "wrong",
        mark("A server needs a process or a thread for each connection."),
        mark(
            "A connection is told apart by its two addresses and ports, not by who serves it. One "
            "program can serve many with non-blocking sockets or select(). What limits them is the "
            "pool of pcbs (MEMP_NUM_TCP_PCB)."
        ),
        "3.3.1, 3.4",
        "tcp_in.c: tcp_input() looks a pcb up by addresses and ports",
        Scenario(
            "myth-one-program",
            "One program, several clients",
            "Several clients are connected at the same time, and one program answers them all.",
            "RFC 9293 3.3.1",
            Expected(SERVER, "server", PEER_PORT),
            _one_program_serves_many,
            RAW,
            others=tuple(
                Expected(SERVER, "server", PEER_PORT + number) for number in range(1, _CLIENTS)
            ),
        ),
        _many_at_once,
        scenario_shown=False,
    ),
    Myth(
        "restart-keeps-quiet",
        "wrong",
        mark("A restarted server must keep quiet for 2MSL."),
        mark(
            "The quiet time is one MSL, for a host that lost its memory and its sequence numbers, "
            "and not for a program that starts again. lwIP has none. A program that is refused its "
            "port because of TIME_WAIT sets SO_REUSEADDR before bind()."
        ),
        "3.4.3, 3.6.1",
        "tcp.c: tcp_init(), tcp_bind() (SOF_REUSEADDR)",
        Scenario(
            "myth-restart",
            "A server starts again, twice",
            "First its program during TIME_WAIT, then the whole board.",
            "RFC 9293 3.4.3",
            Expected(SERVER, "server", PEER_PORT + 2),
            _restarts,
            RAW_AND_POWER,
            others=(
                Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server", PEER_PORT, life=0),
                Expected(SERVER, "server", PEER_PORT + 1, life=0),
            ),
        ),
        _no_quiet_time,
        scenario_shown=False,
    ),
)
