"""Judges the other end's states: what its segments betray against what the scenario expects.

`judge_peer` is called by `play` with the record of the wire. The path is deduced by RFC 9293's
rules (`trace.peer_states`), for every peer alike: whose TCP it is does not matter. Notation as for
the board's paths.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwipscope.scenario.trouble import WireRecord
from lwipscope.tcp.path import PathPattern, explain, path_text
from lwipscope.tcp.state import State
from lwipscope.trace.connection import Connection
from lwipscope.trace.peer_states import observe
from lwipscope.trace.verdict import Verdict


@dataclass(frozen=True, slots=True)
class PeerCheck:
    """The path of the other end, None if nothing was seen of it, and what it was expected to be."""

    expected: str
    path: tuple[State, ...] | None
    verdict: Verdict
    text: str = ""

    @property
    def seen(self) -> str:
        """The path as text, empty if there is none."""
        return "" if self.path is None else path_text(self.path)


def judge_peer(
    expected: str, connection: Connection | None, board_ip: str, record: WireRecord
) -> PeerCheck:
    """The path of the other end of `connection`; PASS if nothing is expected of it."""
    if not record.whole:
        text = "the wire carried more than its record keeps, so the peer's path is not known"
        return PeerCheck(expected, None, Verdict.INCONCLUSIVE if expected else Verdict.PASS, text)
    path = _peer_path(connection, board_ip, record)
    if not expected:
        return PeerCheck(expected, path, Verdict.PASS)
    if connection is None:
        # That there is none is the failure, and told where the board's path is judged.
        return PeerCheck(expected, None, Verdict.PASS)
    if path is None:
        text = f"no connection of the other end was seen on the wire; expected {expected}"
        return PeerCheck(expected, None, Verdict.FAIL, text)
    pattern = PathPattern.parse(expected)
    if pattern.match(path).ok:
        return PeerCheck(expected, path, Verdict.PASS)
    told = explain(pattern, path)
    text = f"the other end's path, by its segments: {path_text(path)}\n{told}"
    return PeerCheck(expected, path, Verdict.FAIL, text)


def _peer_path(
    connection: Connection | None, board_ip: str, record: WireRecord
) -> tuple[State, ...] | None:
    if connection is None or connection.local is None or connection.remote is None:
        return None
    port, remote = connection.local.port, connection.remote
    board, peer = (board_ip, port), (remote.ip, remote.port)
    between = []
    for passed in record.passed:
        one = passed.segment
        source, destination = (one.src, one.sport), (one.dst, one.dport)
        ends = (board, peer) if passed.from_board else (peer, board)
        if (source, destination) == ends:
            between.append((passed.from_board, one))
    own = {segment.seqno for segment in connection.segments if "S" in segment.flags}
    for observed in observe(between):
        if observed.isns & own:
            return observed.path
    return None
