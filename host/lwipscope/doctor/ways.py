"""Ways to hold a board in a state: by whom, how long, and who says so.

Each row was read from lwIP 2.2.1's and MicroPython 1.25.0's code and played on the emulated board.
Times are those of that stack (`modlwip-2.2.1`). Only the raw peer needs a right, and that on a real
network only: on the emulated board's wire it needs none. A *stopped reader* holds three states: as
long as its window is full, the board's FIN waits behind data, so nobody can acknowledge it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.tcp.state import State

Role: TypeAlias = Literal["server", "client"]
By: TypeAlias = Literal[
    "board alone", "plain peer", "stopped reader", "silent peer", "dead address", "raw peer"
]

BOTH: tuple[Role, ...] = ("server", "client")
BY: dict[By, str] = {
    "board alone": "no peer is needed",
    "plain peer": "nc or any socket",
    "stopped reader": "a socket that does not read, with a small receive buffer",
    "silent peer": "a socket that reads and never closes",
    "dead address": "an address of the board's network that nobody has",
    "raw peer": "lwipscope's, which sends single segments",
}
_ABORT = "10 s, then RST"
_ABORT_SOURCE = "MicroPython modlwip.c:_lwip_tcp_close_poll"


@dataclass(frozen=True, slots=True)
class Way:
    """One way. `scenario` plays it on the emulated board; the others are tests of their own."""

    state: State
    roles: tuple[Role, ...]
    by: By
    how: str
    lasts: str
    source: str
    scenario: str = ""

    @property
    def needs_raw(self) -> bool:
        """On a real network."""
        return self.by == "raw peer"


WITHOUT_RIGHTS: tuple[Way, ...] = (
    Way(
        *(State.CLOSED, BOTH, "board alone", "bind() and nothing more"),
        *("as long as you like", "lwIP 2.2.1 tcp.c:tcp_bind:748"),
    ),
    Way(
        *(State.LISTEN, ("server",), "board alone", "listen()"),
        *("as long as you like", "lwIP 2.2.1 tcp.c:tcp_listen_with_backlog_and_err:890"),
    ),
    Way(
        *(State.SYN_SENT, ("client",), "dead address", "connect() to it, without blocking"),
        *("18 to 31 s", "lwIP 2.2.1 tcp.c:tcp_slowtmr:1410, TCP_SYNMAXRTX"),
    ),
    Way(
        *(State.ESTABLISHED, BOTH, "plain peer", "connects, and nobody closes"),
        *("as long as you like", "RFC 9293 3.3.2"),
    ),
    Way(
        *(State.CLOSE_WAIT, BOTH, "plain peer", "closes; the board's program does not"),
        *("as long as you like", "RFC 9293 3.6, case 2"),
    ),
    Way(
        State.FIN_WAIT_1,
        BOTH,
        "stopped reader",
        "the board sends until EAGAIN, then close(): its FIN waits behind the data",
        *(_ABORT, f"lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin:427; {_ABORT_SOURCE}"),
    ),
    Way(
        *(State.FIN_WAIT_2, BOTH, "silent peer", "the board closes, the peer does not"),
        *(_ABORT, f"lwIP 2.2.1 tcp_in.c:tcp_process:1019; {_ABORT_SOURCE}"),
    ),
    Way(
        State.CLOSING,
        BOTH,
        "stopped reader",
        "as FIN_WAIT_1, then the peer shuts its sending side: a FIN that acknowledges no FIN",
        *(_ABORT, f"lwIP 2.2.1 tcp_in.c:tcp_process:1015; {_ABORT_SOURCE}"),
    ),
    Way(
        State.LAST_ACK,
        BOTH,
        "stopped reader",
        "shuts its sending side first; the board sends until EAGAIN, then close()",
        *(_ABORT, f"lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin:434; {_ABORT_SOURCE}"),
    ),
    Way(
        *(State.TIME_WAIT, BOTH, "plain peer", "the board closes first, then the peer"),
        *("2 min after the last segment before close()", "lwIP 2.2.1 tcp.c:tcp_slowtmr:1468"),
    ),
)

WITH_RAW: tuple[Way, ...] = (
    Way(
        *(State.CLOSED, BOTH, "raw peer", "answers the SYN with RST, or the board has closed"),
        *("as long as you like", "RFC 9293 3.10.7.3", "syn-sent-refused"),
    ),
    Way(
        *(State.LISTEN, ("server",), "raw peer", "sends nothing"),
        *("as long as you like", "RFC 9293 3.10.1", "syn-rcvd-held"),
    ),
    Way(
        *(State.SYN_SENT, ("client",), "raw peer", "does not answer the SYN"),
        *("19 s", "lwIP 2.2.1 tcp.c:tcp_slowtmr:1410, TCP_SYNMAXRTX", "syn-sent-timeout"),
    ),
    Way(
        *(State.SYN_RCVD, ("server",), "raw peer", "sends SYN and no ACK"),
        *("21 s", "lwIP 2.2.1 tcp.c:tcp_slowtmr, TCP_SYN_RCVD_TIMEOUT", "syn-rcvd-held"),
    ),
    Way(
        *(State.ESTABLISHED, BOTH, "raw peer", "connects"),
        *("as long as you like", "RFC 9293 3.3.2", "close-four-segments"),
    ),
    Way(
        *(State.CLOSE_WAIT, BOTH, "raw peer", "sends FIN; the board's program does not close"),
        *("as long as you like", "RFC 9293 3.6, case 2", "close-wait-for-ever"),
    ),
    Way(
        *(State.FIN_WAIT_1, BOTH, "raw peer", "does not acknowledge the board's FIN"),
        *(_ABORT, "lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin:427", "fin-wait-1-held"),
    ),
    Way(
        *(State.FIN_WAIT_2, BOTH, "raw peer", "acknowledges the FIN and sends none"),
        *(_ABORT, "lwIP 2.2.1 tcp_in.c:tcp_process:1019", "fin-wait-2-never-closed"),
    ),
    Way(
        *(State.CLOSING, BOTH, "raw peer", "sends a FIN that acknowledges no FIN"),
        *(_ABORT, "lwIP 2.2.1 tcp_in.c:tcp_process:1015", "closing-held"),
    ),
    Way(
        *(State.LAST_ACK, BOTH, "raw peer", "sends FIN, does not acknowledge the board's"),
        *(_ABORT, "lwIP 2.2.1 tcp.c:tcp_close_shutdown_fin:434", "last-ack-held"),
    ),
    Way(
        *(State.TIME_WAIT, BOTH, "raw peer", "acknowledges the FIN and sends its own"),
        *("2 min after the last segment before close()", "lwIP 2.2.1 tcp.c:tcp_slowtmr:1468"),
        "close-four-segments",
    ),
)


def ways(state: State, role: Role) -> tuple[Way, ...]:
    """Those without any right first."""
    return tuple(
        way for way in (*WITHOUT_RIGHTS, *WITH_RAW) if way.state is state and role in way.roles
    )
