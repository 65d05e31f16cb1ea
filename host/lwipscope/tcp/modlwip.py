"""The state machine of lwIP 2.2.1 below MicroPython 1.25.0's sockets (extmod/modlwip.c), as edges.

Every store to a pcb's state (17 places; `site` is what the trace's `at=` shows) and every way a
pcb is freed without one, with each cause that the serial protocol knows for it
(firmware/README.md). Here are the edges between states; the ways to the end are in `modlwip_ends`,
what no program gets to and what lwIP lacks in `modlwip_limits`. Called by `graph`.

An accepted connection is a pcb of its own, so the RFC's LISTEN > SYN_RCVD is its CLOSED > SYN_RCVD.
A FIN may also come off the queue of segments that arrived early (tcp_in.c:tcp_receive:1519 and
1608): then the segment that fills the hole is the cause, and it has no FIN flag.
"""

from __future__ import annotations

from collections.abc import Iterator

from lwipscope.tcp import modlwip_ends, modlwip_limits
from lwipscope.tcp.edge import Edge, Trigger, edges_of

LATE_FIN = "the FIN of an earlier close() for which there was no memory (TF_CLOSEPEND)"

_LISTEN = Trigger("api", "listen")
_CONNECT = Trigger("api", "connect")
_SYN = Trigger("rx", "SYN", must="S", never=".R")
_SYN_ACK = Trigger("rx", "SYN+ACK", must="S.", never="R")
_ACK_OF_SYN = Trigger("rx", "ACK of SYN", must=".", never="SR")
_ACK_OF_SYN_AND_FIN = Trigger("rx", "ACK of SYN and FIN", must="F.", never="SR")
_FIN = Trigger("rx", "FIN", must="F", never="SR")
_ACK_OF_FIN = Trigger("rx", "ACK of FIN", must=".", never="SR")
_FIN_AND_ACK = Trigger("rx", "FIN and ACK of FIN", must="F.", never="SR")
_HOLE = Trigger("rx", "what an early FIN waited for", never="SFR")
_HOLE_AND_ACK = Trigger("rx", "what an early FIN waited for, and ACK of FIN", ".", "SFR")

# States, trigger, line, what it meets in the RFC, note.
_Row = tuple[str, Trigger, int, str, str]

_BY_SEGMENT: tuple[_Row, ...] = (
    ("CLOSED > SYN_RCVD", _SYN, 680, "LISTEN > SYN_RCVD: rx SYN", "a new pcb"),
    ("SYN_SENT > ESTABLISHED", _SYN_ACK, 877, "rx SYN+ACK", ""),
    (
        "SYN_RCVD > ESTABLISHED",
        *(_ACK_OF_SYN, 942, "rx ACK of SYN", "its sequence number is not looked at"),
    ),
    (
        "ESTABLISHED > CLOSE_WAIT",
        *(_ACK_OF_SYN_AND_FIN, 983, "rx FIN", "after 942, by the same segment"),
    ),
    ("ESTABLISHED > CLOSE_WAIT", _FIN, 998, "rx FIN", "the ACK flag is not required"),
    ("ESTABLISHED > CLOSE_WAIT", _HOLE, 998, "rx FIN", "the early FIN had no data"),
    ("ESTABLISHED > CLOSE_WAIT", _HOLE, 1608, "rx FIN", "the early FIN had data"),
    ("CLOSE_WAIT > CLOSE_WAIT", _HOLE, 998, "", "after 1608, by the same segment: no change"),
    ("FIN_WAIT_1 > TIME_WAIT", _FIN_AND_ACK, 1011, "rx FIN and ACK of FIN", ""),
    ("FIN_WAIT_1 > TIME_WAIT", _HOLE_AND_ACK, 1011, "rx FIN and ACK of FIN", ""),
    ("FIN_WAIT_1 > CLOSING", _FIN, 1015, "rx FIN", ""),
    ("FIN_WAIT_1 > CLOSING", _HOLE, 1015, "rx FIN", ""),
    (
        "FIN_WAIT_1 > FIN_WAIT_2",
        *(_ACK_OF_FIN, 1019, "rx ACK of FIN", "its sequence number is not looked at"),
    ),
    ("FIN_WAIT_2 > TIME_WAIT", _FIN, 1029, "rx FIN", "the ACK flag is not required"),
    ("FIN_WAIT_2 > TIME_WAIT", _HOLE, 1029, "rx FIN", ""),
    ("CLOSING > TIME_WAIT", _ACK_OF_FIN, 1039, "rx ACK of FIN", ""),
)
_FUNCTIONS = {680: "tcp_listen_input", 1608: "tcp_receive"}  # the others: tcp_process

_FIN_BY: tuple[tuple[Trigger, str], ...] = (
    (Trigger("api", "close"), ""),
    (Trigger("gc", "close"), ""),
    (Trigger("timer", "closepend"), LATE_FIN),
    (Trigger("kill", "pool-empty"), f"{LATE_FIN}; tried once more before somebody is killed"),
)


def edges() -> tuple[Edge, ...]:
    """All of them, in the order of a connection's life; the unreachable ones last."""
    return (
        *_opened_here(),
        *_by_segment(),
        *_fin_sent(),
        *modlwip_ends.edges(LATE_FIN),
        *modlwip_limits.unreachable(),
    )


def _opened_here() -> Iterator[Edge]:
    source = "lwIP 2.2.1 tcp.c:tcp_listen_with_backlog_and_err:890"
    note = "the socket's pcb is freed, a smaller one takes its place"
    yield from edges_of(
        *("CLOSED > LISTEN", _LISTEN, source, note), site="tcp.c:890", meets="api passive OPEN"
    )
    source = "lwIP 2.2.1 tcp.c:tcp_connect:1176"
    yield from edges_of(
        *("CLOSED > SYN_SENT", _CONNECT, source), site="tcp.c:1176", meets="api active OPEN"
    )


def _by_segment() -> Iterator[Edge]:
    for states, trigger, line, meets, note in _BY_SEGMENT:
        source = f"lwIP 2.2.1 tcp_in.c:{_FUNCTIONS.get(line, 'tcp_process')}:{line}"
        yield from edges_of(states, trigger, source, note, site=f"tcp_in.c:{line}", meets=meets)


def _fin_sent() -> Iterator[Edge]:
    for states, line in (("ESTABLISHED > FIN_WAIT_1", 427), ("CLOSE_WAIT > LAST_ACK", 434)):
        source = f"lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin:{line}"
        for trigger, note in _FIN_BY:
            yield from edges_of(
                *(states, trigger, source, note), site=f"tcp.c:{line}", meets="api CLOSE"
            )
