"""The state machine of RFC 9293 as edges: figure 5, and what section 3.10 adds to it.

Figure 5 (section 3.3.2) has 20 edges and says in its notes what it leaves out: FIN_WAIT_1 straight
to TIME_WAIT (note 2), and the ways by RST (note 3). Section 3.10 adds aborts, timeouts and the
rarer segments. Not here: note 3's remark that a TCP that sends RST may go to TIME_WAIT, since
3.10.5 says CLOSED; and the security checks of 3.10.7. The trigger `api` is the user's call in the
RFC's words (OPEN, SEND, CLOSE, ABORT). Called by `graph`.
"""

from __future__ import annotations

from lwipscope.tcp.edge import Edge, Trigger, edges_of

_RST = Trigger("rx", "RST", must="R")
_SYN = Trigger("rx", "SYN", must="S", never=".R")
_SYN_ACK = Trigger("rx", "SYN+ACK", must="S.", never="R")
_ACK_OF_SYN = Trigger("rx", "ACK of SYN", must=".", never="R")
_FIN = Trigger("rx", "FIN", must="F", never="SR")
_FIN_AND_ACK = Trigger("rx", "FIN and ACK of FIN", must="F.", never="SR")
_ACK_OF_FIN = Trigger("rx", "ACK of FIN", must=".", never="SR")
_SYN_IN_WINDOW = Trigger("rx", "SYN in the window", must="S", never="R")
_DATA_AFTER_CLOSE = Trigger("rx", "data after CLOSE", never="SR")
_PASSIVE_OPEN = Trigger("api", "passive OPEN")
_ACTIVE_OPEN = Trigger("api", "active OPEN")
_SEND = Trigger("api", "SEND")
_CLOSE = Trigger("api", "CLOSE")
_CLOSE_UNREAD = Trigger("api", "CLOSE with data unread")
_ABORT = Trigger("api", "ABORT")
_USER_TIMEOUT = Trigger("timer", "USER TIMEOUT")
_TWO_MSL = Trigger("timer", "2MSL")

_CLOSING = "FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK"
_SYNCHRONIZED = f"ESTABLISHED, {_CLOSING}, TIME_WAIT"

# States, trigger, section, note.
_Row = tuple[str, Trigger, str, str]

_FIGURE_5: tuple[_Row, ...] = (
    ("CLOSED > LISTEN", _PASSIVE_OPEN, "3.10.1", ""),
    ("CLOSED > SYN_SENT", _ACTIVE_OPEN, "3.10.1", "sends SYN"),
    ("LISTEN > CLOSED", _CLOSE, "3.10.4", ""),
    ("LISTEN > SYN_RCVD", _SYN, "3.10.7.2, third", "sends SYN+ACK"),
    ("LISTEN > SYN_SENT", _SEND, "3.10.2", "sends SYN"),
    ("SYN_RCVD > LISTEN", _RST, "3.10.7.4, second", "note 1: after a passive OPEN"),
    ("SYN_SENT > SYN_RCVD", _SYN, "3.10.7.3, fourth", "simultaneous open; sends SYN+ACK"),
    ("SYN_SENT > CLOSED", _CLOSE, "3.10.4", ""),
    ("SYN_SENT > ESTABLISHED", _SYN_ACK, "3.10.7.3, fourth", "sends ACK"),
    ("SYN_RCVD > ESTABLISHED", _ACK_OF_SYN, "3.10.7.4, fifth", ""),
    ("SYN_RCVD > FIN_WAIT_1", _CLOSE, "3.10.4", "sends FIN"),
    ("ESTABLISHED > FIN_WAIT_1", _CLOSE, "3.10.4", "sends FIN"),
    ("ESTABLISHED > CLOSE_WAIT", _FIN, "3.10.7.4, eighth", "sends ACK"),
    ("FIN_WAIT_1 > FIN_WAIT_2", _ACK_OF_FIN, "3.10.7.4, fifth", ""),
    ("FIN_WAIT_1 > CLOSING", _FIN, "3.10.7.4, eighth", "simultaneous close; sends ACK"),
    ("FIN_WAIT_2 > TIME_WAIT", _FIN, "3.10.7.4, eighth", "sends ACK"),
    ("CLOSING > TIME_WAIT", _ACK_OF_FIN, "3.10.7.4, fifth", ""),
    ("CLOSE_WAIT > LAST_ACK", _CLOSE, "3.10.4", "sends FIN"),
    ("LAST_ACK > CLOSED", _ACK_OF_FIN, "3.10.7.4, fifth", ""),
    ("TIME_WAIT > CLOSED", _TWO_MSL, "3.10.8", ""),
)

_BESIDE_FIGURE_5: tuple[_Row, ...] = (
    ("FIN_WAIT_1 > TIME_WAIT", _FIN_AND_ACK, "3.3.2, note 2; 3.10.7.4, eighth", "sends ACK"),
    ("LISTEN > SYN_SENT", _ACTIVE_OPEN, "3.10.1", "the listening connection becomes active"),
    ("SYN_RCVD > CLOSE_WAIT", _FIN, "3.10.7.4, eighth", "as in ESTABLISHED; sends ACK"),
    ("SYN_RCVD > LISTEN", _SYN, "3.10.7.4, fourth", "after a passive OPEN"),
    ("TIME_WAIT > SYN_RCVD", _SYN, "3.6.1, MAY-2", "a new connection where the old one was"),
    ("SYN_SENT > CLOSED", _RST, "3.10.7.3, second", "it has to acknowledge the SYN"),
    ("SYN_RCVD > CLOSED", _RST, "3.10.7.4, second", "after an active OPEN"),
    (f"{_SYNCHRONIZED} > CLOSED", _RST, "3.10.7.4, second", ""),
    (
        "SYN_RCVD, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT > CLOSED",
        *(_ABORT, "3.10.5", "sends RST"),
    ),
    ("LISTEN, SYN_SENT, CLOSING, LAST_ACK, TIME_WAIT > CLOSED", _ABORT, "3.10.5", ""),
    (
        f"SYN_SENT, SYN_RCVD, ESTABLISHED, {_CLOSING} > CLOSED",
        *(_USER_TIMEOUT, "3.10.8; 3.8.3", "what was sent stayed unacknowledged for too long"),
    ),
    (
        f"SYN_RCVD, {_SYNCHRONIZED} > CLOSED",
        *(_SYN_IN_WINDOW, "3.10.7.4, fourth", "RFC 793; with RFC 5961 a challenge ACK instead"),
    ),
    ("ESTABLISHED, CLOSE_WAIT > CLOSED", _CLOSE_UNREAD, "3.6.1, SHLD-3", "sends RST"),
    ("FIN_WAIT_1, FIN_WAIT_2 > CLOSED", _DATA_AFTER_CLOSE, "3.6.1, SHLD-3", "sends RST"),
)


def edges() -> tuple[Edge, ...]:
    """All of them, those of figure 5 first."""
    return (
        *_with_sources(_FIGURE_5, "RFC 9293 figure 5; "),
        *_with_sources(_BESIDE_FIGURE_5, "RFC 9293 "),
    )


def _with_sources(rows: tuple[_Row, ...], prefix: str) -> list[Edge]:
    return [
        edge
        for states, trigger, section, note in rows
        for edge in edges_of(states, trigger, prefix + section, note)
    ]
