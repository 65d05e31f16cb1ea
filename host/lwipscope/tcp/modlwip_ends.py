"""How a pcb of lwIP 2.2.1 ends below MicroPython 1.25.0's sockets: edges to CLOSED.

Two ways. `tcp_pcb_remove` stores CLOSED (tcp.c:2212) and the pcb is freed at once, or it is freed
in the state it has, and the trace shows its death and no transition. Sources name who decides,
`file:function:line`. Called by `modlwip`, which explains the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from lwipscope.tcp.edge import Edge, Trigger, edges_of

_RST = Trigger("rx", "RST", must="R")
_SYN = Trigger("rx", "SYN", must="S", never=".R")
_ACK_OF_FIN = Trigger("rx", "ACK of FIN", must=".", never="SR")
_REFUSED = Trigger("rx", "ACK of SYN", must=".", never="SR", aborted=True)
_UNWANTED = Trigger("rx", "data after close", never="SR", aborted=True)
_CLOSE_ABORT = Trigger("timer", "close-abort")
_KILL = Trigger("kill", "pool-empty")
_ADDRESS = Trigger("netif", "address")

_WAITING = "FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK"
_NOT_SYN_RCVD = f"SYN_SENT, ESTABLISHED, CLOSE_WAIT, {_WAITING}"
_SENDING = "ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1, LAST_ACK"
_SECOND_STEP = "the same segment's FIN has moved the pcb already"

# States before, trigger, source, what it meets in the RFC, note.
_Row = tuple[str, Trigger, str, str, str]


def edges(late_fin: str) -> Iterator[Edge]:
    """Those with a store first. `late_fin` says what TF_CLOSEPEND means."""
    stored = (*_BY_PEER, *_by_user(), *_by_timer(late_fin), *_BY_SHORTAGE)
    for before, trigger, source, meets, note in stored:
        site = "tcp.c:2212"
        text = f"lwIP 2.2.1 {source}, tcp.c:tcp_pcb_remove:2212"
        yield from edges_of(f"{before} > CLOSED", trigger, text, note, site=site, meets=meets)
    for before, trigger, source, meets, note in (*_FREED_BY_TIMER, *_freed_by_user()):
        text = f"lwIP 2.2.1 {source}"
        yield from edges_of(f"{before} > CLOSED", trigger, text, note, meets=meets)


_BY_PEER: tuple[_Row, ...] = (
    (
        *("SYN_RCVD", _RST, "tcp_in.c:tcp_input:448", "SYN_RCVD > LISTEN: rx RST"),
        "the child ends, its listener was in LISTEN all the time",
    ),
    (_NOT_SYN_RCVD, _RST, "tcp_in.c:tcp_input:448", "rx RST", ""),
    ("LAST_ACK", _ACK_OF_FIN, "tcp_in.c:tcp_input_delayed_close:613", "rx ACK of FIN", ""),
    (
        *("ESTABLISHED", _REFUSED, "tcp_in.c:tcp_process:963", "api ABORT"),
        "after 942, by the same segment: the accept queue is full or the listener is closed. "
        "Or data came after a close() that had no memory for its FIN (tcp_in.c:tcp_input:496)",
    ),
    (
        *("FIN_WAIT_1, FIN_WAIT_2", _UNWANTED, "tcp_in.c:tcp_input:496", "rx data after CLOSE"),
        "sends RST",
    ),
    ("CLOSING", _UNWANTED, "tcp_in.c:tcp_input:496", "", f"{_SECOND_STEP}; sends RST"),
    ("TIME_WAIT", _UNWANTED, "tcp_in.c:tcp_input:496", "", f"{_SECOND_STEP}; sends nothing"),
    (
        *("CLOSE_WAIT", _UNWANTED, "tcp_in.c:tcp_input:496", ""),
        f"{_SECOND_STEP}, and an earlier close() had no memory for its own",
    ),
)

_BY_SHORTAGE: tuple[_Row, ...] = (
    (
        *("SYN_RCVD", _SYN, "tcp_in.c:tcp_listen_input:724", ""),
        "no memory for the SYN+ACK: forgotten in silence, the peer will repeat its SYN",
    ),
    ("TIME_WAIT", _KILL, "tcp.c:tcp_kill_timewait:1805", "", "the oldest; sends nothing"),
    (
        *("LAST_ACK, CLOSING", _KILL, "tcp.c:tcp_kill_state:1779", ""),
        "the oldest, if nobody is in TIME_WAIT; sends nothing",
    ),
    (
        f"SYN_RCVD, {_NOT_SYN_RCVD}",
        *(_ADDRESS, "tcp.c:tcp_netif_ip_addr_changed_pcblist:2327", ""),
        "the interface lost the address that the connection uses; sends RST",
    ),
)

_FREED_BY_TIMER: tuple[_Row, ...] = tuple(
    (before, Trigger("timer", name), f"tcp.c:tcp_slowtmr:{line}", meets, note)
    for before, name, line, meets, note in (
        ("SYN_SENT", "SYN-retries", 1410, "timer USER TIMEOUT", "6 repetitions (TCP_SYNMAXRTX)"),
        ("SYN_RCVD", "SYN_RCVD", 1410, "timer USER TIMEOUT", "20 s after the last segment"),
        ("SYN_RCVD", "retransmit", 1410, "timer USER TIMEOUT", "repeated SYNs count, too"),
        (
            *(f"{_SENDING}, CLOSING", "retransmit", 1410),
            *("timer USER TIMEOUT", "12 repetitions (TCP_MAXRTX); before and after close()"),
        ),
        (
            *(_SENDING, "persist", 1410, "timer USER TIMEOUT"),
            "12 probes of a zero window, and nothing came from the peer. In LAST_ACK only if "
            "close() comes within the tick that is still left then",
        ),
        (
            *("LAST_ACK", "LAST_ACK", 1410, "timer USER TIMEOUT"),
            "2 MSL after the last segment before close(), if that comes before close-abort",
        ),
        (
            *("FIN_WAIT_2", "FIN_WAIT_2", 1410, ""),
            "20 s after the last segment before close(), if that comes before close-abort; "
            "in the RFC FIN_WAIT_2 may last for ever",
        ),
        (
            *("TIME_WAIT", "2MSL", 1468, "timer 2MSL"),
            "2 MSL after the last segment before close(), or after the last FIN",
        ),
    )
)


def _by_user() -> Iterator[_Row]:
    for kind in ("api", "gc"):
        close = Trigger(kind, "close")
        yield "LISTEN", close, "tcp.c:tcp_close_shutdown:394", "api CLOSE", ""
        yield "SYN_SENT", close, "tcp.c:tcp_close_shutdown:398", "api CLOSE", "sends nothing"
        yield (
            *("ESTABLISHED, CLOSE_WAIT", Trigger(kind, "abort")),
            *("modlwip.c:lwip_socket_free_incoming:361", "api ABORT"),
            "its listener was closed before it was accepted; sends RST",
        )


def _by_timer(late_fin: str) -> Iterator[_Row]:
    source = "modlwip.c:_lwip_tcp_close_poll:1520"
    yield _WAITING, _CLOSE_ABORT, source, "api ABORT", "10 s after close(); sends RST"
    yield (
        *("ESTABLISHED, CLOSE_WAIT", _CLOSE_ABORT, source, "api ABORT"),
        f"10 s after close(), still without {late_fin}",
    )


def _freed_by_user() -> Iterator[_Row]:
    for kind in ("api", "gc"):
        close = Trigger(kind, "close")
        yield (
            *("ESTABLISHED, CLOSE_WAIT", close, "tcp.c:tcp_close_shutdown:370"),
            *("api CLOSE with data unread", "sends RST and no FIN"),
        )
        yield "CLOSED", close, "tcp.c:tcp_close_shutdown:390", "", "never left CLOSED"
    source = "tcp.c:tcp_listen_with_backlog_and_err:910"
    yield "CLOSED", Trigger("api", "listen"), source, "", "a smaller pcb took its place"
    yield "CLOSED", _ADDRESS, "tcp.c:tcp_abandon:621", "", "bound to an address that went"
