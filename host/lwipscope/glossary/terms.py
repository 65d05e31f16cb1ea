"""Words of TCP that are no states: one sentence each, where the standard has them, where to look.

Used by `lwipscope glossary`. Sections are RFC 9293's unless another RFC is named. `see` is a
command that shows the thing, or empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwipscope.words.catalogue import mark


@dataclass(frozen=True, slots=True)
class Term:
    """One word. `also` are other spellings of it, `chinese` what the articles call it."""

    word: str
    meaning: str
    source: str
    see: str = ""
    also: tuple[str, ...] = ()
    chinese: tuple[str, ...] = ()


_RUN = "lwipscope run-scenario "

TERMS: tuple[Term, ...] = (
    Term(
        "2MSL",
        mark(
            "Twice the MSL: how long TIME_WAIT lasts, so that a lost last ACK can be repeated and "
            "old segments die out. lwIP: 2 x 60 s; Linux: 60 s in all."
        ),
        "3.4.2, 3.6.1",
        f"{_RUN}close-four-segments",
        chinese=("两倍最长报文段寿命",),
    ),
    Term(
        "accept queue",
        mark("Connections that are established and wait for the program's accept()."),
        mark("none: an affair of the stack"),
        f"{_RUN}accept-queue-full",
        ("accept backlog",),
        ("全连接队列", "已完成连接队列"),
    ),
    Term(
        "ACK",
        mark(
            "The flag that says that the acknowledgment number counts: the next byte that is "
            "expected. tcpdump writes it as a dot."
        ),
        "3.1, 3.4",
        "lwipscope myth ack-adds-one",
        ("acknowledgment", "acknowledgement"),
        ("确认",),
    ),
    Term(
        "active close",
        mark("To close first: FIN_WAIT_1, and TIME_WAIT in the end. Server or client may do it."),
        "3.6 (case 1)",
        f"{_RUN}close-four-segments",
        ("active closer",),
        ("主动关闭",),
    ),
    Term(
        "active open",
        mark("To send the first SYN: connect(). The other end opens passively: listen()."),
        "3.5, 3.10.1",
        f"{_RUN}http-fetch",
        ("passive open",),
        ("主动打开", "被动打开"),
    ),
    Term(
        "backlog",
        mark(
            "The number given to listen(): how many connections may wait at a listener. lwIP "
            "counts half-open ones and those that were not accepted yet."
        ),
        mark("none: an affair of the stack"),
        f"{_RUN}accept-queue-full",
        chinese=("挂起的连接队列", "半连接队列"),
    ),
    Term(
        "challenge ACK",
        mark(
            "The answer to an RST or SYN that is in the window but not exactly right: who is "
            "genuine can answer with the right number."
        ),
        "3.10.7.4 (second, fourth); RFC 5961",
        f"{_RUN}rst-inside-window",
        chinese=("挑战确认",),
    ),
    Term(
        "FIN",
        mark(
            "The flag that says: this side sends no more. It takes one sequence number and is "
            "acknowledged. The other direction stays open."
        ),
        "3.1, 3.6",
        f"{_RUN}close-second",
        chinese=("结束标志",),
    ),
    Term(
        "four-way handshake",
        mark(
            "The close in four segments, FIN, ACK, FIN, ACK; three if the ACK and the second FIN "
            "come in one segment."
        ),
        "3.6 (figure 12)",
        f"{_RUN}close-four-segments",
        ("four-way close",),
        ("四次挥手", "三次挥手"),
    ),
    Term(
        "half-close",
        mark(
            "One side has sent its FIN, the other one still sends: shutdown(SHUT_WR), nc -N. "
            "MicroPython has no shutdown(), so a board can only be the side that still sends."
        ),
        "3.6 (case 2)",
        f"{_RUN}peer-half-closes",
        ("half-closed",),
        ("半关闭",),
    ),
    Term(
        "half-open",
        mark(
            "Of a connection: one end has forgotten it, after a reboot, and the other has not "
            "noticed. Of a handshake, loosely: SYN_RCVD, the last ACK is missing."
        ),
        "3.5.1",
        f"{_RUN}board-reboots",
        ("half-open connection",),
        ("半打开", "半开连接", "半连接"),
    ),
    Term(
        "ISN",
        mark(
            "Initial sequence number: the number of the SYN. It ought to be hard to guess; lwIP's "
            "is not."
        ),
        "3.4.1; RFC 6528",
        "lwipscope myth isn-random",
        ("initial sequence number",),
        ("初始序号", "初始序列号"),
    ),
    Term(
        "keepalive",
        mark(
            "Probes on a silent connection, to find out whether the other end is still there. "
            "MicroPython's sockets don't have it."
        ),
        "3.8.4",
        f"{_RUN}keepalive-absent",
        ("SO_KEEPALIVE",),
        ("保活",),
    ),
    Term(
        "listener",
        mark(
            "A socket in LISTEN. It makes connections and is none; in lwIP a pcb of its own kind."
        ),
        "3.10.1",
        f"{_RUN}listener-closed",
        ("listening socket",),
        ("监听套接字",),
    ),
    Term(
        "MSL",
        mark(
            "Maximum segment lifetime: how long a segment may wander through the net. The RFC says "
            "2 minutes, lwIP takes 1."
        ),
        "3.4.2",
        f"{_RUN}last-ack-lost",
        chinese=("最长报文段寿命",),
    ),
    Term(
        "MSS",
        mark(
            "Maximum segment size: how many bytes of data an end takes in one segment. It is "
            "announced in the SYN, not agreed; 536 if it is not."
        ),
        "3.7.1",
        "lwipscope myth mss-agreed",
        ("maximum segment size",),
        ("最大报文段长度",),
    ),
    Term(
        "orphan",
        mark(
            "A connection that no program has any more: closed, and the stack is still saying "
            "goodbye. MicroPython aborts it 10 s after close()."
        ),
        mark("none: an affair of the stack"),
        f"{_RUN}fin-wait-2-never-closed",
        chinese=("孤儿连接",),
    ),
    Term(
        "pcb",
        mark(
            "Protocol control block: what lwIP remembers of one connection, the RFC's TCB. They "
            "come from a pool (MEMP_NUM_TCP_PCB), and it can be empty."
        ),
        "3.3.1 (TCB)",
        f"{_RUN}pool-full-of-connections",
        ("tcp_pcb", "TCB", "protocol control block"),
        ("协议控制块", "传输控制块"),
    ),
    Term(
        "PSH",
        mark("The flag that asks the receiver not to wait for more data. It takes no number."),
        "3.1, 3.9.1.2",
        "lwipscope myth psh-hands-over",
        ("push",),
        ("推送",),
    ),
    Term(
        "quiet time",
        mark("One MSL of silence after a reboot that lost the sequence numbers. lwIP has none."),
        "3.4.3",
        "lwipscope myth restart-keeps-quiet",
        chinese=("平静时间",),
    ),
    Term(
        "retransmission",
        mark(
            "Sending again what was not acknowledged in time, ever slower, until the stack gives "
            "up: lwIP after 12 repetitions."
        ),
        "3.8.1, 3.8.3; RFC 6298",
        f"{_RUN}peer-vanishes",
        ("retransmit",),
        ("重传",),
    ),
    Term(
        "RST",
        mark(
            "The flag that ends a connection here and now, without an answer: nobody listens, data "
            "were unread, or one end has forgotten."
        ),
        "3.5.2, 3.5.3",
        f"{_RUN}close-with-unread-data",
        ("reset",),
        ("复位",),
    ),
    Term(
        "simultaneous close",
        mark("Both FINs are under way at the same time: both ends pass through CLOSING."),
        "3.6 (case 3, figure 13)",
        f"{_RUN}close-crossing",
        chinese=("同时关闭",),
    ),
    Term(
        "simultaneous open",
        mark("Both SYNs are under way at the same time. lwIP can't: it ignores a SYN in SYN_SENT."),
        "3.5 (figure 7)",
        f"{_RUN}simultaneous-open-absent",
        chinese=("同时打开",),
    ),
    Term(
        "SO_REUSEADDR",
        mark("The socket option that lets bind() take a port that still has TIME_WAIT on it."),
        mark("none: an affair of the sockets"),
        f"{_RUN}rebind-reuse",
        ("reuse address",),
        ("地址复用", "端口复用"),
    ),
    Term(
        "SYN",
        mark("The flag that opens: it carries the initial sequence number and takes one number."),
        "3.1, 3.5",
        f"{_RUN}http-request",
        chinese=("同步",),
    ),
    Term(
        "SYN flood",
        mark("Many SYNs whose senders never answer: they fill the backlog, or lwIP's pool."),
        "RFC 4987",
        f"{_RUN}syn-flood",
        chinese=("SYN 洪水", "SYN 泛洪"),
    ),
    Term(
        "three-way handshake",
        mark("SYN, SYN+ACK, ACK: both ends tell their first number and acknowledge the other's."),
        "3.5 (figure 6)",
        f"{_RUN}http-request",
        chinese=("三次握手",),
    ),
    Term(
        "window",
        mark("How many bytes an end would still take: the limit of what may be under way."),
        "3.8.6; RFC 7323",
        "lwipscope myth win-342-bytes",
        ("win", "receive window"),
        ("窗口", "滑动窗口"),
    ),
    Term(
        "zero window",
        mark("The receiver is full. The sender asks with one byte, ever slower (persist timer)."),
        "3.8.6.1",
        f"{_RUN}zero-window",
        ("persist timer",),
        ("零窗口",),
    ),
)
