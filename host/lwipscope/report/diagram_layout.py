"""Where states and edges of the diagram are drawn: data placed by hand, in columns and rows.

After figure 5 of RFC 9293: opening above, the active closer on the left, the passive one on the
right, CLOSED twice. Read by `svg`. A route is the port where it leaves, bends, and the port where
it arrives: `B.4` is the lower side, 0.4 of the half width right of its middle (T, B, L, R; -1 to
1); `y2.5` goes up or down to row 2.5, `x1.5` sideways to column 1.5, `o1` a stub's
length away from the box. Corners follow by themselves.
`stub` ends in a ring, which is CLOSED: ends that may come in every state need no line across the
picture. A label stands beside a leg: `1a.5` above the middle of leg 1 (a, b, l or r).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lwipscope.tcp.state import State

Pair: TypeAlias = tuple[State, State]


@dataclass(frozen=True, slots=True)
class Route:
    """How one arrow runs."""

    leaves: str
    bends: tuple[str, ...]
    arrives: str
    label: str

    @property
    def is_stub(self) -> bool:
        """It ends in a ring of its own."""
        return self.arrives == "stub"


@dataclass(frozen=True, slots=True)
class Scale:
    """How big a diagram is drawn; lengths in pixels."""

    column: float
    row: float
    width: float
    height: float
    text: float
    corner: float
    left: float
    right: float
    top: float
    stub: float
    labels: bool


FULL = Scale(236, 100, 124, 36, 13, 12, 174, 142, 30, 34, True)
COMPACT = Scale(130, 76, 98, 27, 11.5, 8, 92, 72, 22, 12, False)

PLACES: dict[State, tuple[float, float]] = {
    State.CLOSED: (1, 0),
    State.LISTEN: (1, 1),
    State.SYN_RCVD: (0, 2),
    State.SYN_SENT: (2, 2),
    State.ESTABLISHED: (1, 3),
    State.FIN_WAIT_1: (0, 4),
    State.CLOSE_WAIT: (2, 4),
    State.FIN_WAIT_2: (0, 5),
    State.CLOSING: (1, 5),
    State.LAST_ACK: (2, 5),
    State.TIME_WAIT: (1, 6),
}
END = (2.0, 6.0)
"""Where CLOSED stands once more, as the end."""

_ROUTES = """\
CLOSED CLOSED             L-.5 o.8 L.5          1l.5
CLOSED LISTEN             B-.3 T-.3             0l.5
LISTEN CLOSED             T.3 B.3               0r.5
CLOSED SYN_SENT           R-.5 T.66             0a.42
SYN_SENT CLOSED           T0 R.5                1b.55
LISTEN SYN_SENT           R.3 T-.66             0b.5
LISTEN SYN_RCVD           L0 T0                 0a.6
SYN_RCVD LISTEN           R-.5 B-.3             0a.45
SYN_SENT SYN_RCVD         L.5 R.5               0b.5
SYN_RCVD ESTABLISHED      B.3 L-.5              1a.5
SYN_SENT ESTABLISHED      B0 R-.5               1a.45
SYN_RCVD FIN_WAIT_1       B-.5 T-.5             0l.62
SYN_RCVD CLOSE_WAIT       B.8 y2.5 T.7          2r.5
SYN_RCVD CLOSED           L.4 stub              0b1
ESTABLISHED FIN_WAIT_1    L.5 T.3               0b.5
ESTABLISHED CLOSE_WAIT    R.5 T0                0b.5
ESTABLISHED CLOSED        B0 stub               0r.85
FIN_WAIT_1 FIN_WAIT_2     B-.3 T-.3             0l.5
FIN_WAIT_1 CLOSING        R-.4 T0               0a.5
FIN_WAIT_1 TIME_WAIT      R.4 x.5 L-.4          1r.16
FIN_WAIT_1 CLOSED         L0 stub               0b1
FIN_WAIT_2 TIME_WAIT      B0 L.4                1a.3
FIN_WAIT_2 CLOSED         L0 stub               0b1
CLOSING TIME_WAIT         B0 T0                 0r.5
CLOSING CLOSED            R0 stub               0b1
CLOSE_WAIT CLOSE_WAIT     L-.5 o.8 L.5          1l.5
CLOSE_WAIT LAST_ACK       B0 T0                 0r.5
CLOSE_WAIT CLOSED         R0 stub               0b1
LAST_ACK CLOSED           B0 T0                 0r.5
TIME_WAIT CLOSED          R0 L0                 0a.5
TIME_WAIT SYN_RCVD        B0 y6.5 x-.64 L-.4    1b.5
"""


def _read(text: str) -> dict[Pair, Route]:
    routes: dict[Pair, Route] = {}
    for line in text.splitlines():
        before, after, leaves, *bends, arrives, label = line.split()
        pair = State[before], State[after]
        routes[pair] = Route(leaves, tuple(bends), arrives, label)
    return routes


ROUTES: dict[Pair, Route] = _read(_ROUTES)
