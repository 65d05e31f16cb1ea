"""Myths about FIN_WAIT_1, FIN_WAIT_2 and TIME_WAIT: whose they are, and how they end.

Sources: RFC 9293 3.3.2, 3.6, 3.10.8; lwIP 2.2.1 tcp_in.c (tcp_process, tcp_timewait_input), tcp.c
(tcp_slowtmr); MicroPython 1.25.0 modlwip.c (_lwip_tcp_close_poll).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    call,
    death,
    end_of,
    insist,
    life_of,
    lines,
    need,
    segment,
    segments,
    step,
    syn_of,
)
from lwipscope.glossary.myth import Finding, Myth, NotSettled
from lwipscope.runfile.model import Run, RunLife
from lwipscope.scenario.library import scenario_named
from lwipscope.tcp.state import State
from lwipscope.trace.event import Died, Transition
from lwipscope.words.catalogue import mark

_MSL_US = 60_000_000


def _server_in_fin_wait(run: Run) -> Finding:
    life = life_of(run)
    found = next(
        (
            c
            for c in life.connections
            if c.role == "server" and {State.FIN_WAIT_1, State.FIN_WAIT_2} <= set(c.path)
        ),
        None,
    )
    server = need(found, mark("no accepted connection of the board went through FIN_WAIT_1"))
    listening = need(step(life, None, State.LISTEN), mark("the board did not listen"))
    closed = need(call(life, "close", server.id), mark("the board's program did not close"))
    one = need(step(life, None, State.FIN_WAIT_1, server.id), mark("FIN_WAIT_1 is not there"))
    two = need(step(life, None, State.FIN_WAIT_2, server.id), mark("FIN_WAIT_2 is not there"))
    syn = need(syn_of(life, server.id), mark("no SYN came from a client"))
    return Finding(
        mark(
            "The board is the server: it listens, and c{conn} began with the client's SYN. It "
            "called close() first, so it is the server that is in FIN_WAIT_1 and FIN_WAIT_2."
        ),
        lines(listening, syn, closed, one, two),
        {"conn": server.id},
    )


def _never_closes(run: Run) -> Finding:
    life = life_of(run)
    began = need(
        step(life, State.FIN_WAIT_1, State.FIN_WAIT_2), mark("no connection was in FIN_WAIT_2")
    )
    ended = _end_of(life, began, State.FIN_WAIT_2)
    if ended is None:
        raise NotSettled(mark("FIN_WAIT_2 has not ended in this run"))
    insist(ended.cause.kind == "timer", mark("it was no timer that ended FIN_WAIT_2"))
    insist(segment(life, "rx", began.conn, has="F") is None, mark("the other end has sent its FIN"))
    rst = need(segment(life, "tx", began.conn, has="R"), mark("the board sent no RST"))
    lasted_s = (ended.clock_us - began.clock_us) / 1e6
    return Finding(
        mark(
            "The other end never sends its FIN. FIN_WAIT_2 lasts {seconds} s of board time, then "
            "{cause} ends it, and the other end gets RST."
        ),
        lines(began, rst, ended),
        {"seconds": f"{lasted_s:.1f}", "cause": ended.cause.text()},
    )


def _end_of(life: RunLife, began: Transition, state: State) -> Transition | Died | None:
    """What ended a connection in this state: a store of CLOSED, or the pcb's death."""
    stored = step(life, state, State.CLOSED, began.conn, behind=began)
    if stored is not None:
        return stored
    ended = death(life, began.conn)
    return ended if ended is not None and ended.state is state else None


def _time_wait_is_silent(run: Run) -> Finding:
    life = life_of(run)
    began = need(
        step(life, State.FIN_WAIT_2, State.TIME_WAIT), mark("no connection came to TIME_WAIT")
    )
    ended = need(death(life, began.conn), mark("TIME_WAIT has not ended in this run"))
    lasted_us = ended.clock_us - began.clock_us
    insist(
        ended.cause.text() == "timer 2MSL" and lasted_us > _MSL_US,
        mark("TIME_WAIT did not last for 2MSL"),
    )
    fin = need(segment(life, "rx", began.conn, has="F"), mark("no FIN came"))
    sent = segments(life, "tx", began.conn, behind=fin)
    insist(
        len(sent) == 1 and sent[0].ackno == end_of(fin),
        mark("the board sent something else than one ACK of the FIN"),
    )
    delay_ms = (sent[0].clock_us - fin.clock_us) / 1000
    return Finding(
        mark(
            "The ACK goes out {delay} ms after the FIN, when TIME_WAIT begins. {seconds} s later "
            "2MSL is over: the pcb is freed, and nothing is sent."
        ),
        lines(fin, began, sent[0], ended),
        {"delay": f"{delay_ms:.1f}", "seconds": f"{lasted_us / 1e6:.1f}"},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "fin-wait-client",
        "wrong",
        mark("FIN_WAIT_1 and FIN_WAIT_2 are states of the client."),
        mark(
            "They are states of whoever closes first, server or client. In the same way "
            "CLOSE_WAIT and LAST_ACK belong to whoever closes second."
        ),
        "3.3.2, 3.6",
        "tcp.c: tcp_close_shutdown_fin()",
        scenario_named("close-four-segments"),
        _server_in_fin_wait,
    ),
    Myth(
        "time-wait-sends-ack",
        "wrong",
        mark("TIME_WAIT sends an ACK after 2MSL."),
        mark(
            "The ACK of the FIN goes out at once, when TIME_WAIT begins. It is repeated only if "
            "the FIN comes again. The end of 2MSL sends nothing: the pcb is forgotten."
        ),
        "3.6.1, 3.10.8 (TIME-WAIT timeout)",
        "tcp_in.c: tcp_process(), tcp_timewait_input(); tcp.c: tcp_slowtmr()",
        scenario_named("close-four-segments"),
        _time_wait_is_silent,
    ),
    Myth(
        "fin-wait-2-for-ever",
        "half",
        mark("FIN_WAIT_2 lasts for ever if the other end never closes."),
        mark(
            "RFC 9293 has no timer for it, so on paper it may. Stacks have one: Linux ends it "
            "after tcp_fin_timeout (60 s) if the socket is closed, lwIP 20 s after the last "
            "segment before close(), and MicroPython aborts 10 s after close(), with RST."
        ),
        "3.6 (case 1), 3.10.8",
        "tcp.c: tcp_slowtmr() (TCP_FIN_WAIT_TIMEOUT); modlwip.c: _lwip_tcp_close_poll()",
        scenario_named("fin-wait-2-never-closed"),
        _never_closes,
    ),
)
