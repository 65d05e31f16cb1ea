"""Myths about what TCP guarantees: that data arrive, and that an RST is genuine.

Sources: RFC 9293 3.5.3, 3.8.3, 3.10.7.4; RFC 5961; lwIP 2.2.1 tcp.c (tcp_slowtmr), tcp_in.c
(tcp_process).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    death,
    end_of,
    events,
    first,
    frame_line,
    frames,
    insist,
    life_of,
    lines,
    need,
    note,
    note_line,
    reaches,
    segment,
    segments,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.runfile.model import Run
from lwipscope.scenario.pair import (
    PEER_PORT,
    PORT,
    SERVER,
    WHO,
    accepted,
    knocking,
    told,
)
from lwipscope.scenario.scenario import RAW, RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Return
from lwipscope.wire.layers import ACK, RST, TcpSegment, mac_text
from lwipscope.words.catalogue import mark

_HOUR_MS = 3_600_000
_FORGER = "192.0.2.101"
_FORGED = "somebody else sends RST under the peer's address and port, with the right number"
_GENUINE = "the peer itself sends RST"


def _vanishes(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    pair.socket.send(b"anybody?")
    stage.note(WHO, "hears it, and never answers again")
    moved_ms = stage.run_until(State.CLOSED, pair.conn, _HOUR_MS)
    told(stage, moved_ms, "the board gives up")
    stage.insist_refused(pair.socket.recv, "recv()", "ECONNABORTED")
    peer.fence(stage.board.ip)


def _never_delivered(run: Run) -> Finding:
    life = life_of(run)
    data = need(segment(life, "tx", fits=lambda s: s.length > 0), mark("the board sent no data"))
    tries = [s for s in segments(life, "tx", data.conn) if s.seqno == data.seqno and s.length]
    insist(len(tries) > 2, mark("the board did not repeat its data"))
    ended = need(death(life, data.conn), mark("the board has not given up in this run"))
    insist(ended.cause.text() == "timer retransmit", mark("it was not retransmission that ended"))
    acked = [
        s
        for s in segments(life, "rx", data.conn, behind=data)
        if "." in s.flags and reaches(s.ackno, end_of(data))
    ]
    insist(not acked, mark("the data were acknowledged"))
    error = need(
        first(events(life, Return, after=ended), lambda e: e.name == "recv" and bool(e.errno)),
        mark("the program was not told"),
    )
    return Finding(
        mark(
            "The same {length} bytes are sent {count} times in {seconds} s of board time. Nobody "
            "acknowledges them, the board gives up, and the program gets {error}."
        ),
        lines(*tries, ended, error),
        {
            "length": data.length,
            "count": len(tries),
            "seconds": round((ended.clock_us - data.clock_us) / 1e6),
            "error": error.result,
        },
    )


def _two_resets(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    honest = accepted(stage, raw, listener)
    raw.send("R.")
    stage.note(WHO, _GENUINE)
    stage.wait_end(honest.conn)
    stage.insist_refused(honest.socket.recv, "recv()", "ECONNRESET")
    victim, _ = knocking(stage, peer, port=PEER_PORT + 1)
    victim.handshake()
    pair = accepted(stage, victim, listener)
    forger = stage.network.raw(_FORGER, "forger")
    forger.connection(PEER_PORT, stage.board.ip, PORT)  # learns the board's MAC
    seq, ack = victim.numbers
    forged = TcpSegment(
        *(peer.ip, stage.board.ip, PEER_PORT + 1, PORT, seq, ack, RST | ACK),
    )
    forger.transmit(forged)
    stage.note("forger", _FORGED)
    stage.wait_end(pair.conn)
    stage.insist_refused(pair.socket.recv, "recv()", "ECONNRESET")


def _same_to_the_application(run: Run) -> Finding:
    life = life_of(run)
    told = need(note(life, _FORGED), mark("no RST was forged in this run"))
    resets = [c for c in life.connections if c.role == "server" and c.ended]
    insist(len(resets) == 2, mark("there are not two connections that were reset"))
    shown = []
    answers = set()
    causes = set()
    for c in resets:
        rst = need(segment(life, "rx", c.id, has="R"), mark("no RST came"))
        died = need(death(life, c.id), mark("a connection has not ended"))
        heard = need(
            first(events(life, Return, after=died), lambda e: e.name == "recv"),
            mark("recv() has told nothing"),
        )
        answers.add(heard.result)
        causes.add(died.cause.text())
        shown += [rst, died, heard]
    insist(len(answers) == 1 and len(causes) == 1, mark("the program was told different things"))
    sent = frames(life, lambda s: bool(s.flags & RST) and s.dport == PORT)
    cards = {mac_text(frame.data[6:12]) for frame, _ in sent}
    insist(len(cards) == 2, mark("the wire's record does not show two senders"))
    return Finding(
        mark(
            "On the wire the two RSTs come from different cards, {one} and {other}; the addresses "
            "and ports in them claim the same peer. Both times the program gets {error}, and the "
            "board's record is the same."
        ),
        (
            note_line(told),
            *(frame_line(frame, tcp, mac=True) for frame, tcp in sent),
            *lines(*shown),
        ),
        {"one": sorted(cards)[0], "other": sorted(cards)[1], "error": answers.pop()},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "retransmission-guarantees",
        "wrong",
        mark("Retransmission guarantees delivery."),
        mark(
            "It guarantees that data arrive in order, or that the sender is told. lwIP repeats "
            "12 times (TCP_MAXRTX) and then drops the connection. An acknowledgment says that the "
            "other stack has the data, not that its program has read them."
        ),
        "3.8.3 (R2)",
        "tcp.c: tcp_slowtmr() (TCP_MAXRTX)",
        Scenario(
            "myth-retransmission",
            "Data that nobody acknowledges",
            "The board sends, the peer never answers, and the program is told in the end.",
            "RFC 9293 3.8.3",
            Expected(f"{SERVER} > CLOSED", "server"),
            _vanishes,
            RAW_AND_CLOCK,
        ),
        _never_delivered,
        scenario_shown=False,
    ),
    Myth(
        "rst-genuine",
        "wrong",
        mark("An application can tell whether an RST is genuine."),
        mark(
            "The application gets ECONNRESET and nothing else. Only the stack looks at the number: "
            "exactly the next one is obeyed, another one in the window gets a challenge ACK, and "
            "one outside is ignored. Who knows the number is obeyed. Only signed segments "
            "(TCP-AO, IPsec) could tell."
        ),
        "3.5.3, 3.10.7.4 (second); RFC 5961 3",
        "tcp_in.c: tcp_process() (flags & TCP_RST)",
        Scenario(
            "myth-rst",
            "A genuine RST, and a forged one",
            "One connection is reset by its peer, another one by somebody else.",
            "RFC 9293 3.5.3; RFC 5961",
            Expected(f"{SERVER} > CLOSED", "server", PEER_PORT),
            _two_resets,
            RAW,
            others=(Expected(f"{SERVER} > CLOSED", "server", PEER_PORT + 1),),
        ),
        _same_to_the_application,
        scenario_shown=False,
    ),
)
