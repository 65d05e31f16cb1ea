"""What lwIP 2.2.1 below MicroPython 1.25.0's sockets can't do, with proof or reason.

`unreachable()`: edges that lwIP's code has, but that no program which uses MicroPython's sockets,
nor its peer, can bring about. A trace that shows one all the same refutes the proof. `absences()`:
edges of RFC 9293 that lwIP does not have at all. Called by `modlwip` and `graph`.
"""

from __future__ import annotations

from lwipscope.tcp.edge import Absence, Edge, Trigger, edges_of

_NO_HANDLE = (
    "tcp_close() gets its pcb from a socket object (modlwip.c:1606), and lwip_socket_accept() "
    "gives a child to one only from the accept queue, which _lwip_tcp_accept() (517) fills. "
    "tcp_process() calls that (tcp_in.c:956) behind its store of ESTABLISHED (942). The late FIN "
    "(TF_CLOSEPEND) needs an earlier tcp_close() of the same pcb (tcp.c:451)."
)
_NO_SHUTDOWN = (
    "lwip_socket_locals_dict_table (modlwip.c:1638) has no shutdown(), and nothing in modlwip.c "
    "calls tcp_shutdown(): its only way to close is tcp_close() (1606), which always closes both "
    "directions (TF_RXCLOSED). An open half-close, FIN_WAIT_2 that still receives, needs it."
)
_NO_KEEPALIVE = (
    "tcp_slowtmr() looks at keepalive only if SOF_KEEPALIVE is set (tcp.c:1333). "
    "lwip_socket_setsockopt() (modlwip.c:1408) sets SO_REUSEADDR and SO_BROADCAST only and answers "
    "SO_KEEPALIVE with a warning; besides, only altcp_tcp.c:472 sets it, which nobody calls here."
)
_NO_CLOSE_INSIDE = (
    "TF_CLOSED is set in LAST_ACK (tcp_in.c:1048), and otherwise only if tcp_close() is called for "
    "the segment's own pcb while it is processed (tcp.c:368). modlwip's callbacks close nothing, "
    "Python callbacks are put off with mp_sched_schedule() (modlwip.c:406), and tcp_recv_null(), "
    "which would close at a FIN, is replaced in connect() (1125) and in _lwip_tcp_accept() (524) "
    "before a FIN is looked at."
)
_ONE_PRIORITY = (
    "tcp_kill_prio() aborts a pcb of lower priority than the new one (tcp.c:1716). socket() uses "
    "tcp_new(), which gives TCP_PRIO_NORMAL (tcp.c:1955); a listener takes that over (891) and its "
    "children from it (tcp_in.c:659), and nothing calls tcp_setprio(). So there is no lower one."
)
_NO_PERSIST = (
    "Each segment but RST and SYN sets persist_probe to 0 (tcp_in.c:851), also the one that leads "
    "to CLOSING, so the 12 probes that tcp_slowtmr() wants (tcp.c:1242) have to be sent there. "
    "They are 1.5 s to 60 s apart, minutes in all. MicroPython's close-abort comes 10 s after "
    "close() (modlwip.c:1604); only an ACK of new data (tcp_in.c:1307) puts it off, and that sets "
    "the probes back again."
)

_CHALLENGE = (
    "A SYN in a synchronized state is answered with a challenge ACK, as RFC 5961 has it.",
    "tcp_in.c:tcp_process:841",
)
_NO_ABORT = (
    "MicroPython's sockets have no call that aborts",
    "modlwip.c:lwip_socket_locals_dict_table:1638",
)


def unreachable() -> tuple[Edge, ...]:
    """Edges with a proof that MicroPython's programs don't get there."""
    close, shutdown = Trigger("api", "close"), Trigger("api", "shutdown")
    keepalive, kill = Trigger("timer", "keepalive"), Trigger("kill", "pool-empty")
    persist = Trigger("timer", "persist")
    inside = Trigger("rx", "a segment that makes its callback close", never="SR")
    fin, lwip = "lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin", "lwIP 2.2.1"
    return (
        *edges_of(
            "SYN_RCVD > FIN_WAIT_1",
            close,
            f"{fin}:420",
            site="tcp.c:420",
            meets="api CLOSE",
            unreachable=_NO_HANDLE,
        ),
        *edges_of(
            "ESTABLISHED > FIN_WAIT_1",
            shutdown,
            f"{fin}:427",
            site="tcp.c:427",
            meets="api CLOSE",
            unreachable=_NO_SHUTDOWN,
        ),
        *edges_of(
            "CLOSE_WAIT > LAST_ACK",
            shutdown,
            f"{fin}:434",
            site="tcp.c:434",
            meets="api CLOSE",
            unreachable=_NO_SHUTDOWN,
        ),
        *edges_of(
            "ESTABLISHED, CLOSE_WAIT > CLOSED",
            keepalive,
            f"{lwip} tcp.c:tcp_slowtmr:1410",
            "RFC 9293 3.8.4, MAY; sends RST",
            unreachable=_NO_KEEPALIVE,
        ),
        *edges_of(
            "ESTABLISHED, CLOSE_WAIT > CLOSED",
            inside,
            f"{lwip} tcp_in.c:tcp_trigger_input_pcb_close:2045, tcp.c:tcp_pcb_remove:2212",
            "close() with data unread, from inside the segment's own processing; sends RST",
            site="tcp.c:2212",
            unreachable=_NO_CLOSE_INSIDE,
        ),
        *edges_of(
            "SYN_SENT, SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT > CLOSED",
            kill,
            f"{lwip} tcp.c:tcp_kill_prio:1747, tcp.c:tcp_pcb_remove:2212",
            "the one of lowest priority that idled longest; sends RST",
            site="tcp.c:2212",
            unreachable=_ONE_PRIORITY,
        ),
        *edges_of(
            "CLOSING > CLOSED",
            persist,
            f"{lwip} tcp.c:tcp_slowtmr:1410",
            meets="timer USER TIMEOUT",
            unreachable=_NO_PERSIST,
        ),
    )


def absences() -> tuple[Absence, ...]:
    """Edges of RFC 9293 that lwIP lacks."""
    return tuple(
        Absence(edge.before, edge.after, str(edge.trigger), reason, f"lwIP 2.2.1 {source}")
        for states, kind, detail, reason, source in _ABSENT
        for edge in edges_of(states, Trigger(kind, detail), "")
    )


# States, kind and detail of the RFC's trigger, reason, source.
_ABSENT: tuple[tuple[str, str, str, str, str], ...] = (
    (
        *("LISTEN > SYN_SENT", "api", "SEND"),
        "A listener is a smaller object that can't become a connection; tcp_write() refuses it.",
        "tcp_out.c:tcp_write_checks",
    ),
    (
        *("LISTEN > SYN_SENT", "api", "active OPEN"),
        "connect() of a socket that is not new gives EALREADY; tcp_connect() wants CLOSED.",
        "tcp.c:tcp_connect",
    ),
    (
        *("SYN_SENT > SYN_RCVD", "rx", "SYN"),
        "In SYN_SENT only SYN+ACK and ACK are looked at: a bare SYN is ignored.",
        "tcp_in.c:tcp_process:863",
    ),
    (
        *("SYN_RCVD > LISTEN", "rx", "SYN"),
        "The listener never left LISTEN. A SYN for the child repeats the SYN+ACK if it is the "
        "same one, any other is ignored.",
        "tcp_in.c:tcp_process:935",
    ),
    (
        *("SYN_RCVD > CLOSE_WAIT", "rx", "FIN"),
        "The FIN counts only with the ACK of SYN, and then by way of ESTABLISHED (942, 983).",
        "tcp_in.c:tcp_process:939",
    ),
    (
        *("SYN_RCVD > CLOSED", "rx", "RST"),
        "That is for SYN_RCVD after an active OPEN, and there is none: no simultaneous open.",
        "tcp_in.c:tcp_process:863",
    ),
    (
        *("TIME_WAIT > SYN_RCVD", "rx", "SYN"),
        "A SYN in the window is answered with RST, another with ACK, and TIME_WAIT stays.",
        "tcp_in.c:tcp_timewait_input:757",
    ),
    (
        *("TIME_WAIT > CLOSED", "rx", "RST"),
        "RST is ignored in TIME_WAIT, as RFC 1337 proposes.",
        "tcp_in.c:tcp_timewait_input:749",
    ),
    ("SYN_RCVD > CLOSED", "rx", "SYN in the window", "As for SYN_RCVD > LISTEN.", "tcp_in.c:935"),
    (
        "ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK > CLOSED",
        *("rx", "SYN in the window", *_CHALLENGE),
    ),
    (
        *("TIME_WAIT > CLOSED", "rx", "SYN in the window"),
        "It is answered with RST, and TIME_WAIT stays.",
        "tcp_in.c:tcp_timewait_input:761",
    ),
    (
        *("LISTEN, SYN_SENT > CLOSED", "api", "ABORT"),
        f"{_NO_ABORT[0]}; close() does the same in these states.",
        _NO_ABORT[1],
    ),
    (
        *("SYN_RCVD > CLOSED", "api", "ABORT"),
        f"{_NO_ABORT[0]}, nor has anybody a handle of the pcb before accept().",
        _NO_ABORT[1],
    ),
    (
        *("TIME_WAIT > CLOSED", "api", "ABORT"),
        f"{_NO_ABORT[0]}, and the socket is gone after close().",
        _NO_ABORT[1],
    ),
    (
        *("FIN_WAIT_2 > CLOSED", "timer", "USER TIMEOUT"),
        "Nothing is unacknowledged in FIN_WAIT_2; lwIP ends it by a timer of its own.",
        "tcp.c:tcp_slowtmr:1324",
    ),
)
