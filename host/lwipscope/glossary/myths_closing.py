"""Myths about FINs: when they cross, who acknowledges one, and when.

Sources: RFC 9293 3.6, 3.8.6.3, 3.10.7.4; lwIP 2.2.1 tcp_in.c (tcp_process, tcp_receive).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    call,
    end_of,
    events,
    insist,
    life_of,
    lines,
    need,
    note,
    note_line,
    reaches,
    segment,
    segments,
    step,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.runfile.model import Run
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.pair import PEER_PORT, PORT, SERVER, WHO, accepted, knocking
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Transition
from lwipscope.words.catalogue import mark

_LOST = "the ACK of the board's FIN is damaged under way: lost"


def _lost_and_crossing(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    lost = accepted(stage, raw, listener)
    lost.socket.close()
    lost.raw.expect("F.", seq=1)
    lost.raw.send(".", ack=2, bad_checksum=True)
    stage.note(WHO, _LOST)
    lost.raw.send("F.", ack=2)
    lost.raw.expect(".", seq=2, ack=2)
    lost.insist(State.TIME_WAIT)
    other, _ = knocking(stage, peer, port=PEER_PORT + 1)
    other.handshake()
    crossing = accepted(stage, other, listener)
    crossing.socket.close()
    crossing.raw.expect("F.", seq=1)
    crossing.raw.send("F.", ack=1)
    stage.note(WHO, "its FIN crosses the board's; nothing is lost")
    crossing.raw.expect(".", seq=2, ack=2)
    crossing.insist(State.CLOSING)
    crossing.raw.send(".")
    stage.wait_state(State.TIME_WAIT, conn=crossing.conn)
    crossing.nothing()


def _closing(run: Run) -> Finding:
    life = life_of(run)
    closing = need(
        step(life, State.FIN_WAIT_1, State.CLOSING), mark("no connection went to CLOSING")
    )
    conn = closing.conn
    fin = need(segment(life, "tx", conn, has="F"), mark("the board's FIN is not there"))
    other = need(
        segment(life, "rx", conn, has="F", behind=fin),
        mark("no FIN came behind the board's own"),
    )
    insist(
        not reaches(other.ackno, end_of(fin)),
        mark("the FIN that came acknowledges the board's: they did not cross"),
    )
    last = need(
        step(life, State.CLOSING, State.TIME_WAIT, conn), mark("CLOSING did not end in TIME_WAIT")
    )
    told = need(note(life, _LOST), mark("no ACK was lost in this run"))
    skipped = [
        each
        for each in events(life, Transition)
        if (each.before, each.after) == (State.FIN_WAIT_1, State.TIME_WAIT) and each.conn != conn
    ]
    insist(bool(skipped), mark("the connection that lost an ACK did not go on to TIME_WAIT"))
    lost = skipped[0]
    insist(
        step(life, None, State.CLOSING, lost.conn) is None,
        mark("the connection that lost an ACK went to CLOSING"),
    )
    lost_fin = need(
        segment(life, "rx", lost.conn, has="F"), mark("no FIN came behind the board's own")
    )
    return Finding(
        mark(
            "Where the ACK was lost (c{lost}) there is no CLOSING: the FIN that follows "
            "acknowledges the board's. Where nothing was lost (c{crossed}) there is: both FINs "
            "were under way, and the one that came acknowledges only {ackno}, not {fin}."
        ),
        (note_line(told), *lines(lost_fin, lost, fin, other, closing, last)),
        {"lost": lost.conn, "crossed": conn, "ackno": other.ackno, "fin": end_of(fin)},
    )


def _fin_not_acked(run: Run) -> Finding:
    life = life_of(run)
    fin = need(segment(life, "rx", has="F"), mark("no FIN came"))
    answer = need(segment(life, "tx", fin.conn, behind=fin), mark("the board answered nothing"))
    insist(not reaches(answer.ackno, end_of(fin)), mark("the board acknowledged this FIN at once"))
    missing = need(
        segment(life, "rx", fin.conn, behind=answer, fits=lambda s: s.length > 0),
        mark("the missing data never came"),
    )
    acked = need(
        segment(life, "tx", fin.conn, behind=missing, fits=lambda s: s.ackno == end_of(fin)),
        mark("the FIN was never acknowledged"),
    )
    return Finding(
        mark(
            "The FIN has number {fin}, and the board's answer asks for {ackno}: there is a gap, so "
            "it is not acknowledged. Only when the missing data are there {acked} covers it."
        ),
        lines(fin, answer, missing, acked),
        {"fin": fin.seqno + fin.length & 0xFFFFFFFF, "ackno": answer.ackno, "acked": acked.ackno},
    )


def _ack_then_fin(run: Run) -> Finding:
    life = life_of(run)
    waits = need(
        step(life, State.ESTABLISHED, State.CLOSE_WAIT), mark("the board did not close second")
    )
    theirs = need(segment(life, "rx", waits.conn, has="F"), mark("no FIN came"))
    sent = segments(life, "tx", waits.conn, behind=theirs)
    insist(len(sent) >= 2, mark("the board did not send an ACK and a FIN"))
    ack, fin = sent[0], sent[1]
    insist(
        "F" not in ack.flags and ack.ackno == end_of(theirs) and "F" in fin.flags,
        mark("ACK and FIN came in one segment"),
    )
    closed = need(call(life, "close", waits.conn), mark("the board's program did not close"))
    insist(ack.seq < closed.seq < fin.seq, mark("close() does not stand between ACK and FIN"))
    return Finding(
        mark(
            "Two segments: the ACK answers the FIN while it is processed, with nobody asked; the "
            "FIN follows behind the program's close(), {delay} ms later."
        ),
        lines(theirs, waits, ack, closed, fin),
        {"delay": f"{(fin.clock_us - ack.clock_us) / 1000:.1f}"},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "closing-lost-ack",
        "wrong",
        mark("CLOSING appears because an ACK was lost."),
        mark(
            "CLOSING appears when both ends close at once: a FIN comes that does not acknowledge "
            "the FIN one has sent. Nothing needs to be lost, and a lost ACK alone does not lead "
            "there, as every later segment repeats the acknowledgment."
        ),
        "3.6 (case 3, figure 13), 3.10.7.4 (eighth)",
        "tcp_in.c: tcp_process()",
        Scenario(
            "myth-closing",
            "A lost ACK, and FINs that cross",
            "The ACK of the board's FIN is lost on one connection; on another one the FINs cross.",
            "RFC 9293 3.6, case 3",
            Expected(f"{SERVER} > FIN_WAIT_1 > TIME_WAIT", "server", PEER_PORT),
            _lost_and_crossing,
            RAW,
            others=(
                Expected(f"{SERVER} > FIN_WAIT_1 > CLOSING > TIME_WAIT", "server", PEER_PORT + 1),
            ),
        ),
        _closing,
        scenario_shown=False,
    ),
    Myth(
        "fin-acked-at-once",
        "wrong",
        mark("The system always ACKs a FIN at once."),
        mark(
            "An acknowledgment covers what came without a gap. A FIN that overtakes data is "
            "answered, but not acknowledged, until the data are there. Other stacks may also "
            "delay the ACK, and send it with their own FIN."
        ),
        "3.10.7.4 (first, eighth), 3.8.6.3",
        "tcp_in.c: tcp_receive()",
        scenario_named("fin-before-data"),
        _fin_not_acked,
    ),
    Myth(
        "fin-ack-combined",
        "half",
        mark("lwIP combines FIN and ACK when it closes second."),
        mark(
            "lwIP acknowledges the FIN while it processes it; a program with sockets, as in "
            "MicroPython, can call close() only afterwards. So its FIN is a segment of its own, "
            "and four are seen in all. By lwIP's source only a program that calls tcp_close() "
            "inside the receive callback of the raw API gets one segment with FIN and ACK."
        ),
        "3.6 (case 2), 3.10.7.4 (eighth)",
        "tcp_in.c: tcp_process() (tcp_ack_now), tcp_input() (tcp_output)",
        scenario_named("close-second"),
        _ack_then_fin,
    ),
)
