"""Myths about the size of segments, and about PSH.

Sources: RFC 9293 3.7.1, 3.9.1.2; lwIP 2.2.1 tcp_in.c (tcp_parseopt, tcp_input).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    events,
    first,
    insist,
    life_of,
    lines,
    need,
    segment,
    segments,
    syn_of,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.runfile.model import Run
from lwipscope.scenario.pair import (
    PORT,
    SERVER,
    Pair,
    accepted,
    delivered,
    knocking,
    opened,
    size_of,
)
from lwipscope.scenario.scenario import RAW, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.trace.event import Call
from lwipscope.words.catalogue import mark

_PEER_MSS = 500
_MORE = 700


def _two_mss(stage: Stage) -> None:
    own = size_of(stage, "mss")
    listener = stage.board_listens(PORT)
    raw, _ = knocking(stage)
    raw.send("S", mss=_PEER_MSS)
    raw.expect("S.", ack=1, mss=own)
    raw.send(".")
    pair = accepted(stage, raw, listener)
    stage.board.agent.call("send", pair.socket.name, 2 * _PEER_MSS + 200, 1)
    came = 0
    while came < 2 * _PEER_MSS + 200:
        came += raw.expect(seq=1 + came).length
        raw.send(".")
    for _ in range(2):
        delivered(stage, raw.send("P.", bytes(_MORE)))
    raw.expect(".", ack=1 + 2 * _MORE)


def _two_numbers(run: Run) -> Finding:
    life = life_of(run)
    answer = need(segment(life, "tx", has="S."), mark("the board sent no SYN+ACK"))
    syn = need(syn_of(life, answer.conn), mark("no SYN came"))
    theirs, ours = syn.mss or 536, answer.mss or 536
    insist(theirs != ours, mark("both ends announced the same MSS"))
    sent = max(segments(life, "tx", answer.conn), key=lambda s: s.length)
    came = max(segments(life, "rx", answer.conn), key=lambda s: s.length)
    insist(0 < sent.length <= theirs, mark("the board sent more than the peer takes"))
    insist(theirs < came.length <= ours, mark("the peer sent no more than its own MSS"))
    return Finding(
        mark(
            "The peer announces {theirs}, the board {ours}, and both stay as they are. The board's "
            "longest segment has {sent} bytes, the peer's has {came}: two directions, two limits."
        ),
        lines(syn, answer, sent, came),
        {"theirs": theirs, "ours": ours, "sent": sent.length, "came": came.length},
    )


def _without_push(stage: Stage) -> None:
    pair: Pair = opened(stage)
    delivered(stage, pair.raw.send(".", b"no push"))
    stage.insist(pair.socket.recv() == b"no push", "recv() to give what came without PSH")


def _read_without_push(run: Run) -> Finding:
    life = life_of(run)
    data = need(
        segment(life, "rx", lacks="P", fits=lambda s: s.length > 0),
        mark("no data came without PSH"),
    )
    taken = need(
        first(
            events(life, Call, data.conn, after=data),
            lambda e: e.name == "recv" and e.arg == str(data.length),
        ),
        mark("the board's program did not read it"),
    )
    pushed = [s for s in segments(life, "rx", data.conn) if "P" in s.flags and s.seq < taken.seq]
    insist(not pushed, mark("PSH came before the program read"))
    return Finding(
        mark(
            "{length} bytes come with [.] alone, no segment has PSH, and the program's recv() has "
            "them {delay} ms later."
        ),
        lines(data, taken),
        {"length": data.length, "delay": f"{(taken.clock_us - data.clock_us) / 1000:.1f}"},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "mss-agreed",
        "wrong",
        mark("The MSS is agreed in the handshake."),
        mark(
            "Each end announces what it takes, 536 if it says nothing. Nothing is agreed: each "
            "direction has a limit of its own, and each end sends no more than the other one's "
            "number and its own."
        ),
        "3.7.1",
        "tcp_in.c: tcp_parseopt(); tcp.c: tcp_eff_send_mss_netif()",
        Scenario(
            "myth-mss",
            "Two MSS in one connection",
            "The peer announces 500 bytes, the board more; both send as much as they may.",
            "RFC 9293 3.7.1",
            Expected(SERVER, "server"),
            _two_mss,
            RAW,
        ),
        _two_numbers,
        scenario_shown=False,
    ),
    Myth(
        "psh-hands-over",
        "wrong",
        mark("PSH is what hands data to the application."),
        mark(
            "A receiver hands over data as they come in order, PSH or not. PSH asks not to wait "
            "for more; sockets have no call for it, and senders set it on the last segment of what "
            "they have. lwIP's sockets take no notice of it."
        ),
        "3.1, 3.9.1.2, 3.10.7.4 (seventh)",
        "tcp_in.c: tcp_input() (TCP_EVENT_RECV)",
        Scenario(
            "myth-psh",
            "Data without PSH",
            "The peer sends data without PSH, and the board's program reads.",
            "RFC 9293 3.9.1.2",
            Expected(SERVER, "server"),
            _without_push,
            RAW,
        ),
        _read_without_push,
        scenario_shown=False,
    ),
)
