"""Myths about sequence numbers: what an ACK adds, whether the first one is random, the dot.

Sources: RFC 9293 3.1, 3.4, 3.4.1; RFC 6528; lwIP 2.2.1 tcp_in.c (tcp_receive), tcp.c
(tcp_next_iss).
"""

from __future__ import annotations

from lwipscope.glossary.evidence import (
    end_of,
    events,
    first,
    frame_line,
    frames,
    insist,
    life_of,
    line,
    lines,
    need,
    segment,
    syn_of,
)
from lwipscope.glossary.myth import Finding, Myth
from lwipscope.runfile.model import Run
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.pair import (
    PORT,
    SERVER,
    WHO,
    accepted,
    delivered,
    knocking,
)
from lwipscope.scenario.scenario import RAW_AND_CLOCK, Expected, Scenario
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import PcbRow
from lwipscope.wire.layers import ACK, SYN
from lwipscope.words.catalogue import mark


def _number_without_the_flag(stage: Stage) -> None:
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    pair.socket.send(b"hello")
    raw.expect("P.", seq=1, payload=b"hello")
    raw.send("P", ack=6)
    peer.fence(stage.board.ip)
    stage.note(WHO, "the right acknowledgment number, without the flag ACK")
    stage.elapse(5_000)
    raw.expect("P.", seq=1, payload=b"hello")
    raw.skip()
    delivered(stage, raw.send("P.", ack=6))
    stage.note(WHO, "the same number, with the flag")
    stage.elapse(30_000)
    pair.nothing()
    pair.insist(State.ESTABLISHED)


def _dot_counts(run: Run) -> Finding:
    life = life_of(run)
    data = need(segment(life, "tx", fits=lambda s: s.length > 0), mark("the board sent no data"))
    number = end_of(data)
    without = need(
        segment(life, "rx", data.conn, lacks=".", behind=data),
        mark("no segment came without the flag ACK"),
    )
    # The board records no number where the flag is missing; the wire has it.
    bare = frames(life, lambda s: not s.flags & (ACK | SYN) and s.ack == number)
    insist(bool(bare), mark("no segment came with the number and without the flag"))
    again = need(
        segment(life, "tx", data.conn, behind=without, fits=lambda s: s.seqno == data.seqno),
        mark("the board did not repeat its data: the number counted without the flag"),
    )
    with_ = need(
        segment(life, "rx", data.conn, has=".", behind=again, fits=lambda s: s.ackno == number),
        mark("no segment came with the number and the flag"),
    )
    insist(
        segment(life, "tx", data.conn, behind=with_, fits=lambda s: s.length > 0) is None,
        mark("the board repeated its data though they were acknowledged"),
    )
    later = need(
        first(events(life, PcbRow, data.conn, after=with_)),
        mark("what came afterwards is not known"),
    )
    insist(
        later.clock_us - with_.clock_us > 2 * (again.clock_us - data.clock_us),
        mark("the run ends too early to tell that nothing is repeated"),
    )
    return Finding(
        mark(
            "[P] with ack={number} changes nothing: the board repeats its data. [P.] with the same "
            "number ends that: no repetition in the {seconds} s that follow. The dot is the flag "
            "ACK."
        ),
        (frame_line(*bare[0]), *lines(data, without, again, with_, later)),
        {"number": number, "seconds": round((later.clock_us - with_.clock_us) / 1e6)},
    )


def _what_takes_numbers(run: Run) -> Finding:
    life = life_of(run)
    answer = need(segment(life, "tx", has="S."), mark("the board sent no SYN+ACK"))
    conn = answer.conn
    syn = need(syn_of(life, conn), mark("no SYN came"))
    insist(answer.ackno == end_of(syn), mark("the SYN was not acknowledged by one more"))
    pure = need(
        segment(life, "rx", conn, has=".", lacks="SFR", fits=lambda s: s.length == 0),
        mark("no plain ACK came"),
    )
    data = need(
        segment(life, "rx", conn, behind=pure, fits=lambda s: s.length > 1),
        mark("no data came behind a plain ACK"),
    )
    insist(data.seqno == pure.seqno, mark("the plain ACK has taken a number"))
    acked = need(
        segment(life, "tx", conn, behind=data, fits=lambda s: s.ackno == end_of(data)),
        mark("the data were not acknowledged"),
    )
    fin = need(segment(life, "rx", conn, has="F", behind=acked), mark("no FIN came"))
    last = need(
        segment(life, "tx", conn, behind=fin, fits=lambda s: s.ackno == end_of(fin)),
        mark("the FIN was not acknowledged"),
    )
    return Finding(
        mark(
            "The SYN {syn} is acknowledged by one more, so is the FIN. {length} bytes of data are "
            "acknowledged by {length} more. The plain ACK takes no number: what follows it has the "
            "same one, {same}."
        ),
        lines(syn, answer, pure, data, acked, fin, last),
        {"syn": syn.seqno, "length": data.length, "same": data.seqno},
    )


def _same_number_again(run: Run) -> Finding:
    insist(len(run.lives) >= 2, mark("the board was not reset"))
    found = []
    for number in (0, -1):
        life = life_of(run, number)
        syn = need(segment(life, "tx", has="S", lacks="."), mark("the board did not connect"))
        found.append(syn)
    one, two = found
    insist(one.seqno == two.seqno, mark("the two numbers are different"))
    return Finding(
        mark(
            "The board connects, is reset and connects again: both SYNs have number {number}. The "
            "formula is in lwIP's source, and so is where it begins."
        ),
        (line(one), line(two)),
        {"number": one.seqno},
    )


MYTHS: tuple[Myth, ...] = (
    Myth(
        "dot-placeholder",
        "wrong",
        mark("The dot in [P.] is a placeholder."),
        mark(
            "tcpdump writes the flag ACK as a dot: the acknowledgment number counts. Without it "
            "the number means nothing. Every segment but the first SYN has it, and some RSTs lack "
            "it."
        ),
        "3.1 (control bits), 3.10.7.4 (fifth)",
        "tcp_in.c: tcp_receive() (flags & TCP_ACK)",
        Scenario(
            "myth-dot",
            "The same number, with and without the flag",
            "The peer acknowledges the board's data, first without the flag ACK, then with it.",
            "RFC 9293 3.1",
            Expected(SERVER, "server"),
            _number_without_the_flag,
            RAW_AND_CLOCK,
        ),
        _dot_counts,
        scenario_shown=False,
    ),
    Myth(
        "ack-adds-one",
        "half",
        mark("An ACK adds one to the sequence number."),
        mark(
            "The acknowledgment number is the next byte that is expected: one more for a SYN and "
            "for a FIN, as each takes a number, and as many more as there were bytes of data. An "
            "ACK itself takes no number."
        ),
        "3.4",
        "tcp_in.c: tcp_receive() (TCP_TCPLEN)",
        scenario_named("http-request"),
        _what_takes_numbers,
    ),
    Myth(
        "isn-random",
        "wrong",
        mark("Initial sequence numbers are random."),
        mark(
            "They must not repeat too soon, and ought to be hard to guess: a clock and a keyed "
            "hash of addresses and ports (RFC 6528), as in Linux. lwIP's own function begins at "
            "6510 and adds its timer's ticks, unless the port supplies another one "
            "(LWIP_HOOK_TCP_ISN)."
        ),
        "3.4.1 (MUST-8, MUST-9); RFC 6528",
        "tcp.c: tcp_next_iss()",
        scenario_named("board-reboots-numbers"),
        _same_number_again,
    ),
)
